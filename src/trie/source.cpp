// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/source.hpp"

#include "base/overload.hpp"

namespace millrace::trie {

Result<Node, TrieError> decode_at(const Nibbles& path, ByteView encoded) {
    MILLRACE_TRY(Node node, decode(encoded));
    const std::size_t room = nibble_count_max - path.size();
    const bool fits =
        std::visit(Overload{
                       [&](const Leaf& leaf) { return leaf.path.size() <= room; },
                       [&](const Extension& extension) { return extension.path.size() < room; },
                       [&](const Branch&) { return room > 0; },
                   },
                   node);
    if (!fits) return Err{TrieError::malformed_node};
    return node;
}

Result<Node, TrieError> load(const NodeSource& source, const Nibbles& path,
                             const NodeRef& reference) {
    std::optional<Bytes> row;
    return load(source, path, reference, row);
}

Result<Node, TrieError> load(const NodeSource& source, const Nibbles& path,
                             const NodeRef& reference, std::optional<Bytes>& row) {
    MILLRACE_ASSERT(!reference.empty());
    row.reset();
    if (!reference.is_hash()) return decode_at(path, reference.view());
    row = source.node(path);
    if (!row) return Err{TrieError::missing_node};
    return decode_at(path, *row);
}

Result<std::optional<Node>, TrieError> load_root(const NodeSource& source) {
    const std::optional<Bytes> encoded = source.node(Nibbles{});
    if (!encoded) return std::optional<Node>{};
    MILLRACE_TRY(Node node, decode_at(Nibbles{}, *encoded));
    return std::optional<Node>{std::move(node)};
}

}  // namespace millrace::trie
