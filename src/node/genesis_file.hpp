// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
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
///
/// A genesis under prague's rules has the contracts that must answer at the end of every block
/// (EIP-7002, EIP-7251: a block without their code is invalid); without them it is refused, because
/// no block could follow. Those called at the beginning (EIP-4788, EIP-2935) may be absent: the
/// calls then do nothing.
Outcome<ledger::Genesis> read_genesis(std::string_view text);

/// The same for a genesis of up to a million accounts: they stay text, with some 40 bytes beside
/// each, until a chain takes them in parts (Chain::open). A chain that stands already needs none of
/// them: it remembers the hash of the text it was begun with.
class GenesisFile {
  public:
    /// Reads and checks everything but the accounts. A part has about `part_rows_max` accounts and
    /// slots.
    static Outcome<GenesisFile> open(std::string text, std::size_t part_rows_max = 16'384);

    /// Without accounts.
    [[nodiscard]] const ledger::Genesis& genesis() const noexcept { return genesis_; }
    /// SHA-256.
    [[nodiscard]] const Hash32& text_hash() const noexcept { return text_hash_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

    /// Needed once before the two below; again it does nothing.
    Outcome<void> check_accounts();
    [[nodiscard]] bool accounts_are_checked() const noexcept { return places_ != nullptr; }
    using TakePart = std::function<bool(state::StateDiff part, bool is_last)>;
    /// In the order of hashed addresses; the last call, and always one, is told so. An account with
    /// more slots than a part holds comes in several. False: `take` said so.
    [[nodiscard]] bool each_part(const TakePart& take) const;
    /// Of all accounts; some 110 bytes of memory for each.
    [[nodiscard]] Hash32 state_root() const;

  private:
    /// Where an account stands in the text.
    struct Places;
    GenesisFile() = default;

    std::string text_;
    Hash32 text_hash_;
    ledger::Genesis genesis_;
    std::size_t alloc_at_ = 0;
    std::size_t part_rows_max_ = 0;
    std::shared_ptr<const Places> places_;  ///< null: not checked yet
};

/// The same block again: accounts in order of their addresses, numbers as "0x…".
std::string write_genesis(const ledger::Genesis& genesis);

}  // namespace millrace::node
