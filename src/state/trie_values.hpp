// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <unordered_map>

#include "state/state_view.hpp"

namespace millrace::state {

/// What the account trie holds under keccak256(address): [nonce, balance, storage root, code hash]
/// (Yellow Paper, 4.1).
[[nodiscard]] Bytes account_leaf(const Account& account, const Hash32& storage_root);
/// What a storage trie holds under keccak256(slot): the value as an integer. Not of 0.
[[nodiscard]] Bytes storage_leaf(const U256& value);
[[nodiscard]] Hash32 hashed_key(const Address& address) noexcept;
[[nodiscard]] Hash32 hashed_key(const U256& slot) noexcept;

using Storage = std::unordered_map<U256, U256, U256Hash>;
/// The root of a storage trie with these slots alone; zeros do not count.
[[nodiscard]] Hash32 storage_root_of(const Storage& slots);

}  // namespace millrace::state
