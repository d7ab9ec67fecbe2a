// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: blocks that are tried out on top of the chain (eth_simulateV1).

#include "ledger/block_execution.hpp"
#include "node/api/call_request.hpp"
#include "node/api/encode.hpp"
#include "node/api/simulate_request.hpp"
#include "node/api/transfer_tracer.hpp"

namespace millrace::node {

/// Runs blocks one after the other on the state after `base` and writes them as they come. Nothing
/// outlives it: neither chain nor pool see anything.
class Simulation {
  public:
    /// `request` outlives it. The state of `base` is there.
    Simulation(const Call& call, const SimulationRequest& request, Height base,
               const types::Header& base_header, std::shared_ptr<const state::StateView> state,
               std::unique_ptr<state::LayeredRoots> roots);

    /// An array of blocks with what every call did.
    Answer run();

  private:
    /// What a call did, for the answer.
    struct Outcome {
        bool succeeded = false;
        evm::Status status = evm::Status::success;
        Bytes output;
        std::vector<TransferTracer::NumberedLog> logs;
        std::uint64_t gas_used = 0;
        std::uint64_t gas_peak = 0;
    };
    struct Done {
        types::Block block;
        state::StateDiff changes;  ///< after the overrides
        std::vector<Address> senders;
        std::vector<Outcome> outcomes;
    };

    [[nodiscard]] types::Header make_header(const SimulatedBlock& asked) const;
    Read<Done> run_block(const SimulatedBlock& asked);
    Read<Outcome> run_call(ledger::BlockExecution& execution, CallRequest request,
                           const evm::PrecompileMoves& precompiles, Done& done);
    /// Nonce, gas and kind as they are when nobody says.
    Read<void> complete(const ledger::BlockExecution& execution, CallRequest& request) const;
    /// Root, roots of the body and sums.
    Read<void> seal(ledger::BlockExecution& execution, const SimulatedBlock& asked, Done& done);
    void write(const Done& done, const Hash32& hash);
    void write_outcome(const Outcome& outcome, LogPlace place);

    const Call& call_;
    const SimulationRequest& request_;
    const ledger::ChainConfig& config_;
    const ledger::Rules base_rules_;
    const std::shared_ptr<const state::StateView> base_state_;
    const std::unique_ptr<state::LayeredRoots> roots_;
    const std::uint64_t base_number_;
    const Api::State::ArenaLease lease_;
    const state::TransactionState::BlockHashes block_hashes_;
    types::Header parent_;
    state::StateDiff changes_;     ///< of all blocks so far, on top of base_state_
    std::vector<Hash32> hashes_;   ///< of the blocks so far
    std::uint64_t gas_left_;       ///< of the bound over all calls
    std::size_t answer_size_ = 0;  ///< bytes that outcomes will take, about
    TransferTracer tracer_;
    JsonWriter out_;
};

}  // namespace millrace::node
