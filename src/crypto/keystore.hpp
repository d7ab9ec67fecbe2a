// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::crypto {

enum class KeystoreError : std::uint8_t {
    malformed,         ///< not JSON of the Web3 Secret Storage form, version 3
    unsupported,       ///< a cipher or key derivation other than aes-128-ctr and scrypt or pbkdf2
    parameters_large,  ///< key derivation would pass KeystoreLimits
    wrong_password,    ///< the MAC does not match
};

struct ScryptCost {
    std::uint32_t n = 262144;
    std::uint32_t r = 8;
    std::uint32_t p = 1;
};
/// What geth calls light: for keys that live on a development network.
inline constexpr ScryptCost scrypt_light{.n = 4096, .r = 8, .p = 6};

/// What opening a file that others wrote may cost.
struct KeystoreLimits {
    std::uint64_t memory_max = std::uint64_t{1} << 30;  ///< bytes, scrypt: 128 n r
    std::uint64_t rounds_max = std::uint64_t{1} << 24;  ///< pbkdf2: c; scrypt: n r p
};

/// Randomness is the caller's: 16 bytes iv, 32 bytes salt, 16 bytes of UUID.
struct KeystoreEntropy {
    std::array<std::uint8_t, 16> iv{};
    std::array<std::uint8_t, 32> salt{};
    std::array<std::uint8_t, 16> uuid{};
};

/// Web3 Secret Storage Definition, version 3: opens in geth, MetaMask, ethers. The password is
/// taken as the bytes it has (UTF-8); wallets that normalise Unicode differ outside of ASCII.
/// `cost` must be within the default limits.
std::string encrypt_keystore(const SecretKey& key, std::string_view password, ScryptCost cost,
                             const KeystoreEntropy& entropy);
/// Reads at most 64 KiB of JSON; derives with scrypt or pbkdf2 (HMAC-SHA-256).
Result<SecretKey, KeystoreError> decrypt_keystore(std::string_view json, std::string_view password,
                                                  const KeystoreLimits& limits = {});

}  // namespace millrace::crypto
