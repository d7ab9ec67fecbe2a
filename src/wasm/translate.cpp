// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

std::optional<Code> Translator::run() {
    const FuncType& type = module_.types[body_.type];
    code_.params = slots_of(type.params);
    code_.locals = body_.local_slots;
    locals_ = code_.params + code_.locals;
    place_locals(type.params);
    code_.frame_slots = locals_ + body_.stack_height;
    labels_.push_back(
        {.type = {.params = {}, .results = type.results}, .results = slots_of(type.results)});
    begin_block();
    sinks_.push_back({CostSink::Kind::entry, 0, block_});
    costs_[block_] += code_.locals / fuel::locals_per_unit;
    while (!labels_.empty()) {
        const std::uint8_t opcode = reader_.byte();
        MILLRACE_ASSERT(!failed_);
        if (is_dead_) {
            skip(opcode);
        } else {
            costs_[block_] += fuel::opcode_cost[opcode];
            instruction(opcode);
        }
    }
    if (!resolve()) return std::nullopt;
    return std::move(code_);
}

std::uint16_t Translator::settle_arguments(std::uint32_t params) {
    flush_top(params);
    for (std::uint32_t number = 0; number < params; ++number)
        pop();
    return slot(height());
}

void Translator::tail_call(const FuncType& type, IrOp op, std::uint16_t index_slot, std::uint32_t d,
                           std::uint32_t e) {
    const std::uint32_t params = slots_of(type.params);
    costs_[block_] += fuel::for_branch(params);
    const std::uint16_t first = settle_arguments(params);
    Instr& instr = emit(op, first, index_slot, params);
    instr.d = d;
    instr.e = e;
    go_dead();
}

void Translator::call(const FuncType& type, IrOp op, std::uint16_t index_slot, std::uint32_t d,
                      std::uint32_t e) {
    const std::uint16_t first = settle_arguments(slots_of(type.params));
    Instr& instr = emit(op, first, index_slot);
    instr.d = d;
    instr.e = e;
    push_temps(type.results);
}

void Translator::effect(IrOp op, std::uint32_t operands, std::uint32_t d, std::uint32_t e) {
    std::uint16_t slots[3] = {};
    Popped popped[3];
    for (std::uint32_t index = operands; index > 0; --index)
        popped[index - 1] = pop();
    for (std::uint32_t index = 0; index < operands; ++index)
        slots[index] = in_slot(popped[index]);
    Instr& instr = emit(op, slots[0], slots[1], slots[2]);
    instr.d = d;
    instr.e = e;
}

void Translator::instruction(std::uint8_t opcode) {
    if (opcode >= op::numeric_first && opcode <= op::numeric_last) return numeric(opcode);
    if (opcode >= op::load_first && opcode <= op::load_last) return load(opcode);
    if (opcode >= op::store_first && opcode <= op::store_last) return store(opcode);
    switch (opcode) {
        case op::unreachable:
            emit(IrOp::unreachable);
            go_dead();
            return;
        case op::block:
        case op::loop:
        case op::if_:
            enter(opcode);
            return;
        case op::else_:
            else_();
            return;
        case op::end:
            end();
            return;
        case op::br:
            branch(reader_.u32());
            return;
        case op::br_if:
            conditional_branch(reader_.u32());
            return;
        case op::br_table:
            branch_table();
            return;
        case op::return_:
            costs_[block_] += fuel::for_branch(labels_.front().results);
            emit_return(labels_.front().results);
            go_dead();
            return;
        case op::call: {
            const std::uint32_t index = reader_.u32();
            call(module_.types[module_.functions[index]], IrOp::call, 0, index, 0);
            return;
        }
        case op::return_call: {
            const std::uint32_t index = reader_.u32();
            tail_call(module_.types[module_.functions[index]], IrOp::return_call, 0, index, 0);
            return;
        }
        case op::call_indirect:
        case op::return_call_indirect: {
            const std::uint32_t type = reader_.u32();
            const std::uint32_t table = reader_.u32();
            const Popped index = pop();
            const std::uint16_t index_slot = in_slot(index);
            if (opcode == op::call_indirect)
                call(module_.types[type], IrOp::call_indirect, index_slot, type, table);
            else
                tail_call(module_.types[type], IrOp::return_call_indirect, index_slot, type, table);
            return;
        }
        case op::drop:
            if (stack_.back().is_high) pop();
            pop();
            return;
        case op::select_typed:
            reader_.skip(reader_.u32());
            [[fallthrough]];
        case op::select: {
            if (stack_[stack_.size() - 2].is_high) return vector_select();
            const Popped condition = pop();
            const Popped right = pop();
            const Popped left = pop();
            const std::uint16_t left_slot = in_slot(left);
            const std::uint16_t right_slot = in_slot(right);
            const std::uint16_t condition_slot = in_slot(condition);
            emit_result(IrOp::select, left_slot, right_slot).d = condition_slot;
            return;
        }
        case op::local_get:
            get_local(local_places_[reader_.u32()]);
            return;
        case op::local_set: {
            const LocalPlace local = local_places_[reader_.u32()];
            local.is_vector ? set_vector_local(local.slot, pop_pair())
                            : set_local(local.slot, pop());
            return;
        }
        case op::local_tee:
            tee_local(local_places_[reader_.u32()]);
            return;
        case op::global_get: {
            const std::uint32_t global = reader_.u32();
            if (module_.globals[global].value == ValueType::v128)
                emit_pair_result(IrOp::vector_global_get).d = global;
            else
                emit_result(IrOp::global_get).d = global;
            return;
        }
        case op::global_set: {
            const std::uint32_t global = reader_.u32();
            if (module_.globals[global].value != ValueType::v128)
                return effect(IrOp::global_set, 1, global);
            const std::uint16_t value = in_pair(pop_pair());
            emit(IrOp::vector_global_set, value).d = global;
            return;
        }
        case op::table_get: {
            const std::uint32_t table = reader_.u32();
            const Popped index = pop();
            emit_result(IrOp::table_get, in_slot(index)).d = table;
            return;
        }
        case op::table_set:
            effect(IrOp::table_set, 2, reader_.u32());
            return;
        case op::memory_size:
            reader_.u32();
            emit_result(IrOp::memory_size);
            return;
        case op::memory_grow: {
            reader_.u32();
            const Popped delta = pop();
            emit_result(IrOp::memory_grow, in_slot(delta));
            result_at_ = none;
            return;
        }
        case op::i32_const:
            push_constant(static_cast<std::uint32_t>(reader_.s32()));
            return;
        case op::i64_const:
            push_constant(static_cast<std::uint64_t>(reader_.s64()));
            return;
        case op::f32_const:
            push_constant(reader_.fixed_u32());
            return;
        case op::f64_const:
            push_constant(reader_.fixed_u64());
            return;
        case op::ref_null:
            reader_.byte();
            push_constant(0);
            return;
        case op::ref_is_null:
            push_constant(0);
            binary(IrOp::i64_eq_rr);
            return;
        case op::ref_func:
            emit_result(IrOp::ref_func).d = reader_.u32();
            return;
        case op::prefix_fc:
            prefixed(reader_.u32());
            return;
        case op::prefix_fd:
            vector(reader_.u32());
            return;
        default:
            return;  // nop
    }
}

void Translator::prefixed(std::uint32_t opcode) {
    if (opcode <= op_fc::trunc_sat_last) return unary(shifted(IrOp::i32_trunc_sat_f32_s, opcode));
    const std::uint32_t first = reader_.u32();
    switch (opcode) {
        case op_fc::memory_init:
            reader_.u32();
            effect(IrOp::memory_init, 3, first);
            return;
        case op_fc::data_drop:
            emit(IrOp::data_drop).d = first;
            return;
        case op_fc::memory_copy:
            reader_.u32();
            effect(IrOp::memory_copy, 3, 0);
            return;
        case op_fc::memory_fill:
            effect(IrOp::memory_fill, 3, 0);
            return;
        case op_fc::table_init:
            effect(IrOp::table_init, 3, reader_.u32(), first);
            return;
        case op_fc::elem_drop:
            emit(IrOp::elem_drop).d = first;
            return;
        case op_fc::table_copy:
            effect(IrOp::table_copy, 3, first, reader_.u32());
            return;
        case op_fc::table_grow: {
            const Popped delta = pop();
            const Popped value = pop();
            const std::uint16_t value_slot = in_slot(value);
            const std::uint16_t delta_slot = in_slot(delta);
            emit_result(IrOp::table_grow, value_slot, delta_slot).d = first;
            result_at_ = none;
            return;
        }
        case op_fc::table_size:
            emit_result(IrOp::table_size).d = first;
            return;
        default:
            effect(IrOp::table_fill, 3, first);
            return;
    }
}

bool Translator::resolve() {
    constexpr std::uint32_t short_max = 0xffff;
    for (const CostSink& sink : sinks_) {
        const std::uint32_t cost = costs_[sink.block];
        switch (sink.kind) {
            case CostSink::Kind::entry:
                code_.entry_cost = cost;
                break;
            case CostSink::Kind::charge:
                code_.instrs[sink.index].d = cost;
                break;
            case CostSink::Kind::fall:
                if (cost > short_max) return false;
                code_.instrs[sink.index].c = static_cast<std::uint16_t>(cost);
                break;
        }
    }
    for (const Patch& patch : patches_) {
        const Place& place = places_[patch.place];
        MILLRACE_ASSERT(place.index != none);
        const std::uint32_t cost = is_wide_ ? 0 : costs_[place.block];
        if (patch.kind == Patch::Kind::table) {
            code_.targets[patch.index] = {static_cast<std::int32_t>(place.index - patch.origin),
                                          cost};
            continue;
        }
        Instr& instr = code_.instrs[patch.index];
        instr.d = place.index - patch.index;
        if (patch.kind == Patch::Kind::jump) {
            instr.e = cost;
        } else {
            if (cost > short_max) return false;
            instr.b = static_cast<std::uint16_t>(cost);
        }
    }
    return true;
}

}  // namespace millrace::wasm::translation

namespace millrace::wasm {

Code translate(const ModuleData& module, const Body& body) {
    MILLRACE_ASSERT(!module.outlined);
    for (const bool is_wide : {false, true}) {
        auto code = translation::Translator{module, body, is_wide}.run();
        if (!code) continue;
        // Moving a vector leaves its elements where they are.
        code->first_instr = code->instrs.data();
        code->first_target = code->targets.data();
        code->first_shuffle = code->shuffles.data();
        code->instr_count = static_cast<std::uint32_t>(code->instrs.size());
        return std::move(*code);
    }
    MILLRACE_ASSERT(false);
    return {};
}

void note_loop_heads(const Code& code) {
    if (!code.loop_heads.empty()) return;
    code.loop_heads.resize(code.instr_count, false);
    const auto note = [&code](std::uint32_t from, std::uint32_t offset) {
        const std::uint32_t to = from + offset;
        if (to <= from) code.loop_heads[to] = true;
    };
    for (std::uint32_t index = 0; index < code.instr_count; ++index) {
        const Instr& instr = code.first_instr[index];
        if (instr.op == IrOp::br_table) {
            for (std::uint32_t entry = 0; entry < instr.e; ++entry)
                note(index, static_cast<std::uint32_t>(code.first_target[instr.d + entry].offset));
        } else if (is_branch(instr.op)) {
            note(index, instr.d);
        }
    }
}

}  // namespace millrace::wasm
