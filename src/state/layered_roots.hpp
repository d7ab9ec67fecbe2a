// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/quantity.hpp"
#include "state/snapshot.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

class TrieName;

/// State roots of blocks that are only tried out, and tries of the past: diffs on top of the state
/// after a stored block, one after the other. The nodes they change are kept in memory, so that a
/// root costs what its own diff changes. The store has the nodes of its head only: for an older
/// block the first diff is what undoes those between. Nothing is written. One thread at a time.
class LayeredRoots {
  public:
    /// Accounts and slots that are undone at most: each takes memory and time of one request.
    static constexpr std::size_t undone_count_max = 131'072;

    /// Null: the snapshot does not have that block, or too much has changed since.
    [[nodiscard]] static std::unique_ptr<LayeredRoots> on(
        const std::shared_ptr<const StateSnapshot>& snapshot, Height height,
        std::size_t count_max = undone_count_max);

    /// The root after `diff`, which follows all diffs before.
    [[nodiscard]] Hash32 apply(const StateDiff& diff);

    /// Nodes from the root downwards; of the trie of accounts, or of an account's storage.
    [[nodiscard]] std::vector<Bytes> prove(const Hash32& hashed_address);
    [[nodiscard]] std::vector<Bytes> prove(const Hash32& hashed_address, const Hash32& hashed_slot);

  private:
    class Nodes;
    explicit LayeredRoots(std::shared_ptr<const StateSnapshot> snapshot)
        : snapshot_{std::move(snapshot)} {}

    /// The account's new leaf; empty when it is gone.
    Bytes change_account(const Hash32& hashed, const Address& address, const AccountDiff& change);
    Hash32 change_storage(const Hash32& hashed, const AccountDiff& change);
    [[nodiscard]] Hash32 storage_root(const Address& address) const;
    void forget_storage(const Hash32& hashed);

    std::shared_ptr<const StateSnapshot> snapshot_;
    std::map<Bytes, std::optional<Bytes>> nodes_;  ///< by TrieName::node_key(); null: gone
    std::map<Address, Hash32> storage_roots_;      ///< of accounts that a diff has changed
    std::set<Hash32> begun_anew_;  ///< hashed addresses whose stored nodes count no more
};

}  // namespace millrace::state
