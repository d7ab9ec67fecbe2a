// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/result.hpp"
#include "ledger/chain_config.hpp"
#include "mempool/pool.hpp"
#include "node/backend.hpp"
#include "types/transaction.hpp"

namespace millrace::node {

/// What can be said about a transaction without looking at any account: its kind, chain, size, gas
/// and fees by the rules of the next block. Cheap, and done before the pool is asked. Messages are
/// geth's, because clients compare them.
Result<void, SubmitError> check_admission(const ledger::Rules& rules, std::uint64_t block_gas_limit,
                                          const types::SignedTransaction& transaction,
                                          std::size_t size);

/// The pool's refusal in geth's words.
SubmitError submit_error(mempool::PoolError error, const types::Transaction& transaction,
                         const mempool::SenderState& sender);

}  // namespace millrace::node
