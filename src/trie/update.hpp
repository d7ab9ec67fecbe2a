// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/parallel_for.hpp"
#include "trie/source.hpp"

namespace millrace::trie {

/// One key of at most key_size_max bytes and its new value; an empty value deletes.
struct UpdateView {
    ByteView key;
    ByteView value;
};

/// What now lies under a path, and what the source has there; null: nothing.
struct NodeChange {
    Nibbles path;
    std::optional<Bytes> node;
    std::optional<Bytes> before;
};

struct Updated {
    Hash32 root;
    bool is_changed = false;
    std::vector<NodeChange> changes;  ///< each path once; a node that stays as it was is not in it
};

/// Applies updates, ascending by key and without repetition (assertion), in one descent: a node is
/// read once, and only if a changed key leads through it or it is the last child of a fork that
/// dissolves; each changed node is encoded and hashed once. Deleting an absent key and writing a
/// value again change nothing. An error leaves nothing to apply. Many updates may be spread over
/// `parallel_for`, by the first nibble of their keys; the source is then asked by several threads.
[[nodiscard]] Result<Updated, TrieError> update(const NodeSource& source,
                                                std::span<const UpdateView> updates,
                                                const ParallelFor& parallel_for = {});

}  // namespace millrace::trie
