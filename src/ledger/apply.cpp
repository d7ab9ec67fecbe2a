// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "ledger/transition.hpp"
#include "ledger/validity.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;
using state::TransactionState;
using types::Transaction;

constexpr std::uint64_t gas_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t refund_share_frontier = 2;
constexpr std::uint64_t refund_share_london = 5;                 // EIP-3529
constexpr std::uint64_t authorization_refund = 25'000 - 12'500;  // EIP-7702

/// EIP-2929, 2930, 3651: what is warm before the first instruction; precompiled contracts are so by
/// themselves (TransactionState::access_account).
void warm_up(Revision revision, const Transaction& transaction, const Address& sender,
             const Address& coinbase, TransactionState& state) {
    if (revision < Revision::berlin) return;
    state.access_account(sender);
    if (transaction.to) state.access_account(*transaction.to);
    if (revision >= Revision::shanghai) state.access_account(coinbase);
    for (const types::AccessListEntry& entry : transaction.access_list) {
        state.access_account(entry.address);
        for (const Hash32& key : entry.storage_keys)
            state.access_storage(entry.address, from_word(key));
    }
}

/// EIP-7702: what is valid takes effect, the rest is passed over. Gives the gas refunded.
std::uint64_t take_authorizations(const Rules& rules, const Transaction& transaction,
                                  TransactionState& state) {
    std::uint64_t refund = 0;
    for (const types::Authorization& authorization : transaction.authorizations) {
        if (!authorization.chain_id.is_zero() && authorization.chain_id != U256{rules.chain_id}) {
            continue;
        }
        if (authorization.nonce == ~std::uint64_t{0}) continue;
        const std::optional<Address> authority = authorization.authority();
        if (!authority) continue;
        state.access_account(*authority);
        const evm::CodePtr code = state.code(*authority);
        if (code->size() != 0 && !is_delegation(code->view())) continue;
        if (state.nonce(*authority) != authorization.nonce) continue;
        if (state.exists(*authority)) refund += authorization_refund;
        state.set_code(*authority, authorization.address.is_zero()
                                       ? Bytes{}
                                       : make_delegation(authorization.address));
        state.set_nonce(*authority, authorization.nonce + 1);
    }
    return refund;
}

evm::Message message_of(const Transaction& transaction, const Address& sender, std::int64_t gas) {
    evm::Message message;
    message.kind = transaction.to ? evm::CallKind::call : evm::CallKind::create;
    message.gas = gas;
    message.sender = sender;
    if (transaction.to) message.recipient = message.code_address = *transaction.to;
    message.value = transaction.value.wei;
    message.input = transaction.data;
    return message;
}

U256 times(const U256& price, std::uint64_t gas) noexcept {
    return wrapping_mul(price, U256{gas});
}

}  // namespace

Result<TransactionResult, TransactionError> apply_transaction(
    const Rules& rules, const BlockEnvironment& environment, const Transaction& transaction,
    const Address& sender, std::uint64_t block_gas_left, std::uint64_t block_blob_gas_left,
    const state::StateView& view, const TransactionState::BlockHashes& block_hashes,
    evm::Arena& arena, const ExecutionOptions& options) {
    TransactionState state{view, rules.revision, block_hashes};
    MILLRACE_TRY(const Charge charge,
                 check_transaction(rules, environment, transaction, sender,
                                   {.gas = block_gas_left, .blob_gas = block_blob_gas_left}, state,
                                   options));
    const bool pays = options.check_balance;
    const Address& coinbase = environment.context.coinbase;
    if (pays) {
        state.subtract_balance(
            sender, wrapping_add(times(charge.gas_price, transaction.gas_limit), charge.blob_fee));
    }
    // A creation raises the nonce itself: its address depends on it.
    if (transaction.to) state.set_nonce(sender, state.nonce(sender) + 1);
    warm_up(rules.revision, transaction, sender, coinbase, state);
    const std::uint64_t authorizations_refund = take_authorizations(rules, transaction, state);

    const evm::TransactionContext context{
        .origin = sender, .gas_price = charge.gas_price, .blob_hashes = transaction.blob_hashes};
    evm::Machine machine{rules.revision, environment.context, context, state,
                         arena,          options.tracer};
    machine.move_precompiles(options.precompiles);
    if (options.before_run) options.before_run(state);
    // The machine counts in signed numbers; nobody spends the difference.
    const std::uint64_t gas = std::min(transaction.gas_limit - charge.cost.intrinsic, gas_max);
    evm::CallResult outcome =
        machine.call(message_of(transaction, sender, static_cast<std::int64_t>(gas)));
    if (machine.met_unsupported()) return Err{TransactionError::not_supported};
    MILLRACE_ASSERT(outcome.gas_left >= 0);

    const std::uint64_t spent =
        charge.cost.intrinsic + gas - static_cast<std::uint64_t>(outcome.gas_left);
    MILLRACE_ASSERT(outcome.gas_refund >= 0);
    const std::uint64_t share =
        rules.revision >= Revision::london ? refund_share_london : refund_share_frontier;
    const std::uint64_t refund = std::min(
        spent / share, authorizations_refund + static_cast<std::uint64_t>(outcome.gas_refund));
    TransactionResult result;
    result.succeeded = outcome.status == evm::Status::success;
    result.status = outcome.status;
    result.gas_used = std::max(spent - refund, charge.cost.floor);
    result.gas_refunded = refund;
    result.gas_peak = std::max(spent, charge.cost.floor);
    result.output = std::move(outcome.output);
    if (!transaction.to && result.succeeded) result.created = outcome.created;
    if (pays) {
        state.add_balance(sender, times(charge.gas_price, transaction.gas_limit - result.gas_used));
        state.add_balance(coinbase, times(charge.tip, result.gas_used));
    }
    TransactionState::Finished finished = std::move(state).finish();
    result.diff = std::move(finished.diff);
    result.logs = std::move(finished.logs);
    return result;
}

}  // namespace millrace::ledger
