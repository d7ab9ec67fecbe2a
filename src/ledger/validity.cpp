// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/validity.hpp"

#include <algorithm>
#include <array>

#include "ledger/fees.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;
using types::Transaction;
using types::TransactionKind;

using Check = Result<void, TransactionError>;

constexpr std::array<std::uint8_t, 3> delegation_prefix = {0xef, 0x01, 0x00};
constexpr std::size_t delegation_size = delegation_prefix.size() + Address::size;

constexpr std::size_t init_code_size_max = 49'152;      // EIP-3860
constexpr std::uint64_t gas_limit_cap = 1 << 24;        // EIP-7825
constexpr std::size_t transaction_blob_count_max = 6;   // EIP-7594
constexpr std::uint8_t blob_hash_version = 1;           // EIP-4844, KZG
constexpr std::uint64_t nonce_max = ~std::uint64_t{0};  // EIP-2681

bool kind_allowed(const Rules& rules, TransactionKind kind) noexcept {
    switch (kind) {
        case TransactionKind::legacy:
            return true;
        case TransactionKind::access_list:
            return rules.revision >= Revision::berlin;
        case TransactionKind::dynamic_fee:
            return rules.revision >= Revision::london;
        case TransactionKind::blob:
            return rules.revision >= Revision::cancun && rules.blob_transactions;
        case TransactionKind::set_code:
            return rules.revision >= Revision::prague;
    }
    return false;
}

/// What the transaction alone shows.
Check check_form(const Rules& rules, const Transaction& transaction,
                 const ExecutionOptions& options) {
    if (!kind_allowed(rules, transaction.kind)) return Err{TransactionError::kind_not_supported};
    if (transaction.chain_id) {
        // Before EIP-155 a v that names a chain is no signature at all.
        if (rules.revision < Revision::spurious_dragon) return Err{TransactionError::bad_signature};
        if (*transaction.chain_id != rules.chain_id) return Err{TransactionError::wrong_chain_id};
    }
    if (options.check_nonce_max && transaction.nonce == nonce_max)
        return Err{TransactionError::nonce_max};
    if (rules.revision >= Revision::shanghai && !transaction.to &&
        transaction.data.size() > init_code_size_max) {
        return Err{TransactionError::init_code_too_large};
    }
    if (transaction.kind == TransactionKind::set_code) {
        if (!transaction.to) return Err{TransactionError::blob_creation};
        if (transaction.authorizations.empty()) return Err{TransactionError::no_authorizations};
    }
    return {};
}

Check check_blobs(const Rules& rules, const BlockEnvironment& environment,
                  const Transaction& transaction, std::uint64_t block_blob_gas_left,
                  const ExecutionOptions& options) {
    if (transaction.kind != TransactionKind::blob) return {};
    if (!transaction.to) return Err{TransactionError::blob_creation};
    const std::size_t count = transaction.blob_hashes.size();
    if (count == 0) return Err{TransactionError::no_blobs};
    if (rules.revision >= Revision::osaka && count > transaction_blob_count_max) {
        return Err{TransactionError::too_many_blobs};
    }
    if (count > block_blob_gas_left / gas_per_blob) return Err{TransactionError::too_many_blobs};
    for (const Hash32& hash : transaction.blob_hashes) {
        if (hash.bytes[0] != blob_hash_version) return Err{TransactionError::blob_hash_version};
    }
    if (options.check_blob_fee &&
        transaction.max_fee_per_blob_gas < environment.context.blob_base_fee) {
        return Err{TransactionError::blob_fee_too_low};
    }
    return {};
}

/// Fills in the price and the tip.
Check check_fees(const Rules& rules, const U256& base_fee, const Transaction& transaction,
                 const ExecutionOptions& options, Charge& charge) {
    const U256& fee_max = transaction.max_fee_per_gas;
    charge.gas_price = fee_max;
    charge.tip = fee_max;
    if (rules.revision < Revision::london) return {};
    U256 tip_max = fee_max;
    if (types::has_dynamic_fee(transaction.kind)) {
        tip_max = transaction.max_priority_fee_per_gas;
        if (tip_max > fee_max) return Err{TransactionError::tip_above_fee};
    }
    if (fee_max < base_fee) {
        if (options.check_base_fee) return Err{TransactionError::fee_below_base_fee};
        charge.tip = U256{};
        return {};
    }
    charge.tip = std::min(tip_max, wrapping_sub(fee_max, base_fee));
    charge.gas_price = wrapping_add(base_fee, charge.tip);
    return {};
}

/// The most that the transaction can cost; null where 256 bits do not hold it, which nobody has.
std::optional<U256> cost_max(const Transaction& transaction, std::uint64_t blob_gas) {
    const auto gas = checked_mul(transaction.max_fee_per_gas, U256{transaction.gas_limit});
    const auto blobs = checked_mul(transaction.max_fee_per_blob_gas, U256{blob_gas});
    if (!gas || !blobs) return std::nullopt;
    const auto fees = checked_add(*gas, *blobs);
    return fees ? checked_add(*fees, transaction.value.wei) : std::nullopt;
}

Check check_sender(const Rules& rules, const Transaction& transaction, const Address& sender,
                   std::uint64_t blob_gas, state::TransactionState& state,
                   const ExecutionOptions& options) {
    if (options.check_nonce) {
        const std::uint64_t nonce = state.nonce(sender);
        if (transaction.nonce < nonce) return Err{TransactionError::nonce_too_low};
        if (transaction.nonce > nonce) return Err{TransactionError::nonce_too_high};
    }
    if (options.check_sender_code) {
        const ByteView code = state.code(sender)->view();
        const bool delegated = rules.revision >= Revision::prague && is_delegation(code);
        if (!code.empty() && !delegated) return Err{TransactionError::sender_not_eoa};
    }
    if (options.check_balance) {
        const auto cost = cost_max(transaction, blob_gas);
        if (!cost || state.balance(sender) < *cost) {
            return Err{TransactionError::insufficient_funds};
        }
    }
    return {};
}

}  // namespace

bool is_delegation(ByteView code) noexcept {
    return code.size() == delegation_size &&
           std::ranges::equal(code.first(delegation_prefix.size()), delegation_prefix);
}

Bytes make_delegation(const Address& target) {
    Bytes code(delegation_size);
    std::ranges::copy(delegation_prefix, code.begin());
    std::ranges::copy(target.bytes, code.begin() + delegation_prefix.size());
    return code;
}

Address delegation_target(ByteView code) noexcept {
    return *Address::from(code.subspan(delegation_prefix.size()));
}

Result<Charge, TransactionError> check_transaction(const Rules& rules,
                                                   const BlockEnvironment& environment,
                                                   const Transaction& transaction,
                                                   const Address& sender, const BlockSpace& space,
                                                   state::TransactionState& state,
                                                   const ExecutionOptions& options) {
    MILLRACE_TRY_VOID(check_form(rules, transaction, options));
    Charge charge;
    charge.cost = intrinsic_gas(rules.revision, transaction);
    if (transaction.gas_limit < charge.cost.intrinsic) {
        return Err{TransactionError::intrinsic_gas_too_low};
    }
    if (transaction.gas_limit < charge.cost.floor) return Err{TransactionError::gas_below_floor};
    if (options.check_gas_cap && rules.revision >= Revision::osaka &&
        transaction.gas_limit > gas_limit_cap) {
        return Err{TransactionError::gas_limit_exceeds_cap};
    }
    if (transaction.gas_limit > space.gas) return Err{TransactionError::gas_limit_exceeds_block};
    MILLRACE_TRY_VOID(
        check_fees(rules, environment.context.base_fee, transaction, options, charge));
    MILLRACE_TRY_VOID(check_blobs(rules, environment, transaction, space.blob_gas, options));
    charge.blob_gas = transaction.blob_hashes.size() * gas_per_blob;
    MILLRACE_TRY_VOID(check_sender(rules, transaction, sender, charge.blob_gas, state, options));
    // No overflow: max_fee_per_blob_gas is at least this price and was multiplied above.
    charge.blob_fee = wrapping_mul(environment.context.blob_base_fee, U256{charge.blob_gas});
    return charge;
}

}  // namespace millrace::ledger
