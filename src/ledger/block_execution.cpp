// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/block_execution.hpp"

#include "base/assert.hpp"
#include "ledger/fees.hpp"
#include "ledger/system_calls.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;
using state::TransactionState;

/// In wei: EIP-649, EIP-1234; nothing from paris on.
U256 block_reward(Revision revision) noexcept {
    constexpr std::uint64_t ether = 1'000'000'000'000'000'000;
    if (revision >= Revision::paris) return U256{};
    if (revision >= Revision::constantinople) return U256{2 * ether};
    if (revision >= Revision::byzantium) return U256{3 * ether};
    return U256{5 * ether};
}

constexpr U256 wei_per_gwei{1'000'000'000};

}  // namespace

BlockExecution::BlockExecution(const ChainConfig& config, const types::Header& header,
                               const state::StateView& parent_state,
                               const TransactionState::BlockHashes& block_hashes, evm::Arena& arena,
                               StateRoot state_root, evm::Tracer* tracer)
    : rules_{rules_at(config, header.number, header.timestamp)},
      environment_{environment_of(rules_, header)},
      parent_state_{parent_state},
      block_hashes_{block_hashes},
      arena_{arena},
      state_root_{std::move(state_root)},
      tracer_{tracer},
      view_{parent_state, result_.diff} {}

std::uint64_t BlockExecution::gas_left() const noexcept {
    return environment_.context.gas_limit - result_.gas_used;
}

Result<void, BlockError> BlockExecution::begin(const types::Header& header) {
    const auto call = [this](const Address& contract, const Hash32& input) {
        const auto outcome = call_system(rules_, environment_, contract, input.view(),
                                         parent_state_, result_.diff, block_hashes_, arena_);
        return !outcome || outcome->status != evm::Status::not_supported;
    };
    if (rules_.revision >= Revision::cancun && header.parent_beacon_block_root &&
        !call(SystemContracts::beacon_roots, *header.parent_beacon_block_root)) {
        return Err{BlockError::not_supported};
    }
    if (rules_.revision >= Revision::prague &&
        !call(SystemContracts::block_hashes, header.parent_hash)) {
        return Err{BlockError::not_supported};
    }
    return {};
}

Result<const types::TransactionReceipt*, TransactionError> BlockExecution::add(
    const types::Transaction& transaction, const Address& sender) {
    const std::uint64_t blob_gas_left = rules_.blobs.max * gas_per_blob - result_.blob_gas_used;
    ExecutionOptions options;
    options.tracer = tracer_;
    MILLRACE_TRY(TransactionResult outcome,
                 apply_transaction(rules_, environment_, transaction, sender, gas_left(),
                                   blob_gas_left, view_, block_hashes_, arena_, options));
    take(transaction, outcome);
    return &result_.receipts.back();
}

Result<TransactionResult, TransactionError> BlockExecution::try_out(
    const types::Transaction& transaction, const Address& sender, const ExecutionOptions& options) {
    constexpr std::uint64_t unbounded = ~std::uint64_t{0};
    MILLRACE_TRY(TransactionResult outcome,
                 apply_transaction(rules_, environment_, transaction, sender, gas_left(), unbounded,
                                   view_, block_hashes_, arena_, options));
    take(transaction, outcome);
    return outcome;
}

void BlockExecution::take(const types::Transaction& transaction, TransactionResult& outcome) {
    result_.diff.merge(std::move(outcome.diff));
    result_.gas_used += outcome.gas_used;
    result_.blob_gas_used += transaction.blob_hashes.size() * gas_per_blob;
    types::TransactionReceipt receipt;
    receipt.kind = transaction.kind;
    receipt.succeeded = outcome.succeeded;
    receipt.cumulative_gas_used = result_.gas_used;
    receipt.logs = std::move(outcome.logs);
    for (const types::Log& log : receipt.logs)
        types::add_to_bloom(receipt.logs_bloom, log);
    for (std::size_t index = 0; index < result_.logs_bloom.bytes.size(); ++index)
        result_.logs_bloom.bytes[index] |= receipt.logs_bloom.bytes[index];
    if (rules_.revision < Revision::byzantium) receipt.state_root = state_root_(result_.diff);
    result_.receipts.push_back(std::move(receipt));
}

void BlockExecution::reward(const std::vector<types::Header>& ommers) {
    const U256 whole = block_reward(rules_.revision);
    if (whole.is_zero()) return;
    TransactionState state{view_, rules_.revision, block_hashes_};
    U256 own = whole;
    for (const types::Header& ommer : ommers) {
        // The distance is 1 to 6 (execute_block checks it).
        const U256 part{8 - (environment_.context.number - ommer.number)};
        state.add_balance(ommer.coinbase, div_or_zero(wrapping_mul(whole, part), U256{8}));
        own = wrapping_add(own, div_or_zero(whole, U256{32}));
    }
    state.add_balance(environment_.context.coinbase, own);
    result_.diff.merge(std::move(state).finish().diff);
}

void BlockExecution::withdraw(const std::vector<types::Withdrawal>& withdrawals) {
    if (withdrawals.empty()) return;
    TransactionState state{view_, rules_.revision, block_hashes_};
    for (const types::Withdrawal& withdrawal : withdrawals) {
        state.add_balance(withdrawal.address, wrapping_mul(U256{withdrawal.gwei}, wei_per_gwei));
    }
    result_.diff.merge(std::move(state).finish().diff);
}

Result<void, BlockError> BlockExecution::collect_requests() {
    if (rules_.revision < Revision::prague) return {};
    std::vector<Bytes> requests(3);
    if (!rules_.deposit_contract.is_zero()) {
        for (const types::TransactionReceipt& receipt : result_.receipts) {
            for (const types::Log& log : receipt.logs) {
                if (!read_deposit(rules_.deposit_contract, log, requests[0])) {
                    return Err{BlockError::bad_deposit_log};
                }
            }
        }
    }
    const Address* contracts[] = {nullptr, &SystemContracts::withdrawal_requests,
                                  &SystemContracts::consolidation_requests};
    for (const std::size_t type : {std::size_t{1}, std::size_t{2}}) {
        auto outcome = call_system(rules_, environment_, *contracts[type], {}, parent_state_,
                                   result_.diff, block_hashes_, arena_);
        if (!outcome) return Err{BlockError::system_contract_empty};
        if (outcome->status == evm::Status::not_supported) return Err{BlockError::not_supported};
        if (outcome->status != evm::Status::success) return Err{BlockError::system_call_failed};
        requests[type] = std::move(outcome->output);
    }
    result_.requests_hash = requests_hash(requests);
    result_.requests = std::move(requests);
    return {};
}

Result<BlockResult, BlockError> BlockExecution::finish(
    const std::vector<types::Header>& ommers,
    const std::vector<types::Withdrawal>* withdrawals) && {
    reward(ommers);
    if (withdrawals) withdraw(*withdrawals);
    MILLRACE_TRY_VOID(collect_requests());
    return std::move(result_);
}

}  // namespace millrace::ledger
