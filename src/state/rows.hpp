// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "codec/rlp.hpp"
#include "state/key_value.hpp"
#include "state/state_view.hpp"
#include "trie/nibbles.hpp"

namespace millrace::state {

// Keys and values of the tables (docs/formats/chain-store.md). Every decoder takes exactly what its
// encoder gives and is null for everything else. No key of a table is the beginning of another key
// of that table, so that history rows of one key lie together.

inline constexpr std::uint64_t state_format = 1;

/// Ends the process: a row of our own making cannot be read back, so no answer given after that
/// could be trusted (state/key_value.hpp).
[[noreturn]] void stop_on_damage(Table table, ByteView key, std::string_view why) noexcept;

struct AccountRow {
    Account account;
    Hash32 storage_root;
    bool operator==(const AccountRow&) const = default;
};
/// RLP [nonce, balance, code hash, storage root], empty strings for the hash of no code and the
/// root of no storage.
[[nodiscard]] Bytes encode_account_row(const AccountRow& row);
[[nodiscard]] std::optional<AccountRow> decode_account_row(ByteView row);

/// Big-endian without leading zeros. Not of 0, which has no row.
[[nodiscard]] Bytes encode_storage_row(const U256& value);
[[nodiscard]] std::optional<U256> decode_storage_row(ByteView row);

[[nodiscard]] Bytes height_key(Height height);
[[nodiscard]] std::optional<Height> decode_height_key(ByteView key);
[[nodiscard]] Bytes storage_key(const Address& address, const U256& slot);
/// key ‖ height.
[[nodiscard]] Bytes history_key(ByteView key, Height height);

/// Which trie a node is of: the account trie, or the storage trie of an account.
class TrieName {
  public:
    static TrieName accounts() { return TrieName{Bytes{0}}; }
    static TrieName storage_of(const Hash32& hashed_address);
    /// What the keys of all its nodes begin with.
    [[nodiscard]] ByteView prefix() const noexcept { return prefix_; }
    /// prefix ‖ count of nibbles ‖ nibbles, two per byte, the last half 0 when odd.
    [[nodiscard]] Bytes node_key(const trie::Nibbles& path) const;

  private:
    explicit TrieName(Bytes prefix) : prefix_{std::move(prefix)} {}
    Bytes prefix_;
};

/// The table of what `table` held before, where there is one.
[[nodiscard]] Table history_of(Table table) noexcept;

struct ChangedKey {
    Table table = Table::accounts;  ///< accounts, storage, nodes or codes
    Bytes key;
    bool operator==(const ChangedKey&) const = default;
};
/// RLP: a list of [table, key] in the order of writing; no two are equal. The first writes one.
void write_changed(codec::RlpWriter& items, Table table, ByteView key);
[[nodiscard]] Bytes encode_changes(const std::vector<ChangedKey>& keys);
[[nodiscard]] Bytes changes_row(ByteView items);  ///< as write_changed() wrote them
[[nodiscard]] std::optional<std::vector<ChangedKey>> decode_changes(ByteView row);

/// Two rows of meta, both RLP [format, height]. "state.head": the block the tables stand at.
/// "state.pruned": of blocks up to this one the history is gone, or going.
[[nodiscard]] ByteView state_head_key() noexcept;
[[nodiscard]] ByteView state_pruned_key() noexcept;
[[nodiscard]] Bytes encode_state_height(Height height);
[[nodiscard]] std::optional<Height> decode_state_height(ByteView row);

/// The same of rows that are ours: damage ends the process. Null when there is no row.
[[nodiscard]] std::optional<Height> read_state_height(const KeyValueView& view, ByteView key);
[[nodiscard]] std::optional<AccountRow> read_account_row(ByteView key,
                                                         const std::optional<Bytes>& row);
[[nodiscard]] U256 read_storage_row(ByteView key, const std::optional<Bytes>& row);

/// What `table` held under `key` after block `height` < the head's: the first history row above it,
/// else the row of now.
[[nodiscard]] std::optional<Bytes> read_at(const KeyValueView& view, Table table, ByteView key,
                                           Height height);

}  // namespace millrace::state
