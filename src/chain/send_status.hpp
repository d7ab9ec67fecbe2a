// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>

#include "chain/chain_client.hpp"

namespace millrace::chain {

/// Reads a node's words about a transaction it was sent. Nodes have no codes for these: geth,
/// Erigon, Nethermind, Besu, anvil and hardhat each have phrases of their own. `accepted` means
/// that the node says it has the transaction already; `refused` that the words are none of these.
SendStatus classify_send_error(std::string_view message);

}  // namespace millrace::chain
