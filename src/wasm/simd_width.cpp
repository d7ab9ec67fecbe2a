// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <limits>

#include "wasm/simd_map.hpp"

// Integer lanes that change their width: narrowing, extension, products and sums of twice the
// width.

namespace millrace::wasm::simd {
namespace {

template <typename From, typename To>
void narrow(U64* slots, const Instr& instr) noexcept {
    const auto x = get<From>(slots + instr.b);
    const auto y = get<From>(slots + instr.c);
    Lanes<To> result;
    const auto saturate = [](From value) {
        return static_cast<To>(
            std::clamp<I32>(value, std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
    };
    for (std::size_t lane = 0; lane < x.size(); ++lane) {
        result[lane] = saturate(x[lane]);
        result[x.size() + lane] = saturate(y[lane]);
    }
    put(slots + instr.a, result);
}

/// Lanes from `first` on, each as wide as To.
template <typename To, typename From>
Lanes<To> half(const U64* slots, bool is_high) noexcept {
    const auto x = get<From>(slots);
    Lanes<To> result;
    const std::size_t first = is_high ? result.size() : 0;
    for (std::size_t lane = 0; lane < result.size(); ++lane)
        result[lane] = x[first + lane];
    return result;
}

template <typename From, typename To>
void extend(U64* slots, const Instr& instr, bool is_high) noexcept {
    put(slots + instr.a, half<To, From>(slots + instr.b, is_high));
}

/// Products fit: both factors are half as wide. Taken modulo 2^N, they are so for either sign.
template <typename From, typename To>
void multiply(U64* slots, const Instr& instr, bool is_high) noexcept {
    const auto x = half<To, From>(slots + instr.b, is_high);
    const auto y = half<To, From>(slots + instr.c, is_high);
    Lanes<To> result;
    for (std::size_t lane = 0; lane < result.size(); ++lane)
        result[lane] = static_cast<To>(static_cast<U64>(x[lane]) * static_cast<U64>(y[lane]));
    put(slots + instr.a, result);
}

template <typename From, typename To>
void add_pairs(U64* slots, const Instr& instr) noexcept {
    const auto x = get<From>(slots + instr.b);
    Lanes<To> result;
    for (std::size_t lane = 0; lane < result.size(); ++lane)
        result[lane] = static_cast<To>(To{x[2 * lane]} + To{x[2 * lane + 1]});
    put(slots + instr.a, result);
}

}  // namespace

#define NARROW(name, From, To)                           \
    void name(U64* slots, const Instr& instr) noexcept { \
        narrow<From, To>(slots, instr);                  \
    }
NARROW(i8x16_narrow_i16x8_s, I16, I8)
NARROW(i8x16_narrow_i16x8_u, I16, U8)
NARROW(i16x8_narrow_i32x4_s, I32, I16)
NARROW(i16x8_narrow_i32x4_u, I32, U16)

#define HALVES(name, function, from, sign, From, To)                            \
    void name##_low_##from##_##sign(U64* slots, const Instr& instr) noexcept {  \
        function<From, To>(slots, instr, false);                                \
    }                                                                           \
    void name##_high_##from##_##sign(U64* slots, const Instr& instr) noexcept { \
        function<From, To>(slots, instr, true);                                 \
    }
#define WIDEN(to, from, From, UFrom, To, UTo)        \
    HALVES(to##_extend, extend, from, s, From, To)   \
    HALVES(to##_extend, extend, from, u, UFrom, UTo) \
    HALVES(to##_extmul, multiply, from, s, From, To) \
    HALVES(to##_extmul, multiply, from, u, UFrom, UTo)
WIDEN(i16x8, i8x16, I8, U8, I16, U16)
WIDEN(i32x4, i16x8, I16, U16, I32, U32)
WIDEN(i64x2, i32x4, I32, U32, I64, U64)

#define PAIRS(name, From, To)                            \
    void name(U64* slots, const Instr& instr) noexcept { \
        add_pairs<From, To>(slots, instr);               \
    }
PAIRS(i16x8_extadd_pairwise_i8x16_s, I8, I16)
PAIRS(i16x8_extadd_pairwise_i8x16_u, U8, U16)
PAIRS(i32x4_extadd_pairwise_i16x8_s, I16, I32)
PAIRS(i32x4_extadd_pairwise_i16x8_u, U16, U32)

void i32x4_dot_i16x8_s(U64* slots, const Instr& instr) noexcept {
    const auto x = get<I16>(slots + instr.b);
    const auto y = get<I16>(slots + instr.c);
    const auto product = [&](std::size_t lane) {
        return static_cast<U32>(I32{x[lane]} * I32{y[lane]});
    };
    Lanes<U32> result;
    for (std::size_t lane = 0; lane < result.size(); ++lane)
        result[lane] = product(2 * lane) + product(2 * lane + 1);  // modulo 2^32: 2^31 + 2^31 is 0
    put(slots + instr.a, result);
}

}  // namespace millrace::wasm::simd
