// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>

#include "base/bytes.hpp"

namespace millrace::crypto {

/// A secp256k1 private key: 32 bytes in [1, n-1]. Wiped when destroyed; never printed.
class SecretKey {
  public:
    /// Null when the bytes are not a valid scalar.
    static std::optional<SecretKey> from(ByteView bytes) noexcept;
    SecretKey(const SecretKey&) noexcept;
    SecretKey& operator=(const SecretKey&) noexcept;
    ~SecretKey();
    [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }

  private:
    SecretKey() = default;
    std::array<std::uint8_t, 32> bytes_{};
};

/// r ‖ s ‖ v with v in {27, 28}, s in the lower half (EIP-2): what Solidity's ecrecover takes.
using Signature = FixedBytes<struct SignatureTag, 65>;

/// The low 20 bytes of Keccak-256 of the uncompressed public key without its prefix.
Address address_of(const SecretKey& key) noexcept;

/// Deterministic (RFC 6979).
Signature sign(const SecretKey& key, const Hash32& digest) noexcept;

/// The signer's address; null when the signature is malformed, high-s, or recovers no key.
std::optional<Address> recover(const Hash32& digest, const Signature& signature) noexcept;

/// The same by the older rule that the EVM's ecrecover keeps: s may be in either half.
std::optional<Address> recover_any_s(const Hash32& digest, const Signature& signature) noexcept;

/// EIP-55 mixed-case with 0x.
std::string checksum_address(const Address& address);
/// Takes 0x and 40 digits; a mixed-case address must carry the right EIP-55 checksum.
std::optional<Address> parse_address(std::string_view text);

}  // namespace millrace::crypto
