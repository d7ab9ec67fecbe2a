// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

/// Numbers as WebAssembly defines them, for the interpreter's scalar and vector instructions.
namespace millrace::wasm::numeric {

using U32 = std::uint32_t;
using U64 = std::uint64_t;
using I32 = std::int32_t;
using I64 = std::int64_t;
using F32 = float;
using F64 = double;

// Every arithmetic float instruction gives the positive canonical NaN (design 6.6). Tested by
// comparison rather than select: the branch is never taken in ordinary programs.
inline F32 canonical(F32 value) noexcept {
    if (__builtin_expect(value != value, 0)) return std::bit_cast<F32>(0x7fc00000U);
    return value;
}
inline F64 canonical(F64 value) noexcept {
    if (__builtin_expect(value != value, 0)) return std::bit_cast<F64>(0x7ff8000000000000ULL);
    return value;
}

template <typename Float>
inline Float float_min(Float x, Float y) noexcept {
    if (x != x || y != y) return canonical(std::numeric_limits<Float>::quiet_NaN());
    if (x == y) return std::signbit(x) ? x : y;  // of two zeros the negative one
    return x < y ? x : y;
}
template <typename Float>
inline Float float_max(Float x, Float y) noexcept {
    if (x != x || y != y) return canonical(std::numeric_limits<Float>::quiet_NaN());
    if (x == y) return std::signbit(x) ? y : x;
    return x > y ? x : y;
}

template <typename Float>
inline U64 to_u64(Float value) noexcept {
    constexpr Float half = static_cast<Float>(9223372036854775808.0);
    if (value < half) return static_cast<U64>(static_cast<I64>(value));
    return static_cast<U64>(static_cast<I64>(value - half)) ^ (1ULL << 63U);
}

template <typename Int, typename Float>
inline Int trunc_saturated(Float value) noexcept {
    // Both bounds are exact: a power of two, and its negative or 0.
    constexpr Float high = static_cast<Float>(std::is_signed_v<Int> ? 1ULL << 62U : 1ULL << 63U) *
                           (sizeof(Int) == 8 ? 2 : static_cast<Float>(1.0 / 2147483648.0));
    if (value != value) return 0;
    if (value >= high) return std::numeric_limits<Int>::max();
    if constexpr (std::is_signed_v<Int>) {
        if (value < -high) return std::numeric_limits<Int>::min();
        return static_cast<Int>(value);
    } else {
        if (value <= -1) return 0;
        return static_cast<Int>(to_u64(value < 0 ? 0 : value));
    }
}

template <typename T>
inline T take(U64 bits) noexcept {
    if constexpr (std::is_same_v<T, F32>) {
        return std::bit_cast<F32>(static_cast<U32>(bits));
    } else if constexpr (std::is_same_v<T, F64>) {
        return std::bit_cast<F64>(bits);
    } else {
        return static_cast<T>(bits);
    }
}
template <typename T>
inline U64 give(T value) noexcept {
    if constexpr (std::is_same_v<T, F32>) {
        return std::bit_cast<U32>(value);
    } else if constexpr (std::is_same_v<T, F64>) {
        return std::bit_cast<U64>(value);
    } else {
        return static_cast<std::make_unsigned_t<T>>(value);
    }
}
/// The constant of a branch; see IrOp's field e.
template <typename T>
inline T short_constant(U32 bits) noexcept {
    if constexpr (std::is_same_v<T, F64>) {
        return static_cast<F64>(std::bit_cast<F32>(bits));
    } else if constexpr (std::is_same_v<T, U64>) {
        return static_cast<U64>(static_cast<I64>(static_cast<I32>(bits)));
    } else {
        return take<T>(bits);
    }
}

}  // namespace millrace::wasm::numeric
