// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/quantity.hpp"
#include "state/snapshot.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

class TrieName;

/// State roots of blocks that are only tried out: diffs on top of the state after a stored block,
/// one after the other. The nodes they change are kept in memory, so that a root costs what its own
/// diff changes. Nothing is written. One thread at a time.
class LayeredRoots {
  public:
    /// The snapshot has that block.
    LayeredRoots(std::shared_ptr<const StateSnapshot> snapshot, Height height);

    /// The root after `diff`, which follows all diffs before.
    [[nodiscard]] Hash32 apply(const StateDiff& diff);

  private:
    class Nodes;

    /// The account's new leaf; empty when it is gone.
    Bytes change_account(const Hash32& hashed, const Address& address, const AccountDiff& change);
    Hash32 change_storage(const Hash32& hashed, const AccountDiff& change);
    [[nodiscard]] Hash32 storage_root(const Address& address) const;
    void forget_storage(const Hash32& hashed);

    std::shared_ptr<const StateSnapshot> snapshot_;
    Height height_;
    std::map<Bytes, std::optional<Bytes>> nodes_;  ///< by TrieName::node_key(); null: gone
    std::map<Address, Hash32> storage_roots_;      ///< of accounts that a diff has changed
    std::set<Hash32> begun_anew_;  ///< hashed addresses whose stored nodes count no more
};

}  // namespace millrace::state
