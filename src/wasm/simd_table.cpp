// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/numeric.hpp"
#include "wasm/simd.hpp"

namespace millrace::wasm::simd {
namespace {

using namespace numeric;

/// The bytes of an access, or null when one is out of bounds.
inline std::uint8_t* place(const U64* slots, const Instr& instr, std::uint8_t* memory,
                           U64 memory_size, U64 size) noexcept {
    const U64 at = U64{take<U32>(slots[instr.b])} + instr.d;
    return at + size <= memory_size ? memory + at : nullptr;
}
template <typename T>
inline T read(const std::uint8_t* from) noexcept {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

bool v128_load(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    const std::uint8_t* from = place(slots, instr, memory, memory_size, 16);
    if (from == nullptr) return false;
    put(slots + instr.a, read<Lanes<U64>>(from));
    return true;
}

bool v128_store(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    std::uint8_t* to = place(slots, instr, memory, memory_size, 16);
    if (to == nullptr) return false;
    std::memcpy(to, slots + instr.a, 16);
    return true;
}

/// Eight bytes, each Narrow widened to a lane.
template <typename Narrow, typename Wide>
bool load_extended(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    const std::uint8_t* from = place(slots, instr, memory, memory_size, 8);
    if (from == nullptr) return false;
    const auto narrow = read<std::array<Narrow, 8 / sizeof(Narrow)>>(from);
    Lanes<Wide> lanes;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane)
        lanes[lane] = narrow[lane];
    put(slots + instr.a, lanes);
    return true;
}

template <typename T>
bool load_splat(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    const std::uint8_t* from = place(slots, instr, memory, memory_size, sizeof(T));
    if (from == nullptr) return false;
    Lanes<T> lanes;
    lanes.fill(read<T>(from));
    put(slots + instr.a, lanes);
    return true;
}

template <typename T>
bool load_zero(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    const std::uint8_t* from = place(slots, instr, memory, memory_size, sizeof(T));
    if (from == nullptr) return false;
    put(slots + instr.a, Lanes<U64>{read<T>(from), 0});
    return true;
}

template <typename T>
bool load_lane(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    const std::uint8_t* from = place(slots, instr, memory, memory_size, sizeof(T));
    if (from == nullptr) return false;
    auto lanes = get<T>(slots + instr.c);
    lanes[instr.e >> 16U] = read<T>(from);
    put(slots + instr.a, lanes);
    return true;
}

template <typename T>
bool store_lane(U64* slots, const Instr& instr, std::uint8_t* memory, U64 memory_size) noexcept {
    std::uint8_t* to = place(slots, instr, memory, memory_size, sizeof(T));
    if (to == nullptr) return false;
    const T value = get<T>(slots + instr.a)[instr.e >> 16U];
    std::memcpy(to, &value, sizeof value);
    return true;
}

constexpr MemoryFunction v128_load8x8_s = load_extended<std::int8_t, std::int16_t>;
constexpr MemoryFunction v128_load8x8_u = load_extended<std::uint8_t, std::uint16_t>;
constexpr MemoryFunction v128_load16x4_s = load_extended<std::int16_t, I32>;
constexpr MemoryFunction v128_load16x4_u = load_extended<std::uint16_t, U32>;
constexpr MemoryFunction v128_load32x2_s = load_extended<I32, I64>;
constexpr MemoryFunction v128_load32x2_u = load_extended<U32, U64>;
constexpr MemoryFunction v128_load8_splat = load_splat<std::uint8_t>;
constexpr MemoryFunction v128_load16_splat = load_splat<std::uint16_t>;
constexpr MemoryFunction v128_load32_splat = load_splat<U32>;
constexpr MemoryFunction v128_load64_splat = load_splat<U64>;
constexpr MemoryFunction v128_load32_zero = load_zero<U32>;
constexpr MemoryFunction v128_load64_zero = load_zero<U64>;
constexpr MemoryFunction v128_load8_lane = load_lane<std::uint8_t>;
constexpr MemoryFunction v128_load16_lane = load_lane<std::uint16_t>;
constexpr MemoryFunction v128_load32_lane = load_lane<U32>;
constexpr MemoryFunction v128_load64_lane = load_lane<U64>;
constexpr MemoryFunction v128_store8_lane = store_lane<std::uint8_t>;
constexpr MemoryFunction v128_store16_lane = store_lane<std::uint16_t>;
constexpr MemoryFunction v128_store32_lane = store_lane<U32>;
constexpr MemoryFunction v128_store64_lane = store_lane<U64>;

}  // namespace

constexpr std::array<PlainFunction, 256> plain_functions = [] {
    std::array<PlainFunction, 256> table{};
#define X(code, name, ...) table[code] = name;
    MILLRACE_WASM_SIMD_PLAIN(X)
#undef X
    return table;
}();

constexpr std::array<MemoryFunction, 256> memory_functions = [] {
    std::array<MemoryFunction, 256> table{};
#define X(code, name, ...) table[code] = name;
    MILLRACE_WASM_SIMD_MEMORY(X)
#undef X
    return table;
}();

void shuffle(U64* slots, const Instr& instr, const std::array<std::uint8_t, 16>& lanes) noexcept {
    std::uint8_t both[32];
    std::memcpy(both, slots + instr.b, 16);
    std::memcpy(both + 16, slots + instr.c, 16);
    Lanes<std::uint8_t> picked;
    for (std::size_t lane = 0; lane < 16; ++lane)
        picked[lane] = both[lanes[lane]];
    put(slots + instr.a, picked);
}

}  // namespace millrace::wasm::simd
