// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/simd_map.hpp"

// Lanes of floats. Arithmetic gives the positive canonical NaN in each lane that is one (design
// 6.6), as the scalar instructions do; abs, neg, pmin and pmax move bits and keep them.

namespace millrace::wasm::simd {

using numeric::canonical;
using numeric::float_max;
using numeric::float_min;
using numeric::trunc_saturated;

#define FLOATS(shape, F, U, sign, f)                                        \
    MAP(shape##_abs, U, x & ~(sign))                                        \
    MAP(shape##_neg, U, x ^ (sign))                                         \
    MAP(shape##_ceil, F, canonical(__builtin_ceil##f(x)))                   \
    MAP(shape##_floor, F, canonical(__builtin_floor##f(x)))                 \
    MAP(shape##_trunc, F, canonical(__builtin_trunc##f(x)))                 \
    MAP(shape##_nearest, F, canonical(__builtin_nearbyint##f(x)))           \
    MAP(shape##_sqrt, F, canonical(__builtin_sqrt##f(x)))                   \
    ZIP(shape##_add, F, canonical(x + y))                                   \
    ZIP(shape##_sub, F, canonical(x - y))                                   \
    ZIP(shape##_mul, F, canonical(x* y))                                    \
    ZIP(shape##_div, F, canonical(x / y))                                   \
    ZIP(shape##_min, F, float_min(x, y))                                    \
    ZIP(shape##_max, F, float_max(x, y))                                    \
    ZIP(shape##_pmin, U, std::bit_cast<F>(y) < std::bit_cast<F>(x) ? y : x) \
    ZIP(shape##_pmax, U, std::bit_cast<F>(x) < std::bit_cast<F>(y) ? y : x) \
    COMPARE(shape##_eq, F, x == y)                                          \
    COMPARE(shape##_ne, F, x != y)                                          \
    COMPARE(shape##_lt, F, x < y)                                           \
    COMPARE(shape##_gt, F, x > y)                                           \
    COMPARE(shape##_le, F, x <= y)                                          \
    COMPARE(shape##_ge, F, x >= y)
FLOATS(f32x4, F32, U32, 0x80000000U, f)
FLOATS(f64x2, F64, U64, 0x8000000000000000ULL, )

namespace {

/// Converts as many low lanes as both shapes have; the rest of the result is zero.
template <typename From, typename To, typename Function>
void convert(U64* slots, const Instr& instr, Function function) noexcept {
    const auto x = get<From>(slots + instr.b);
    Lanes<To> result{};
    for (std::size_t lane = 0; lane < x.size() && lane < result.size(); ++lane)
        result[lane] = function(x[lane]);
    put(slots + instr.a, result);
}

}  // namespace

#define CONVERT(name, From, To, expression)                                       \
    void name(U64* slots, const Instr& instr) noexcept {                          \
        convert<From, To>(slots, instr, [](From x) -> To { return expression; }); \
    }
CONVERT(i32x4_trunc_sat_f32x4_s, F32, I32, trunc_saturated<I32>(x))
CONVERT(i32x4_trunc_sat_f32x4_u, F32, U32, trunc_saturated<U32>(x))
CONVERT(i32x4_trunc_sat_f64x2_s_zero, F64, I32, trunc_saturated<I32>(x))
CONVERT(i32x4_trunc_sat_f64x2_u_zero, F64, U32, trunc_saturated<U32>(x))
CONVERT(f32x4_convert_i32x4_s, I32, F32, static_cast<F32>(x))
CONVERT(f32x4_convert_i32x4_u, U32, F32, static_cast<F32>(x))
CONVERT(f64x2_convert_low_i32x4_s, I32, F64, static_cast<F64>(x))
CONVERT(f64x2_convert_low_i32x4_u, U32, F64, static_cast<F64>(x))
CONVERT(f32x4_demote_f64x2_zero, F64, F32, canonical(static_cast<F32>(x)))
CONVERT(f64x2_promote_low_f32x4, F32, F64, canonical(static_cast<F64>(x)))

}  // namespace millrace::wasm::simd
