// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Inside of Chain, shared by its source files.

#include <deque>

#include "evm/machine.hpp"
#include "node/chain.hpp"
#include "node/chain_view.hpp"

namespace millrace::node {

struct Chain::State {
    state::KeyValueStore& store;
    std::shared_ptr<const ledger::ChainConfig> config;
    Options options;
    bool development = false;
    Hash32 genesis_hash;

    state::StateDatabase database;
    std::shared_ptr<evm::Arena> arena;
    ParallelFor parallel_for;  ///< empty: in this thread alone
    Head head;
    std::deque<Hash32> recent;  ///< hashes of the newest blocks, at most 256; the head's is last
    std::shared_ptr<const StoredView> view;
    std::shared_ptr<const state::StateDiff> overrides;  ///< null: none

    /// What the newest builder stands on.
    std::shared_ptr<const state::StateView> parent_state;
    state::TransactionState::BlockHashes block_hashes;

    State(state::KeyValueStore& rows, const ledger::Genesis& genesis, const Options& given);

    /// Takes head, hashes and view from the store.
    void load_head(const Head& newest);
    void publish();
    [[nodiscard]] Hash32 hash_of(std::uint64_t number) const;
    [[nodiscard]] std::shared_ptr<const state::StateView> working_state() const;
    void stand_on_head();
    [[nodiscard]] state::StateDiff with_overrides(state::StateDiff diff) const;
    /// Writes a block that stands on the head, whose rows of the state are in `batch` already.
    [[nodiscard]] bool write(state::WriteBatch batch, const types::Block& block, const Hash32& hash,
                             const std::vector<types::TransactionReceipt>& receipts,
                             const ledger::EncodedBody& encoded);
};

}  // namespace millrace::node
