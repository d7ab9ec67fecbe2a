// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/assert.hpp"
#include "ledger/block_execution.hpp"
#include "ledger/transition.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;

constexpr std::size_t ommer_count_max = 2;
constexpr std::uint64_t ommer_depth_max = 6;

Err<BlockFailure> fail(BlockError error) {
    return Err{BlockFailure{.error = error, .transaction = {}, .index = 0}};
}

/// At least as large as the block's RLP, without writing it.
std::size_t size_bound(const types::Block& block) noexcept {
    std::size_t size = 2'000;
    for (const types::SignedTransaction& transaction : block.transactions)
        size += encoded_size_bound(transaction.transaction);
    size += block.ommers.size() * 2'000;
    if (block.withdrawals) size += block.withdrawals->size() * 60;
    return size;
}

Result<void, BlockError> check_ommers(const Rules& rules, const types::Block& block) {
    if (types::ommers_hash(block.ommers) != block.header.ommers_hash) {
        return Err{BlockError::bad_ommers};
    }
    if (block.ommers.empty()) return {};
    if (rules.revision >= Revision::paris || block.ommers.size() > ommer_count_max) {
        return Err{BlockError::bad_ommers};
    }
    for (const types::Header& ommer : block.ommers) {
        if (ommer.number >= block.header.number ||
            block.header.number - ommer.number > ommer_depth_max) {
            return Err{BlockError::bad_ommers};
        }
    }
    return {};
}

/// What the body shows without being executed.
Result<void, BlockError> check_body(const Rules& rules, const types::Block& block) {
    if (rules.revision >= Revision::osaka && size_bound(block) > block_rlp_size_max &&
        block.encode().size() > block_rlp_size_max) {
        return Err{BlockError::too_large};
    }
    if (transactions_root(block.transactions) != block.header.transactions_root) {
        return Err{BlockError::bad_transactions_root};
    }
    if (block.withdrawals.has_value() != (rules.revision >= Revision::shanghai)) {
        return Err{BlockError::bad_withdrawals_root};
    }
    if (block.withdrawals &&
        withdrawals_root(*block.withdrawals) != block.header.withdrawals_root) {
        return Err{BlockError::bad_withdrawals_root};
    }
    return check_ommers(rules, block);
}

}  // namespace

std::vector<std::optional<Address>> recover_senders(
    const std::vector<types::SignedTransaction>& transactions, Revision revision,
    const ParallelFor& parallel_for) {
    std::vector<std::optional<Address>> senders(transactions.size());
    const bool high_s_allowed = revision < Revision::homestead;
    const auto recover = [&](std::size_t index) {
        const types::SignedTransaction& transaction = transactions[index];
        senders[index] =
            high_s_allowed ? transaction.sender_before_homestead() : transaction.sender();
    };
    if (parallel_for) {
        parallel_for(transactions.size(), recover);
    } else {
        for (std::size_t index = 0; index < transactions.size(); ++index)
            recover(index);
    }
    return senders;
}

Result<BlockResult, BlockFailure> execute_block(
    const ChainConfig& config, const types::Block& block,
    std::span<const std::optional<Address>> senders, const state::StateView& parent_state,
    const state::TransactionState::BlockHashes& block_hashes, evm::Arena& arena,
    const StateRoot& state_root, evm::Tracer* tracer) {
    MILLRACE_ASSERT(senders.size() == block.transactions.size());
    BlockExecution execution{config, block.header, parent_state, block_hashes,
                             arena,  state_root,   tracer};
    if (const auto checked = check_body(execution.rules(), block); !checked) {
        return fail(checked.error());
    }
    if (execution.rules().revision < Revision::byzantium && !state_root &&
        !block.transactions.empty()) {
        return fail(BlockError::not_supported);
    }
    if (const auto begun = execution.begin(block.header); !begun) return fail(begun.error());
    for (std::size_t index = 0; index < senders.size(); ++index) {
        const auto added =
            senders[index] ? execution.add(block.transactions[index].transaction, *senders[index])
                           : Result<const types::TransactionReceipt*, TransactionError>{
                                 Err{TransactionError::bad_signature}};
        if (added) continue;
        const bool unknown = added.error() == TransactionError::not_supported;
        return Err{
            BlockFailure{.error = unknown ? BlockError::not_supported : BlockError::bad_transaction,
                         .transaction = added.error(),
                         .index = index}};
    }
    auto finished = std::move(execution).finish(block.ommers,
                                                block.withdrawals ? &*block.withdrawals : nullptr);
    if (!finished) return fail(finished.error());
    finished->receipts_root = receipts_root(finished->receipts);
    return std::move(*finished);
}

Result<void, BlockFailure> check_result(const types::Block& block, const BlockResult& result) {
    const types::Header& header = block.header;
    if (header.gas_used != result.gas_used) return fail(BlockError::bad_gas_used);
    if (header.blob_gas_used && *header.blob_gas_used != result.blob_gas_used) {
        return fail(BlockError::bad_blob_gas);
    }
    if (header.logs_bloom != result.logs_bloom) return fail(BlockError::bad_bloom);
    if (header.receipts_root != result.receipts_root) return fail(BlockError::bad_receipts_root);
    if (header.requests_hash != result.requests_hash) return fail(BlockError::bad_requests_hash);
    return {};
}

}  // namespace millrace::ledger
