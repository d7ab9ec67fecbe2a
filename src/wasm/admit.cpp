// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <array>

#include "wasm/program.hpp"
#include "wasm/runtime.hpp"
#include "wasm/simd.hpp"
#include "wasm/watch.hpp"

// Which slots an instruction names, and what else of it a stranger could have made up.

namespace millrace::wasm {
namespace {

/// Fields that name a slot, and 2 where it is a pair.
struct Names {
    std::uint8_t a = 0, b = 0, c = 0, e = 0;
    bool is_other = false;
};

constexpr std::array<Names, ir_op_count> names = [] {
    std::array<Names, ir_op_count> table{};
    const auto set = [&table](IrOp op, Names named) {
        table[static_cast<std::size_t>(op)] = named;
    };
#define X(name, ...)                                \
    set(IrOp::name##_rr, {.a = 1, .b = 1, .c = 1}); \
    set(IrOp::name##_rk, {.a = 1, .b = 1});
    MILLRACE_WASM_BINARY(X)
    MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...)                                 \
    set(IrOp::br_##name##_rr, {.a = 1, .e = 1});     \
    set(IrOp::br_##name##_rk, {.a = 1});             \
    set(IrOp::br_not_##name##_rr, {.a = 1, .e = 1}); \
    set(IrOp::br_not_##name##_rk, {.a = 1});
    MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) set(IrOp::name##_kr, {.a = 1, .b = 1});
    MILLRACE_WASM_REVERSED(X)
#undef X
#define X(name, ...) set(IrOp::name, {.a = 1, .b = 1});
    MILLRACE_WASM_UNARY(X)
#undef X
#define X(name, ...)                               \
    set(IrOp::name##_r, {.a = 1, .b = 1});         \
    set(IrOp::name##_x, {.a = 1, .b = 1, .c = 1}); \
    set(IrOp::name##_i, {.a = 1, .b = 1});         \
    set(IrOp::name##_a, {.a = 1});
    MILLRACE_WASM_LOAD(X)
    MILLRACE_WASM_STORE(X)
#undef X
#define X(name, ...) set(IrOp::name##_k, {.b = 1});
    MILLRACE_WASM_STORE(X)
#undef X
#define X(name) set(IrOp::name, {.is_other = true});
    MILLRACE_WASM_OTHER(X)
#undef X
    return table;
}();

}  // namespace

bool Watch::admit(const Instr* instr, const std::uint64_t* slots) {
    const auto index = static_cast<std::uint64_t>(instr - program_.instrs.data());
    if (index >= program_.counts.instrs) return refuse();
    const std::uint64_t page = index / (state_page_size / sizeof(Instr));
    if (page != last_instrs_) {
        if (!touch(Region::instrs, index * sizeof(Instr), sizeof(Instr))) return false;
        last_instrs_ = page;
    }
    if (static_cast<std::size_t>(instr->op) >= ir_op_count) return refuse();
    const Names& named = names[static_cast<std::size_t>(instr->op)];
    if (named.is_other) return admit_other(*instr, slots);
    return (named.a == 0 || touch_slots(slots + instr->a, 1)) &&
           (named.b == 0 || touch_slots(slots + instr->b, 1)) &&
           (named.c == 0 || touch_slots(slots + instr->c, 1)) &&
           (named.e == 0 || touch_slots(slots + instr->e, 1));
}

bool Watch::admit_other(const Instr& instr, const std::uint64_t* slots) {
    const auto name = [&](std::uint64_t slot, std::uint64_t count = 1) {
        return touch_slots(slots + slot, count);
    };
    const auto list = [&](std::uint64_t slot, std::uint64_t count) {
        if (count > step_slots_max) return refuse();
        return count == 0 || name(slot, count);
    };
    const auto is_below = [&](std::uint64_t index, std::uint64_t count) {
        return index < count || refuse();
    };
    const ProgramCounts& counts = program_.counts;
    const auto global = [&] {
        return is_below(instr.d, counts.globals) &&
               touch(Region::globals, std::uint64_t{instr.d} * 16, 16);
    };
    switch (instr.op) {
        case IrOp::unreachable:
        case IrOp::charge:
        case IrOp::jump:
        case IrOp::return_none:
            return true;
        case IrOp::br_nonzero:
        case IrOp::br_zero:
        case IrOp::constant:
            return name(instr.a);
        case IrOp::br_table: {
            // The entry that is chosen, and no other, must be shown.
            if (instr.e == 0 || !name(instr.a)) return refuse();
            const auto index = static_cast<std::uint32_t>(slots[instr.a]);
            const std::uint64_t entry = std::uint64_t{instr.d} + std::min(index, instr.e - 1);
            return is_below(entry, counts.targets) &&
                   touch(Region::targets, entry * sizeof(BranchTarget), sizeof(BranchTarget));
        }
        case IrOp::return_many:
            return list(instr.a, instr.d) && list(0, instr.d);
        case IrOp::return_one:
            return name(instr.a) && name(0);
        case IrOp::leave:
            return refuse();  // only the interpreter's own
        case IrOp::call:
            return name(instr.a, 0) && is_below(instr.d, counts.functions);
        case IrOp::call_indirect:
            return name(instr.a, 0) && name(instr.b) && is_below(instr.e, counts.tables) &&
                   is_below(instr.d, counts.types);
        case IrOp::return_call:
            return is_below(instr.d, counts.functions) && list(instr.a, instr.c) &&
                   list(0, instr.c);
        case IrOp::return_call_indirect:
            return name(instr.b) && is_below(instr.e, counts.tables) &&
                   is_below(instr.d, counts.types) && list(instr.a, instr.c) && list(0, instr.c);
        case IrOp::move:
            return name(instr.a) && name(instr.b);
        case IrOp::move_range:
            return list(instr.a, instr.d) && list(instr.b, instr.d);
        case IrOp::select:
            return name(instr.a) && name(instr.b) && name(instr.c) && name(instr.d);
        case IrOp::global_get:
        case IrOp::global_set:
            return name(instr.a) && global();
        case IrOp::vector_global_get:
        case IrOp::vector_global_set:
            return name(instr.a, 2) && global();
        case IrOp::vector_select:
            return name(instr.a, 2) && name(instr.b, 2) && name(instr.c, 2) && name(instr.d);
        case IrOp::table_get:
        case IrOp::table_set:
            return name(instr.a) && name(instr.b) && is_below(instr.d, counts.tables);
        case IrOp::table_size:
            return name(instr.a) && is_below(instr.d, counts.tables);
        case IrOp::table_grow:
            return name(instr.a) && name(instr.b) && name(instr.c) &&
                   is_below(instr.d, counts.tables);
        case IrOp::table_fill:
            return name(instr.a) && name(instr.b) && name(instr.c) &&
                   is_below(instr.d, counts.tables);
        case IrOp::table_copy:
            return name(instr.a) && name(instr.b) && name(instr.c) &&
                   is_below(instr.d, counts.tables) && is_below(instr.e, counts.tables);
        case IrOp::table_init:
            return name(instr.a) && name(instr.b) && name(instr.c) &&
                   is_below(instr.d, counts.tables) && is_below(instr.e, counts.element_segments);
        case IrOp::elem_drop:
            return is_below(instr.d, counts.element_segments) &&
                   touch(Region::marks, (marks_elements_first + std::uint64_t{instr.d}) / 8, 1);
        case IrOp::data_drop:
            return is_below(instr.d, counts.data_segments) &&
                   touch(Region::marks, std::uint64_t{instr.d} / 8, 1);
        case IrOp::memory_init:
            return name(instr.a) && name(instr.b) && name(instr.c) &&
                   is_below(instr.d, counts.data_segments);
        case IrOp::memory_copy:
        case IrOp::memory_fill:
            return name(instr.a) && name(instr.b) && name(instr.c);
        case IrOp::memory_size:
            return name(instr.a);
        case IrOp::memory_grow:
            return name(instr.a) && name(instr.b);
        case IrOp::ref_func:
            return name(instr.a) && function(instr.d) != nullptr;
        case IrOp::simd:
        case IrOp::simd_memory:
        case IrOp::simd_shuffle:
            return admit_vector(instr, slots);
        default:
            return refuse();
    }
}

bool Watch::admit_vector(const Instr& instr, const std::uint64_t* slots) {
    const auto pair = [&](std::uint64_t slot) { return touch_slots(slots + slot, 2); };
    const auto single = [&](std::uint64_t slot) { return touch_slots(slots + slot, 1); };
    if (instr.op == IrOp::simd_shuffle) {
        if (instr.d >= program_.counts.shuffles) return refuse();
        if (!touch(Region::shuffles, std::uint64_t{instr.d} * 16, 16)) return false;
        for (const std::uint8_t lane : program_.shuffles[instr.d]) {
            if (lane >= 32) return refuse();
        }
        return pair(instr.a) && pair(instr.b) && pair(instr.c);
    }
    const std::uint32_t code = instr.op == IrOp::simd_memory ? instr.e & 0xffffU : instr.e;
    if (code >= simd_signatures.size()) return refuse();
    const SimdSignature& signature = simd_signatures[code];
    if (instr.op == IrOp::simd_memory) {
        if (simd::memory_functions[code] == nullptr) return refuse();
        const bool has_lane =
            signature.shape == SimdShape::load_lane || signature.shape == SimdShape::store_lane;
        if (has_lane && instr.e >> 16U >= signature.lanes) return refuse();
        return pair(instr.a) && single(instr.b) &&
               (signature.shape != SimdShape::load_lane || pair(instr.c));
    }
    if (simd::plain_functions[code] == nullptr) return refuse();
    switch (signature.shape) {
        case SimdShape::unary:
            return pair(instr.a) && pair(instr.b);
        case SimdShape::binary:
            return pair(instr.a) && pair(instr.b) && pair(instr.c);
        case SimdShape::ternary:
            return pair(instr.a) && pair(instr.b) && pair(instr.c) && pair(instr.d);
        case SimdShape::shift:
            return pair(instr.a) && pair(instr.b) && single(instr.c);
        case SimdShape::test:
            return single(instr.a) && pair(instr.b);
        case SimdShape::splat:
            return pair(instr.a) && single(instr.b);
        case SimdShape::extract:
            return instr.d < signature.lanes ? single(instr.a) && pair(instr.b) : refuse();
        case SimdShape::replace:
            return instr.d < signature.lanes ? pair(instr.a) && pair(instr.b) && single(instr.c)
                                             : refuse();
        default:
            return refuse();
    }
}

}  // namespace millrace::wasm
