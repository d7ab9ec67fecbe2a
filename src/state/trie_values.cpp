// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/trie_values.hpp"

#include <algorithm>

#include "codec/rlp.hpp"
#include "crypto/hash.hpp"
#include "state/database.hpp"
#include "trie/root.hpp"

namespace millrace::state {
namespace {

struct HashedPair {
    Hash32 key;
    Bytes value;
};

Hash32 sorted_root(std::vector<HashedPair>& pairs) {
    std::ranges::sort(pairs, {}, &HashedPair::key);
    std::vector<trie::PairView> views;
    views.reserve(pairs.size());
    for (const HashedPair& pair : pairs)
        views.push_back({pair.key.view(), pair.value});
    return trie::root_of(views);
}

}  // namespace

Bytes account_leaf(const Account& account, const Hash32& storage_root) {
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(account.nonce);
    writer.write(account.balance);
    writer.write(storage_root);
    writer.write(account.code_hash);
    writer.end_list(list);
    return std::move(writer).take();
}

Bytes storage_leaf(const U256& value) {
    codec::RlpWriter writer;
    writer.write(value);
    return std::move(writer).take();
}

Hash32 hashed_key(const Address& address) noexcept {
    return crypto::keccak256(address.view());
}

Hash32 hashed_key(const U256& slot) noexcept {
    return crypto::keccak256(to_word(slot).view());
}

Hash32 storage_root_of(const Storage& slots) {
    std::vector<HashedPair> pairs;
    pairs.reserve(slots.size());
    for (const auto& [key, value] : slots)
        if (!value.is_zero()) pairs.push_back({hashed_key(key), storage_leaf(value)});
    return sorted_root(pairs);
}

Hash32 StateDatabase::root_of(const StateDiff& whole_state) {
    std::vector<HashedPair> pairs;
    pairs.reserve(whole_state.accounts.size());
    for (const auto& [address, entry] : whole_state.accounts) {
        if (!entry.account) continue;
        pairs.push_back(
            {hashed_key(address), account_leaf(*entry.account, storage_root_of(entry.storage))});
    }
    return sorted_root(pairs);
}

}  // namespace millrace::state
