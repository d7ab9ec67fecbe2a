// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/bn254.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "evm/bn254_pairing.hpp"

namespace millrace::evm::bn254 {
namespace {

using Quadratic = Fp2<Fp>;

U256 random_below_prime(Prng& random) {
    const U256 prime = detail::make(Fp::modulus[0], Fp::modulus[1], Fp::modulus[2], Fp::modulus[3]);
    U256 number;
    for (std::uint64_t& word : number.words)
        word = random.below(8) == 0 ? ~std::uint64_t{0} : random.next();
    return mod_or_zero(number, prime);
}

Fp element(const U256& number) {
    return Fp::from_words(number.words);
}

U256 number(const Fp& value) {
    U256 result;
    result.words = value.to_words();
    return result;
}

TEST(Bn254Field, agrees_with_plain_arithmetic_by_the_prime) {
    const U256 prime = detail::make(Fp::modulus[0], Fp::modulus[1], Fp::modulus[2], Fp::modulus[3]);
    Prng random{7};
    for (int round = 0; round < 20'000; ++round) {
        const U256 a = random_below_prime(random);
        const U256 b = random_below_prime(random);
        EXPECT_EQ(number(element(a)), a);
        EXPECT_EQ(number(element(a) + element(b)), add_mod(a, b, prime));
        EXPECT_EQ(number(element(a) - element(b)), add_mod(a, wrapping_sub(prime, b), prime));
        EXPECT_EQ(number(element(a) * element(b)), mul_mod(a, b, prime));
        EXPECT_EQ(element(a).halved().doubled(), element(a));
        EXPECT_EQ(element(a) + -element(a), Fp::zero());
    }
    for (int round = 0; round < 100; ++round) {
        const Fp a = element(random_below_prime(random));
        EXPECT_EQ(a * a.inverse(), Fp::one());
    }
    EXPECT_EQ(Fp::zero().inverse(), Fp::zero());
    const U256 largest = wrapping_sub(prime, U256{1});
    EXPECT_EQ(element(largest) * element(largest), Fp::one());
}

Fp12<TowerConfig> random_target(Prng& random) {
    Fp12<TowerConfig> value{};
    for (auto* half : {&value.low, &value.high}) {
        for (Quadratic& part : half->c) {
            part = {element(random_below_prime(random)), element(random_below_prime(random))};
        }
    }
    return value;
}

TEST(Bn254Field, the_tower_is_a_field) {
    using Target = Fp12<TowerConfig>;
    Prng random{8};
    for (int round = 0; round < 20; ++round) {
        const Target a = random_target(random);
        const Target b = random_target(random);
        const Target c = random_target(random);
        EXPECT_EQ((a * b) * c, a * (b * c));
        EXPECT_EQ(a * b, b * a);
        EXPECT_EQ(a.squared(), a * a);
        EXPECT_EQ(a * a.inverse(), Target::one());
        EXPECT_EQ((a * b).frobenius(), a.frobenius() * b.frobenius());
        const Target line{{{c.low.c[0]}}, {{c.low.c[1], c.low.c[2]}}};
        EXPECT_EQ(a.times_line(c.low.c[0], c.low.c[1], c.low.c[2]), a * line);
        Target turned = a;
        for (int times = 0; times < 12; ++times)
            turned = turned.frobenius();
        EXPECT_EQ(turned, a);
        // Only where its formula holds: after the easy part of the final exponentiation.
        const Target six = a.conjugate() * a.inverse();
        const Target easy = six.frobenius().frobenius() * six;
        EXPECT_EQ(easy.squared_in_subgroup(), easy.squared());
        EXPECT_EQ(easy * easy.conjugate(), Target::one());
    }
}

TEST(Bn254Field, frobenius_is_the_power_by_the_prime) {
    Prng random{9};
    const Fp12<TowerConfig> value = random_target(random);
    Fp12<TowerConfig> power = Fp12<TowerConfig>::one();
    for (std::size_t index = 256; index-- > 0;) {
        power = power.squared();
        if (field::bit(Fp::modulus, index)) power = power * value;
    }
    EXPECT_EQ(value.frobenius(), power);
}

TEST(Bn254Field, the_written_root_is_the_power_of_xi) {
    const Quadratic xi{Fp::of(9), Fp::one()};
    const Limbs<4> exponent = field::divided(field::less_word(Fp::modulus, 1), 6);
    EXPECT_EQ(xi.power(exponent), TowerConfig::root);
    EXPECT_EQ(twist_b * xi, (Quadratic{curve_b, Fp::zero()}));
}

const G1 generator{Fp::one(), Fp::of(2)};

/// EIP-197's generator of the twist's group.
G2 twist_generator() {
    const auto coordinate = [](std::string_view digits) {
        return *Fp::from_bytes(*from_hex(digits));
    };
    return {{coordinate("1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"),
             coordinate("198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2")},
            {coordinate("12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"),
             coordinate("090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b")}};
}

template <typename F>
AffinePoint<F> times(const AffinePoint<F>& point, std::uint64_t factor) {
    return JacobianPoint<F>::from(point).times(Limbs<1>{factor}).to_affine();
}

TEST(Bn254Curve, multiples_are_repeated_sums) {
    JacobianPoint<Fp> sum{};
    for (std::uint64_t factor = 0; factor < 100; ++factor) {
        EXPECT_EQ(times(generator, factor), sum.to_affine());
        EXPECT_TRUE(sum.to_affine().is_on_curve(curve_b));
        sum = sum + JacobianPoint<Fp>::from(generator);
    }
    EXPECT_TRUE(JacobianPoint<Fp>::from(generator).times(order).is_infinity());
    EXPECT_TRUE(JacobianPoint<Quadratic>::from(twist_generator()).times(order).is_infinity());
    EXPECT_TRUE(
        (JacobianPoint<Fp>::from(generator) + JacobianPoint<Fp>::from(-generator)).is_infinity());
}

TEST(Bn254Pairing, is_bilinear_and_not_degenerate) {
    const G2 twist = twist_generator();
    EXPECT_TRUE(is_in_subgroup(twist));
    const auto is_one = [](std::initializer_list<Pair> pairs) {
        return pairing_is_one(std::span{pairs.begin(), pairs.size()});
    };
    EXPECT_TRUE(is_one({}));
    EXPECT_FALSE(is_one({{generator, twist}}));
    EXPECT_TRUE(is_one({{generator, twist}, {-generator, twist}}));
    EXPECT_TRUE(is_one({{times(generator, 35), twist}, {times(-generator, 7), times(twist, 5)}}));
    EXPECT_FALSE(is_one({{times(generator, 36), twist}, {times(-generator, 7), times(twist, 5)}}));
    EXPECT_TRUE(is_one({{times(generator, 2), times(twist, 3)},
                        {times(generator, 4), times(twist, 5)},
                        {-times(generator, 26), twist}}));
    EXPECT_TRUE(is_one({{G1{}, twist}, {generator, G2{}}}));
}

/// On the twist, but not in the subgroup: its x is 1.
Bytes outside() {
    return *from_hex(
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000001"
        "0d1271953ed9ea0836846e70a1934187998c7f790cb4d7511b7f8da82de048a4"
        "2869111d5381f072f8e2728fdb825a51aadd70e52c9830e9ab4b871c0531f1bb");
}

TEST(Bn254Contracts, a_point_of_the_twist_outside_the_group_is_refused) {
    const Bytes bytes = outside();
    const auto coordinate = [&](std::size_t index) {
        return *Fp::from_bytes(ByteView{bytes}.subspan(32 * index, 32));
    };
    const G2 point{{coordinate(1), coordinate(0)}, {coordinate(3), coordinate(2)}};
    EXPECT_TRUE(point.is_on_curve(twist_b));
    EXPECT_FALSE(is_in_subgroup(point));
    Bytes input(64, 0);
    input.insert(input.end(), bytes.begin(), bytes.end());
    EXPECT_FALSE(check_pairing(input)) << "also beside infinity";
}

TEST(Bn254Contracts, coordinates_are_below_the_prime_and_points_on_the_curve) {
    Bytes prime(32);
    for (std::size_t index = 0; index < 32; ++index) {
        prime[31 - index] = static_cast<std::uint8_t>(Fp::modulus[index / 8] >> (8 * (index % 8)));
    }
    // p is 0 as an integer mod p, so this would be infinity.
    Bytes input = prime;
    input.resize(64, 0);
    EXPECT_FALSE(add(input));
    EXPECT_FALSE(multiply(input));
    input.assign(64, 0);
    input[31] = 1;
    input[63] = 3;
    EXPECT_FALSE(add(input));
    EXPECT_FALSE(multiply(input));
    input[63] = 2;
    EXPECT_EQ(add(input), input);
    EXPECT_EQ(add({}), Bytes(64, 0));
    EXPECT_EQ(multiply({}), Bytes(64, 0));
    EXPECT_EQ(check_pairing({}), true);
    EXPECT_FALSE(check_pairing(Bytes(191, 0)));
    EXPECT_EQ(check_pairing(Bytes(192, 0)), true);
}

}  // namespace
}  // namespace millrace::evm::bn254
