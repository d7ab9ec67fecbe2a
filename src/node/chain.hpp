// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "base/quantity.hpp"
#include "ledger/transition.hpp"
#include "state/database.hpp"
#include "state/key_value.hpp"
#include "types/block.hpp"

namespace millrace::node {

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
    [[nodiscard]] virtual std::optional<state::StateDatabase::AccountProof> prove(
        Height height, const Address& address, const std::vector<U256>& keys) const = 0;
};

/// Blocks, receipts, lookups and state of one chain in one store; every block takes effect in one
/// synced batch, so a chain that opens again stands at a whole block. One writer.
class Chain {
  public:
    struct Options {
        /// Blocks whose state stays readable behind the head; null: all.
        std::optional<std::uint64_t> history;
        state::StateDatabase::Options state{};
    };
    /// Writes the genesis block into an empty store. A Failure when the store holds another chain,
    /// a newer format or a head that does not fit.
    static Outcome<std::unique_ptr<Chain>> open(state::KeyValueStore& store,
                                                const ledger::Genesis& genesis, Options options);
    ~Chain();

    [[nodiscard]] const Head& head() const noexcept;
    [[nodiscard]] std::shared_ptr<const ChainView> view() const;
    [[nodiscard]] const ledger::ChainConfig& config() const noexcept;

    /// Checks and executes a block on the head, compares all roots, writes it synced.
    Result<void, ledger::BlockFailure> import(const types::Block& block,
                                              const ledger::ParallelFor& parallel_for);
    /// Starts a block on the head. One at a time.
    [[nodiscard]] std::unique_ptr<ledger::BlockBuilder> begin_block(std::uint64_t timestamp,
                                                                    const Address& coinbase,
                                                                    const Hash32& prev_randao);
    /// Computes the state root, completes the header, writes synced. Null: the disk failed, nothing
    /// happened, `why` tells.
    struct Sealed {
        types::Block block;
        Hash32 hash;
        std::vector<types::TransactionReceipt> receipts;
    };
    [[nodiscard]] std::optional<Sealed> seal(ledger::BlockBuilder::Built built, std::string& why);
    /// Development networks only (evm_revert): forgets the blocks above.
    [[nodiscard]] bool rollback(Height height);
    /// Development networks only (anvil_setBalance and the like): changes state between blocks; the
    /// change is part of the next block's parent state root only from that block on.
    void override_state(state::StateDiff diff);

    /// Walks the whole chain: headers linked, roots of bodies, receipts, index rows, then the state
    /// (StateDatabase::verify). Empty: all agree.
    [[nodiscard]] std::string verify(
        const std::function<void(std::string_view what, std::uint64_t done)>& progress) const;

  private:
    struct State;
    explicit Chain(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace millrace::node
