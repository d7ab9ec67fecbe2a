// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "evm/field_tower.hpp"

namespace millrace::evm::bn254 {

// The curve of EIP-196 and EIP-197 ("alt_bn128"): y² = x³ + 3 over the integers mod p, of prime
// order r. p and r are polynomials in t (Barreto and Naehrig, 2005).

inline constexpr std::uint64_t t = 4965661367192848881;

struct PrimeConfig {
    static constexpr Limbs<4> modulus = {0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d,
                                         0x30644e72e131a029};
};
/// r, the order of the groups.
inline constexpr Limbs<4> order = {0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d,
                                   0x30644e72e131a029};

using Fp = PrimeField<PrimeConfig>;

struct TowerConfig {
    using Base = Fp;
    /// ξ = 9 + u.
    static constexpr Fp2<Fp> times_xi(const Fp2<Fp>& value) noexcept {
        const Fp2<Fp> eight = value.doubled().doubled().doubled();
        return {eight.real + value.real - value.imaginary,
                eight.imaginary + value.imaginary + value.real};
    }
    /// ξ^((p - 1) / 6).
    static constexpr Fp2<Fp> root = {Fp::from_words({0xd60b35dadcc9e470, 0x5c521e08292f2176,
                                                     0xe8b99fdd76e68b60, 0x1284b71c2865a7df}),
                                     Fp::from_words({0xca5cf05f80f362ac, 0x747992778eeec7e5,
                                                     0xa6327cfe12150b8e, 0x246996f3b4fae7e6})};
    static constexpr std::array<Fp2<Fp>, 6> gamma = [] {
        std::array<Fp2<Fp>, 6> powers{};
        powers[0] = Fp2<Fp>::one();
        for (std::size_t index = 1; index < powers.size(); ++index)
            powers[index] = powers[index - 1] * root;
        return powers;
    }();
};

}  // namespace millrace::evm::bn254
