// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/assert.hpp"
#include "ledger/block_execution.hpp"
#include "ledger/transition.hpp"
#include "trie/root.hpp"

namespace millrace::ledger {

namespace {

/// What a block's RLP takes beside its transactions: header, list headers, withdrawals.
constexpr std::size_t frame_size_max = 4'096;
/// The header of the byte string that holds a typed transaction.
constexpr std::size_t wrapping_size_max = 5;

/// Of the block's RLP: first by bounds, which cost nothing, and exactly once these are used up.
class BlockSize {
  public:
    /// False: the block would be too large with `next`.
    [[nodiscard]] bool has_room(const std::vector<types::SignedTransaction>& block,
                                const types::SignedTransaction& next) {
        with_next_ = size_ + size_of(next);
        if (with_next_ <= block_rlp_size_max || is_exact_) return with_next_ <= block_rlp_size_max;
        is_exact_ = true;
        size_ = frame_size_max;
        for (const types::SignedTransaction& transaction : block)
            size_ += size_of(transaction);
        return has_room(block, next);
    }
    void take_next() noexcept { size_ = with_next_; }

  private:
    [[nodiscard]] std::size_t size_of(const types::SignedTransaction& transaction) const {
        return is_exact_ ? transaction.encode().size() + wrapping_size_max
                         : encoded_size_bound(transaction.transaction);
    }

    bool is_exact_ = false;
    std::size_t size_ = frame_size_max;
    std::size_t with_next_ = 0;
};

}  // namespace

struct BlockBuilder::State {
    types::Header header;
    BlockExecution execution;
    std::optional<BlockError> failure;
    std::vector<types::SignedTransaction> transactions;
    BlockSize size;
    ParallelFor parallel_for;
};

BlockBuilder::BlockBuilder(const ChainConfig& config, types::Header header,
                           const state::StateView& parent_state,
                           const state::TransactionState::BlockHashes& block_hashes,
                           evm::Arena& arena, ParallelFor parallel_for)
    : state_{
          new State{.header = header,
                    .execution = {config, header, parent_state, block_hashes, arena, {}, nullptr},
                    .failure = {},
                    .transactions = {},
                    .size = {},
                    .parallel_for = std::move(parallel_for)}} {
    // Receipts of older rules hold state roots, which only importers of old chains need.
    MILLRACE_ASSERT(state_->execution.rules().revision >= evm::Revision::byzantium);
    const auto begun = state_->execution.begin(state_->header);
    if (!begun) state_->failure = begun.error();
}

BlockBuilder::~BlockBuilder() = default;

Result<types::TransactionReceipt, TransactionError> BlockBuilder::add(
    const types::SignedTransaction& transaction, const Address& sender) {
    if (state_->execution.rules().revision >= evm::Revision::osaka &&
        !state_->size.has_room(state_->transactions, transaction))
        return Err{TransactionError::size_exceeds_block};
    MILLRACE_TRY(const types::TransactionReceipt* receipt,
                 state_->execution.add(transaction.transaction, sender));
    state_->size.take_next();
    state_->transactions.push_back(transaction);
    return *receipt;
}

std::uint64_t BlockBuilder::gas_left() const noexcept {
    return state_->execution.gas_left();
}

const state::StateView& BlockBuilder::state() const noexcept {
    return state_->execution.state();
}

Result<BlockBuilder::Built, BlockFailure> BlockBuilder::finish(
    std::optional<std::vector<types::Withdrawal>> withdrawals) && {
    const evm::Revision revision = state_->execution.rules().revision;
    const auto fail = [](BlockError error) {
        return Err{BlockFailure{.error = error, .transaction = {}, .index = 0}};
    };
    if (state_->failure) return fail(*state_->failure);
    if (!withdrawals && revision >= evm::Revision::shanghai) withdrawals.emplace();
    auto finished = std::move(state_->execution).finish({}, withdrawals ? &*withdrawals : nullptr);
    if (!finished) return fail(finished.error());
    Built built{.block = {}, .result = std::move(*finished), .encoded = {}};
    types::Block& block = built.block;
    block.header = state_->header;
    block.transactions = std::move(state_->transactions);
    block.withdrawals = std::move(withdrawals);
    types::Header& header = block.header;
    header.ommers_hash = types::ommers_hash({});
    built.encoded = encode_body(block.transactions, built.result.receipts, state_->parallel_for);
    for_each_index(state_->parallel_for, 2, [&](std::size_t which) {
        if (which == 0) {
            header.transactions_root = trie::indexed_root(built.encoded.transactions);
        } else {
            header.receipts_root = trie::indexed_root(built.encoded.receipts);
        }
    });
    built.result.receipts_root = header.receipts_root;
    header.logs_bloom = built.result.logs_bloom;
    header.gas_used = built.result.gas_used;
    if (block.withdrawals) header.withdrawals_root = withdrawals_root(*block.withdrawals);
    if (revision >= evm::Revision::cancun) header.blob_gas_used = built.result.blob_gas_used;
    header.requests_hash = built.result.requests_hash;
    return built;
}

}  // namespace millrace::ledger
