// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <bit>
#include <limits>

#include "wasm/simd_map.hpp"

// Integer lanes of one width: arithmetic modulo 2^N, saturating arithmetic, comparisons, shifts.

namespace millrace::wasm::simd {
namespace {

/// The nearest number that To holds; the sums and differences given fit in 32 bits.
template <typename To>
constexpr To saturate(I32 value) noexcept {
    return static_cast<To>(
        std::clamp<I32>(value, std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
}

template <typename T, typename Function>
void shift(U64* slots, const Instr& instr, Function function) noexcept {
    const U32 by = numeric::take<U32>(slots[instr.c]) % (8 * sizeof(T));
    map<T>(slots, instr, [&](T x) { return function(x, by); });
}

template <typename T>
void all_true(U64* slots, const Instr& instr) noexcept {
    const auto x = get<T>(slots + instr.b);
    slots[instr.a] = std::ranges::find(x, T{0}) == x.end() ? 1 : 0;
}

template <typename T>
void bitmask(U64* slots, const Instr& instr) noexcept {
    const auto x = get<T>(slots + instr.b);
    U64 mask = 0;
    for (std::size_t lane = 0; lane < x.size(); ++lane)
        mask |= (x[lane] < 0 ? U64{1} : U64{0}) << lane;
    slots[instr.a] = mask;
}

}  // namespace

// What every width has. Computed on W, an unsigned type of at least 32 bits.
#define EVERY_WIDTH(shape, I, U, W)                                                     \
    MAP(shape##_abs, I, x < 0 ? static_cast<I>(W{0} - static_cast<W>(x)) : x)           \
    MAP(shape##_neg, U, W{0} - W{x})                                                    \
    ZIP(shape##_add, U, W{x} + W{y})                                                    \
    ZIP(shape##_sub, U, W{x} - W{y})                                                    \
    COMPARE(shape##_eq, U, x == y)                                                      \
    COMPARE(shape##_ne, U, x != y)                                                      \
    COMPARE(shape##_lt_s, I, x < y)                                                     \
    COMPARE(shape##_gt_s, I, x > y)                                                     \
    COMPARE(shape##_le_s, I, x <= y)                                                    \
    COMPARE(shape##_ge_s, I, x >= y)                                                    \
    void shape##_shl(U64* slots, const Instr& instr) noexcept {                         \
        shift<U>(slots, instr, [](U x, U32 by) { return static_cast<U>(W{x} << by); }); \
    }                                                                                   \
    void shape##_shr_s(U64* slots, const Instr& instr) noexcept {                       \
        shift<I>(slots, instr, [](I x, U32 by) { return static_cast<I>(x >> by); });    \
    }                                                                                   \
    void shape##_shr_u(U64* slots, const Instr& instr) noexcept {                       \
        shift<U>(slots, instr, [](U x, U32 by) { return static_cast<U>(W{x} >> by); }); \
    }                                                                                   \
    void shape##_all_true(U64* slots, const Instr& instr) noexcept {                    \
        all_true<U>(slots, instr);                                                      \
    }                                                                                   \
    void shape##_bitmask(U64* slots, const Instr& instr) noexcept {                     \
        bitmask<I>(slots, instr);                                                       \
    }
EVERY_WIDTH(i8x16, I8, U8, U32)
EVERY_WIDTH(i16x8, I16, U16, U32)
EVERY_WIDTH(i32x4, I32, U32, U32)
EVERY_WIDTH(i64x2, I64, U64, U64)

#define UP_TO_32_BITS(shape, I, U)       \
    COMPARE(shape##_lt_u, U, x < y)      \
    COMPARE(shape##_gt_u, U, x > y)      \
    COMPARE(shape##_le_u, U, x <= y)     \
    COMPARE(shape##_ge_u, U, x >= y)     \
    ZIP(shape##_min_s, I, x < y ? x : y) \
    ZIP(shape##_min_u, U, x < y ? x : y) \
    ZIP(shape##_max_s, I, x > y ? x : y) \
    ZIP(shape##_max_u, U, x > y ? x : y)
UP_TO_32_BITS(i8x16, I8, U8)
UP_TO_32_BITS(i16x8, I16, U16)
UP_TO_32_BITS(i32x4, I32, U32)

#define UP_TO_16_BITS(shape, I, U)                          \
    ZIP(shape##_add_sat_s, I, saturate<I>(I32{x} + I32{y})) \
    ZIP(shape##_add_sat_u, U, saturate<U>(I32{x} + I32{y})) \
    ZIP(shape##_sub_sat_s, I, saturate<I>(I32{x} - I32{y})) \
    ZIP(shape##_sub_sat_u, U, saturate<U>(I32{x} - I32{y})) \
    ZIP(shape##_avgr_u, U, (U32{x} + U32{y} + 1) >> 1U)
UP_TO_16_BITS(i8x16, I8, U8)
UP_TO_16_BITS(i16x8, I16, U16)

MAP(i8x16_popcnt, U8, std::popcount(x))
ZIP(i16x8_mul, U16, U32{x} * U32{y})
ZIP(i32x4_mul, U32, x* y)
ZIP(i64x2_mul, U64, x* y)
ZIP(i16x8_q15mulr_sat_s, I16, saturate<I16>((I32{x} * I32{y} + 0x4000) >> 15))

}  // namespace millrace::wasm::simd
