// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "trie/node.hpp"

namespace millrace::trie {

/// Where the nodes of one trie lie, each under the path from the root at which it begins: the root
/// under the empty path, then every node that its parent names by hash. Nodes shorter than 32 bytes
/// lie inside their parents.
class NodeSource {
  public:
    virtual ~NodeSource() = default;
    /// The encoded node; null when there is none.
    [[nodiscard]] virtual std::optional<Bytes> node(const Nibbles& path) const = 0;
};

/// The node at `path` that its parent names by `reference`. Its own path leads no deeper than
/// nibble_count_max, so whoever walks down from it cannot overrun a path. `reference` is not empty.
/// The hash is not computed: a store is trusted here, and checked by whoever verifies it.
[[nodiscard]] Result<Node, TrieError> load(const NodeSource& source, const Nibbles& path,
                                           const NodeRef& reference);
/// The same; `row` is what the source has at `path`, null when the node lies inside its parent.
[[nodiscard]] Result<Node, TrieError> load(const NodeSource& source, const Nibbles& path,
                                           const NodeRef& reference, std::optional<Bytes>& row);
/// Null for an empty trie.
[[nodiscard]] Result<std::optional<Node>, TrieError> load_root(const NodeSource& source);
/// decode(), and the rule about depth.
[[nodiscard]] Result<Node, TrieError> decode_at(const Nibbles& path, ByteView encoded);

}  // namespace millrace::trie
