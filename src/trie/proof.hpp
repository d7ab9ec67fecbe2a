// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "trie/source.hpp"

namespace millrace::trie {

/// The nodes on the way to `key` (≤ key_size_max bytes), RLP, from the root downwards, without
/// those that lie inside their parents; as far as the way goes, so also of an absent key
/// (EIP-1186). Of an empty trie: none.
[[nodiscard]] Result<std::vector<Bytes>, TrieError> prove(const NodeSource& source, ByteView key);

/// What a proof from a stranger shows about `key` under `root`: its value, or that it is absent.
[[nodiscard]] Result<std::optional<Bytes>, TrieError> verify_proof(const Hash32& root, ByteView key,
                                                                   std::span<const Bytes> proof);

}  // namespace millrace::trie
