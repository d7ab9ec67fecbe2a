// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/admission.hpp"

#include <algorithm>

#include "crypto/secp256k1.hpp"
#include "ledger/transition.hpp"

namespace millrace::node {

namespace {

constexpr std::uint64_t transaction_gas_max = 1u << 24;  // EIP-7825
constexpr std::size_t init_code_size_max = 2 * 24'576;   // EIP-3860

Err<SubmitError> refused(std::string message) {
    return Err{SubmitError{std::move(message)}};
}

}  // namespace

Result<void, SubmitError> check_admission(const ledger::Rules& rules, std::uint64_t block_gas_limit,
                                          const types::SignedTransaction& signed_transaction,
                                          std::size_t size) {
    using types::TransactionKind;
    const types::Transaction& transaction = signed_transaction.transaction;
    if (size > types::transaction_size_max) {
        return refused("oversized data: transaction size " + std::to_string(size) + ", limit " +
                       std::to_string(types::transaction_size_max));
    }
    const bool known_kind =
        transaction.kind == TransactionKind::legacy ||
        (transaction.kind == TransactionKind::access_list &&
         rules.revision >= evm::Revision::berlin) ||
        (transaction.kind == TransactionKind::dynamic_fee &&
         rules.revision >= evm::Revision::london) ||
        (transaction.kind == TransactionKind::set_code && rules.revision >= evm::Revision::prague);
    if (!known_kind) {
        return refused(transaction.kind == TransactionKind::blob
                           ? "transaction type not supported: this network takes no blobs"
                           : "transaction type not supported");
    }
    if (!transaction.chain_id) {
        return refused("only replay-protected (EIP-155) transactions allowed over RPC");
    }
    if (*transaction.chain_id != rules.chain_id) {
        return refused("invalid chain id for signer: have " +
                       std::to_string(*transaction.chain_id) + " want " +
                       std::to_string(rules.chain_id));
    }
    if (transaction.kind >= TransactionKind::dynamic_fee &&
        transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas) {
        return refused("max priority fee per gas higher than max fee per gas");
    }
    if (transaction.kind == TransactionKind::set_code) {
        if (!transaction.to)
            return refused("EIP-7702 transaction cannot be used to create contract");
        if (transaction.authorizations.empty()) {
            return refused("EIP-7702 transaction with empty auth list");
        }
    }
    if (!transaction.to && rules.revision >= evm::Revision::shanghai &&
        transaction.data.size() > init_code_size_max) {
        return refused("max initcode size exceeded: code size " +
                       std::to_string(transaction.data.size()) + ", limit " +
                       std::to_string(init_code_size_max));
    }
    if (transaction.gas_limit > block_gas_limit) return refused("exceeds block gas limit");
    if (rules.revision >= evm::Revision::osaka && transaction.gas_limit > transaction_gas_max) {
        return refused(
            "transaction gas limit too high (cap: " + std::to_string(transaction_gas_max) +
            ", tx: " + std::to_string(transaction.gas_limit) + ")");
    }
    const ledger::GasCost cost = ledger::intrinsic_gas(rules.revision, transaction);
    if (transaction.gas_limit < cost.intrinsic) {
        return refused("intrinsic gas too low: gas " + std::to_string(transaction.gas_limit) +
                       ", minimum needed " + std::to_string(cost.intrinsic));
    }
    if (transaction.gas_limit < cost.floor) {
        return refused("insufficient gas for floor data gas cost: gas " +
                       std::to_string(transaction.gas_limit) + ", minimum needed " +
                       std::to_string(cost.floor));
    }
    return {};
}

SubmitError submit_error(mempool::PoolError error, const types::Transaction& transaction,
                         const mempool::SenderState& sender) {
    using mempool::PoolError;
    switch (error) {
        case PoolError::already_known:
            return {"already known"};
        case PoolError::nonce_too_low:
            return {"nonce too low: next nonce " + std::to_string(sender.nonce) + ", tx nonce " +
                    std::to_string(transaction.nonce)};
        case PoolError::nonce_too_high:
            return {"nonce too high: next nonce " + std::to_string(sender.nonce) + ", tx nonce " +
                    std::to_string(transaction.nonce)};
        case PoolError::insufficient_funds:
            return {"insufficient funds for gas * price + value: balance " +
                    to_decimal(sender.balance)};
        case PoolError::underpriced:
            return {"transaction underpriced"};
        case PoolError::replacement_underpriced:
            return {"replacement transaction underpriced"};
        case PoolError::sender_full:
            return {"account limit exceeded"};
        case PoolError::too_large:
            return {"oversized data"};
        case PoolError::gas_limit_too_high:
            return {"exceeds block gas limit"};
    }
    return {"refused"};
}

}  // namespace millrace::node
