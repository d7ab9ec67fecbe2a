// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "base/quantity.hpp"
#include "ledger/transition.hpp"
#include "state/database.hpp"
#include "state/key_value.hpp"
#include "state/layered_roots.hpp"
#include "types/block.hpp"

namespace millrace::node {

class GenesisFile;

struct Head {
    types::Header header;
    Hash32 hash;
};

struct TransactionPlace {
    Height height;
    std::uint32_t index = 0;
};

/// The chain as it stood when the view was taken; any thread, for as long as it is held.
class ChainView {
  public:
    virtual ~ChainView() = default;
    [[nodiscard]] virtual const ledger::ChainConfig& config() const = 0;
    [[nodiscard]] virtual const Hash32& genesis_hash() const = 0;
    [[nodiscard]] virtual const Head& head() const = 0;
    [[nodiscard]] virtual std::optional<types::Header> header(Height height) const = 0;
    [[nodiscard]] virtual std::optional<types::Block> block(Height height) const = 0;
    [[nodiscard]] virtual std::optional<std::vector<types::TransactionReceipt>> receipts(
        Height height) const = 0;
    [[nodiscard]] virtual std::optional<Height> height_of(const Hash32& block) const = 0;
    [[nodiscard]] virtual std::optional<TransactionPlace> place_of(
        const Hash32& transaction) const = 0;
    /// Hash of the block at this height; null above the head.
    [[nodiscard]] virtual std::optional<Hash32> hash_at(Height height) const = 0;
    /// The state after that block; null when pruned or above the head.
    [[nodiscard]] virtual std::shared_ptr<const state::StateView> state(Height height) const = 0;
    /// The state at the head is not the head's own: override_state() has changed it, no block has
    /// its root yet, and nothing can be proven of it.
    [[nodiscard]] virtual bool head_is_overridden() const { return false; }
    /// Null also at an overridden head.
    [[nodiscard]] virtual std::optional<state::StateDatabase::AccountProof> prove(
        Height height, const Address& address, const std::vector<U256>& keys) const = 0;
    /// For roots of blocks tried out on that one; null as for state().
    [[nodiscard]] virtual std::unique_ptr<state::LayeredRoots> roots(Height height) const = 0;
};

/// Why a block was not imported.
struct ImportFailure : ledger::BlockFailure {
    /// Not empty: nothing is wrong with the block, but the store cannot be written.
    std::string disk;
    /// One line without the block's number.
    [[nodiscard]] std::string text() const;
};

/// Blocks, receipts, lookups and state of one chain in one store (docs/formats/chain-store.md);
/// every block takes effect in one synced batch, so a chain that opens again stands at a whole
/// block. One writer, in one thread; views may be used in any.
class Chain {
  public:
    struct Options {
        /// Blocks whose state stays readable behind the head; null: all. What is older goes a
        /// bounded number of rows with each block.
        std::optional<std::uint64_t> history;
        state::StateDatabase::Options state{};
    };
    /// Writes the genesis block into an empty store. A Failure when the store holds another chain,
    /// a newer format or a head that does not fit its rows and its state. The store outlives it.
    static Outcome<std::unique_ptr<Chain>> open(state::KeyValueStore& store,
                                                const ledger::Genesis& genesis, Options options);
    /// The same from a file, whose accounts go into an empty store in parts; a crash meanwhile
    /// leaves parts that the next opening throws away. Where the store was begun with that very
    /// text the accounts are not looked at. Afterwards `genesis` is not needed.
    static Outcome<std::unique_ptr<Chain>> open(state::KeyValueStore& store, GenesisFile& genesis,
                                                Options options);
    ~Chain();

    [[nodiscard]] const Head& head() const noexcept;
    /// Of now, with what override_state() said.
    [[nodiscard]] std::shared_ptr<const ChainView> view() const;
    [[nodiscard]] const ledger::ChainConfig& config() const noexcept;
    /// The state after the head, for the writer's thread and until the next block or rollback();
    /// what it reads is remembered for the block that comes.
    [[nodiscard]] std::shared_ptr<const state::StateView> working_state() const;

    /// Checks and executes a block on the head, compares all roots, writes it synced. After a
    /// failure nothing has happened.
    Result<void, ImportFailure> import(const types::Block& block,
                                       const ledger::ParallelFor& parallel_for);
    /// Starts a block on the head, with the parent's gas limit and the fees that follow from it.
    /// One at a time: the next one, seal() and rollback() end what the builder stands on. The
    /// timestamp is not before the parent's.
    [[nodiscard]] std::unique_ptr<ledger::BlockBuilder> begin_block(std::uint64_t timestamp,
                                                                    const Address& coinbase,
                                                                    const Hash32& prev_randao);
    /// Threads that begin_block(), its builder and seal() may use; they outlive the chain.
    void run_parallel(ParallelFor parallel_for);
    /// Computes the state root, completes the header, writes synced, together with `beside`: rows
    /// of tables that are not the chain's (the pool's). Null: the disk failed, nothing happened,
    /// `why` tells. `built` stands on the head and is as finish() gave it.
    struct Sealed {
        types::Block block;
        Hash32 hash;
        std::vector<types::TransactionReceipt> receipts;
    };
    [[nodiscard]] std::optional<Sealed> seal(ledger::BlockBuilder::Built built, std::string& why,
                                             state::WriteBatch beside = {});
    /// Development networks only (evm_revert): forgets the blocks above, and what override_state()
    /// said. False when that state is pruned, the height is above the head, or the store cannot be
    /// written; nothing has happened then.
    [[nodiscard]] bool rollback(Height height);
    /// Development networks only (anvil_setBalance and the like): changes state between blocks.
    /// Views show it at the head at once; it is written with the next block, whose state root is
    /// the first to contain it, and so forgotten by a restart before. Other nodes cannot import
    /// such a block.
    void override_state(state::StateDiff diff);

    /// Walks the whole chain: headers linked, roots of bodies, receipts, index rows, then the state
    /// (StateDatabase::verify). Empty: all agree; else the first that does not. `progress` is told
    /// "blocks", "rows" and "accounts" done, and may be empty.
    [[nodiscard]] std::string verify(
        const std::function<void(std::string_view what, std::uint64_t done)>& progress) const;

  private:
    struct State;
    explicit Chain(std::unique_ptr<State> state);
    /// From a store with a head.
    static Outcome<std::unique_ptr<Chain>> continued(state::KeyValueStore& store,
                                                     const ledger::Genesis& genesis,
                                                     const Hash32& hash, Options options);
    std::unique_ptr<State> state_;
};

}  // namespace millrace::node
