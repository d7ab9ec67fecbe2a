// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::crypto {

enum class KeystoreError : std::uint8_t {
    malformed,         ///< not JSON of the Web3 Secret Storage form, version 3
    unsupported,       ///< a cipher or key derivation other than aes-128-ctr and scrypt or pbkdf2
    parameters_large,  ///< key derivation would need more than 1 GiB or 2^24 rounds
    wrong_password,    ///< the MAC does not match
};

struct ScryptCost {
    std::uint32_t n = 262144;
    std::uint32_t r = 8;
    std::uint32_t p = 1;
};
/// What geth calls light: for keys that live on a development network.
inline constexpr ScryptCost scrypt_light{.n = 4096, .r = 8, .p = 6};

/// Randomness is the caller's: 16 bytes iv, 32 bytes salt, 16 bytes of UUID.
struct KeystoreEntropy {
    std::array<std::uint8_t, 16> iv{};
    std::array<std::uint8_t, 32> salt{};
    std::array<std::uint8_t, 16> uuid{};
};

/// Web3 Secret Storage Definition, version 3: opens in geth, MetaMask, ethers.
std::string encrypt_keystore(const SecretKey& key, std::string_view password, ScryptCost cost,
                             const KeystoreEntropy& entropy);
Result<SecretKey, KeystoreError> decrypt_keystore(std::string_view json, std::string_view password);

}  // namespace millrace::crypto
