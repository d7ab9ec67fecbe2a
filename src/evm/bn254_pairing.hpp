// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <span>

#include "evm/bn254_field.hpp"
#include "evm/curve_point.hpp"

namespace millrace::evm::bn254 {

/// A point of the curve.
using G1 = AffinePoint<Fp>;
/// A point of the twist y² = x³ + 3 / ξ over Fp2.
using G2 = AffinePoint<Fp2<Fp>>;

inline constexpr Fp curve_b = Fp::of(3);
extern const Fp2<Fp> twist_b;

/// On the twist and in its subgroup of order r (infinity is).
bool is_in_subgroup(const G2& point) noexcept;

struct Pair {
    G1 first;
    G2 second;
};
/// Whether the product of e(first, second) is 1, e the optimal ate pairing (Vercauteren, 2010). The
/// points must lie in their groups; a pair with infinity counts as 1. The product of none is 1.
bool pairing_is_one(std::span<const Pair> pairs);

}  // namespace millrace::evm::bn254
