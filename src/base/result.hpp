// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "base/assert.hpp"

namespace millrace {

/// The error side of a Result: `return Err{LeaseError::expired};`
template <typename E>
struct Err {
    E value;
    explicit constexpr Err(E error) : value{std::move(error)} {}
};

/// A value or the reason there is none. A subset of std::expected's interface (C++23), so that it
/// can be replaced by it when the compiler has it. Reading the absent side is an assertion failure.
template <typename T, typename E>
class [[nodiscard]] Result {
  public:
    using value_type = T;
    using error_type = E;

    constexpr Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
    constexpr Result(Err<E> error) : state_{std::in_place_index<1>, std::move(error.value)} {}

    [[nodiscard]] constexpr bool has_value() const noexcept { return state_.index() == 0; }
    constexpr explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] constexpr T& value() & {
        MILLRACE_ASSERT(has_value());
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] constexpr const T& value() const& {
        MILLRACE_ASSERT(has_value());
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] constexpr T&& value() && {
        MILLRACE_ASSERT(has_value());
        return std::move(*std::get_if<0>(&state_));
    }
    [[nodiscard]] constexpr const E& error() const& {
        MILLRACE_ASSERT(!has_value());
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] constexpr E&& error() && {
        MILLRACE_ASSERT(!has_value());
        return std::move(*std::get_if<1>(&state_));
    }
    [[nodiscard]] constexpr T value_or(T fallback) && {
        return has_value() ? std::move(*this).value() : std::move(fallback);
    }

    constexpr T& operator*() & { return value(); }
    constexpr const T& operator*() const& { return value(); }
    constexpr T* operator->() { return &value(); }
    constexpr const T* operator->() const { return &value(); }

  private:
    std::variant<T, E> state_;
};

/// Success without a value.
template <typename E>
class [[nodiscard]] Result<void, E> {
  public:
    using value_type = void;
    using error_type = E;

    constexpr Result() = default;
    constexpr Result(Err<E> error) : state_{std::in_place_index<1>, std::move(error.value)} {}

    [[nodiscard]] constexpr bool has_value() const noexcept { return state_.index() == 0; }
    constexpr explicit operator bool() const noexcept { return has_value(); }
    constexpr void value() const { MILLRACE_ASSERT(has_value()); }
    [[nodiscard]] constexpr const E& error() const& {
        MILLRACE_ASSERT(!has_value());
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] constexpr E&& error() && {
        MILLRACE_ASSERT(!has_value());
        return std::move(*std::get_if<1>(&state_));
    }

  private:
    std::variant<std::monostate, E> state_;
};

}  // namespace millrace

#define MILLRACE_CONCAT_(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_(a, b)

/// `MILLRACE_TRY(const Offer offer, decode_offer(wire));` declares offer, or returns the error.
#define MILLRACE_TRY(declaration, expression) \
    MILLRACE_TRY_(MILLRACE_CONCAT(millrace_try_, __LINE__), declaration, expression)
#define MILLRACE_TRY_(temporary, declaration, expression)                             \
    auto temporary = (expression);                                                    \
    if (!temporary.has_value()) return ::millrace::Err{std::move(temporary).error()}; \
    declaration = std::move(temporary).value()

/// The same for a Result without a value, or one whose value is not wanted.
#define MILLRACE_TRY_VOID(expression)                                       \
    do {                                                                    \
        auto millrace_try_result = (expression);                            \
        if (!millrace_try_result.has_value())                               \
            return ::millrace::Err{std::move(millrace_try_result).error()}; \
    } while (false)
