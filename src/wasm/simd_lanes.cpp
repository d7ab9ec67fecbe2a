// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/simd_map.hpp"

// Lanes as they are, with no arithmetic: bits, splats, single lanes, swizzle.

namespace millrace::wasm::simd {

MAP(v128_not, U64, ~x)
ZIP(v128_and, U64, x& y)
ZIP(v128_andnot, U64, x & ~y)
ZIP(v128_or, U64, x | y)
ZIP(v128_xor, U64, x ^ y)

void v128_bitselect(U64* slots, const Instr& instr) noexcept {
    const auto x = get<U64>(slots + instr.b);
    const auto y = get<U64>(slots + instr.c);
    const auto mask = get<U64>(slots + instr.d);
    put(slots + instr.a,
        Lanes<U64>{(x[0] & mask[0]) | (y[0] & ~mask[0]), (x[1] & mask[1]) | (y[1] & ~mask[1])});
}

void v128_any_true(U64* slots, const Instr& instr) noexcept {
    const auto x = get<U64>(slots + instr.b);
    slots[instr.a] = (x[0] | x[1]) != 0 ? 1 : 0;
}

void i8x16_swizzle(U64* slots, const Instr& instr) noexcept {
    const auto x = get<U8>(slots + instr.b);
    map<U8>(slots, Instr{.a = instr.a, .b = instr.c},
            [&x](U8 lane) -> U8 { return lane < 16 ? x[lane] : U8{0}; });
}

// A scalar's slot is moved as bits: T is an integer as wide as the lane, R as wide as the scalar.
#define SPLAT(shape, T)                                           \
    void shape##_splat(U64* slots, const Instr& instr) noexcept { \
        Lanes<T> lanes;                                           \
        lanes.fill(static_cast<T>(slots[instr.b]));               \
        put(slots + instr.a, lanes);                              \
    }
#define EXTRACT(name, T, R)                                      \
    void name(U64* slots, const Instr& instr) noexcept {         \
        const T lane = get<T>(slots + instr.b)[instr.d];         \
        slots[instr.a] = numeric::give<R>(static_cast<R>(lane)); \
    }
#define REPLACE(shape, T)                                                \
    void shape##_replace_lane(U64* slots, const Instr& instr) noexcept { \
        auto lanes = get<T>(slots + instr.b);                            \
        lanes[instr.d] = static_cast<T>(slots[instr.c]);                 \
        put(slots + instr.a, lanes);                                     \
    }
SPLAT(i8x16, U8)
SPLAT(i16x8, U16)
SPLAT(i32x4, U32)
SPLAT(i64x2, U64)
SPLAT(f32x4, U32)
SPLAT(f64x2, U64)
EXTRACT(i8x16_extract_lane_s, I8, I32)
EXTRACT(i8x16_extract_lane_u, U8, U32)
EXTRACT(i16x8_extract_lane_s, I16, I32)
EXTRACT(i16x8_extract_lane_u, U16, U32)
EXTRACT(i32x4_extract_lane, U32, U32)
EXTRACT(i64x2_extract_lane, U64, U64)
EXTRACT(f32x4_extract_lane, U32, U32)
EXTRACT(f64x2_extract_lane, U64, U64)
REPLACE(i8x16, U8)
REPLACE(i16x8, U16)
REPLACE(i32x4, U32)
REPLACE(i64x2, U64)
REPLACE(f32x4, U32)
REPLACE(f64x2, U64)

}  // namespace millrace::wasm::simd
