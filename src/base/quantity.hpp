// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <optional>

namespace millrace {

/// A number with a unit. Construction is explicit, arithmetic is checked, units do not mix.
template <typename Tag, std::unsigned_integral Rep>
struct Quantity {
    using rep = Rep;
    Rep value = 0;

    constexpr Quantity() = default;
    constexpr explicit Quantity(Rep initial) noexcept : value{initial} {}
    auto operator<=>(const Quantity&) const = default;
};

template <typename Tag, typename Rep>
constexpr std::optional<Quantity<Tag, Rep>> checked_add(Quantity<Tag, Rep> left,
                                                        Quantity<Tag, Rep> right) noexcept {
    Rep sum{};
    if (__builtin_add_overflow(left.value, right.value, &sum)) return std::nullopt;
    return Quantity<Tag, Rep>{sum};
}

template <typename Tag, typename Rep>
constexpr std::optional<Quantity<Tag, Rep>> checked_sub(Quantity<Tag, Rep> left,
                                                        Quantity<Tag, Rep> right) noexcept {
    if (right.value > left.value) return std::nullopt;
    return Quantity<Tag, Rep>{static_cast<Rep>(left.value - right.value)};
}

/// Metered work of a WebAssembly task; docs/formats/fuel.md.
using Fuel = Quantity<struct FuelTag, std::uint64_t>;
/// Height of a block; the genesis block has 0.
using Height = Quantity<struct HeightTag, std::uint64_t>;

}  // namespace millrace
