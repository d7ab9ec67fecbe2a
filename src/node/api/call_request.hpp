// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: what eth_call, eth_estimateGas and eth_createAccessList are given.

#include "evm/machine.hpp"
#include "node/api/method.hpp"
#include "state/state_view.hpp"
#include "types/transaction.hpp"

namespace millrace::node {

/// A transaction without a signature, most of it left out. Names as in execution-apis
/// (GenericTransaction); members that it does not know are passed over, as in geth.
struct CallRequest {
    Address from;  ///< zero when absent
    std::optional<std::uint64_t> gas;
    types::Transaction transaction;  ///< without gas limit and chain id

    /// Without a price nothing is paid, and the base fee reads as 0 (geth).
    [[nodiscard]] bool is_free() const noexcept {
        return transaction.max_fee_per_gas.is_zero() &&
               transaction.max_priority_fee_per_gas.is_zero();
    }
};
/// Refused: another chain's id, a gas price beside EIP-1559's fees, values that cannot be read.
Read<CallRequest> read_call_request(JsonValueView value, std::size_t argument,
                                    std::uint64_t chain_id);

/// Members of a transaction that other methods take too.
Read<std::vector<types::AccessListEntry>> read_access_list(JsonValueView value, const Where& where);
Read<std::vector<types::Authorization>> read_authorizations(JsonValueView value,
                                                            const Where& where);

/// {address: {balance, nonce, code, state | stateDiff}} as a change on top of `base`; absent or
/// null: none. Precompiled contracts cannot be moved.
Read<state::StateDiff> read_state_overrides(JsonValueView value, std::size_t argument,
                                            const state::StateView& base);

/// {number, time, gasLimit, feeRecipient, prevRandao, difficulty, baseFeePerGas, blobBaseFee}
/// written over a block's context; absent or null: nothing.
Read<evm::BlockContext> read_block_overrides(JsonValueView value, std::size_t argument,
                                             evm::BlockContext context);

}  // namespace millrace::node
