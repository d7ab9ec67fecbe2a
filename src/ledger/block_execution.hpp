// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "ledger/transition.hpp"

namespace millrace::ledger {

/// The steps of one block, in order: begin(), add() for each transaction, finish(). Behind both
/// execute_block() and BlockBuilder, so that what is built is what will be accepted.
class BlockExecution {
  public:
    /// All references outlive it.
    BlockExecution(const ChainConfig& config, const types::Header& header,
                   const state::StateView& parent_state,
                   const state::TransactionState::BlockHashes& block_hashes, evm::Arena& arena,
                   StateRoot state_root, evm::Tracer* tracer);
    BlockExecution(const BlockExecution&) = delete;
    BlockExecution& operator=(const BlockExecution&) = delete;

    /// System calls at the beginning (EIP-4788, EIP-2935).
    Result<void, BlockError> begin(const types::Header& header);
    /// The receipt is also the last of the result's.
    Result<const types::TransactionReceipt*, TransactionError> add(
        const types::Transaction& transaction, const Address& sender);
    /// The same by rules of one's own, for blocks that are only tried out. The diff and the logs
    /// are not in the result: they are in state() and in receipts().
    Result<TransactionResult, TransactionError> try_out(const types::Transaction& transaction,
                                                        const Address& sender,
                                                        const ExecutionOptions& options);
    /// What the header cannot say; before begin().
    void override_blob_base_fee(const U256& fee) { environment_.context.blob_base_fee = fee; }
    /// Rewards, withdrawals, requests; all of the result but the root of the receipts.
    Result<BlockResult, BlockError> finish(const std::vector<types::Header>& ommers,
                                           const std::vector<types::Withdrawal>* withdrawals) &&;

    [[nodiscard]] const Rules& rules() const noexcept { return rules_; }
    [[nodiscard]] std::uint64_t gas_left() const noexcept;
    [[nodiscard]] const BlockEnvironment& environment() const noexcept { return environment_; }
    [[nodiscard]] const state::StateView& state() const noexcept { return view_; }
    [[nodiscard]] const std::vector<types::TransactionReceipt>& receipts() const noexcept {
        return result_.receipts;
    }

  private:
    /// Counts it in; its diff and logs move away.
    void take(const types::Transaction& transaction, TransactionResult& outcome);
    void reward(const std::vector<types::Header>& ommers);
    void withdraw(const std::vector<types::Withdrawal>& withdrawals);
    Result<void, BlockError> collect_requests();

    const Rules rules_;
    BlockEnvironment environment_;
    const state::StateView& parent_state_;
    const state::TransactionState::BlockHashes& block_hashes_;
    evm::Arena& arena_;
    const StateRoot state_root_;
    evm::Tracer* const tracer_;
    BlockResult result_;
    state::OverlayView view_;
};

}  // namespace millrace::ledger
