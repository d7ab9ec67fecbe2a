// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The calls of a simulated block, one by one.

#include <algorithm>

#include "node/api/refusal.hpp"
#include "node/api/simulation.hpp"

namespace millrace::node {
namespace {

using ledger::TransactionError;
using types::TransactionKind;

constexpr int internal_error = -32603;
constexpr int block_gas_limit_reached = -38015;
/// What an outcome takes in the answer besides its data.
constexpr std::size_t outcome_size = 512;

/// As execution-apis numbers them; what it does not name is an internal error (geth).
int code_of(TransactionError error) noexcept {
    switch (error) {
        case TransactionError::nonce_too_low:
            return -38010;
        case TransactionError::nonce_too_high:
            return -38011;
        case TransactionError::fee_below_base_fee:
            return -38012;
        case TransactionError::intrinsic_gas_too_low:
            return -38013;
        case TransactionError::insufficient_funds:
            return -38014;
        case TransactionError::gas_limit_exceeds_block:
            return block_gas_limit_reached;
        case TransactionError::sender_not_eoa:
            return -38024;
        case TransactionError::init_code_too_large:
            return -38025;
        case TransactionError::tip_above_fee:
            return RpcError::invalid_params;
        default:
            return internal_error;
    }
}

std::size_t size_of(const std::vector<TransferTracer::NumberedLog>& logs) noexcept {
    std::size_t size = 0;
    for (const auto& entry : logs)
        size += outcome_size + 2 * entry.log.data.size();
    return size;
}

/// Nobody signs what is tried out.
types::SignedTransaction unsigned_one(types::Transaction transaction) {
    const bool is_legacy = transaction.kind == TransactionKind::legacy;
    return {.transaction = std::move(transaction),
            .y_parity = is_legacy ? types::unsigned_parity : std::uint8_t{0},
            .r = {},
            .s = {}};
}

}  // namespace

Read<void> Simulation::complete(const ledger::BlockExecution& execution,
                                CallRequest& request) const {
    types::Transaction& transaction = request.transaction;
    if (!request.has_nonce) {
        const auto account = execution.state().account(request.from);
        transaction.nonce = account ? account->nonce : 0;
    }
    const std::uint64_t remaining = execution.gas_left();
    const std::uint64_t gas = request.gas.value_or(remaining);
    if (gas > remaining) {
        return Err{RpcError{block_gas_limit_reached,
                            "block gas limit reached: remaining: " + std::to_string(remaining) +
                                ", required: " + std::to_string(gas)}};
    }
    transaction.gas_limit = std::min(gas, gas_left_);
    // As geth has it: fees of EIP-1559 unless a price is given, and then the oldest form, without
    // what only later ones have.
    if (request.has_gas_price) {
        transaction.kind = TransactionKind::legacy;
        transaction.access_list.clear();
        transaction.blob_hashes.clear();
        transaction.authorizations.clear();
        transaction.max_fee_per_blob_gas = U256{};
        return {};
    }
    transaction.chain_id = config_.chain_id;
    transaction.kind = std::max(transaction.kind, TransactionKind::dynamic_fee);
    if (transaction.kind != TransactionKind::blob) transaction.max_fee_per_blob_gas = U256{};
    if (transaction.kind != TransactionKind::blob) transaction.blob_hashes.clear();
    return {};
}

Read<Simulation::Outcome> Simulation::run_call(ledger::BlockExecution& execution,
                                               CallRequest request,
                                               const evm::PrecompileMoves& precompiles,
                                               Done& done) {
    MILLRACE_TRY_VOID(complete(execution, request));
    const bool checks = request_.validation;
    ledger::ExecutionOptions options{
        .check_nonce = checks,
        .check_balance = true,
        .check_sender_code = false,  // nobody has signed for the sender either
        .check_base_fee = checks || !request.is_free(),
        .check_gas_cap = false,
        .check_nonce_max = checks,
        .check_blob_fee = checks || !request.transaction.max_fee_per_blob_gas.is_zero(),
        .precompiles = &precompiles};
    options.tracer = &tracer_;
    options.before_run = [this](evm::Host& host) { tracer_.begin(host); };
    const types::Transaction& transaction = request.transaction;
    auto result = execution.try_out(transaction, request.from, options);
    if (!result) {
        const TransactionError error = result.error();
        return Err{
            RpcError{code_of(error),
                     "err: " +
                         refusal_text(error, execution.rules(), execution.environment().context,
                                      transaction, request.from, execution.state()) +
                         " (supplied gas " + std::to_string(transaction.gas_limit) + ")"}};
    }
    gas_left_ -= std::min(gas_left_, result->gas_used);
    Outcome outcome{.succeeded = result->succeeded,
                    .status = result->status,
                    .output = std::move(result->output),
                    .logs = {},
                    .gas_used = result->gas_used,
                    .gas_peak = result->gas_peak};
    if (result->created) {  // a creation gives the code that it leaves
        const auto account = execution.state().account(*result->created);
        if (account && account->code_hash != evm::empty_code_hash)
            outcome.output = to_bytes(execution.state().code(account->code_hash)->view());
    }
    if (outcome.succeeded) outcome.logs = tracer_.merged(execution.receipts().back().logs);
    answer_size_ += outcome_size + 2 * outcome.output.size() + size_of(outcome.logs);
    if (answer_size_ > SimulationLimits::answer_max)
        return Err{RpcError{RpcError::client_limit_exceeded, "the answer is too large"}};
    done.senders.push_back(request.from);
    done.block.transactions.push_back(unsigned_one(std::move(request.transaction)));
    return outcome;
}

}  // namespace millrace::node
