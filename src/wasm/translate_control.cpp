// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <bit>

#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

void Translator::begin_place_block(bool falls_in) {
    if (falls_in && here() == join_at_ && block_ == join_block_ && costs_[block_] == 0) return;
    begin_block();
    place_index_ = here();
    if (falls_in || is_wide_) emit_charge();
    if (!is_wide_) place_index_ = here();
    join_at_ = here();
    join_block_ = block_;
    barrier_ = here();
    result_at_ = none;
}

std::optional<IrOp> Translator::comparison_branch(IrOp op, bool when) noexcept {
    if (!is_within(op, IrOp::i32_eq_rr, IrOp::f64_ge_rk)) return std::nullopt;
    const IrOp first = when ? IrOp::br_i32_eq_rr : IrOp::br_not_i32_eq_rr;
    return shifted(first, distance(IrOp::i32_eq_rr, op));
}

bool Translator::is_slot_form(IrOp op) noexcept {
    return (distance(IrOp::i32_eq_rr, op) & 1U) == 0;
}

std::optional<std::uint32_t> Translator::short_constant(IrOp op, std::uint64_t bits) noexcept {
    const auto low = static_cast<std::uint32_t>(bits);
    if (is_within(op, IrOp::i64_eq_rr, IrOp::i64_ge_u_rk)) {
        const auto extended = static_cast<std::int64_t>(static_cast<std::int32_t>(low));
        if (static_cast<std::uint64_t>(extended) != bits) return std::nullopt;
    } else if (is_within(op, IrOp::f64_eq_rr, IrOp::f64_ge_rk)) {
        const auto narrow = static_cast<float>(std::bit_cast<double>(bits));
        if (std::bit_cast<std::uint64_t>(static_cast<double>(narrow)) != bits) return std::nullopt;
        return std::bit_cast<std::uint32_t>(narrow);
    }
    return low;
}

void Translator::branch_if(const Popped& condition, bool when, std::uint32_t place, bool flushes) {
    std::optional<Instr> comparison;
    std::optional<IrOp> fused;
    if (is_last_result(condition)) {
        const Instr& last = code_.instrs.back();
        fused = comparison_branch(last.op, when);
        if (fused && !is_slot_form(last.op) && !short_constant(last.op, last.wide())) fused.reset();
        if (fused) {
            comparison = last;
            code_.instrs.pop_back();
        }
    }
    std::uint16_t condition_slot = 0;
    if (!fused) condition_slot = in_slot(condition);
    if (flushes) flush_locals();
    patches_.push_back({.kind = Patch::Kind::conditional, .index = here(), .place = place});
    if (fused) {
        Instr& instr = emit(*fused, comparison->b);
        instr.e = is_slot_form(comparison->op)
                      ? comparison->c
                      : *short_constant(comparison->op, comparison->wide());
    } else {
        emit(when ? IrOp::br_nonzero : IrOp::br_zero, condition_slot);
    }
    barrier_ = here();
}

void Translator::begin_fall_block() {
    begin_block();
    if (is_wide_) {
        emit_charge();
    } else {
        sinks_.push_back({CostSink::Kind::fall, here() - 1, block_});
    }
    barrier_ = here();
}

void Translator::emit_return(std::uint32_t results) {
    if (results == 0) {
        emit(IrOp::return_none);
    } else if (results == 1) {
        const Operand operand = stack_.back();
        emit(IrOp::return_one, in_slot({operand, height() - 1}));
    } else {
        flush_top(results);
        emit(IrOp::return_many, slot(height() - results)).d = results;
    }
}

bool Translator::is_in_place(const Label& label) const noexcept {
    const std::uint32_t number = arity(label);
    if (number == 0) return true;
    if (height() - number != label.height) return false;
    return std::all_of(stack_.end() - number, stack_.end(),
                       [](const Operand& operand) { return operand.kind == Operand::Kind::temp; });
}

void Translator::emit_moves(const Label& label) {
    const std::uint32_t number = arity(label);
    if (number == 0) return;
    if (number == 1) {
        const Operand operand = stack_.back();
        const std::uint16_t target = slot(label.height);
        if (operand.kind == Operand::Kind::constant) {
            emit_constant(target, operand.bits);
        } else {
            const std::uint16_t source = in_slot({operand, height() - 1});
            if (source != target) emit(IrOp::move, target, source);
        }
        return;
    }
    flush_top(number);
    const std::uint32_t source = height() - number;
    if (source != label.height) emit(IrOp::move_range, slot(label.height), slot(source)).d = number;
}

BlockType Translator::read_block_type() {
    const auto type = block_type(module_, reader_.s33());
    MILLRACE_ASSERT(type.has_value());
    return *type;
}

void Translator::enter(std::uint8_t opcode) {
    const BlockType type = read_block_type();
    const std::uint32_t params = slots_of(type.params);
    Label entered{.opcode = opcode,
                  .type = type,
                  .params = params,
                  .results = slots_of(type.results),
                  .target = new_place()};
    if (opcode == op::if_) {
        entered.else_target = new_place();
        const Popped condition = pop();
        if (params > 0) {
            // The parameters' moves must come before the branch but may come after the
            // comparison, which reads slots above them or locals only.
            Popped settled = condition;
            if (condition.is_constant()) in_slot(condition);
            if (condition.is_constant()) settled.operand = {};
            if (condition.operand.kind == Operand::Kind::local) {
                emit(IrOp::move, slot(condition.position), condition.operand.local);
                settled.operand = {};
            }
            flush_top(params);
            branch_if(settled, false, entered.else_target, true);
        } else {
            branch_if(condition, false, entered.else_target, true);
        }
        begin_fall_block();
    } else {
        flush_top(params);
        flush_locals();
        if (opcode == op::loop) {
            begin_place_block(true);
            bind(entered.target);
        }
    }
    entered.height = height() - params;
    labels_.push_back(entered);
}

void Translator::else_() {
    Label& inner = labels_.back();
    if (!is_dead_) {
        flush_top(inner.results);
        inner.is_targeted = true;
        jump_to(inner.target);
    }
    inner.has_else = true;
    is_dead_ = false;
    reset_stack(inner.height, inner.type.params);
    begin_place_block(false);
    bind(inner.else_target);
}

void Translator::end() {
    const Label inner = labels_.back();
    if (labels_.size() == 1) {
        if (!is_dead_) emit_return(inner.results);
        labels_.pop_back();
        return;
    }
    labels_.pop_back();
    if (inner.opcode == op::loop) return;  // what falls out goes on in its metering block
    const bool joins_else = inner.opcode == op::if_ && !inner.has_else;
    if (!inner.is_targeted && !joins_else) {
        // The end of an if is a boundary also when one arm alone reaches it.
        if (inner.opcode == op::if_ && !is_dead_) {
            flush_top(inner.results);
            reset_stack(inner.height, inner.type.results);
            begin_place_block(true);
        }
        return;
    }
    const bool falls_in = !is_dead_;
    if (falls_in) flush_top(inner.results);
    is_dead_ = false;
    reset_stack(inner.height, inner.type.results);
    begin_place_block(falls_in);
    bind(inner.target);
    if (joins_else) bind(inner.else_target);
}

void Translator::branch(std::uint32_t depth) {
    Label& target = label(depth);
    costs_[block_] += fuel::for_branch(arity(target));
    if (is_function(depth)) {
        emit_return(target.results);
    } else {
        target.is_targeted = true;
        emit_moves(target);
        jump_to(target.target);
    }
    go_dead();
}

void Translator::conditional_branch(std::uint32_t depth) {
    Label& target = label(depth);
    costs_[block_] += fuel::for_branch(arity(target));
    const Popped condition = pop();
    if (!is_function(depth) && is_in_place(target)) {
        target.is_targeted = true;
        branch_if(condition, true, target.target, false);
        begin_fall_block();
        return;
    }
    // Around the moves: the other way skips them and pays for the block that follows.
    Popped settled = condition;
    if (arity(target) > 1) {
        // The operands are settled for both ways, so before the branch.
        if (condition.operand.kind != Operand::Kind::temp) {
            const std::uint16_t source = in_slot(condition);
            const std::uint16_t own = slot(condition.position);
            if (source != own) emit(IrOp::move, own, source);
            settled.operand = {};
        }
        flush_top(arity(target));
    }
    const std::uint32_t skip_place = new_place();
    branch_if(settled, false, skip_place, false);
    if (is_function(depth)) {
        emit_return_of_copy(target.results);
    } else {
        target.is_targeted = true;
        emit_moves(target);
        jump_to(target.target);
    }
    begin_place_block(false);
    bind(skip_place);
}

void Translator::emit_return_of_copy(std::uint32_t results) {
    MILLRACE_ASSERT(results < 2 ||
                    std::all_of(stack_.end() - results, stack_.end(), [](const Operand& operand) {
                        return operand.kind == Operand::Kind::temp;
                    }));
    emit_return(results);
}

void Translator::branch_table() {
    const std::uint32_t number = reader_.u32() + 1;
    depths_.clear();
    for (std::uint32_t index = 0; index < number; ++index)
        depths_.push_back(reader_.u32());
    const Popped selector = pop();
    const std::uint32_t values = arity(label(depths_.back()));
    costs_[block_] += fuel::for_branch(values);
    std::uint16_t selector_slot = in_slot(selector);
    flush_top(values);
    const std::uint32_t origin = here();
    const auto first = static_cast<std::uint32_t>(code_.targets.size());
    Instr& instr = emit(IrOp::br_table, selector_slot);
    instr.d = first;
    instr.e = number;
    code_.targets.resize(first + number);
    stubs_.assign(labels_.size(), none);
    for (std::uint32_t index = 0; index < number; ++index) {
        const std::uint32_t depth = depths_[index];
        Label& target = label(depth);
        if (!is_function(depth) && is_in_place(target)) {
            target.is_targeted = true;
            patches_.push_back({.kind = Patch::Kind::table,
                                .index = first + index,
                                .place = target.target,
                                .origin = origin});
            continue;
        }
        if (stubs_[depth] == none) {
            stubs_[depth] = here();
            if (is_function(depth)) {
                emit_return(values);
            } else {
                target.is_targeted = true;
                emit_moves(target);
                jump_to(target.target);
            }
        }
        code_.targets[first + index] = {static_cast<std::int32_t>(stubs_[depth] - origin), 0};
    }
    go_dead();
}

}  // namespace millrace::wasm::translation
