// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "wasm/ir.hpp"
#include "wasm/simd_ops.hpp"

/// What the interpreter does for an instruction on vectors: one function each, found by opcode. A
/// v128 lies in two slots, lane 0 in the lowest bits of the first. Plain loops over lanes, which
/// the compiler vectorises: the bits of a result do not depend on the machine. Every function reads
/// its operands whole before it writes, because the slots may overlap.
namespace millrace::wasm::simd {

static_assert(std::endian::native == std::endian::little);

template <typename Lane>
using Lanes = std::array<Lane, 16 / sizeof(Lane)>;

template <typename Lane>
inline Lanes<Lane> get(const std::uint64_t* slots) noexcept {
    Lanes<Lane> lanes;
    std::memcpy(lanes.data(), slots, sizeof lanes);
    return lanes;
}
template <typename Lane>
inline void put(std::uint64_t* slots, const Lanes<Lane>& lanes) noexcept {
    std::memcpy(slots, lanes.data(), sizeof lanes);
}

/// Fields: a result, b first operand, c second, d third or lane index, e opcode.
using PlainFunction = void (*)(std::uint64_t* slots, const Instr& instr) noexcept;
/// Fields: a result or stored vector, b address, c vector of a load_lane, d offset, e opcode and
/// (times 2^16) lane index. False when the access is out of bounds; nothing changed then.
using MemoryFunction = bool (*)(std::uint64_t* slots, const Instr& instr, std::uint8_t* memory,
                                std::uint64_t memory_size) noexcept;

#define X(code, name, ...) void name(std::uint64_t* slots, const Instr& instr) noexcept;
MILLRACE_WASM_SIMD_PLAIN(X)
#undef X

extern const std::array<PlainFunction, 256> plain_functions;
extern const std::array<MemoryFunction, 256> memory_functions;

/// Whether a memory function writes to memory.
constexpr bool is_store(std::uint32_t opcode) noexcept {
    const SimdShape shape = simd_signatures[opcode & 0xffU].shape;
    return shape == SimdShape::store || shape == SimdShape::store_lane;
}

/// Fields as for PlainFunction; a lane below 16 picks from b, the others from c.
void shuffle(std::uint64_t* slots, const Instr& instr,
             const std::array<std::uint8_t, 16>& lanes) noexcept;

}  // namespace millrace::wasm::simd
