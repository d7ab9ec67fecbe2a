// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/agree_program.hpp"
#include "wasm/simd_ops.hpp"

namespace millrace::spec {

using enum wasm::ValueType;
namespace op = wasm::op;
namespace op_fc = wasm::op_fc;

void AgreeProgram::statements(int depth) {
    for (std::uint32_t left = pick(4); left > 0; --left)
        statement(depth);
}

void AgreeProgram::statement(int depth) {
    if (depth <= 0 || --budget_ < 0) return code_.put({op::nop});
    switch (pick(20)) {
        case 0:
        case 1:
        case 2: {
            const Type type = any_type();
            expression(type, depth);
            return code_.indexed(op::local_set, local_of(type));
        }
        case 3: {
            const Type type = chance(10) ? funcref : any_type();
            expression(type, depth);
            return code_.indexed(op::global_set, global_of(type));
        }
        case 4:
        case 5:
        case 6:
            return store(depth);
        case 7:
        case 8:
            return counted_loop(depth);
        case 9:
        case 10:
        case 11:
            return block_statement(depth);
        case 12:
        case 13:
            return branch(depth);
        case 14:
            return leave_function(depth);
        case 15:
        case 16:
            return call_statement(depth);
        case 17:
            return bulk(depth);
        case 18:
            return table_statement(depth);
        default:
            if (chance(12)) {
                expression(i32, depth - 1);
                return code_.put({op::if_, 0x40, op::unreachable, op::end});
            }
            expression(any_type(), depth);
            return code_.put({op::drop});
    }
}

/// Values on the stack go to locals, or nowhere.
void AgreeProgram::settle(const Types& values) {
    for (std::size_t left = values.size(); left > 0; --left) {
        if (chance(4)) {
            code_.put({op::drop});
        } else {
            code_.indexed(op::local_set, local_of(values[left - 1]));
        }
    }
}

void AgreeProgram::block_statement(int depth) {
    static constexpr std::uint8_t kinds[] = {op::block, op::block, op::if_, op::if_, op::loop};
    const std::uint8_t kind = kinds[pick(5)];
    const auto arm = [&](const Signature& signature) {
        settle(signature.params);
        statements(depth - 1);
        for (const Type type : signature.results)
            expression(type, depth - 1);
    };
    // A type of the module's, or none.
    Signature signature;
    std::uint32_t index = none;
    if (chance(2)) {
        index = first_type + pick(types_written_ - first_type);
        signature = types_[index];
    }
    for (const Type type : signature.params)
        expression(type, depth - 1);
    if (kind == op::if_) expression(i32, depth - 1);
    code_.put({kind});
    if (index == none) {
        code_.put({0x40});
    } else {
        code_.signed_number(index);
    }
    frame_.labels.push_back(kind == op::loop ? signature.params : signature.results);
    arm(signature);
    // Without an else what comes in goes out.
    if (kind == op::if_ && (index != none || chance(2))) {
        code_.put({op::else_});
        arm(signature);
    }
    frame_.labels.pop_back();
    code_.put({op::end});
    settle(signature.results);
}

void AgreeProgram::counted_loop(int depth) {
    if (frame_.loops >= loops_max) return;
    const std::uint32_t counter = frame_.counters + frame_.loops;
    const std::uint32_t rounds = chance(6) ? 33 + pick(40) : 1 + pick(12);
    ++frame_.loops;
    if (chance(3)) {
        // From n down, tested on top, so that going on with it ends as well.
        code_.i32(rounds);
        code_.indexed(op::local_set, counter);
        code_.put({op::block, 0x40, op::loop, 0x40});
        code_.indexed(op::local_get, counter);
        code_.put({op::i32_eqz, op::br_if, 1});
        code_.indexed(op::local_get, counter);
        code_.put({op::i32_const, 1, op::i32_sub});
        code_.indexed(op::local_set, counter);
        frame_.labels.emplace_back();
        frame_.labels.emplace_back();
        statements(depth - 1);
        frame_.labels.pop_back();
        frame_.labels.pop_back();
        code_.put({op::br, 0, op::end, op::end});
    } else {
        // As compilers write them.
        const std::uint32_t step = 1 + (chance(4) ? pick(3) : 0);
        code_.i32(0);
        code_.indexed(op::local_set, counter);
        code_.put({op::loop, 0x40});
        frame_.labels.emplace_back();
        statements(depth - 1);
        if (chance(2)) store(depth - 1);
        frame_.labels.pop_back();
        code_.indexed(op::local_get, counter);
        code_.i32(step);
        code_.put({op::i32_add});
        code_.indexed(op::local_tee, counter);
        code_.i32(step * rounds);
        static constexpr std::uint8_t tests[] = {0x47, 0x48, 0x49};
        code_.put({tests[pick(3)], op::br_if, 0, op::end});
    }
    --frame_.loops;
}

void AgreeProgram::branch(int depth) {
    const auto labels = [&] { return static_cast<std::uint32_t>(frame_.labels.size()); };
    const auto types_at = [&](std::uint32_t label) {
        return frame_.labels[frame_.labels.size() - 1 - label];
    };
    const auto carry = [&](const Types& types) {
        for (const Type type : types)
            expression(type, types.size() > 3 ? 0 : depth - 1);
    };
    const std::uint32_t kind = pick(8);
    if (kind < 3) {
        const std::uint32_t label = pick(labels());
        const Types types = types_at(label);
        carry(types);
        expression(i32, depth - 1);
        code_.indexed(op::br_if, label);
        return settle(types);
    }
    // Mostly on a condition: whatever follows would be dead.
    const bool is_guarded = !chance(6);
    if (is_guarded) {
        expression(i32, depth - 1);
        code_.put({op::if_, 0x40});
        frame_.labels.emplace_back();
    }
    const std::uint32_t label = pick(labels());
    const Types types = types_at(label);
    carry(types);
    if (kind < 5) {
        code_.indexed(op::br, label);
    } else {
        expression(i32, depth - 1);
        if (chance(2)) code_.put({op::i32_const, 7, 0x71});
        std::vector<std::uint32_t> same;
        for (std::uint32_t index = 0; index < labels(); ++index) {
            if (types_at(index) == types) same.push_back(index);
        }
        const std::uint32_t count = chance(8) ? 20 : pick(6);
        code_.put({op::br_table});
        code_.number(count);
        for (std::uint32_t left = count + 1; left > 0; --left)
            code_.number(same[pick(static_cast<std::uint32_t>(same.size()))]);
    }
    if (is_guarded) {
        frame_.labels.pop_back();
        code_.put({op::end});
    }
}

void AgreeProgram::leave_function(int depth) {
    expression(i32, depth - 1);
    code_.put({op::if_, 0x40});
    frame_.labels.emplace_back();
    const Types& results = types_[frame_.type].results;
    const std::uint32_t kind = pick(4);
    std::uint32_t callee = none;
    for (std::uint32_t index = current_ + 1; index < written_; ++index) {
        if (types_[functions_[index]].results == results && chance(2)) callee = index;
    }
    if (kind == 0 || (kind == 1 && callee == none)) {
        for (const Type type : results)
            expression(type, depth - 1);
        code_.put({op::return_});
    } else if (kind == 1) {
        call(depth, callee, true);
    } else if (kind == 2 && results == Types{i64} && chance(3)) {
        call(depth, none, true);
    } else if (callee != none) {
        call_through_table(depth, functions_[callee], true);
    }
    frame_.labels.pop_back();
    code_.put({op::end});
}

void AgreeProgram::call(int depth, std::uint32_t function, bool is_tail) {
    if (function == none) {
        // The host's: what it does is in its first argument (agree_run.cpp).
        std::uint32_t asked = pick(8);
        if (!is_portable_ && chance(2)) asked = chance(8) ? 8 + pick(2) : 10 + pick(2);
        code_.i32(asked);
        expression(i64, depth - 1);
    } else {
        for (const Type type : types_[functions_[function]].params)
            expression(type, depth - 1);
    }
    code_.indexed(is_tail ? op::return_call : op::call,
                  function == none ? 0 : function_index(function));
}

void AgreeProgram::call_through_table(int depth, std::uint32_t type, bool is_tail) {
    for (const Type param : types_[type].params)
        expression(param, depth - 1);
    std::uint32_t place = none;
    for (std::uint32_t index = 0; index < written_ && index < table_entries - 3; ++index) {
        if (functions_[index] == type && (index > current_ || chance(8))) place = index;
    }
    if (place != none && !chance(16)) {
        code_.i32(place);
    } else {
        expression(i32, depth - 1);
        code_.put({op::i32_const, 15, 0x71});
    }
    code_.indexed(is_tail ? op::return_call_indirect : op::call_indirect, type);
    code_.number(chance(30) ? 1 : 0);
}

void AgreeProgram::call_statement(int depth) {
    const std::uint32_t first = chance(12) ? 0 : current_ + 1;
    if (first >= written_ || chance(5)) {
        call(depth, none, false);
        return settle({i64});
    }
    const std::uint32_t callee = first + pick(written_ - first);
    const Types results = types_[functions_[callee]].results;
    if (chance(3)) {
        call_through_table(depth, functions_[callee], false);
    } else {
        call(depth, callee, false);
    }
    settle(results);
}

void AgreeProgram::store(int depth) {
    address(depth);
    const Type type = any_type();
    expression(type, depth - 1);
    if (type == v128) {
        const std::uint32_t lane_store = chance(2) ? 0x58 + pick(4) : 0x0b;
        const wasm::SimdSignature& signature = wasm::simd_signatures[lane_store];
        code_.prefixed(op::prefix_fd, lane_store);
        place(signature.align_log2);
        if (lane_store != 0x0b) code_.put({static_cast<std::uint8_t>(pick(signature.lanes))});
        return;
    }
    std::uint32_t opcode = 0;
    do {
        opcode = op::store_first + pick(op::store_last - op::store_first + 1U);
    } while (wasm::access_signatures[opcode - op::load_first].type != type);
    code_.put({static_cast<std::uint8_t>(opcode)});
    place(wasm::access_signatures[opcode - op::load_first].align_log2);
}

void AgreeProgram::bulk(int depth) {
    const auto length = [&] {
        if (chance(2)) return code_.i32(pick(chance(8) ? 20'000 : 70));
        expression(i32, depth - 1);
        code_.put({op::i32_const, 0xff, 0x00, 0x71});
    };
    switch (pick(8)) {
        case 0:
        case 1:
            address(depth);
            expression(i32, depth - 1);
            length();
            code_.prefixed(op::prefix_fc, op_fc::memory_fill);
            return code_.put({0});
        case 2:
        case 3:
            address(depth);
            address(depth);
            length();
            code_.prefixed(op::prefix_fc, op_fc::memory_copy);
            return code_.put({0, 0});
        case 4:
        case 5:
            address(depth);
            code_.i32(pick(24));
            code_.i32(pick(chance(8) ? 60 : 24));
            code_.prefixed(op::prefix_fc, op_fc::memory_init);
            return code_.put({1, 0});
        case 6:
            if (chance(3)) {
                code_.prefixed(op::prefix_fc, op_fc::data_drop);
                return code_.put({1});
            }
            code_.put({op::memory_size, 0});
            return settle({i32});
        default:
            code_.i32(chance(4) ? 0xffff : pick(3));
            code_.put({op::memory_grow, 0});
            return settle({i32});
    }
}

void AgreeProgram::table_statement(int depth) {
    const auto small = [&](std::uint32_t bound) {
        if (!chance(3)) return code_.i32(pick(bound));
        expression(i32, depth - 1);
        code_.put({op::i32_const, 7, 0x71});
    };
    const auto table = static_cast<std::uint8_t>(chance(3) ? 1 : 0);
    switch (pick(8)) {
        case 0:
        case 1:
            small(table == 0 ? 10 : 4);
            reference(depth - 1);
            return code_.put({op::table_set, table});
        case 2:
            reference(depth - 1);
            code_.i32(pick(4));
            code_.prefixed(op::prefix_fc, op_fc::table_grow);
            code_.put({table});
            return settle({i32});
        case 3:
            code_.prefixed(op::prefix_fc, op_fc::table_size);
            code_.put({table});
            return settle({i32});
        case 4:
            small(table == 0 ? 6 : 2);
            reference(depth - 1);
            small(3);
            code_.prefixed(op::prefix_fc, op_fc::table_fill);
            return code_.put({table});
        case 5: {
            small(4);
            small(4);
            small(4);
            code_.prefixed(op::prefix_fc, op_fc::table_copy);
            const auto source = static_cast<std::uint8_t>(chance(2) ? 1 : 0);
            return code_.put({table, source});
        }
        case 6:
            small(4);
            small(3);
            small(3);
            code_.prefixed(op::prefix_fc, op_fc::table_init);
            return code_.put({1, table});
        default:
            if (chance(4)) {
                code_.prefixed(op::prefix_fc, op_fc::elem_drop);
                return code_.put({1});
            }
            small(table == 0 ? 11 : 4);
            code_.put({op::table_get, table});
            return code_.indexed(op::local_set, local_of(funcref));
    }
}

}  // namespace millrace::spec
