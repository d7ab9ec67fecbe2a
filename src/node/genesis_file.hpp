// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "ledger/chain_config.hpp"

namespace millrace::node {

inline constexpr std::size_t genesis_size_max = 64u << 20;      ///< bytes of text
inline constexpr std::size_t genesis_accounts_max = 1'000'000;  ///< entries of "alloc"
inline constexpr std::size_t genesis_text_max = 64;             ///< bytes of a network's name
inline constexpr std::size_t genesis_producers_max = 1'024;

/// Block 0 as geth's genesis files describe it (go-ethereum core/genesis.go, params/config.go),
/// with one more object:
///
///     "millrace": { "network": "lab",            a name shown to people
///                   "development": true,         evm_* methods, unlocked accounts
///                   "producers": ["0x…"],        who may produce blocks
///                   "blob_transactions": false } type 3 is refused (default); without a "millrace"
///                                                object the rules of Ethereum hold: it is taken
///
/// Numbers may be JSON numbers, decimal texts or "0x…". What is absent is as geth takes it: no
/// upgrade, no blob schedule means Ethereum's, a difficulty of 131,072 before paris. Refused, each
/// with the path of the value: upgrades out of order or of rules this build does not know (after
/// osaka), a merge whose block is not told ("mergeNetsplitBlock", unless terminalTotalDifficulty is
/// 0: total difficulty is not added up here), proof-of-authority chains, an account given twice, an
/// unknown key of "millrace". Foreign keys elsewhere are passed over, as geth does.
Outcome<ledger::Genesis> read_genesis(std::string_view text);

/// The same block again: accounts in order of their addresses, numbers as "0x…".
std::string write_genesis(const ledger::Genesis& genesis);

}  // namespace millrace::node
