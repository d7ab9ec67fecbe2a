// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/layered_roots.hpp"

#include <algorithm>
#include <vector>

#include "state/rows.hpp"
#include "state/trie_values.hpp"
#include "state/undo.hpp"
#include "trie/proof.hpp"
#include "trie/update.hpp"

namespace millrace::state {

/// The nodes of one trie as the diffs so far left them.
class LayeredRoots::Nodes final : public trie::NodeSource {
  public:
    Nodes(LayeredRoots& roots, TrieName name, bool has_stored)
        : roots_{roots}, name_{std::move(name)}, has_stored_{has_stored} {}

    [[nodiscard]] std::optional<Bytes> node(const trie::Nibbles& path) const override {
        const Bytes key = name_.node_key(path);
        const auto changed = roots_.nodes_.find(key);
        if (changed != roots_.nodes_.end()) return changed->second;
        if (!has_stored_) return std::nullopt;
        return roots_.snapshot_->rows().get(Table::nodes, key);
    }

    [[nodiscard]] std::vector<Bytes> prove(const Hash32& key) const {
        auto proof = trie::prove(*this, key.view());
        if (!proof) stop_on_damage(Table::nodes, name_.prefix(), to_text(proof.error()));
        return std::move(proof).value();
    }

    Hash32 update(std::span<const trie::UpdateView> updates) {
        auto updated = trie::update(*this, updates);
        if (!updated) stop_on_damage(Table::nodes, name_.prefix(), to_text(updated.error()));
        for (trie::NodeChange& change : updated->changes)
            roots_.nodes_.insert_or_assign(name_.node_key(change.path), std::move(change.node));
        return updated->root;
    }

  private:
    LayeredRoots& roots_;
    TrieName name_;
    bool has_stored_;
};

namespace {

struct Leaf {
    Hash32 key;
    Bytes value;  ///< empty: none
};

std::vector<trie::UpdateView> views_of(std::vector<Leaf>& leaves) {
    std::ranges::sort(leaves, {}, &Leaf::key);
    std::vector<trie::UpdateView> updates;
    updates.reserve(leaves.size());
    for (const Leaf& leaf : leaves)
        updates.push_back({leaf.key.view(), leaf.value});
    return updates;
}

}  // namespace

std::unique_ptr<LayeredRoots> LayeredRoots::on(const std::shared_ptr<const StateSnapshot>& snapshot,
                                               Height height, std::size_t count_max) {
    if (!snapshot->has(height)) return nullptr;
    const Height head = *snapshot->head();
    std::unique_ptr<LayeredRoots> roots{new LayeredRoots{snapshot}};
    if (height < head) {
        const auto undo = undoing_diff(snapshot->rows(), height, head, count_max);
        if (!undo) return nullptr;
        static_cast<void>(roots->apply(*undo));
    }
    return roots;
}

Hash32 LayeredRoots::apply(const StateDiff& diff) {
    std::vector<Leaf> leaves;
    leaves.reserve(diff.accounts.size());
    for (const auto& [address, change] : diff.accounts) {
        const Hash32 hashed = hashed_key(address);
        leaves.push_back({hashed, change_account(hashed, address, change)});
    }
    return Nodes{*this, TrieName::accounts(), true}.update(views_of(leaves));
}

Bytes LayeredRoots::change_account(const Hash32& hashed, const Address& address,
                                   const AccountDiff& change) {
    if (change.storage_cleared || !change.account) {
        forget_storage(hashed);
        storage_roots_[address] = trie::empty_root;
    }
    if (!change.account) return {};
    Hash32& root = storage_roots_.try_emplace(address, storage_root(address)).first->second;
    if (!change.storage.empty()) root = change_storage(hashed, change);
    return account_leaf(*change.account, root);
}

Hash32 LayeredRoots::change_storage(const Hash32& hashed, const AccountDiff& change) {
    std::vector<Leaf> leaves;
    leaves.reserve(change.storage.size());
    for (const auto& [slot, value] : change.storage)
        leaves.push_back({hashed_key(slot), value.is_zero() ? Bytes{} : storage_leaf(value)});
    return Nodes{*this, TrieName::storage_of(hashed), !begun_anew_.contains(hashed)}.update(
        views_of(leaves));
}

Hash32 LayeredRoots::storage_root(const Address& address) const {
    const auto known = storage_roots_.find(address);
    if (known != storage_roots_.end()) return known->second;
    const auto row =
        read_account_row(address.view(), snapshot_->rows().get(Table::accounts, address.view()));
    return row ? row->storage_root : trie::empty_root;
}

std::vector<Bytes> LayeredRoots::prove(const Hash32& hashed_address) {
    return Nodes{*this, TrieName::accounts(), true}.prove(hashed_address);
}

std::vector<Bytes> LayeredRoots::prove(const Hash32& hashed_address, const Hash32& hashed_slot) {
    return Nodes{*this, TrieName::storage_of(hashed_address), !begun_anew_.contains(hashed_address)}
        .prove(hashed_slot);
}

void LayeredRoots::forget_storage(const Hash32& hashed) {
    begun_anew_.insert(hashed);
    const TrieName name = TrieName::storage_of(hashed);
    const ByteView prefix = name.prefix();
    const auto first = nodes_.lower_bound(to_bytes(prefix));
    const auto last = std::find_if_not(first, nodes_.end(), [&](const auto& node) {
        return node.first.size() >= prefix.size() &&
               std::ranges::equal(ByteView{node.first}.first(prefix.size()), prefix);
    });
    nodes_.erase(first, last);
}

}  // namespace millrace::state
