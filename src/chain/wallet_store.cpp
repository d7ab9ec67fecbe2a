// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/wallet_store.hpp"

#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "io/entropy.hpp"
#include "io/files.hpp"

namespace millrace::chain {
namespace {

constexpr std::uint64_t keystore_size_max = 64 * 1024;
constexpr std::uint64_t password_size_max = 4 * 1024;
constexpr std::size_t wallet_name_max = 64;

Failure exists_failure(const std::string& path) {
    return {"there is a key here already", path, "choose another name; keys are never overwritten"};
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

Failure keystore_failure(crypto::KeystoreError error, const std::string& path) {
    using crypto::KeystoreError;
    switch (error) {
        case KeystoreError::malformed:
            return {"this is no keystore file (Web3 Secret Storage, version 3)", path,
                    "give the JSON file of a wallet"};
        case KeystoreError::unsupported:
            return {"this keystore uses a cipher or key derivation that is not supported", path,
                    "export the key again from the wallet that wrote it"};
        case KeystoreError::parameters_large:
            return {"opening this keystore would take more than 1 GiB or 2^24 rounds", path,
                    "export the key again with a lower cost"};
        case KeystoreError::wrong_password:
            return {"the password does not open this keystore", path, "try another password"};
    }
    return {"this keystore cannot be opened", path, ""};
}

}  // namespace

Outcome<void> store_key(const std::string& path, const crypto::SecretKey& key,
                        std::string_view password, crypto::ScryptCost cost) {
    if (io::file_exists(path)) return Err{exists_failure(path)};
    MILLRACE_TRY_VOID(io::make_folder(parent_of(path), 0700));
    crypto::KeystoreEntropy entropy;
    io::fill_random(entropy.iv);
    io::fill_random(entropy.salt);
    io::fill_random(entropy.uuid);
    const std::string text = crypto::encrypt_keystore(key, password, cost, entropy);
    return io::atomic_write_file(path, as_bytes(text), 0600);
}

Outcome<crypto::SecretKey> create_key(const std::string& path, std::string_view password,
                                      crypto::ScryptCost cost) {
    for (;;) {
        const Hash32 drawn = io::random_hash();
        const auto key = crypto::SecretKey::from(drawn.view());
        if (!key) continue;  // once in 2^128
        MILLRACE_TRY_VOID(store_key(path, *key, password, cost));
        return *key;
    }
}

Outcome<crypto::SecretKey> load_key(const std::string& path, std::string_view password) {
    if (!io::file_exists(path)) {
        return Err{Failure{"there is no key file", path,
                           "make one with: millrace wallet new, or millrace wallet import"}};
    }
    MILLRACE_TRY(const std::string text, io::read_text_file(path, keystore_size_max));
    auto key = crypto::decrypt_keystore(text, password);
    if (!key.has_value()) return Err{keystore_failure(key.error(), path)};
    return std::move(key).value();
}

Outcome<crypto::SecretKey> load_or_create_key(const std::string& path, std::string_view password,
                                              crypto::ScryptCost cost) {
    return io::file_exists(path) ? load_key(path, password) : create_key(path, password, cost);
}

Outcome<Address> address_of_file(const std::string& path) {
    MILLRACE_TRY(const std::string text, io::read_text_file(path, keystore_size_max));
    const auto document = nlohmann::json::parse(text, nullptr, false);
    if (document.is_object() && document.contains("address") && document["address"].is_string()) {
        const auto address =
            fixed_from_hex<Address>(document["address"].get_ref<const std::string&>());
        if (address) return *address;
    }
    return Err{Failure{"this file names no address", path, "is it a keystore file?"}};
}

Outcome<std::string> wallet_path(const std::string& home, const std::string& name) {
    const bool plain =
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string::npos;
    if (!plain || name.empty() || name.size() > wallet_name_max || name[0] == '.') {
        return Err{Failure{"this is no wallet name", name,
                           "use at most 64 of a-z, 0-9, '.', '_' and '-', not beginning with '.'"}};
    }
    return home + "/wallets/" + name + ".json";
}

Outcome<std::string> read_password_file(const std::string& path) {
    MILLRACE_TRY(std::string text, io::read_text_file(path, password_size_max));
    const std::size_t end = text.find('\n');
    if (end != std::string::npos) text.resize(end);
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

}  // namespace millrace::chain
