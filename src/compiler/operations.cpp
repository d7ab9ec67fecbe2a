// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/operations.hpp"

#include <iterator>

namespace millrace::compiler {
namespace {

// The words of the lists.
constexpr Type U32 = Type::i32;
constexpr Type U64 = Type::i64;
constexpr Type F32 = Type::f32;
constexpr Type F64 = Type::f64;

constexpr Type float_view(Base base, Type type) noexcept {
    switch (base) {
        case Base::f32_copysign:
        case Base::f32_abs:
        case Base::f32_neg:
        case Base::f32_load:
        case Base::f32_store:
            return Type::f32;
        case Base::f64_copysign:
        case Base::f64_abs:
        case Base::f64_neg:
        case Base::f64_load:
        case Base::f64_store:
            return Type::f64;
        default:
            return type;
    }
}

constexpr Type access_type(Base base) noexcept {
    constexpr auto first = static_cast<std::size_t>(Base::i32_load);
    // Loads, then stores, in the order of the opcodes.
    constexpr Type types[] = {U32, U64, F32, F64, U32, U32, U32, U32, U64, U64, U64, U64,
                              U64, U64, U32, U64, F32, F64, U32, U32, U64, U64, U64};
    static_assert(std::size(types) == static_cast<std::size_t>(Base::i64_store32) - first + 1);
    return types[static_cast<std::size_t>(base) - first];
}

constexpr Operation plain(Shape shape, Form form, Base base, Type operand, Type result) noexcept {
    return {shape, form, base, float_view(base, operand), float_view(base, result)};
}
constexpr Operation access(Shape shape, Form form, Base base) noexcept {
    return {shape, form, base, access_type(base), access_type(base)};
}

constexpr Operation operations[] = {
#define X(name, T, R, ...)                            \
    plain(Shape::binary, Form::rr, Base::name, T, R), \
        plain(Shape::binary, Form::rk, Base::name, T, R),
    MILLRACE_WASM_BINARY(X)
#undef X
#define X(name, T, ...)                                  \
    plain(Shape::compare, Form::rr, Base::name, T, U32), \
        plain(Shape::compare, Form::rk, Base::name, T, U32),
        MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, T, ...)                                      \
    plain(Shape::branch_when, Form::rr, Base::name, T, U32), \
        plain(Shape::branch_when, Form::rk, Base::name, T, U32),
            MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, T, ...)                                        \
    plain(Shape::branch_unless, Form::rr, Base::name, T, U32), \
        plain(Shape::branch_unless, Form::rk, Base::name, T, U32),
                MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, T, R, ...) plain(Shape::binary, Form::kr, Base::name, T, R),
                    MILLRACE_WASM_REVERSED(X)
#undef X
#define X(name, T, R, ...) plain(Shape::unary, Form::none, Base::name, T, R),
                        MILLRACE_WASM_UNARY(X)
#undef X
#define X(name, ...)                                                                    \
    access(Shape::load, Form::r, Base::name), access(Shape::load, Form::x, Base::name), \
        access(Shape::load, Form::i, Base::name), access(Shape::load, Form::a, Base::name),
                            MILLRACE_WASM_LOAD(X)
#undef X
#define X(name, ...)                                                                          \
    access(Shape::store, Form::r, Base::name), access(Shape::store, Form::x, Base::name),     \
        access(Shape::store, Form::i, Base::name), access(Shape::store, Form::a, Base::name), \
        access(Shape::store, Form::k, Base::name),
                                MILLRACE_WASM_STORE(X)
#undef X
#define X(name) Operation{.base = Base::name},
                                    MILLRACE_WASM_OTHER(X)
#undef X
};

}  // namespace

const Operation& operation_of(wasm::IrOp op) noexcept {
    return operations[static_cast<std::size_t>(op)];
}

}  // namespace millrace::compiler
