// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/parallel_for.hpp"
#include "base/quantity.hpp"
#include "state/key_value.hpp"
#include "state/snapshot.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

/// Accounts, slots, code and trie of a chain in a KeyValueStore: flat tables for reads, trie nodes
/// under their path for roots and proofs. Every table keeps what each block overwrote, under
/// key ‖ height, so the state after any kept block can be read: the value after block n is the
/// first history row with height > n, else the current row (the scheme of Erigon's history, by
/// height).
///
/// One writer. Views are of a snapshot and may be read from any thread for as long as they are
/// held.
class StateDatabase {
  public:
    struct Options {
        std::size_t code_cache_size_max = 64u << 20;  ///< bytes of code kept analysed
        std::size_t node_cache_size_max = 64u << 20;  ///< bytes of trie nodes kept
    };
    /// The store outlives it.
    StateDatabase(KeyValueStore& store, Options options);
    explicit StateDatabase(KeyValueStore& store) : StateDatabase{store, Options{}} {}
    ~StateDatabase();

    /// The state after the newest staged and written block.
    [[nodiscard]] std::shared_ptr<const StateView> latest() const;
    /// The same for the writer's thread, until committed() or rolled_back(): remembers what it
    /// reads for later reads and for stage(). The database outlives it.
    [[nodiscard]] std::shared_ptr<const StateView> working() const;
    /// The state after block `height`; null when it is newer than the head or its history is
    /// pruned.
    [[nodiscard]] std::shared_ptr<const StateView> at(Height height) const;

    /// Both of the above and proofs of one moment. Any thread.
    [[nodiscard]] std::shared_ptr<const StateSnapshot> snapshot() const;

    /// Computes the state root after `diff`, which is block `height`'s (the head's height + 1; 0
    /// for the genesis), and appends every row to `batch`. Nothing changes until the caller has
    /// written the batch and said so with committed(); without it the next stage() starts from the
    /// old head.
    [[nodiscard]] Hash32 stage(Height height, const StateDiff& diff, WriteBatch& batch,
                               const ParallelFor& parallel_for = {});
    void committed(Height height);
    /// Part of committed() that may come while the batch is being written, in another thread, when
    /// nothing else of the database is called. Should the write fail, abandoned() forgets it.
    void absorb();
    void abandoned();

    /// A genesis too large for one batch comes in parts, in any order, an account's slots in
    /// several if need be: each part is staged, written and told by part_committed(); the last one
    /// goes the way of stage(Height{}), which returns the root of all. Until then there is no head,
    /// and a crash leaves rows of the state that the caller has to erase.
    void stage_part(const StateDiff& part, WriteBatch& batch);
    void part_committed();

    /// Appends what undoes the head down to `height` (≤ head); the tables are then as they were
    /// after that block. False when that history is pruned.
    [[nodiscard]] bool stage_rollback(Height height, WriteBatch& batch);
    void rolled_back(Height height);

    /// Deletes the history of blocks ≤ height, oldest first, at most `keys_max` (≥ 1) history rows
    /// a call; the state after block `height` stays readable. True when done. Written by itself or
    /// with the batch of the next block.
    [[nodiscard]] bool stage_prune(Height height, std::size_t keys_max, WriteBatch& batch);

    using StorageProof = state::StorageProof;
    using AccountProof = state::AccountProof;
    /// Null as for at().
    [[nodiscard]] std::optional<AccountProof> prove(Height height, const Address& address,
                                                    const std::vector<U256>& keys) const;

    /// Rebuilds the root from the flat tables alone and checks every node and code beside it; for
    /// `millrace node verify`. `progress` is told accounts done. Memory: some 200 bytes an account,
    /// and a slot of the account with the most.
    struct Verification {
        Hash32 root;
        std::uint64_t accounts = 0;
        std::uint64_t slots = 0;
        std::string problem;  ///< empty: all agree
    };
    [[nodiscard]] Verification verify(
        const std::function<void(std::uint64_t)>& progress = {}) const;

    /// The root without a store: for genesis files and suites.
    static Hash32 root_of(const StateDiff& whole_state);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::state
