// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasm/values.hpp"

/// Opcodes of the binary format (specification 5.4) and the types of the plain ones.
namespace millrace::wasm {

namespace op {
constexpr std::uint8_t unreachable = 0x00;
constexpr std::uint8_t nop = 0x01;
constexpr std::uint8_t block = 0x02;
constexpr std::uint8_t loop = 0x03;
constexpr std::uint8_t if_ = 0x04;
constexpr std::uint8_t else_ = 0x05;
constexpr std::uint8_t end = 0x0b;
constexpr std::uint8_t br = 0x0c;
constexpr std::uint8_t br_if = 0x0d;
constexpr std::uint8_t br_table = 0x0e;
constexpr std::uint8_t return_ = 0x0f;
constexpr std::uint8_t call = 0x10;
constexpr std::uint8_t call_indirect = 0x11;
constexpr std::uint8_t return_call = 0x12;
constexpr std::uint8_t return_call_indirect = 0x13;
constexpr std::uint8_t drop = 0x1a;
constexpr std::uint8_t select = 0x1b;
constexpr std::uint8_t select_typed = 0x1c;
constexpr std::uint8_t local_get = 0x20;
constexpr std::uint8_t local_set = 0x21;
constexpr std::uint8_t local_tee = 0x22;
constexpr std::uint8_t global_get = 0x23;
constexpr std::uint8_t global_set = 0x24;
constexpr std::uint8_t table_get = 0x25;
constexpr std::uint8_t table_set = 0x26;
constexpr std::uint8_t load_first = 0x28;
constexpr std::uint8_t load_last = 0x35;
constexpr std::uint8_t store_first = 0x36;
constexpr std::uint8_t store_last = 0x3e;
constexpr std::uint8_t memory_size = 0x3f;
constexpr std::uint8_t memory_grow = 0x40;
constexpr std::uint8_t i32_const = 0x41;
constexpr std::uint8_t i64_const = 0x42;
constexpr std::uint8_t f32_const = 0x43;
constexpr std::uint8_t f64_const = 0x44;
constexpr std::uint8_t numeric_first = 0x45;
constexpr std::uint8_t i32_eqz = 0x45;
constexpr std::uint8_t i64_eqz = 0x50;
constexpr std::uint8_t i32_add = 0x6a;
constexpr std::uint8_t i32_sub = 0x6b;
constexpr std::uint8_t i32_mul = 0x6c;
constexpr std::uint8_t i64_add = 0x7c;
constexpr std::uint8_t i64_sub = 0x7d;
constexpr std::uint8_t i64_mul = 0x7e;
constexpr std::uint8_t numeric_last = 0xc4;
constexpr std::uint8_t ref_null = 0xd0;
constexpr std::uint8_t ref_is_null = 0xd1;
constexpr std::uint8_t ref_func = 0xd2;
constexpr std::uint8_t prefix_fc = 0xfc;
constexpr std::uint8_t prefix_fd = 0xfd;
}  // namespace op

/// After the prefix 0xfc.
namespace op_fc {
constexpr std::uint32_t trunc_sat_last = 7;
constexpr std::uint32_t memory_init = 8;
constexpr std::uint32_t data_drop = 9;
constexpr std::uint32_t memory_copy = 10;
constexpr std::uint32_t memory_fill = 11;
constexpr std::uint32_t table_init = 12;
constexpr std::uint32_t elem_drop = 13;
constexpr std::uint32_t table_copy = 14;
constexpr std::uint32_t table_grow = 15;
constexpr std::uint32_t table_size = 16;
constexpr std::uint32_t table_fill = 17;
}  // namespace op_fc

/// Operand and result of an instruction that takes one or two operands of one type.
struct NumericSignature {
    std::uint8_t operands = 0;
    ValueType operand = ValueType::i32;
    ValueType result = ValueType::i32;
};

constexpr std::array<NumericSignature, 256> numeric_signatures = [] {
    using enum ValueType;
    std::array<NumericSignature, 256> table{};
    const auto set = [&table](int first, int last, std::uint8_t operands, ValueType operand,
                              ValueType result) {
        for (int opcode = first; opcode <= last; ++opcode)
            table[static_cast<std::size_t>(opcode)] = {operands, operand, result};
    };
    set(0x45, 0x45, 1, i32, i32);
    set(0x46, 0x4f, 2, i32, i32);
    set(0x50, 0x50, 1, i64, i32);
    set(0x51, 0x5a, 2, i64, i32);
    set(0x5b, 0x60, 2, f32, i32);
    set(0x61, 0x66, 2, f64, i32);
    set(0x67, 0x69, 1, i32, i32);
    set(0x6a, 0x78, 2, i32, i32);
    set(0x79, 0x7b, 1, i64, i64);
    set(0x7c, 0x8a, 2, i64, i64);
    set(0x8b, 0x91, 1, f32, f32);
    set(0x92, 0x98, 2, f32, f32);
    set(0x99, 0x9f, 1, f64, f64);
    set(0xa0, 0xa6, 2, f64, f64);
    set(0xa7, 0xa7, 1, i64, i32);
    set(0xa8, 0xa9, 1, f32, i32);
    set(0xaa, 0xab, 1, f64, i32);
    set(0xac, 0xad, 1, i32, i64);
    set(0xae, 0xaf, 1, f32, i64);
    set(0xb0, 0xb1, 1, f64, i64);
    set(0xb2, 0xb3, 1, i32, f32);
    set(0xb4, 0xb5, 1, i64, f32);
    set(0xb6, 0xb6, 1, f64, f32);
    set(0xb7, 0xb8, 1, i32, f64);
    set(0xb9, 0xba, 1, i64, f64);
    set(0xbb, 0xbb, 1, f32, f64);
    set(0xbc, 0xbc, 1, f32, i32);
    set(0xbd, 0xbd, 1, f64, i64);
    set(0xbe, 0xbe, 1, i32, f32);
    set(0xbf, 0xbf, 1, i64, f64);
    set(0xc0, 0xc1, 1, i32, i32);
    set(0xc2, 0xc4, 1, i64, i64);
    return table;
}();

/// Value type and natural alignment (log2) of loads and stores, from op::load_first on.
struct AccessSignature {
    ValueType type = ValueType::i32;
    std::uint8_t align_log2 = 0;
};
constexpr std::array<AccessSignature, 23> access_signatures = {{
    {ValueType::i32, 2}, {ValueType::i64, 3}, {ValueType::f32, 2}, {ValueType::f64, 3},
    {ValueType::i32, 0}, {ValueType::i32, 0}, {ValueType::i32, 1}, {ValueType::i32, 1},
    {ValueType::i64, 0}, {ValueType::i64, 0}, {ValueType::i64, 1}, {ValueType::i64, 1},
    {ValueType::i64, 2}, {ValueType::i64, 2}, {ValueType::i32, 2}, {ValueType::i64, 3},
    {ValueType::f32, 2}, {ValueType::f64, 3}, {ValueType::i32, 0}, {ValueType::i32, 1},
    {ValueType::i64, 0}, {ValueType::i64, 1}, {ValueType::i64, 2},
}};

/// Operand and result of the saturating conversions, 0xfc 0 to 7.
constexpr std::array<NumericSignature, 8> trunc_sat_signatures = {{
    {1, ValueType::f32, ValueType::i32},
    {1, ValueType::f32, ValueType::i32},
    {1, ValueType::f64, ValueType::i32},
    {1, ValueType::f64, ValueType::i32},
    {1, ValueType::f32, ValueType::i64},
    {1, ValueType::f32, ValueType::i64},
    {1, ValueType::f64, ValueType::i64},
    {1, ValueType::f64, ValueType::i64},
}};

/// Whether profile det-1 has the (one-byte) opcode or prefix.
constexpr bool is_known_opcode(std::uint8_t opcode) noexcept {
    if (opcode <= op::else_) return true;
    if (opcode >= op::end && opcode <= op::return_call_indirect) return true;
    if (opcode >= op::drop && opcode <= op::select_typed) return true;
    if (opcode >= op::local_get && opcode <= op::table_set) return true;
    if (opcode >= op::load_first && opcode <= op::numeric_last) return true;
    return (opcode >= op::ref_null && opcode <= op::ref_func) || opcode == op::prefix_fc ||
           opcode == op::prefix_fd;
}

/// "module uses threads (opcode 0xfe at offset 1234), which profile det-1 does not have"
std::string feature_message(std::string_view feature, std::uint8_t opcode, std::size_t offset);

}  // namespace millrace::wasm
