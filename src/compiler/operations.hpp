// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wasm/ir.hpp"

/// The intermediate form's operations taken apart, from the same lists that the interpreter is made
/// of (wasm/ir_ops.hpp): what an operation does, and where its operands are.
namespace millrace::compiler {

enum class Type : std::uint8_t { i32, i64, f32, f64 };
constexpr std::size_t type_count = 4;

constexpr bool is_float(Type type) noexcept {
    return type == Type::f32 || type == Type::f64;
}
constexpr bool is_wide(Type type) noexcept {
    return type == Type::i64 || type == Type::f64;
}
/// The type of the same width that sees the same bits.
constexpr Type twin_of(Type type) noexcept {
    constexpr Type twins[] = {Type::f32, Type::f64, Type::i32, Type::i64};
    return twins[static_cast<std::size_t>(type)];
}

enum class Shape : std::uint8_t {
    binary,
    compare,
    branch_when,
    branch_unless,
    unary,
    load,
    store,
    other
};
enum class Form : std::uint8_t { none, rr, rk, kr, r, x, i, a, k };

/// An operation without its form.
enum class Base : std::uint16_t {
#define X(name, ...) name,
    MILLRACE_WASM_BINARY(X) MILLRACE_WASM_COMPARE(X) MILLRACE_WASM_UNARY(X) MILLRACE_WASM_LOAD(X)
        MILLRACE_WASM_STORE(X) MILLRACE_WASM_OTHER(X)
#undef X
};

struct Operation {
    Shape shape = Shape::other;
    Form form = Form::none;
    Base base = Base::unreachable;
    Type operand = Type::i64;  ///< of a store: the value's
    Type result = Type::i64;
};

/// Of the profile's operations. Bit operations on floats (abs, neg, copysign, loads and stores) are
/// typed as floats here.
const Operation& operation_of(wasm::IrOp op) noexcept;

}  // namespace millrace::compiler
