// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <span>

#include "base/bytes.hpp"
#include "trie/node.hpp"

namespace millrace::trie {

/// One key of at most key_size_max bytes and its value, not empty.
struct PairView {
    ByteView key;
    ByteView value;
};

/// Told every node that stands under a path of its own: the root, and what its parent names by
/// hash. Children come before their parents.
using NodeSink = std::function<void(const Nibbles& path, ByteView encoded)>;

/// The root of a Merkle-Patricia trie from all its keys, ascending and without repetition
/// (assertion), in one pass over them and without a tree in memory; recursion as deep as the
/// longest key has nibbles. Idea: the hash builder of silkworm.
[[nodiscard]] Hash32 root_of(std::span<const PairView> pairs, const NodeSink& sink = {});

/// The root of a list, keyed by the RLP of the index: transactions, receipts and withdrawals of a
/// block. No value is empty.
[[nodiscard]] Hash32 indexed_root(std::span<const Bytes> values);

}  // namespace millrace::trie
