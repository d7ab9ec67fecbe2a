// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>
#include <map>

#include "base/assert.hpp"
#include "state/database.hpp"
#include "state/database_state.hpp"
#include "state/rows.hpp"
#include "state/trie_values.hpp"
#include "state/undo.hpp"
#include "trie/update.hpp"

namespace millrace::state {
namespace {

/// Rows of one block with what they overwrite. Each key at most once.
class BlockRows {
  public:
    BlockRows(Height height, bool keeps_history) noexcept
        : height_{height}, keeps_history_{keeps_history} {}

    /// Of accounts or storage.
    void write(Table table, ByteView key, const std::optional<Bytes>& before,
               const std::optional<Bytes>& after) {
        if (before == after) return;
        if (keeps_history_) {
            batch_.put(history_of(table), history_key(key, height_), before ? *before : ByteView{});
            write_changed(changed_, table, key);
        }
        write(table, key, after);
    }

    /// Nodes follow from accounts and slots: those of the past are computed (state/undo.hpp).
    void write_node(ByteView key, const std::optional<Bytes>& after) {
        write(Table::nodes, key, after);
    }

    void write_code(const evm::Code& code) {
        if (keeps_history_) write_changed(changed_, Table::codes, code.hash().view());
        batch_.put(Table::codes, code.hash().view(), code.view());
    }

    /// For so many accounts or nodes; most need no more.
    void reserve_for(std::size_t count) { batch_.reserve(2 * count, 320 * count); }

    template <typename Parts>
    void reserve_for_all(const Parts& parts) {
        std::size_t count = 0;
        std::size_t byte_count = 0;
        for (const auto& part : parts) {
            count += part.rows.batch_.size();
            byte_count += part.rows.batch_.byte_count();
        }
        batch_.reserve(count, byte_count);
    }

    void append(BlockRows later) {
        batch_.append(std::move(later.batch_));
        changed_.write_raw(later.changed_.view());
    }

    void finish() {
        if (keeps_history_)
            batch_.put(Table::changes, height_key(height_), changes_row(changed_.view()));
        batch_.put(Table::meta, state_head_key(), encode_state_height(height_));
    }

    [[nodiscard]] WriteBatch take() && { return std::move(batch_); }

  private:
    void write(Table table, ByteView key, const std::optional<Bytes>& after) {
        if (after) {
            batch_.put(table, key, *after);
        } else {
            batch_.erase(table, key);
        }
    }

    Height height_;
    bool keeps_history_;
    WriteBatch batch_;
    codec::RlpWriter changed_;  ///< items of the row of changes
};

class NoNodes final : public trie::NodeSource {
  public:
    [[nodiscard]] std::optional<Bytes> node(const trie::Nibbles&) const override {
        return std::nullopt;
    }
};

trie::Updated update_or_stop(const trie::NodeSource& source, const TrieName& name,
                             std::span<const trie::UpdateView> updates,
                             const ParallelFor& parallel_for = {}) {
    auto updated = trie::update(source, updates, parallel_for);
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
    Stage(DatabaseState& state, Height height, bool keeps_history, const ParallelFor& parallel_for)
        : state_{state},
          parallel_for_{parallel_for},
          keeps_history_{keeps_history},
          whole_{height, keeps_history} {
        state_.pending.emplace();
        state_.pending->height = height;
    }

    Hash32 run(const StateDiff& diff) {
        std::vector<Entry> entries = sorted_entries(diff);
        std::vector<trie::UpdateView> updates(entries.size());
        in_parts(entries.size(), [&](Part& part, std::size_t index) {
            Entry& entry = entries[index];
            entry.leaf = write_account(part, entry.hashed, *entry.address, *entry.change);
            updates[index] = {entry.hashed.view(), entry.leaf};
        });
        write_codes(diff);
        const TrieName name = TrieName::accounts();
        trie::Updated updated = update_or_stop(Nodes{state_, name}, name, updates, parallel_for_);
        in_parts(updated.changes.size(), [&](Part& part, std::size_t index) {
            write_node(part, name, std::move(updated.changes[index]));
        });
        return updated.root;
    }

    void finish(WriteBatch& batch) {
        whole_.rows.finish();
        finish_part(batch);
    }
    void finish_part(WriteBatch& batch) { batch.append(std::move(whole_.rows).take()); }

  private:
    struct Entry {
        Hash32 hashed;
        const Address* address = nullptr;
        const AccountDiff* change = nullptr;
        Bytes leaf;
    };

    /// What the work on some of the accounts or nodes comes to.
    struct Part {
        Part(Height height, bool keeps_history) noexcept : rows{height, keeps_history} {}
        BlockRows rows;
        std::vector<std::pair<Bytes, std::optional<Bytes>>> nodes;
        HeadRows::Changes head;
    };

    std::vector<Entry> sorted_entries(const StateDiff& diff) const {
        std::vector<Entry> entries(diff.accounts.size());
        std::size_t next = 0;
        for (const auto& [address, change] : diff.accounts) {
            entries[next].address = &address;
            entries[next].change = &change;
            ++next;
        }
        for_each_part(parallel_for_, entries.size(), part_count(entries.size()),
                      [&](std::size_t first, std::size_t last) {
                          for (std::size_t index = first; index < last; ++index)
                              entries[index].hashed = hashed_key(*entries[index].address);
                      });
        std::ranges::sort(entries, {}, &Entry::hashed);
        return entries;
    }

    /// Few are not worth waking others for.
    static std::size_t part_count(std::size_t count) noexcept { return count < 64 ? 1 : 16; }

    /// body(part, index) for all below `count`; what the parts hold goes behind `whole_` in order.
    template <typename Body>
    void in_parts(std::size_t count, const Body& body) {
        std::vector<Part> parts(part_count(count), Part{state_.pending->height, keeps_history_});
        for_each_index(parallel_for_, parts.size(), [&](std::size_t number) {
            const std::size_t first = count * number / parts.size();
            const std::size_t last = count * (number + 1) / parts.size();
            parts[number].rows.reserve_for(last - first);
            for (std::size_t index = first; index < last; ++index)
                body(parts[number], index);
        });
        whole_.rows.reserve_for_all(parts);
        for (Part& part : parts) {
            whole_.rows.append(std::move(part.rows));
            move_behind(state_.pending->nodes, part.nodes);
            move_behind(state_.pending->head_rows.accounts, part.head.accounts);
            move_behind(state_.pending->head_rows.slots, part.head.slots);
            state_.pending->head_rows.clears_storage |= part.head.clears_storage;
        }
    }

    template <typename T>
    static void move_behind(std::vector<T>& into, std::vector<T>& from) {
        into.insert(into.end(), std::make_move_iterator(from.begin()),
                    std::make_move_iterator(from.end()));
    }

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
    Bytes write_account(Part& part, const Hash32& hashed, const Address& address,
                        const AccountDiff& change) {
        const std::optional<AccountRow> before = state_.head_rows.peek(address);
        const Hash32 old_root = before ? before->storage_root : trie::empty_root;
        const bool clears = change.storage_cleared || !change.account;
        Hash32 root = old_root;
        if (clears && old_root != trie::empty_root) {
            root = replace_storage(part, hashed, address, change);
        } else if (change.account && !change.storage.empty()) {
            root = change_storage(part, hashed, address, change.storage);
        }
        std::optional<AccountRow> after;
        if (change.account) after = AccountRow{*change.account, root};
        part.rows.write(Table::accounts, address.view(), encoded(before), encoded(after));
        part.head.accounts.emplace_back(address, after);
        if (!after) return {};
        return account_leaf(*change.account, root);
    }

    static std::optional<Bytes> encoded(const std::optional<AccountRow>& row) {
        if (!row) return std::nullopt;
        return encode_account_row(*row);
    }

    Hash32 change_storage(Part& part, const Hash32& hashed, const Address& address,
                          const Storage& slots) {
        for (const auto& [slot, value] : slots) {
            part.rows.write(Table::storage, storage_key(address, slot),
                            storage_row(state_.head_rows.peek(address, slot)), storage_row(value));
            part.head.slots.push_back({address, slot, value});
        }
        const TrieName name = TrieName::storage_of(hashed);
        const SlotUpdates updates{slots};
        trie::Updated updated = update_or_stop(Nodes{state_, name}, name, updates.view());
        for (trie::NodeChange& change : updated.changes)
            write_node(part, name, std::move(change));
        return updated.root;
    }

    /// All slots and nodes go; `change` begins on nothing.
    Hash32 replace_storage(Part& part, const Hash32& hashed, const Address& address,
                           const AccountDiff& change) {
        part.head.clears_storage = true;
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
        for (const auto& [key, turn] : slots)
            part.rows.write(Table::storage, key, turn.before, turn.after);
        for (auto& [key, turn] : nodes)
            write_node(part, key, turn.before, std::move(turn.after));
        return root;
    }

    static void write_node(Part& part, const TrieName& name, trie::NodeChange change) {
        write_node(part, name.node_key(change.path), change.before, std::move(change.node));
    }

    static void write_node(Part& part, Bytes key, const std::optional<Bytes>& before,
                           std::optional<Bytes> after) {
        if (before == after) return;
        part.rows.write_node(key, after);
        part.nodes.emplace_back(std::move(key), std::move(after));
    }

    void write_codes(const StateDiff& diff) {
        for (const auto& [hash, code] : diff.codes) {
            MILLRACE_ASSERT(code->hash() == hash);
            if (hash == evm::empty_code_hash) continue;
            if (state_.store.get(Table::codes, hash.view())) continue;
            whole_.rows.write_code(*code);
            state_.codes->put(code);
        }
    }

    DatabaseState& state_;
    const ParallelFor parallel_for_;
    const bool keeps_history_;
    Part whole_;
};

}  // namespace

Hash32 StateDatabase::stage(Height height, const StateDiff& diff, WriteBatch& batch,
                            const ParallelFor& parallel_for) {
    const Height expected{state_->head ? state_->head->value + 1 : 0};
    MILLRACE_ASSERT(height == expected);
    // Before the genesis nothing can be read: it keeps no history.
    Stage<State> stage{*state_, height, height.value > 0, parallel_for};
    const Hash32 root = stage.run(diff);
    stage.finish(batch);
    return root;
}

void StateDatabase::stage_part(const StateDiff& part, WriteBatch& batch) {
    MILLRACE_ASSERT(!state_->head.has_value());
    Stage<State> stage{*state_, Height{}, false, {}};
    stage.run(part);
    stage.finish_part(batch);
}

bool StateDatabase::stage_rollback(Height height, WriteBatch& batch) {
    MILLRACE_ASSERT(state_->head.has_value());
    MILLRACE_ASSERT(height <= *state_->head);
    const Height pruned = read_state_height(state_->store, state_pruned_key()).value_or(Height{});
    if (height < pruned) return false;
    const Height first{height.value + 1};
    const Height head = *state_->head;
    Stage<State> stage{*state_, height, false, {}};
    static_cast<void>(stage.run(*undoing_diff(state_->store, height, head)));
    stage.finish_part(batch);
    for_each_change(state_->store, first, head, [&](Height undone, const ChangedKey& changed) {
        if (changed.table == Table::codes) {
            batch.erase(Table::codes, changed.key);
        } else {
            batch.erase(history_of(changed.table), history_key(changed.key, undone));
        }
        return true;
    });
    for (Height undone = first; undone <= head; ++undone.value)
        batch.erase(Table::changes, height_key(undone));
    batch.put(Table::meta, state_head_key(), encode_state_height(height));
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
        auto changes = changes_of(cursor->key(), cursor->value());
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
            batch.put(Table::changes, cursor->key(), encode_changes(changes));
            is_done = false;
            break;
        }
        batch.erase(Table::changes, cursor->key());
    }
    if (pruned) {
        batch.put(Table::meta, state_pruned_key(), encode_state_height(*pruned));
        state_->pruned = *pruned;
    }
    return is_done;
}

}  // namespace millrace::state
