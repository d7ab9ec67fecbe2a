// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api/refusal.hpp"

#include "base/quantity.hpp"
#include "crypto/secp256k1.hpp"
#include "ledger/fees.hpp"

namespace millrace::node {
namespace {

using ledger::TransactionError;

/// What the sender must have; null where no balance is enough.
std::optional<U256> cost_of(const types::Transaction& transaction) {
    const auto gas = checked_mul(transaction.max_fee_per_gas, U256{transaction.gas_limit});
    const auto blobs = checked_mul(transaction.max_fee_per_blob_gas,
                                   U256{transaction.blob_hashes.size() * ledger::gas_per_blob});
    if (!gas || !blobs) return std::nullopt;
    const auto fees = checked_add(*gas, *blobs);
    return fees ? checked_add(*fees, transaction.value.wei) : std::nullopt;
}

}  // namespace

std::string refusal_text(TransactionError error, const ledger::Rules& rules,
                         const evm::BlockContext& context, const types::Transaction& transaction,
                         const Address& sender, const state::StateView& state) {
    const auto cost = ledger::intrinsic_gas(rules.revision, transaction);
    const auto gas_text = [&](std::uint64_t want) {
        return ": have " + std::to_string(transaction.gas_limit) + ", want " + std::to_string(want);
    };
    const state::Account account = state.account(sender).value_or(state::Account{});
    const std::string who = ": address " + crypto::checksum_address(sender);
    const std::string nonces = who + ", tx: " + std::to_string(transaction.nonce) +
                               " state: " + std::to_string(account.nonce);
    const std::string text{ledger::to_text(error)};
    switch (error) {
        case TransactionError::nonce_too_low:
        case TransactionError::nonce_too_high:
            return text + nonces;
        case TransactionError::nonce_max:
            return "nonce has max value" + who + ", nonce: " + std::to_string(transaction.nonce);
        case TransactionError::intrinsic_gas_too_low:
            return text + gas_text(cost.intrinsic);
        case TransactionError::gas_below_floor:
            return "insufficient gas for floor data gas cost" + gas_text(cost.floor);
        case TransactionError::fee_below_base_fee:
            return text + who + ", maxFeePerGas: " + to_decimal(transaction.max_fee_per_gas) +
                   ", baseFee: " + to_decimal(context.base_fee);
        case TransactionError::blob_fee_too_low:
            return "max fee per blob gas less than block blob gas fee" + who +
                   " blobGasFeeCap: " + to_decimal(transaction.max_fee_per_blob_gas) +
                   ", blobBaseFee: " + to_decimal(context.blob_base_fee);
        case TransactionError::tip_above_fee:
            return text + who +
                   ", maxPriorityFeePerGas: " + to_decimal(transaction.max_priority_fee_per_gas) +
                   ", maxFeePerGas: " + to_decimal(transaction.max_fee_per_gas);
        case TransactionError::init_code_too_large:
            return "max initcode size exceeded: code size " +
                   std::to_string(transaction.data.size()) + " limit 49152";
        case TransactionError::insufficient_funds: {
            const auto want = cost_of(transaction);
            return text + who + " have " + to_decimal(account.balance) + " want " +
                   (want ? to_decimal(*want) : "more than 2^256");
        }
        default:
            return text;
    }
}

}  // namespace millrace::node
