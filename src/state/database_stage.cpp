// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>
#include <map>

#include "base/assert.hpp"
#include "state/database.hpp"
#include "state/database_state.hpp"
#include "state/rows.hpp"
#include "state/trie_values.hpp"
#include "trie/update.hpp"

namespace millrace::state {
namespace {

/// Writes rows of one block and keeps what they overwrite. Each key at most once.
class BlockRows {
  public:
    /// Before the genesis nothing can be read: it keeps no history.
    BlockRows(Height height, WriteBatch& batch) noexcept
        : height_{height}, batch_{batch}, keeps_history_{height.value > 0} {}

    void write(Table table, const Bytes& key, std::optional<Bytes> before,
               std::optional<Bytes> after) {
        if (before == after) return;
        if (keeps_history_) {
            batch_.put(history_of(table), history_key(key, height_),
                       before ? std::move(*before) : Bytes{});
            changed_.push_back({table, key});
        }
        if (after) {
            batch_.put(table, key, std::move(*after));
        } else {
            batch_.erase(table, key);
        }
    }

    void write_code(const evm::Code& code) {
        const Bytes key = to_bytes(code.hash().view());
        if (keeps_history_) changed_.push_back({Table::codes, key});
        batch_.put(Table::codes, key, to_bytes(code.view()));
    }

    void finish() {
        if (keeps_history_)
            batch_.put(Table::changes, height_key(height_), encode_changes(changed_));
        batch_.put(Table::meta, to_bytes(state_head_key()), encode_state_height(height_));
    }

  private:
    Height height_;
    WriteBatch& batch_;
    bool keeps_history_;
    std::vector<ChangedKey> changed_;
};

class NoNodes final : public trie::NodeSource {
  public:
    [[nodiscard]] std::optional<Bytes> node(const trie::Nibbles&) const override {
        return std::nullopt;
    }
};

trie::Updated update_or_stop(const trie::NodeSource& source, const TrieName& name,
                             std::span<const trie::UpdateView> updates) {
    auto updated = trie::update(source, updates);
    if (!updated) stop_on_damage(Table::nodes, name.prefix(), to_text(updated.error()));
    return std::move(updated).value();
}

/// Slots of one account in the order of their trie.
class SlotUpdates {
  public:
    explicit SlotUpdates(const Storage& slots) {
        entries_.reserve(slots.size());
        for (const auto& [key, value] : slots)
            entries_.push_back({hashed_key(key), value.is_zero() ? Bytes{} : storage_leaf(value)});
        std::ranges::sort(entries_, {}, &Entry::key);
        for (const Entry& entry : entries_)
            updates_.push_back({entry.key.view(), entry.leaf});
    }
    [[nodiscard]] std::span<const trie::UpdateView> view() const noexcept { return updates_; }

  private:
    struct Entry {
        Hash32 key;
        Bytes leaf;
    };
    std::vector<Entry> entries_;
    std::vector<trie::UpdateView> updates_;
};

std::optional<Bytes> storage_row(const U256& value) {
    if (value.is_zero()) return std::nullopt;
    return encode_storage_row(value);
}

bool begins_with(ByteView key, ByteView prefix) noexcept {
    return key.size() >= prefix.size() && std::ranges::equal(key.first(prefix.size()), prefix);
}

/// What a key held and will hold, for tries and slots that begin anew.
struct Turn {
    std::optional<Bytes> before;
    std::optional<Bytes> after;
};
using Turns = std::map<Bytes, Turn>;

Turns read_all(const KeyValueView& rows, Table table, ByteView prefix) {
    Turns turns;
    const auto cursor = rows.cursor(table);
    for (cursor->seek(prefix); cursor->valid() && begins_with(cursor->key(), prefix);
         cursor->next())
        turns[to_bytes(cursor->key())].before = to_bytes(cursor->value());
    return turns;
}

template <typename DatabaseState>
class Stage {
  public:
    Stage(DatabaseState& state, Height height, WriteBatch& batch)
        : state_{state}, rows_{height, batch} {
        state_.pending.emplace();
        state_.pending->height = height;
    }

    Hash32 run(const StateDiff& diff) {
        struct Entry {
            Hash32 hashed;
            const Address* address;
            const AccountDiff* change;
        };
        std::vector<Entry> entries;
        entries.reserve(diff.accounts.size());
        for (const auto& [address, change] : diff.accounts)
            entries.push_back({hashed_key(address), &address, &change});
        std::ranges::sort(entries, {}, &Entry::hashed);
        std::vector<Bytes> leaves;
        std::vector<trie::UpdateView> updates;
        leaves.reserve(entries.size());
        updates.reserve(entries.size());
        for (const Entry& entry : entries) {
            leaves.push_back(write_account(entry.hashed, *entry.address, *entry.change));
            updates.push_back({entry.hashed.view(), leaves.back()});
        }
        write_codes(diff);
        const TrieName name = TrieName::accounts();
        trie::Updated updated = update_or_stop(Nodes{state_, name}, name, updates);
        write_nodes(name, std::move(updated.changes));
        rows_.finish();
        return updated.root;
    }

  private:
    /// The head's nodes of one trie.
    class Nodes final : public trie::NodeSource {
      public:
        Nodes(DatabaseState& state, const TrieName& name) noexcept : state_{state}, name_{name} {}
        [[nodiscard]] std::optional<Bytes> node(const trie::Nibbles& path) const override {
            return state_.node(name_.node_key(path));
        }

      private:
        DatabaseState& state_;
        const TrieName& name_;
    };

    /// The account's new leaf; empty when it is gone.
    Bytes write_account(const Hash32& hashed, const Address& address, const AccountDiff& change) {
        const Bytes key = to_bytes(address.view());
        std::optional<Bytes> before = state_.store.get(Table::accounts, key);
        const auto old_row = read_account_row(key, before);
        const Hash32 old_root = old_row ? old_row->storage_root : trie::empty_root;
        const bool clears = change.storage_cleared || !change.account;
        Hash32 root = old_root;
        if (clears && old_root != trie::empty_root) {
            root = replace_storage(hashed, address, change);
        } else if (change.account && !change.storage.empty()) {
            root = change_storage(hashed, address, change.storage);
        }
        if (!change.account) {
            rows_.write(Table::accounts, key, std::move(before), std::nullopt);
            return {};
        }
        rows_.write(Table::accounts, key, std::move(before),
                    encode_account_row({*change.account, root}));
        return account_leaf(*change.account, root);
    }

    Hash32 change_storage(const Hash32& hashed, const Address& address, const Storage& slots) {
        for (const auto& [slot, value] : slots) {
            const Bytes key = storage_key(address, slot);
            rows_.write(Table::storage, key, state_.store.get(Table::storage, key),
                        storage_row(value));
        }
        const TrieName name = TrieName::storage_of(hashed);
        const SlotUpdates updates{slots};
        trie::Updated updated = update_or_stop(Nodes{state_, name}, name, updates.view());
        write_nodes(name, std::move(updated.changes));
        return updated.root;
    }

    /// All slots and nodes go; `change` begins on nothing.
    Hash32 replace_storage(const Hash32& hashed, const Address& address,
                           const AccountDiff& change) {
        Turns slots = read_all(state_.store, Table::storage, address.view());
        const TrieName name = TrieName::storage_of(hashed);
        Turns nodes = read_all(state_.store, Table::nodes, name.prefix());
        Hash32 root = trie::empty_root;
        if (change.account) {
            for (const auto& [slot, value] : change.storage)
                slots[storage_key(address, slot)].after = storage_row(value);
            const SlotUpdates updates{change.storage};
            trie::Updated updated = update_or_stop(NoNodes{}, name, updates.view());
            for (trie::NodeChange& node : updated.changes)
                nodes[name.node_key(node.path)].after = std::move(node.node);
            root = updated.root;
        }
        for (auto& [key, turn] : slots)
            rows_.write(Table::storage, key, std::move(turn.before), std::move(turn.after));
        for (auto& [key, turn] : nodes)
            write_node(key, std::move(turn.before), std::move(turn.after));
        return root;
    }

    void write_nodes(const TrieName& name, std::vector<trie::NodeChange> changes) {
        for (trie::NodeChange& change : changes) {
            write_node(name.node_key(change.path), std::move(change.before),
                       std::move(change.node));
        }
    }

    void write_node(const Bytes& key, std::optional<Bytes> before, std::optional<Bytes> after) {
        state_.pending->nodes.emplace_back(key, after);
        rows_.write(Table::nodes, key, std::move(before), std::move(after));
    }

    void write_codes(const StateDiff& diff) {
        for (const auto& [hash, code] : diff.codes) {
            MILLRACE_ASSERT(code->hash() == hash);
            if (hash == evm::empty_code_hash) continue;
            if (state_.store.get(Table::codes, hash.view())) continue;
            rows_.write_code(*code);
            state_.codes->put(code);
        }
    }

    DatabaseState& state_;
    BlockRows rows_;
};

std::vector<ChangedKey> read_changes_row(ByteView key, const std::optional<Bytes>& row) {
    if (!row) stop_on_damage(Table::changes, key, "the changes of a block are missing");
    auto changes = decode_changes(*row);
    if (!changes) stop_on_damage(Table::changes, key, "not the changes of a block");
    return std::move(*changes);
}

}  // namespace

Hash32 StateDatabase::stage(Height height, const StateDiff& diff, WriteBatch& batch) {
    const Height expected{state_->head ? state_->head->value + 1 : 0};
    MILLRACE_ASSERT(height == expected);
    return Stage<State>{*state_, height, batch}.run(diff);
}

bool StateDatabase::stage_rollback(Height height, WriteBatch& batch) {
    MILLRACE_ASSERT(state_->head.has_value());
    MILLRACE_ASSERT(height <= *state_->head);
    const Height pruned = read_state_height(state_->store, state_pruned_key()).value_or(Height{});
    if (height < pruned) return false;
    // Newest first: of several writes to a key, the oldest block's comes last and counts.
    for (Height undone = *state_->head; undone > height; --undone.value) {
        const Bytes row_key = height_key(undone);
        const auto changes = read_changes_row(row_key, state_->store.get(Table::changes, row_key));
        for (const ChangedKey& changed : changes) {
            if (changed.table == Table::codes) {
                batch.erase(Table::codes, changed.key);
                continue;
            }
            const Table history = history_of(changed.table);
            Bytes history_row = history_key(changed.key, undone);
            auto before = state_->store.get(history, history_row);
            if (!before) stop_on_damage(history, history_row, "what a block overwrote is missing");
            batch.erase(history, std::move(history_row));
            if (before->empty()) {
                batch.erase(changed.table, changed.key);
            } else {
                batch.put(changed.table, changed.key, std::move(*before));
            }
        }
        batch.erase(Table::changes, row_key);
    }
    batch.put(Table::meta, to_bytes(state_head_key()), encode_state_height(height));
    return true;
}

bool StateDatabase::stage_prune(Height height, std::size_t keys_max, WriteBatch& batch) {
    MILLRACE_ASSERT(keys_max > 0);
    if (!state_->head) return true;
    const Height last = std::min(height, *state_->head);
    std::optional<Height> pruned;
    bool is_done = true;
    const auto cursor = state_->store.cursor(Table::changes);
    for (cursor->seek({}); cursor->valid(); cursor->next()) {
        const auto at = decode_height_key(cursor->key());
        if (!at) stop_on_damage(Table::changes, cursor->key(), "not a height");
        if (*at > last) break;
        if (keys_max == 0) {
            is_done = false;
            break;
        }
        auto changes = read_changes_row(cursor->key(), to_bytes(cursor->value()));
        pruned = *at;
        const std::size_t count = std::min(keys_max, changes.size());
        for (std::size_t index = 0; index < count; ++index) {
            const ChangedKey& changed = changes[index];
            if (changed.table == Table::codes) continue;
            batch.erase(history_of(changed.table), history_key(changed.key, *at));
        }
        keys_max -= count;
        if (count < changes.size()) {
            changes.erase(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(count));
            batch.put(Table::changes, to_bytes(cursor->key()), encode_changes(changes));
            is_done = false;
            break;
        }
        batch.erase(Table::changes, to_bytes(cursor->key()));
    }
    if (pruned) batch.put(Table::meta, to_bytes(state_pruned_key()), encode_state_height(*pruned));
    return is_done;
}

}  // namespace millrace::state
