// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <type_traits>

#include "wasm/numeric.hpp"
#include "wasm/simd.hpp"

/// Loops over the lanes of one or two vectors, for the functions of simd_*.cpp.
namespace millrace::wasm::simd {

using numeric::F32;
using numeric::F64;
using numeric::I32;
using numeric::I64;
using numeric::U32;
using numeric::U64;
using I8 = std::int8_t;
using U8 = std::uint8_t;
using I16 = std::int16_t;
using U16 = std::uint16_t;

/// The unsigned integer as wide as T.
template <typename T>
using Mask = std::conditional_t<
    sizeof(T) == 1, U8,
    std::conditional_t<sizeof(T) == 2, U16, std::conditional_t<sizeof(T) == 4, U32, U64>>>;

template <typename T, typename Function>
inline void map(U64* slots, const Instr& instr, Function function) noexcept {
    const auto x = get<T>(slots + instr.b);
    Lanes<T> result;
    for (std::size_t lane = 0; lane < x.size(); ++lane)
        result[lane] = static_cast<T>(function(x[lane]));
    put(slots + instr.a, result);
}

template <typename T, typename Function>
inline void zip(U64* slots, const Instr& instr, Function function) noexcept {
    const auto x = get<T>(slots + instr.b);
    const auto y = get<T>(slots + instr.c);
    Lanes<T> result;
    for (std::size_t lane = 0; lane < x.size(); ++lane)
        result[lane] = static_cast<T>(function(x[lane], y[lane]));
    put(slots + instr.a, result);
}

/// A comparison: lanes of ones where it holds.
template <typename T, typename Function>
inline void compare(U64* slots, const Instr& instr, Function function) noexcept {
    const auto x = get<T>(slots + instr.b);
    const auto y = get<T>(slots + instr.c);
    Lanes<Mask<T>> result;
    for (std::size_t lane = 0; lane < x.size(); ++lane)
        result[lane] = static_cast<Mask<T>>(function(x[lane], y[lane]) ? ~Mask<T>{0} : Mask<T>{0});
    put(slots + instr.a, result);
}

// Definitions of the functions that simd.hpp declares, from an expression of x (and y).
#define MAP(name, T, expression)                              \
    void name(U64* slots, const Instr& instr) noexcept {      \
        map<T>(slots, instr, [](T x) { return expression; }); \
    }
#define ZIP(name, T, expression)                                   \
    void name(U64* slots, const Instr& instr) noexcept {           \
        zip<T>(slots, instr, [](T x, T y) { return expression; }); \
    }
#define COMPARE(name, T, expression)                                   \
    void name(U64* slots, const Instr& instr) noexcept {               \
        compare<T>(slots, instr, [](T x, T y) { return expression; }); \
    }

}  // namespace millrace::wasm::simd
