// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/undo.hpp"

#include <unordered_set>

#include "state/trie_values.hpp"

namespace millrace::state {
namespace {

std::vector<ChangedKey> read_changes(const KeyValueView& rows, Height height) {
    const Bytes key = height_key(height);
    const auto row = rows.get(Table::changes, key);
    if (!row) stop_on_damage(Table::changes, key, "the changes of a block are missing");
    return changes_of(key, *row);
}

/// What the key held before that block, which changed it; null: nothing.
std::optional<Bytes> held_before(const KeyValueView& rows, Height height,
                                 const ChangedKey& changed) {
    const Table history = history_of(changed.table);
    const Bytes key = history_key(changed.key, height);
    auto row = rows.get(history, key);
    if (!row) stop_on_damage(history, key, "what a block overwrote is missing");
    if (row->empty()) return std::nullopt;
    return row;
}

/// Takes changes from the oldest on: the first of a key says what it held.
class Undoing {
  public:
    explicit Undoing(const KeyValueView& rows) noexcept : rows_{rows} {}

    void take(Height height, const ChangedKey& changed) {
        if (changed.table == Table::accounts) take_account(height, changed);
        if (changed.table == Table::storage) take_slot(height, changed);
    }
    [[nodiscard]] std::size_t count() const noexcept { return accounts_.size() + slot_count_; }

    [[nodiscard]] StateDiff take_diff() && {
        // An account's row has the root of its slots, so it changes with them.
        for (const auto& [address, change] : diff_.accounts)
            if (!accounts_.contains(address))
                stop_on_damage(Table::changes, address.view(), "slots without their account");
        return std::move(diff_);
    }

  private:
    void take_account(Height height, const ChangedKey& changed) {
        const auto address = Address::from(changed.key);
        if (!address) stop_on_damage(Table::changes, changed.key, "not an address");
        if (!accounts_.insert(*address).second) return;
        const auto row = read_account_row(changed.key, held_before(rows_, height, changed));
        AccountDiff& change = diff_.accounts[*address];
        if (row) change.account = row->account;
    }
    void take_slot(Height height, const ChangedKey& changed) {
        const ByteView key{changed.key};
        if (key.size() != Address::size + Hash32::size)
            stop_on_damage(Table::changes, key, "not a slot");
        Storage& slots = diff_.accounts[*Address::from(key.first(Address::size))].storage;
        const U256 slot = from_word(*Hash32::from(key.subspan(Address::size)));
        const auto [place, is_new] = slots.try_emplace(slot);
        if (!is_new) return;
        place->second = read_storage_row(key, held_before(rows_, height, changed));
        ++slot_count_;
    }

    const KeyValueView& rows_;
    StateDiff diff_;
    std::unordered_set<Address, AddressHash> accounts_;
    std::size_t slot_count_ = 0;
};

}  // namespace

std::vector<ChangedKey> changes_of(ByteView key, ByteView row) {
    auto changes = decode_changes(row);
    if (!changes) stop_on_damage(Table::changes, key, "not the changes of a block");
    return std::move(*changes);
}

void for_each_change(const KeyValueView& rows, Height first, Height last,
                     const std::function<bool(Height, const ChangedKey&)>& body) {
    for (Height at = first; at <= last; ++at.value) {
        for (const ChangedKey& changed : read_changes(rows, at))
            if (!body(at, changed)) return;
    }
}

std::optional<StateDiff> undoing_diff(const KeyValueView& rows, Height height, Height head,
                                      std::size_t count_max) {
    Undoing undoing{rows};
    for_each_change(rows, Height{height.value + 1}, head, [&](Height at, const ChangedKey& key) {
        undoing.take(at, key);
        return undoing.count() <= count_max;
    });
    if (undoing.count() > count_max) return std::nullopt;
    return std::move(undoing).take_diff();
}

}  // namespace millrace::state
