// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to genesis_file.cpp: the document and its accounts, read from the text where they stand.

#include <functional>

#include "node/genesis_values.hpp"

namespace millrace::node::genesis_values {

/// What stands beside "alloc"; the operator's own file, but no list of ours needs more.
inline constexpr std::size_t rest_size_max = 1u << 20;

struct Document {
    Json rest;                 ///< an object; without "alloc"
    std::size_t alloc_at = 0;  ///< of its '{' in the text; 0: there is none
};
/// Parses all but the accounts.
Document read_document(Reader& reader, std::string_view text);

/// An account's place in the text.
struct AccountPlace {
    Hash32 hashed;         ///< keccak256 of the address: the order of the state's trie
    std::uint32_t at = 0;  ///< of its key's opening quote
};
/// Checks every account and slot, and orders the accounts. `told` hears each account; it may be
/// empty.
std::vector<AccountPlace> check_accounts(
    Reader& reader, std::string_view text, std::size_t alloc_at,
    const std::function<void(const Address&, bool has_code)>& told);

/// The accounts, checked before, in parts of about `rows_max` accounts and slots; one with more
/// slots comes in several. Ends early when `take` says false.
using TakePart = std::function<bool(state::StateDiff part, bool is_last)>;
bool each_part(std::string_view text, const std::vector<AccountPlace>& places, std::size_t rows_max,
               const TakePart& take);

/// Their state root, without a tree in memory: some 110 bytes an account, and the slots of one.
Hash32 state_root(std::string_view text, const std::vector<AccountPlace>& places);

}  // namespace millrace::node::genesis_values
