// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <optional>

#include "evm/prime_field.hpp"

namespace millrace::evm {

// Points of a curve y² = x³ + b, b ≠ 0, over a field F (PrimeField or Fp2). Formulas: the Explicit-
// Formulas Database, "short Weierstrass, a = 0, Jacobian coordinates".

/// (0, 0), which no such curve holds, stands for the point at infinity.
template <typename F>
struct AffinePoint {
    F x;
    F y;

    constexpr bool operator==(const AffinePoint&) const = default;
    [[nodiscard]] constexpr bool is_infinity() const noexcept { return x.is_zero() && y.is_zero(); }
    [[nodiscard]] constexpr bool is_on_curve(const F& b) const noexcept {
        return is_infinity() || y.squared() == x.squared() * x + b;
    }
    constexpr AffinePoint operator-() const noexcept { return {x, -y}; }
};

/// x = X / Z², y = Y / Z³; at infinity Z is 0.
template <typename F>
struct JacobianPoint {
    F x;
    F y;
    F z;

    static constexpr JacobianPoint from(const AffinePoint<F>& point) noexcept {
        if (point.is_infinity()) return {};
        return {point.x, point.y, F::one()};
    }
    [[nodiscard]] constexpr bool is_infinity() const noexcept { return z.is_zero(); }
    [[nodiscard]] constexpr AffinePoint<F> to_affine() const noexcept {
        if (is_infinity()) return {};
        const F inverse = z.inverse();
        const F square = inverse.squared();
        return {x * square, y * square * inverse};
    }
    /// dbl-2009-l
    [[nodiscard]] constexpr JacobianPoint doubled() const noexcept {
        const F a = x.squared();
        const F b = y.squared();
        const F c = b.squared();
        const F d = ((x + b).squared() - a - c).doubled();
        const F e = a.tripled();
        const F x3 = e.squared() - d.doubled();
        const F y3 = e * (d - x3) - c.doubled().doubled().doubled();
        return {x3, y3, (y * z).doubled()};
    }
    /// add-2007-bl, and what it leaves out.
    constexpr JacobianPoint operator+(const JacobianPoint& right) const noexcept {
        if (is_infinity()) return right;
        if (right.is_infinity()) return *this;
        const F zz1 = z.squared();
        const F zz2 = right.z.squared();
        const F u1 = x * zz2;
        const F s1 = y * right.z * zz2;
        const F h = right.x * zz1 - u1;
        const F r = (right.y * z * zz1 - s1).doubled();
        if (h.is_zero()) return r.is_zero() ? doubled() : JacobianPoint{};
        const F i = h.doubled().squared();
        const F j = h * i;
        const F v = u1 * i;
        const F x3 = r.squared() - j - v.doubled();
        const F y3 = r * (v - x3) - (s1 * j).doubled();
        const F z3 = ((z + right.z).squared() - zz1 - zz2) * h;
        return {x3, y3, z3};
    }
    /// By windows of four bits.
    template <std::size_t N>
    [[nodiscard]] constexpr JacobianPoint times(const Limbs<N>& scalar) const noexcept {
        std::array<JacobianPoint, 16> multiples{};
        multiples[1] = *this;
        for (std::size_t index = 2; index < multiples.size(); ++index) {
            multiples[index] =
                index % 2 == 0 ? multiples[index / 2].doubled() : multiples[index - 1] + *this;
        }
        JacobianPoint result{};
        for (std::size_t nibble = 16 * N; nibble-- > 0;) {
            if (!result.is_infinity()) {
                result = result.doubled().doubled().doubled().doubled();
            }
            result = result + multiples[(scalar[nibble / 16] >> (4 * (nibble % 16))) & 15];
        }
        return result;
    }
};

}  // namespace millrace::evm
