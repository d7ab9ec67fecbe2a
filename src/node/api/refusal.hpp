// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: why a call or a transaction cannot run, in geth's words, with the numbers
// that matter.

#include "ledger/transition.hpp"

namespace millrace::node {

/// `state` is what it would have run on.
std::string refusal_text(ledger::TransactionError error, const ledger::Rules& rules,
                         const evm::BlockContext& context, const types::Transaction& transaction,
                         const Address& sender, const state::StateView& state);

}  // namespace millrace::node
