// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/assert.hpp"
#include "base/u256.hpp"

namespace millrace::compute::requestor {

/// Money the machine counts has at most 128 bits when it enters (deposits and prices above that are
/// refused), so sums and products of it stay far below 256 bits: overflow would be our bug.
inline constexpr Amount money_max = [] {
    Amount most;
    most.wei.words = {~std::uint64_t{0}, ~std::uint64_t{0}, 0, 0};
    return most;
}();

inline Amount plus(const Amount& left, const Amount& right) {
    const auto sum = checked_add(left, right);
    MILLRACE_ASSERT(sum.has_value());
    return *sum;
}
/// left must not be smaller.
inline Amount minus(const Amount& left, const Amount& right) {
    const auto rest = checked_sub(left, right);
    MILLRACE_ASSERT(rest.has_value());
    return *rest;
}
inline Amount times(const Amount& amount, std::uint64_t count) {
    const auto product = checked_mul(amount.wei, U256{count});
    MILLRACE_ASSERT(product.has_value());
    return Amount{*product};
}
inline Amount minus_or_zero(const Amount& left, const Amount& right) {
    return checked_sub(left, right).value_or(Amount{});
}

}  // namespace millrace::compute::requestor
