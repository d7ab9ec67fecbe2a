// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: what eth_call, eth_estimateGas and eth_createAccessList are given.

#include "evm/machine.hpp"
#include "node/api/method.hpp"
#include "state/state_view.hpp"
#include "types/block.hpp"

namespace millrace::node {

/// A transaction without a signature, most of it left out. Names as in execution-apis
/// (GenericTransaction); members that it does not know are passed over, as in geth.
struct CallRequest {
    Address from;  ///< zero when absent
    std::optional<std::uint64_t> gas;
    bool has_nonce = false;
    bool has_gas_price = false;
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

/// At most 1,024.
Read<std::vector<types::Withdrawal>> read_withdrawals(JsonValueView value, const Where& where);

/// {address: {balance, nonce, code, state | stateDiff, movePrecompileToAddress}} as a change on top
/// of `base`; absent or null: none. Of an address that stands there twice the last counts. A
/// precompiled contract whose address is overridden answers there no more, but where it was moved
/// to: `precompiles` gets both.
Read<state::StateDiff> read_state_overrides(JsonValueView value, std::size_t argument,
                                            const state::StateView& base, evm::Revision revision,
                                            evm::PrecompileMoves& precompiles);

/// {number, time, gasLimit, feeRecipient, prevRandao, difficulty, baseFeePerGas, blobBaseFee}
/// written over a block's context; absent or null: nothing.
Read<evm::BlockContext> read_block_overrides(JsonValueView value, std::size_t argument,
                                             evm::BlockContext context);

}  // namespace millrace::node
