// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/bn254_pairing.hpp"

#include <vector>

namespace millrace::evm::bn254 {
namespace {

using Quadratic = Fp2<Fp>;
using Target = Fp12<TowerConfig>;
using detail::Wide;

/// The endomorphism that corresponds to the p-th power on the curve over Fp12.
G2 frobenius(const G2& point) noexcept {
    return {point.x.conjugate() * TowerConfig::gamma[2],
            point.y.conjugate() * TowerConfig::gamma[3]};
}

constexpr Wide loop_count = Wide{6} * t + 2;

/// The loop count in signed digits, no two neighbours of which are both other than 0.
constexpr std::array<std::int8_t, 66> loop_digits = [] {
    std::array<std::int8_t, 66> digits{};
    Wide rest = loop_count;
    for (std::int8_t& digit : digits) {
        if ((rest & 1) != 0) {
            digit = (rest & 3) == 1 ? 1 : -1;
            rest = digit == 1 ? rest - 1 : rest + 1;
        }
        rest >>= 1;
    }
    return digits;
}();
static_assert(loop_digits.back() == 1);

/// A line through points of the twist, to be evaluated at a point of the curve.
struct Line {
    Quadratic at_1;  ///< times the point's y
    Quadratic at_w;  ///< times its x
    Quadratic at_vw;

    [[nodiscard]] Target times(const Target& value, const G1& point) const noexcept {
        return value.times_line(at_1 * point.y, at_w * point.x, at_vw);
    }
};

/// A point of the twist on its way through the loop, x = X / Z, y = Y / Z. Formulas: Costello,
/// Lange, Naehrig, "Faster pairing computations on curves with high-degree twists", 2010, as
/// arranged in Aranha and others, "Faster explicit formulas for computing pairings over ordinary
/// curves", 2011.
struct Traveller {
    Quadratic x;
    Quadratic y;
    Quadratic z;

    /// Doubles the point; the tangent there.
    Line advance() noexcept {
        const Quadratic a = (x * y).halved();
        const Quadratic b = y.squared();
        const Quadratic c = z.squared();
        const Quadratic e = twist_b * c.tripled();
        const Quadratic f = e.tripled();
        const Quadratic g = (b + f).halved();
        const Quadratic h = (y + z).squared() - (b + c);
        const Quadratic j = x.squared();
        const Quadratic e_square = e.squared();
        const Line line{-h, j.tripled(), e - b};
        x = a * (b - f);
        y = g.squared() - e_square.tripled();
        z = b * h;
        return line;
    }
    /// Adds `point`; the line through both.
    Line advance_by(const G2& point) noexcept {
        const Quadratic theta = y - point.y * z;
        const Quadratic lambda = x - point.x * z;
        const Quadratic c = theta.squared();
        const Quadratic d = lambda.squared();
        const Quadratic e = lambda * d;
        const Quadratic f = z * c;
        const Quadratic g = x * d;
        const Quadratic h = e + f - g.doubled();
        const Line line{lambda, -theta, theta * point.x - lambda * point.y};
        x = lambda * h;
        y = theta * (g - h) - e * y;
        z = z * e;
        return line;
    }
};

Target miller_loop(std::span<const Pair> pairs) {
    std::vector<Traveller> travellers;
    travellers.reserve(pairs.size());
    for (const Pair& pair : pairs)
        travellers.push_back({pair.second.x, pair.second.y, Quadratic::one()});
    Target value = Target::one();
    for (std::size_t position = loop_digits.size() - 1; position-- > 0;) {
        value = value.squared();
        const std::int8_t digit = loop_digits[position];
        for (std::size_t index = 0; index < pairs.size(); ++index) {
            const Pair& pair = pairs[index];
            value = travellers[index].advance().times(value, pair.first);
            if (digit == 0) continue;
            const G2 step = digit == 1 ? pair.second : -pair.second;
            value = travellers[index].advance_by(step).times(value, pair.first);
        }
    }
    for (std::size_t index = 0; index < pairs.size(); ++index) {
        const Pair& pair = pairs[index];
        const G2 first = frobenius(pair.second);
        const G2 second = -frobenius(first);
        value = travellers[index].advance_by(first).times(value, pair.first);
        value = travellers[index].advance_by(second).times(value, pair.first);
    }
    return value;
}

/// value^-t of an element of the cyclotomic subgroup.
Target power_minus_t(const Target& value) noexcept {
    Target result = value;
    for (std::size_t index = 62; index-- > 0;) {
        result = result.squared_in_subgroup();
        if (((t >> index) & 1) != 0) result = result * value;
    }
    return result.conjugate();
}
static_assert(t >> 62 == 1);

/// value^(k (p^12 - 1) / r) for a k without common factor with r. The hard part: Fuentes-Castañeda,
/// Knapp, Rodríguez-Henríquez, "Faster hashing to G2", 2011.
Target final_exponentiation(const Target& value) noexcept {
    const Target six = value.conjugate() * value.inverse();
    const Target base = six.frobenius().frobenius() * six;

    const Target y0 = power_minus_t(base);
    const Target y1 = y0.squared_in_subgroup();
    const Target y3 = y1.squared_in_subgroup() * y1;
    const Target y4 = power_minus_t(y3);
    const Target y6 = power_minus_t(y4.squared_in_subgroup());
    const Target y7 = y6.conjugate() * y4;
    const Target y8 = y7 * y3.conjugate();
    const Target y9 = y8 * y1;
    const Target y11 = y8 * y4 * base;
    const Target y13 = y9.frobenius() * y11;
    const Target y14 = y8.frobenius().frobenius() * y13;
    const Target y15 = (base.conjugate() * y9).frobenius().frobenius().frobenius();
    return y15 * y14;
}

}  // namespace

constexpr Fp2<Fp> twist_b = Fp2<Fp>{curve_b, Fp::zero()} * Fp2<Fp>{Fp::of(9), Fp::one()}.inverse();

// Scott, "A note on group membership tests for G1, G2 and GT on BLS pairing-friendly curves", 2021:
// the p-th power is multiplication by p mod r = 6t² exactly in the subgroup, because with that
// value its characteristic equation X² - (6t² + 1) X + p = 0 reads r = 0.
bool is_in_subgroup(const G2& point) noexcept {
    if (!point.is_on_curve(twist_b)) return false;
    if (point.is_infinity()) return true;
    constexpr Wide factor = Wide{6} * t * t;
    constexpr Limbs<2> words = {detail::low_word(factor), detail::high_word(factor)};
    const G2 multiple = JacobianPoint<Quadratic>::from(point).times(words).to_affine();
    return multiple == frobenius(point);
}

bool pairing_is_one(std::span<const Pair> pairs) {
    std::vector<Pair> counted;
    counted.reserve(pairs.size());
    for (const Pair& pair : pairs) {
        if (!pair.first.is_infinity() && !pair.second.is_infinity()) counted.push_back(pair);
    }
    if (counted.empty()) return true;
    return final_exponentiation(miller_loop(counted)) == Target::one();
}

}  // namespace millrace::evm::bn254
