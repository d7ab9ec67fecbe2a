// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "base/u256.hpp"
#include "ledger/transition.hpp"

namespace millrace::ledger {

/// EIP-7702: code that begins so and is 23 bytes long names the account whose code runs instead.
[[nodiscard]] bool is_delegation(ByteView code) noexcept;
[[nodiscard]] Bytes make_delegation(const Address& target);
/// Of code that is_delegation().
[[nodiscard]] Address delegation_target(ByteView code) noexcept;

/// What a valid transaction will pay.
struct Charge {
    GasCost cost;
    U256 gas_price;              ///< effective, per unit of gas
    U256 tip;                    ///< of it, what the producer gets (EIP-1559); all before london
    std::uint64_t blob_gas = 0;  ///< EIP-4844
    U256 blob_fee;               ///< burnt
};

/// What is left in the block for this transaction.
struct BlockSpace {
    std::uint64_t gas = 0;
    std::uint64_t blob_gas = 0;
};

/// Every rule that a transaction must keep before it runs, those of the sender's account included.
/// Nothing is charged here.
Result<Charge, TransactionError> check_transaction(const Rules& rules,
                                                   const BlockEnvironment& environment,
                                                   const types::Transaction& transaction,
                                                   const Address& sender, const BlockSpace& space,
                                                   state::TransactionState& state,
                                                   const ExecutionOptions& options);

}  // namespace millrace::ledger
