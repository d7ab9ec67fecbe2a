// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/keystore.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::crypto {
namespace {

using nlohmann::json;

constexpr std::size_t keystore_size_max = 64 * 1024;

/// 32 derived bytes, wiped when they go out of scope: 16 of cipher key, 16 of MAC key.
struct Derived {
    std::array<std::uint8_t, 32> bytes{};
    Derived() = default;
    Derived(const Derived&) = default;
    Derived& operator=(const Derived&) = default;
    ~Derived() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

    [[nodiscard]] ByteView cipher_key() const noexcept { return ByteView{bytes}.first(16); }
    [[nodiscard]] ByteView mac_key() const noexcept { return ByteView{bytes}.subspan(16); }
};

bool affordable(const ScryptCost& cost, const KeystoreLimits& limits) noexcept {
    if (cost.r == 0 || cost.r > 1024 || cost.p == 0 || cost.p > 1024) return false;
    const std::uint64_t blocks = std::uint64_t{cost.n} * cost.r;
    return blocks * 128 <= limits.memory_max && blocks * cost.p <= limits.rounds_max;
}

/// By libsodium: OpenSSL holds to n < 2^(16 r) of RFC 7914, which a published keystore vector
/// breaks.
std::optional<Derived> scrypt(std::string_view password, ByteView salt, const ScryptCost& cost) {
    Derived derived;
    const ByteView secret = as_bytes(password);
    const int made = crypto_pwhash_scryptsalsa208sha256_ll(
        secret.data(), secret.size(), salt.data(), salt.size(), cost.n, cost.r, cost.p,
        derived.bytes.data(), derived.bytes.size());
    if (made != 0) return std::nullopt;
    return derived;
}

std::optional<Derived> pbkdf2(std::string_view password, ByteView salt, std::uint64_t rounds) {
    Derived derived;
    const int made =
        PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                          static_cast<int>(salt.size()), static_cast<int>(rounds), EVP_sha256(),
                          static_cast<int>(derived.bytes.size()), derived.bytes.data());
    if (made != 1) return std::nullopt;
    return derived;
}

/// AES-128 in counter mode: the same call encrypts and decrypts.
std::array<std::uint8_t, 32> aes_128_ctr(ByteView input, ByteView key, ByteView iv) {
    MILLRACE_ASSERT(input.size() == 32);
    std::array<std::uint8_t, 32> output{};
    EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
    MILLRACE_ASSERT(cipher != nullptr);
    int size = 0;
    const bool done =
        EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), nullptr, key.data(), iv.data()) == 1 &&
        EVP_EncryptUpdate(cipher, output.data(), &size, input.data(), 32) == 1;
    EVP_CIPHER_CTX_free(cipher);
    MILLRACE_ASSERT(done);
    MILLRACE_ASSERT(size == 32);
    return output;
}

Hash32 mac_of(const Derived& derived, ByteView ciphertext) {
    Bytes input = to_bytes(derived.mac_key());
    input.insert(input.end(), ciphertext.begin(), ciphertext.end());
    const Hash32 mac = keccak256(input);
    OPENSSL_cleanse(input.data(), input.size());
    return mac;
}

/// Null unless `object` has the member as an object.
const json* member_object(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_object() ? &*found : nullptr;
}

std::optional<Bytes> member_hex(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) return std::nullopt;
    return from_hex(found->get_ref<const std::string&>());
}

std::optional<std::uint64_t> member_number(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

bool member_is(const json& object, const char* name, std::string_view expected) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() &&
           found->get_ref<const std::string&>() == expected;
}

Result<Derived, KeystoreError> derive(const json& crypto, std::string_view password,
                                      const KeystoreLimits& limits) {
    const json* const parameters = member_object(crypto, "kdfparams");
    if (parameters == nullptr) return Err{KeystoreError::malformed};
    const auto salt = member_hex(*parameters, "salt");
    if (!salt) return Err{KeystoreError::malformed};
    if (member_number(*parameters, "dklen") != 32U) return Err{KeystoreError::unsupported};
    if (member_is(crypto, "kdf", "scrypt")) {
        const auto n = member_number(*parameters, "n");
        const auto r = member_number(*parameters, "r");
        const auto p = member_number(*parameters, "p");
        if (!n || !r || !p) return Err{KeystoreError::malformed};
        if (std::max({*n, *r, *p}) > limits.rounds_max) return Err{KeystoreError::parameters_large};
        if (*n < 2 || !std::has_single_bit(*n) || *r == 0 || *p == 0) {
            return Err{KeystoreError::malformed};
        }
        const ScryptCost cost{.n = static_cast<std::uint32_t>(*n),
                              .r = static_cast<std::uint32_t>(*r),
                              .p = static_cast<std::uint32_t>(*p)};
        if (!affordable(cost, limits)) return Err{KeystoreError::parameters_large};
        const auto derived = scrypt(password, *salt, cost);
        if (!derived) return Err{KeystoreError::malformed};
        return *derived;
    }
    if (member_is(crypto, "kdf", "pbkdf2")) {
        if (!member_is(*parameters, "prf", "hmac-sha256")) return Err{KeystoreError::unsupported};
        const auto rounds = member_number(*parameters, "c");
        if (!rounds || *rounds == 0) return Err{KeystoreError::malformed};
        if (*rounds > limits.rounds_max) return Err{KeystoreError::parameters_large};
        const auto derived = pbkdf2(password, *salt, *rounds);
        if (!derived) return Err{KeystoreError::malformed};
        return *derived;
    }
    return Err{KeystoreError::unsupported};
}

/// RFC 4122 version 4 in its usual writing.
std::string uuid_text(std::array<std::uint8_t, 16> bytes) {
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
    std::string text = to_hex(bytes);
    for (const std::size_t position : {20U, 16U, 12U, 8U})
        text.insert(position, 1, '-');
    return text;
}

}  // namespace

std::string encrypt_keystore(const SecretKey& key, std::string_view password, ScryptCost cost,
                             const KeystoreEntropy& entropy) {
    MILLRACE_ASSERT(affordable(cost, {}));
    const auto derived = scrypt(password, entropy.salt, cost);
    MILLRACE_ASSERT(derived.has_value());
    const auto ciphertext = aes_128_ctr(key.bytes(), derived->cipher_key(), entropy.iv);
    const Hash32 mac = mac_of(*derived, ciphertext);
    std::string text = "{\"address\":\"" + to_hex(address_of(key).view());
    text += "\",\"crypto\":{\"cipher\":\"aes-128-ctr\",\"ciphertext\":\"" + to_hex(ciphertext);
    text += "\",\"cipherparams\":{\"iv\":\"" + to_hex(entropy.iv);
    text += "\"},\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,\"n\":" + std::to_string(cost.n);
    text += ",\"p\":" + std::to_string(cost.p) + ",\"r\":" + std::to_string(cost.r);
    text += ",\"salt\":\"" + to_hex(entropy.salt) + "\"},\"mac\":\"" + to_hex(mac.view());
    text += "\"},\"id\":\"" + uuid_text(entropy.uuid) + "\",\"version\":3}\n";
    return text;
}

Result<SecretKey, KeystoreError> decrypt_keystore(std::string_view text, std::string_view password,
                                                  const KeystoreLimits& limits) {
    if (text.size() > keystore_size_max || password.size() > keystore_size_max) {
        return Err{KeystoreError::malformed};
    }
    const json document = json::parse(text.begin(), text.end(), nullptr, false);
    if (!document.is_object()) return Err{KeystoreError::malformed};
    if (member_number(document, "version") != 3U) return Err{KeystoreError::malformed};
    const json* crypto = member_object(document, "crypto");
    if (crypto == nullptr) crypto = member_object(document, "Crypto");  // older wallets, ethers
    if (crypto == nullptr) return Err{KeystoreError::malformed};
    if (!member_is(*crypto, "cipher", "aes-128-ctr")) return Err{KeystoreError::unsupported};
    const json* const cipher_parameters = member_object(*crypto, "cipherparams");
    if (cipher_parameters == nullptr) return Err{KeystoreError::malformed};
    const auto iv = member_hex(*cipher_parameters, "iv");
    const auto ciphertext = member_hex(*crypto, "ciphertext");
    const auto mac = member_hex(*crypto, "mac");
    if (!iv || iv->size() != 16) return Err{KeystoreError::malformed};
    if (!ciphertext || ciphertext->size() != 32) return Err{KeystoreError::malformed};
    if (!mac || mac->size() != 32) return Err{KeystoreError::malformed};

    MILLRACE_TRY(const Derived derived, derive(*crypto, password, limits));
    const Hash32 expected = mac_of(derived, *ciphertext);
    if (CRYPTO_memcmp(expected.bytes.data(), mac->data(), mac->size()) != 0) {
        return Err{KeystoreError::wrong_password};
    }
    auto secret = aes_128_ctr(*ciphertext, derived.cipher_key(), *iv);
    const auto key = SecretKey::from(secret);
    OPENSSL_cleanse(secret.data(), secret.size());
    if (!key) return Err{KeystoreError::malformed};
    const auto address = document.find("address");
    if (address != document.end()) {
        if (member_hex(document, "address") != to_bytes(address_of(*key).view())) {
            return Err{KeystoreError::malformed};
        }
    }
    return *key;
}

}  // namespace millrace::crypto
