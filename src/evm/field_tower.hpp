// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>

#include "evm/prime_field.hpp"

namespace millrace::evm {

// The fields above a prime field in which pairings live: Fp2 = Fp[u] / (u² + 1),
// Fp6 = Fp2[v] / (v³ - ξ), Fp12 = Fp6[w] / (w² - v). Config names the prime field and ξ:
// `using Base = PrimeField<…>` and `static constexpr Fp2<Base> times_xi(const Fp2<Base>&)`.
// Formulas: Devegili, Ó hÉigeartaigh, Scott, Dahab, "Multiplication and squaring on
// pairing-friendly fields", 2006.

template <typename Base>
struct Fp2 {
    Base real;
    Base imaginary;

    static constexpr Fp2 one() noexcept { return {Base::one(), Base::zero()}; }
    constexpr bool operator==(const Fp2&) const = default;
    [[nodiscard]] constexpr bool is_zero() const noexcept {
        return real.is_zero() && imaginary.is_zero();
    }
    constexpr Fp2 operator+(const Fp2& right) const noexcept {
        return {real + right.real, imaginary + right.imaginary};
    }
    constexpr Fp2 operator-(const Fp2& right) const noexcept {
        return {real - right.real, imaginary - right.imaginary};
    }
    constexpr Fp2 operator-() const noexcept { return {-real, -imaginary}; }
    constexpr Fp2 operator*(const Fp2& right) const noexcept {
        const Base reals = real * right.real;
        const Base imaginaries = imaginary * right.imaginary;
        const Base cross = (real + imaginary) * (right.real + right.imaginary);
        return {reals - imaginaries, cross - reals - imaginaries};
    }
    constexpr Fp2 operator*(const Base& factor) const noexcept {
        return {real * factor, imaginary * factor};
    }
    [[nodiscard]] constexpr Fp2 squared() const noexcept {
        return {(real + imaginary) * (real - imaginary), (real * imaginary).doubled()};
    }
    [[nodiscard]] constexpr Fp2 doubled() const noexcept {
        return {real.doubled(), imaginary.doubled()};
    }
    [[nodiscard]] constexpr Fp2 tripled() const noexcept { return doubled() + *this; }
    [[nodiscard]] constexpr Fp2 halved() const noexcept {
        return {real.halved(), imaginary.halved()};
    }
    /// Also the p-th power.
    [[nodiscard]] constexpr Fp2 conjugate() const noexcept { return {real, -imaginary}; }
    [[nodiscard]] constexpr Fp2 inverse() const noexcept {
        const Base norm = (real.squared() + imaginary.squared()).inverse();
        return {real * norm, -(imaginary * norm)};
    }
    template <std::size_t N>
    [[nodiscard]] constexpr Fp2 power(const Limbs<N>& exponent) const noexcept {
        Fp2 result = one();
        for (std::size_t index = 64 * N; index-- > 0;) {
            result = result.squared();
            if (field::bit(exponent, index)) result = result * *this;
        }
        return result;
    }
};

template <typename Config>
struct Fp6 {
    using Coefficient = Fp2<typename Config::Base>;
    std::array<Coefficient, 3> c;

    static constexpr Fp6 one() noexcept { return {{Coefficient::one()}}; }
    constexpr bool operator==(const Fp6&) const = default;
    constexpr Fp6 operator+(const Fp6& right) const noexcept {
        return {{c[0] + right.c[0], c[1] + right.c[1], c[2] + right.c[2]}};
    }
    constexpr Fp6 operator-(const Fp6& right) const noexcept {
        return {{c[0] - right.c[0], c[1] - right.c[1], c[2] - right.c[2]}};
    }
    constexpr Fp6 operator-() const noexcept { return {{-c[0], -c[1], -c[2]}}; }
    constexpr Fp6 operator*(const Coefficient& factor) const noexcept {
        return {{c[0] * factor, c[1] * factor, c[2] * factor}};
    }
    constexpr Fp6 operator*(const Fp6& right) const noexcept {
        const Coefficient p0 = c[0] * right.c[0];
        const Coefficient p1 = c[1] * right.c[1];
        const Coefficient p2 = c[2] * right.c[2];
        const Coefficient p12 = (c[1] + c[2]) * (right.c[1] + right.c[2]) - p1 - p2;
        const Coefficient p01 = (c[0] + c[1]) * (right.c[0] + right.c[1]) - p0 - p1;
        const Coefficient p02 = (c[0] + c[2]) * (right.c[0] + right.c[2]) - p0 - p2;
        return {{p0 + Config::times_xi(p12), p01 + Config::times_xi(p2), p02 + p1}};
    }
    /// Times first + second v.
    [[nodiscard]] constexpr Fp6 times_sparse(const Coefficient& first,
                                             const Coefficient& second) const noexcept {
        const Coefficient p0 = c[0] * first;
        const Coefficient p1 = c[1] * second;
        const Coefficient p12 = (c[1] + c[2]) * second - p1;
        const Coefficient p02 = (c[0] + c[2]) * first - p0;
        const Coefficient p01 = (c[0] + c[1]) * (first + second) - p0 - p1;
        return {{p0 + Config::times_xi(p12), p01, p02 + p1}};
    }
    [[nodiscard]] constexpr Fp6 times_v() const noexcept {
        return {{Config::times_xi(c[2]), c[0], c[1]}};
    }
    [[nodiscard]] constexpr Fp6 inverse() const noexcept {
        const Coefficient a = c[0].squared() - Config::times_xi(c[1] * c[2]);
        const Coefficient b = Config::times_xi(c[2].squared()) - c[0] * c[1];
        const Coefficient d = c[1].squared() - c[0] * c[2];
        const Coefficient norm = c[0] * a + Config::times_xi(c[2] * b + c[1] * d);
        return Fp6{{a, b, d}} * norm.inverse();
    }
};

template <typename Config>
struct Fp12 {
    using Half = Fp6<Config>;
    using Coefficient = typename Half::Coefficient;
    Half low;   ///< of 1
    Half high;  ///< of w

    static constexpr Fp12 one() noexcept { return {Half::one(), {}}; }
    constexpr bool operator==(const Fp12&) const = default;
    constexpr Fp12 operator*(const Fp12& right) const noexcept {
        const Half lows = low * right.low;
        const Half highs = high * right.high;
        const Half cross = (low + high) * (right.low + right.high);
        return {lows + highs.times_v(), cross - lows - highs};
    }
    [[nodiscard]] constexpr Fp12 squared() const noexcept {
        const Half product = low * high;
        const Half sum = (low + high) * (low + high.times_v());
        return {sum - product - product.times_v(), product + product};
    }
    /// Also the p^6-th power; the inverse of an element of the cyclotomic subgroup.
    [[nodiscard]] constexpr Fp12 conjugate() const noexcept { return {low, -high}; }
    [[nodiscard]] constexpr Fp12 inverse() const noexcept {
        const Half norm = (low * low - (high * high).times_v()).inverse();
        return {low * norm, -(high * norm)};
    }
    /// Times one + (w + …) as lines of a pairing are: `at_1` + (`at_w` + `at_vw` v) w.
    [[nodiscard]] constexpr Fp12 times_line(const Coefficient& at_1, const Coefficient& at_w,
                                            const Coefficient& at_vw) const noexcept {
        const Half lows = low * at_1;
        const Half highs = high.times_sparse(at_w, at_vw);
        const Half cross = (low + high).times_sparse(at_1 + at_w, at_vw);
        return {lows + highs.times_v(), cross - lows - highs};
    }
    /// The square of an element whose (p^6 - 1)(p^2 + 1)-th root exists, as after the easy part of
    /// the final exponentiation. Granger and Scott, "Faster squaring in the cyclotomic subgroup of
    /// sixth degree extensions", 2010.
    [[nodiscard]] constexpr Fp12 squared_in_subgroup() const noexcept {
        struct Pair {
            Coefficient even;
            Coefficient odd;
        };
        // (a + b y)² with y² = ξ
        const auto square = [](const Coefficient& a, const Coefficient& b) -> Pair {
            const Coefficient product = a * b;
            const Coefficient sum = (a + b) * (a + Config::times_xi(b));
            return {sum - product - Config::times_xi(product), product.doubled()};
        };
        const auto minus = [](const Coefficient& t, const Coefficient& z) {
            return (t - z).doubled() + t;  // 3t - 2z
        };
        const auto plus = [](const Coefficient& t, const Coefficient& z) {
            return (t + z).doubled() + t;
        };
        const Pair first = square(low.c[0], high.c[1]);
        const Pair second = square(high.c[0], low.c[2]);
        const Pair third = square(low.c[1], high.c[2]);
        return {{{minus(first.even, low.c[0]), minus(second.even, low.c[1]),
                  minus(third.even, low.c[2])}},
                {{plus(Config::times_xi(third.odd), high.c[0]), plus(first.odd, high.c[1]),
                  plus(second.odd, high.c[2])}}};
    }
    /// The p-th power, by Config::gamma[i] = ξ^(i (p - 1) / 6).
    [[nodiscard]] constexpr Fp12 frobenius() const noexcept {
        const auto& gamma = Config::gamma;
        return {{{low.c[0].conjugate(), low.c[1].conjugate() * gamma[2],
                  low.c[2].conjugate() * gamma[4]}},
                {{high.c[0].conjugate() * gamma[1], high.c[1].conjugate() * gamma[3],
                  high.c[2].conjugate() * gamma[5]}}};
    }
};

}  // namespace millrace::evm
