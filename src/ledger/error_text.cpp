// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/transition.hpp"

namespace millrace::ledger {

std::string_view to_text(TransactionError error) noexcept {
    switch (error) {
        case TransactionError::kind_not_supported:
            return "transaction type not supported";
        case TransactionError::wrong_chain_id:
            return "wrong chain id";
        case TransactionError::bad_signature:
            return "invalid signature";
        case TransactionError::nonce_too_low:
            return "nonce too low";
        case TransactionError::nonce_too_high:
            return "nonce too high";
        case TransactionError::nonce_max:
            return "nonce has its largest value";
        case TransactionError::intrinsic_gas_too_low:
            return "intrinsic gas too low";
        case TransactionError::gas_below_floor:
            return "gas limit below the floor of its data";
        case TransactionError::gas_limit_exceeds_block:
            return "gas limit exceeds what the block has left";
        case TransactionError::size_exceeds_block:
            return "larger than what the block has left";
        case TransactionError::gas_limit_exceeds_cap:
            return "gas limit exceeds the cap of a transaction";
        case TransactionError::fee_below_base_fee:
            return "max fee per gas less than block base fee";
        case TransactionError::tip_above_fee:
            return "max priority fee per gas higher than max fee per gas";
        case TransactionError::insufficient_funds:
            return "insufficient funds for gas * price + value";
        case TransactionError::sender_not_eoa:
            return "sender is a contract";
        case TransactionError::init_code_too_large:
            return "init code too large";
        case TransactionError::blob_fee_too_low:
            return "max fee per blob gas less than block blob base fee";
        case TransactionError::no_blobs:
            return "blob transaction without blobs";
        case TransactionError::too_many_blobs:
            return "too many blobs";
        case TransactionError::blob_hash_version:
            return "blob hash of an unknown version";
        case TransactionError::blob_creation:
            return "this type of transaction cannot create a contract";
        case TransactionError::no_authorizations:
            return "set-code transaction without authorizations";
        case TransactionError::not_supported:
            return "needs a precompiled contract that this build lacks";
    }
    return "unknown";
}

std::string_view to_text(BlockError error) noexcept {
    switch (error) {
        case BlockError::unknown_parent:
            return "unknown parent";
        case BlockError::bad_number:
            return "number does not follow the parent's";
        case BlockError::bad_timestamp:
            return "timestamp too early";
        case BlockError::bad_gas_limit:
            return "gas limit out of bounds";
        case BlockError::gas_used_over_limit:
            return "gas used over the gas limit";
        case BlockError::extra_data_too_long:
            return "extra data too long";
        case BlockError::bad_base_fee:
            return "wrong base fee";
        case BlockError::bad_difficulty:
            return "wrong difficulty";
        case BlockError::bad_ommers:
            return "wrong ommers";
        case BlockError::bad_header_fields:
            return "header fields of another fork";
        case BlockError::bad_blob_gas:
            return "wrong blob gas";
        case BlockError::bad_transactions_root:
            return "wrong transactions root";
        case BlockError::bad_withdrawals_root:
            return "wrong withdrawals root";
        case BlockError::bad_transaction:
            return "invalid transaction";
        case BlockError::bad_gas_used:
            return "wrong gas used";
        case BlockError::bad_bloom:
            return "wrong logs bloom";
        case BlockError::bad_receipts_root:
            return "wrong receipts root";
        case BlockError::bad_state_root:
            return "wrong state root";
        case BlockError::bad_requests_hash:
            return "wrong requests hash";
        case BlockError::system_contract_empty:
            return "system contract is missing";
        case BlockError::system_call_failed:
            return "system call failed";
        case BlockError::bad_deposit_log:
            return "malformed deposit log";
        case BlockError::too_large:
            return "block too large";
        case BlockError::not_supported:
            return "needs a precompiled contract that this build lacks";
    }
    return "unknown";
}

}  // namespace millrace::ledger
