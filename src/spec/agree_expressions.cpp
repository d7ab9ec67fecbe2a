// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <array>
#include <bit>

#include "base/assert.hpp"
#include "spec/agree_program.hpp"
#include "wasm/simd_ops.hpp"

namespace millrace::spec {

using enum wasm::ValueType;
namespace op = wasm::op;

namespace {

using Type = wasm::ValueType;

std::vector<std::uint8_t> numeric_giving(Type type) {
    std::vector<std::uint8_t> list;
    for (unsigned opcode = op::numeric_first; opcode <= op::numeric_last; ++opcode) {
        const auto& signature = wasm::numeric_signatures[opcode];
        if (signature.operands > 0 && signature.result == type)
            list.push_back(static_cast<std::uint8_t>(opcode));
    }
    return list;
}
std::vector<std::uint8_t> loads_giving(Type type) {
    std::vector<std::uint8_t> list;
    for (unsigned opcode = op::load_first; opcode <= op::load_last; ++opcode) {
        if (wasm::access_signatures[opcode - op::load_first].type == type)
            list.push_back(static_cast<std::uint8_t>(opcode));
    }
    return list;
}
std::vector<std::uint8_t> simd_with(auto&& wanted) {
    std::vector<std::uint8_t> list;
    for (unsigned code = 0; code < wasm::simd_signatures.size(); ++code) {
        if (wanted(wasm::simd_signatures[code])) list.push_back(static_cast<std::uint8_t>(code));
    }
    return list;
}

const std::vector<std::uint8_t>& of_type(const std::array<std::vector<std::uint8_t>, 4>& lists,
                                         Type type) {
    return lists[static_cast<std::size_t>(0x7f - static_cast<int>(type))];
}

/// Whose NaN's bits the specification leaves open.
bool is_arithmetic(std::uint8_t opcode) {
    return (opcode >= 0x8d && opcode <= 0x97) || (opcode >= 0x9b && opcode <= 0xa5) ||
           opcode == 0xb6 || opcode == 0xbb;
}
enum class Lanes : std::uint8_t { exact, singles, doubles };
Lanes arithmetic_lanes(std::uint8_t code) {
    if ((code >= 0x67 && code <= 0x6a) || (code >= 0xe3 && code <= 0xe9) || code == 0x5e)
        return Lanes::singles;
    if (code == 0x74 || code == 0x75 || code == 0x7a || code == 0x94 || code == 0x5f ||
        (code >= 0xef && code <= 0xf5))
        return Lanes::doubles;
    return Lanes::exact;
}

constexpr std::uint64_t integers[] = {0,  1,   2,      7,          0xffffffffffffffff,
                                      31, 255, 65'000, 0x80000000, 0x8000000000000000,
                                      63, 128, 0x7fff, 0x7fffffff, 0x0123456789abcdef};

}  // namespace

std::uint32_t AgreeProgram::local_of(Type type) {
    std::uint32_t found = none;
    std::uint32_t seen = 0;
    for (std::uint32_t index = 0; index < frame_.locals.size(); ++index) {
        if (frame_.locals[index] == type && pick(++seen) == 0) found = index;
    }
    MILLRACE_ASSERT(found != none);
    return found;
}
std::uint32_t AgreeProgram::global_of(Type type) {
    std::uint32_t found = none;
    std::uint32_t seen = 0;
    for (std::uint32_t index = 0; index < globals_.size(); ++index) {
        if (globals_[index] == type && pick(++seen) == 0) found = index;
    }
    MILLRACE_ASSERT(found != none);
    return found;
}

void AgreeProgram::constant(Type type) {
    switch (type) {
        case i32:
            return code_.i32(chance(3) ? static_cast<std::uint32_t>(prng_.next())
                                       : static_cast<std::uint32_t>(integers[pick(15)]));
        case i64:
            code_.put({op::i64_const});
            return code_.signed_number(
                static_cast<std::int64_t>(chance(3) ? prng_.next() : integers[pick(15)]));
        case f32:
            code_.put({op::f32_const});
            return code_.word(chance(4) ? std::bit_cast<std::uint32_t>(
                                              static_cast<float>(pick(2'000)) / 16.0F - 60.0F)
                                        : wasm::odd_singles[pick(14)],
                              4);
        case f64:
            code_.put({op::f64_const});
            return code_.word(chance(4) ? std::bit_cast<std::uint64_t>(pick(2'000) / 16.0 - 60.0)
                                        : wasm::odd_doubles[pick(14)],
                              8);
        case v128: {
            code_.prefixed(op::prefix_fd, wasm::op_fd::v128_const);
            const std::uint32_t kind = pick(4);
            for (int half = 0; half < 2; ++half) {
                std::uint64_t bits = prng_.next();
                if (kind == 0) bits = wasm::odd_doubles[pick(14)];
                if (kind == 1) {
                    bits = wasm::odd_singles[pick(14)];
                    bits |= std::uint64_t{wasm::odd_singles[pick(14)]} << 32U;
                }
                if (kind == 2) bits = integers[pick(15)];
                code_.word(bits, 8);
            }
            return;
        }
        case funcref:
        case externref:
            return code_.put({op::ref_null, 0x70});
    }
}
void AgreeProgram::leaf(Type type) {
    if (type == funcref) return reference(0);
    // What a loop counts is worth more than a constant.
    if (type == i32 && frame_.loops > 0 && chance(3))
        return code_.indexed(op::local_get, frame_.counters + pick(frame_.loops));
    if (chance(3)) return constant(type);
    code_.indexed(op::local_get, local_of(type));
}

std::uint32_t AgreeProgram::callee_giving(Type type) {
    std::uint32_t found = none;
    std::uint32_t seen = 0;
    const bool may_return = chance(12);
    for (std::uint32_t index = may_return ? 0 : current_ + 1; index < written_; ++index) {
        const Types& results = types_[functions_[index]].results;
        if (results.size() == 1 && results[0] == type && pick(++seen) == 0) found = index;
    }
    return found;
}

void AgreeProgram::expression(Type type, int depth) {
    if (depth <= 0 || --budget_ < 0) return leaf(type);
    if (type == funcref) return reference(depth);
    switch (pick(18)) {
        case 0:
            return leaf(type);
        case 1:
            expression(type, depth - 1);
            return code_.indexed(op::local_tee, local_of(type));
        case 2:
            code_.put({op::block});
            code_.type(type);
            frame_.labels.push_back({type});
            statements(depth - 1);
            expression(type, depth - 1);
            if (chance(2)) {
                expression(i32, depth - 1);
                code_.put({op::br_if, 0});
            }
            frame_.labels.pop_back();
            return code_.put({op::end});
        case 3:
            expression(i32, depth - 1);
            code_.put({op::if_});
            code_.type(type);
            frame_.labels.push_back({type});
            if (chance(2)) statements(depth - 1);
            expression(type, depth - 1);
            code_.put({op::else_});
            expression(type, depth - 1);
            frame_.labels.pop_back();
            return code_.put({op::end});
        case 4:
            expression(type, depth - 1);
            expression(type, depth - 1);
            expression(i32, depth - 1);
            if (chance(3)) return code_.put({op::select_typed, 1, static_cast<std::uint8_t>(type)});
            return code_.put({op::select});
        case 5: {
            const std::uint32_t callee = callee_giving(type);
            if (callee != none) return call(depth, callee, false);
            if (type == i64) return call(depth, none, false);
            return numeric(type, depth);
        }
        case 6:
            if (const std::uint32_t callee = callee_giving(type); callee != none)
                return call_through_table(depth, functions_[callee], false);
            for (std::uint32_t index = first_type; index < types_written_; ++index) {
                if (types_[index].results == Types{type} && chance(20))
                    return call_through_table(depth, index, false);
            }
            return numeric(type, depth);
        case 7:
            return code_.indexed(op::global_get, global_of(type));
        case 8:
        case 9:
        case 10:
            return load(type, depth);
        default:
            return numeric(type, depth);
    }
}

void AgreeProgram::after_arithmetic(Type type, bool is_double_lanes) {
    if (!is_portable_) return;
    const std::uint32_t helper = type == f32 ? 0 : type == f64 ? 1 : is_double_lanes ? 3 : 2;
    code_.indexed(op::call, function_index(written_ + helper));
}

void AgreeProgram::numeric(Type type, int depth) {
    static const std::array<std::vector<std::uint8_t>, 4> opcodes{
        numeric_giving(i32), numeric_giving(i64), numeric_giving(f32), numeric_giving(f64)};
    if (type == v128) return vector(depth);
    if (chance(7)) return of_vector(type, depth);
    const std::vector<std::uint8_t>& list = of_type(opcodes, type);
    const std::uint8_t opcode = list[pick(static_cast<std::uint32_t>(list.size()))];
    const wasm::NumericSignature& signature = wasm::numeric_signatures[opcode];
    const bool is_conversion =
        (opcode >= 0xa8 && opcode <= 0xab) || (opcode >= 0xae && opcode <= 0xb1);
    expression(signature.operand, depth - 1);
    if (is_conversion && !chance(6)) {
        // The same without a trap; otherwise few programs would get far.
        const bool is_unsigned =
            opcode == 0xa9 || opcode == 0xab || opcode == 0xaf || opcode == 0xb1;
        const unsigned wide = type == i64 ? 4U : 0U;
        return code_.prefixed(
            op::prefix_fc, wide + (signature.operand == f64 ? 2U : 0U) + (is_unsigned ? 1U : 0U));
    }
    if (signature.operands == 2) expression(signature.operand, depth - 1);
    if (opcode >= 0x6d && opcode <= 0x70 && !chance(5)) code_.put({op::i32_const, 1, 0x72});
    if (opcode >= 0x7f && opcode <= 0x82 && !chance(5)) code_.put({op::i64_const, 1, 0x84});
    code_.put({opcode});
    if (is_arithmetic(opcode)) after_arithmetic(type);
}

void AgreeProgram::of_vector(Type type, int depth) {
    if (type == i32 && chance(6)) {
        reference(depth - 1);
        return code_.put({op::ref_is_null});
    }
    static const std::vector<std::uint8_t> list = simd_with([](const auto& signature) {
        return signature.shape == wasm::SimdShape::extract ||
               signature.shape == wasm::SimdShape::test;
    });
    for (;;) {
        const std::uint8_t code = list[pick(static_cast<std::uint32_t>(list.size()))];
        const wasm::SimdSignature& signature = wasm::simd_signatures[code];
        const bool is_test = signature.shape == wasm::SimdShape::test;
        if ((is_test ? i32 : signature.scalar) != type) continue;
        expression(v128, depth - 1);
        code_.prefixed(op::prefix_fd, code);
        if (!is_test) code_.put({static_cast<std::uint8_t>(pick(signature.lanes))});
        return;
    }
}

void AgreeProgram::vector(int depth) {
    using wasm::SimdShape;
    static const std::vector<std::uint8_t> list = simd_with([](const auto& signature) {
        return signature.shape != SimdShape::none && signature.shape != SimdShape::test &&
               signature.shape != SimdShape::extract && signature.shape != SimdShape::store &&
               signature.shape != SimdShape::store_lane && signature.shape != SimdShape::constant;
    });
    const std::uint8_t code = list[pick(static_cast<std::uint32_t>(list.size()))];
    const wasm::SimdSignature& signature = wasm::simd_signatures[code];
    const bool is_access =
        signature.shape == SimdShape::load || signature.shape == SimdShape::load_lane;
    int vectors = 1;
    if (signature.shape == SimdShape::binary || signature.shape == SimdShape::shuffle) vectors = 2;
    if (signature.shape == SimdShape::ternary) vectors = 3;
    if (signature.shape == SimdShape::load || signature.shape == SimdShape::splat) vectors = 0;
    if (is_access) address(depth);
    for (; vectors > 0; --vectors)
        expression(v128, depth - 1);
    if (signature.shape == SimdShape::shift) expression(i32, depth - 1);
    if (signature.shape == SimdShape::splat || signature.shape == SimdShape::replace)
        expression(signature.scalar, depth - 1);
    code_.prefixed(op::prefix_fd, code);
    if (is_access) place(signature.align_log2);
    if (signature.shape == SimdShape::shuffle) {
        for (int lane = 0; lane < 16; ++lane)
            code_.put({static_cast<std::uint8_t>(pick(32))});
    }
    if (signature.shape == SimdShape::load_lane || signature.shape == SimdShape::replace)
        code_.put({static_cast<std::uint8_t>(pick(signature.lanes))});
    const Lanes lanes = arithmetic_lanes(code);
    if (lanes != Lanes::exact) after_arithmetic(v128, lanes == Lanes::doubles);
}

void AgreeProgram::load(Type type, int depth) {
    static const std::array<std::vector<std::uint8_t>, 4> opcodes{
        loads_giving(i32), loads_giving(i64), loads_giving(f32), loads_giving(f64)};
    address(depth);
    if (type == v128) {
        code_.prefixed(op::prefix_fd, 0);
        return place(4);
    }
    const std::vector<std::uint8_t>& list = of_type(opcodes, type);
    const std::uint8_t opcode = list[pick(static_cast<std::uint32_t>(list.size()))];
    code_.put({opcode});
    place(wasm::access_signatures[opcode - op::load_first].align_log2);
}

void AgreeProgram::place(std::uint8_t align_log2) {
    code_.put({static_cast<std::uint8_t>(pick(align_log2 + 1U))});
    if (chance(40)) return code_.number(chance(4) ? 0xfffffff0U : 65'480 + pick(64));
    code_.number(pick(64));
}

void AgreeProgram::address(int depth) {
    if (frame_.loops > 0 && chance(2)) {
        static constexpr std::uint32_t bases[] = {1'024, 4'096, 65'536 - 512, 2'048, 0};
        static constexpr std::uint32_t strides[] = {8, 8, 16, 4, 1, 24};
        code_.indexed(op::local_get, frame_.counters + frame_.loops - 1);
        code_.i32(strides[pick(6)]);
        code_.put({op::i32_mul});
        code_.i32(bases[pick(5)]);
        return code_.put({op::i32_add});
    }
    expression(i32, depth - 1);
    // Wrapped into memory, or nearly.
    static constexpr std::uint32_t masks[] = {0x7fff, 0x7ff8, 0xfff0, 0x3ff, 0xfff8, 0x1fff};
    code_.i32(chance(16) ? 0x1ffff : masks[pick(6)]);
    code_.put({0x71});
}

void AgreeProgram::reference(int depth) {
    switch (pick(5)) {
        case 0:
            return code_.put({op::ref_null, 0x70});
        case 1:
            code_.put({op::ref_func});
            return code_.number(function_index(pick(written_)));
        case 2:
            code_.i32(pick(depth > 0 && chance(8) ? table_entries + 4 : table_entries));
            return code_.put({op::table_get, 0});
        case 3:
            return code_.indexed(op::global_get, global_of(funcref));
        default:
            return code_.indexed(op::local_get, local_of(funcref));
    }
}

}  // namespace millrace::spec
