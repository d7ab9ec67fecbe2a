// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/secp256k1.hpp"

#include <openssl/crypto.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::crypto {
namespace {

/// One context for the process: read-only after its creation, so any thread may use it.
const secp256k1_context* context() noexcept {
    static const secp256k1_context* const shared =
        secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    return shared;
}

Address address_of(const secp256k1_pubkey& key) noexcept {
    std::array<std::uint8_t, 65> serialized{};
    std::size_t size = serialized.size();
    const int written = secp256k1_ec_pubkey_serialize(context(), serialized.data(), &size, &key,
                                                      SECP256K1_EC_UNCOMPRESSED);
    MILLRACE_ASSERT(written == 1);
    MILLRACE_ASSERT(size == serialized.size());
    const Hash32 hash = keccak256(ByteView{serialized}.subspan(1));
    return *Address::from(hash.view().subspan(12));
}

/// Half the group order, rounded down: the largest s that EIP-2 lets through.
constexpr Hash32 s_max = {{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                           0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
                           0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0}};

}  // namespace

std::optional<SecretKey> SecretKey::from(ByteView bytes) noexcept {
    if (bytes.size() != 32) return std::nullopt;
    if (secp256k1_ec_seckey_verify(context(), bytes.data()) != 1) return std::nullopt;
    SecretKey key;
    std::memcpy(key.bytes_.data(), bytes.data(), bytes.size());
    return key;
}

SecretKey::SecretKey(const SecretKey&) noexcept = default;
SecretKey& SecretKey::operator=(const SecretKey&) noexcept = default;
SecretKey::~SecretKey() {
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

Address address_of(const SecretKey& key) noexcept {
    secp256k1_pubkey point;
    const int made = secp256k1_ec_pubkey_create(context(), &point, key.bytes().data());
    MILLRACE_ASSERT(made == 1);
    return address_of(point);
}

Signature sign(const SecretKey& key, const Hash32& digest) noexcept {
    secp256k1_ecdsa_recoverable_signature raw;
    const int made =
        secp256k1_ecdsa_sign_recoverable(context(), &raw, digest.bytes.data(), key.bytes().data(),
                                         secp256k1_nonce_function_rfc6979, nullptr);
    MILLRACE_ASSERT(made == 1);
    Signature signature;
    int recovery = 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), signature.bytes.data(),
                                                            &recovery, &raw);
    // Ids 2 and 3 need an r of at least the group order: about one chance in 2^127.
    MILLRACE_ASSERT(recovery == 0 || recovery == 1);
    signature.bytes[64] = static_cast<std::uint8_t>(27 + recovery);
    return signature;
}

std::optional<Address> recover(const Hash32& digest, const Signature& signature) noexcept {
    if (*Hash32::from(signature.view().subspan(32, 32)) > s_max) return std::nullopt;
    return recover_any_s(digest, signature);
}

std::optional<Address> recover_any_s(const Hash32& digest, const Signature& signature) noexcept {
    const std::uint8_t v = signature.bytes[64];
    if (v != 27 && v != 28) return std::nullopt;
    secp256k1_ecdsa_recoverable_signature raw;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(context(), &raw, signature.bytes.data(),
                                                            v - 27) != 1) {
        return std::nullopt;
    }
    secp256k1_pubkey point;
    if (secp256k1_ecdsa_recover(context(), &point, &raw, digest.bytes.data()) != 1) {
        return std::nullopt;
    }
    return address_of(point);
}

std::string checksum_address(const Address& address) {
    std::string digits = to_hex(address.view());
    const Hash32 hash = keccak256(as_bytes(digits));
    for (std::size_t index = 0; index < digits.size(); ++index) {
        const std::uint8_t byte = hash.bytes[index / 2];
        const unsigned nibble = index % 2 == 0 ? byte >> 4 : byte & 15U;
        if (nibble >= 8 && digits[index] >= 'a') {
            digits[index] = static_cast<char>(digits[index] - 'a' + 'A');
        }
    }
    return "0x" + digits;
}

std::optional<Address> parse_address(std::string_view text) {
    if (!text.starts_with("0x") || text.size() != 42) return std::nullopt;
    const auto address = fixed_from_hex<Address>(text.substr(2));
    if (!address) return std::nullopt;
    bool has_lower = false;
    bool has_upper = false;
    for (const char digit : text.substr(2)) {
        has_lower = has_lower || (digit >= 'a' && digit <= 'f');
        has_upper = has_upper || (digit >= 'A' && digit <= 'F');
    }
    if (has_lower && has_upper && checksum_address(*address) != text) return std::nullopt;
    return address;
}

}  // namespace millrace::crypto
