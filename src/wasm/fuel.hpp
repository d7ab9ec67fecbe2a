// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wasm/opcodes.hpp"

/// The cost table of docs/formats/fuel.md. A change of any number is a new version.
namespace millrace::wasm::fuel {

constexpr std::uint32_t table_version = 1;

/// By opcode: 1 each, and 0 for nop, block, loop, else, end.
constexpr std::array<std::uint8_t, 256> opcode_cost = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(1);
    for (const std::uint8_t free : {op::nop, op::block, op::loop, op::else_, op::end})
        table[free] = 0;
    return table;
}();

/// br, br_if, br_table, return, tail calls: slots carried cost 1 for each full group. A value is
/// one slot, a v128 two.
constexpr std::uint32_t branch_values_per_unit = 16;
/// Function entry: slots of declared locals set to zero, 1 for each full group.
constexpr std::uint32_t locals_per_unit = 16;
/// memory.fill, memory.copy, memory.init: 1 for each started group of bytes.
constexpr std::uint32_t bytes_per_unit = 16;
/// memory.grow, when it succeeds: for each page.
constexpr std::uint32_t units_per_page = 4096;
/// table.fill, table.copy, table.init, and table.grow when it succeeds: for each entry.
constexpr std::uint32_t units_per_entry = 1;
/// Limits above this are lowered to it, so that sums cannot overflow.
constexpr std::uint64_t limit_max = 1ULL << 62;

constexpr std::uint64_t for_bytes(std::uint64_t bytes) noexcept {
    return (bytes + bytes_per_unit - 1) / bytes_per_unit;
}
constexpr std::uint32_t for_branch(std::size_t slots) noexcept {
    return static_cast<std::uint32_t>(slots / branch_values_per_unit);
}

}  // namespace millrace::wasm::fuel
