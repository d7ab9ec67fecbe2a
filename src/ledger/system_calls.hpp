// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "ledger/transition.hpp"

namespace millrace::ledger {

/// The contracts that blocks call by themselves. They are ordinary code in the state; a chain has
/// them in its genesis, or somebody has deployed them.
struct SystemContracts {
    static const Address beacon_roots;            ///< EIP-4788
    static const Address block_hashes;            ///< EIP-2935
    static const Address withdrawal_requests;     ///< EIP-7002
    static const Address consolidation_requests;  ///< EIP-7251
};

/// Calls `contract` as the system does: from 0xff…fe, 30,000,000 gas that nobody pays, no nonce.
/// The changes are merged into `diff`. Null where there is no code: nothing was done then.
/// Unsuccessful calls change nothing.
struct SystemCallResult {
    evm::Status status = evm::Status::success;
    Bytes output;
};
std::optional<SystemCallResult> call_system(
    const Rules& rules, const BlockEnvironment& environment, const Address& contract,
    ByteView input, const state::StateView& view, state::StateDiff& diff,
    const state::TransactionState::BlockHashes& block_hashes, evm::Arena& arena);

/// EIP-6110: appends the deposit that `log` tells to `deposits`. False where the log is the
/// contract's deposit event in a form the rules do not know. Other logs are passed over.
bool read_deposit(const Address& deposit_contract, const types::Log& log, Bytes& deposits);

/// EIP-7685: sha256 over the sha256 of type ‖ data of every kind of request that has data.
Hash32 requests_hash(const std::vector<Bytes>& requests_by_type);

}  // namespace millrace::ledger
