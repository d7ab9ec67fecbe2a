// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <array>
#include <string_view>

#include "spec/evm_fixture.hpp"

// The names that execution-spec-tests give to reasons of refusal.
namespace millrace::spec {
namespace {

using ledger::BlockError;
using ledger::TransactionError;

bool has(const std::string& expected, std::initializer_list<std::string_view> names) {
    std::size_t begin = 0;
    while (begin <= expected.size()) {
        const std::size_t end = std::min(expected.find('|', begin), expected.size());
        std::string_view name = std::string_view{expected}.substr(begin, end - begin);
        const std::size_t dot = name.find('.');
        if (dot != std::string_view::npos) name.remove_prefix(dot + 1);
        for (const std::string_view candidate : names)
            if (candidate == name) return true;
        begin = end + 1;
    }
    return false;
}

}  // namespace

bool is_expected(const std::string& expected, TransactionError error) {
    switch (error) {
        case TransactionError::kind_not_supported:
            return has(expected, {"TYPE_1_TX_PRE_FORK", "TYPE_2_TX_PRE_FORK", "TYPE_3_TX_PRE_FORK",
                                  "TYPE_4_TX_PRE_FORK", "TYPE_NOT_SUPPORTED"});
        case TransactionError::wrong_chain_id:
            return has(expected, {"INVALID_CHAINID"});
        case TransactionError::bad_signature:
            return has(expected, {"INVALID_SIGNATURE_VRS", "EC_RECOVERY_FAIL", "INVALID_CHAINID"});
        case TransactionError::nonce_too_low:
            return has(expected, {"NONCE_MISMATCH_TOO_LOW"});
        case TransactionError::nonce_too_high:
            return has(expected, {"NONCE_MISMATCH_TOO_HIGH"});
        case TransactionError::nonce_max:
            return has(expected, {"NONCE_IS_MAX", "NONCE_TOO_BIG"});
        case TransactionError::intrinsic_gas_too_low:
            return has(expected, {"INTRINSIC_GAS_TOO_LOW"});
        case TransactionError::gas_below_floor:
            return has(expected, {"INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", "INTRINSIC_GAS_TOO_LOW"});
        case TransactionError::gas_limit_exceeds_block:
            return has(expected, {"GAS_ALLOWANCE_EXCEEDED"});
        case TransactionError::size_exceeds_block:
            return false;  // a builder's, never an importer's: there the block is too large
        case TransactionError::gas_limit_exceeds_cap:
            return has(expected, {"GAS_LIMIT_EXCEEDS_MAXIMUM"});
        case TransactionError::fee_below_base_fee:
            return has(expected, {"INSUFFICIENT_MAX_FEE_PER_GAS"});
        case TransactionError::tip_above_fee:
            return has(expected, {"PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
                                  "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2"});
        case TransactionError::insufficient_funds:
            return has(expected, {"INSUFFICIENT_ACCOUNT_FUNDS", "GASLIMIT_PRICE_PRODUCT_OVERFLOW"});
        case TransactionError::sender_not_eoa:
            return has(expected, {"SENDER_NOT_EOA"});
        case TransactionError::init_code_too_large:
            return has(expected, {"INITCODE_SIZE_EXCEEDED"});
        case TransactionError::blob_fee_too_low:
            return has(expected, {"INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"});
        case TransactionError::no_blobs:
            return has(expected, {"TYPE_3_TX_ZERO_BLOBS"});
        case TransactionError::too_many_blobs:
            return has(expected, {"TYPE_3_TX_BLOB_COUNT_EXCEEDED",
                                  "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED"});
        case TransactionError::blob_hash_version:
            return has(expected, {"TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"});
        case TransactionError::blob_creation:
            return has(expected, {"TYPE_3_TX_CONTRACT_CREATION", "TYPE_4_TX_CONTRACT_CREATION"});
        case TransactionError::no_authorizations:
            return has(expected, {"TYPE_4_EMPTY_AUTHORIZATION_LIST"});
        case TransactionError::not_supported:
            return false;
    }
    return false;
}

bool is_expected(const std::string& expected, const ledger::BlockFailure& failure) {
    switch (failure.error) {
        case BlockError::bad_transaction:
            return failure.transaction && is_expected(expected, *failure.transaction);
        case BlockError::bad_gas_limit:
        case BlockError::gas_used_over_limit:
            return has(expected, {"INVALID_GASLIMIT", "GAS_USED_OVERFLOW"});
        case BlockError::bad_base_fee:
            return has(expected, {"INVALID_BASEFEE_PER_GAS"});
        case BlockError::bad_header_fields:
            return has(expected, {"INCORRECT_BLOCK_FORMAT"});
        case BlockError::bad_blob_gas:
            return has(expected, {"INCORRECT_EXCESS_BLOB_GAS", "INCORRECT_BLOB_GAS_USED"});
        case BlockError::bad_withdrawals_root:
            return has(expected, {"INVALID_WITHDRAWALS_ROOT", "INCORRECT_BLOCK_FORMAT"});
        case BlockError::bad_requests_hash:
            return has(expected, {"INVALID_REQUESTS"});
        case BlockError::system_contract_empty:
            return has(expected, {"SYSTEM_CONTRACT_EMPTY"});
        case BlockError::system_call_failed:
            return has(expected, {"SYSTEM_CONTRACT_CALL_FAILED"});
        case BlockError::bad_deposit_log:
            return has(expected, {"INVALID_DEPOSIT_EVENT_LAYOUT"});
        case BlockError::too_large:
            return has(expected, {"RLP_BLOCK_LIMIT_EXCEEDED"});
        case BlockError::unknown_parent:
            return has(expected, {"UNKNOWN_PARENT"});
        case BlockError::bad_number:
            return has(expected, {"INVALID_BLOCK_NUMBER"});
        case BlockError::bad_timestamp:
            return has(expected, {"INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"});
        case BlockError::extra_data_too_long:
            return has(expected, {"EXTRA_DATA_TOO_BIG"});
        case BlockError::bad_difficulty:
            return has(expected, {"IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS"});
        case BlockError::bad_ommers:
            return has(expected, {"IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS"});
        case BlockError::bad_transactions_root:
            return has(expected, {"INVALID_TRANSACTIONS_ROOT"});
        case BlockError::bad_gas_used:
            return has(expected, {"INVALID_GAS_USED"});
        case BlockError::bad_bloom:
            return has(expected, {"INVALID_LOG_BLOOM"});
        case BlockError::bad_receipts_root:
            return has(expected, {"INVALID_RECEIPTS_ROOT"});
        case BlockError::bad_state_root:
            return has(expected, {"INVALID_STATE_ROOT"});
        case BlockError::not_supported:
            return false;
    }
    return false;
}

}  // namespace millrace::spec
