// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "crypto/keystore.hpp"

namespace millrace::chain {

/// Keys on disk: keystore V3 files, readable by their owner only (0600), written whole or not at
/// all, never overwritten. For people's wallets and for daemons' keys alike.

/// A new random key at `path`; a Failure when the file exists.
Outcome<crypto::SecretKey> create_key(const std::string& path, std::string_view password,
                                      crypto::ScryptCost cost = {});
/// Stores a key one has; a Failure when the file exists.
Outcome<void> store_key(const std::string& path, const crypto::SecretKey& key,
                        std::string_view password, crypto::ScryptCost cost = {});
/// Failure for a missing file, a wrong password, a file that is no keystore: each its own message.
Outcome<crypto::SecretKey> load_key(const std::string& path, std::string_view password);
/// load_key, or create_key when there is no file: for daemons at their first start.
Outcome<crypto::SecretKey> load_or_create_key(const std::string& path, std::string_view password,
                                              crypto::ScryptCost cost = crypto::scrypt_light);
/// The address a keystore file names, without its password.
Outcome<Address> address_of_file(const std::string& path);

/// <home>/wallets/<name>.json; a Failure unless name is [a-z0-9._-]+ and at most 64 characters.
Outcome<std::string> wallet_path(const std::string& home, const std::string& name);

/// The first line of a password file, without its line end; at most 4 KiB.
Outcome<std::string> read_password_file(const std::string& path);

}  // namespace millrace::chain
