// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "trie/nibbles.hpp"

namespace millrace::trie {

/// What can be wrong with nodes that come from a disk or a peer.
enum class TrieError : std::uint8_t {
    missing_node,    ///< a node names a child that is not there
    malformed_node,  ///< not the canonical RLP of a leaf, an extension or a branch
    wrong_hash,      ///< a node of a proof does not have the hash its parent names
    unused_nodes,    ///< a proof goes on after its end
};
std::string_view to_text(TrieError error) noexcept;

/// How a node is named in its parent (Yellow Paper, appendix D): nothing, the RLP of the hash of
/// its encoding, or, when that is shorter than 32 bytes, the encoding itself.
class NodeRef {
  public:
    static constexpr std::size_t size_max = 33;

    NodeRef() = default;
    static NodeRef of_hash(const Hash32& hash) noexcept;
    /// Of an encoded node.
    static NodeRef of_node(ByteView encoded) noexcept;

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool is_hash() const noexcept { return size_ == size_max; }
    /// Only of a hash.
    [[nodiscard]] Hash32 hash() const noexcept;
    /// As written into the parent; empty for nothing.
    [[nodiscard]] ByteView view() const noexcept { return {bytes_.data(), size_}; }
    bool operator==(const NodeRef& other) const noexcept;

  private:
    std::uint8_t size_ = 0;
    std::array<std::uint8_t, size_max> bytes_;  ///< only the first size_ are meaningful
};

/// The end of a path. The value is not empty: an empty value is an absent one.
struct Leaf {
    Nibbles path;  ///< what is left of the key
    Bytes value;
};
/// A stretch of path without a fork; not empty, and the child is a branch.
struct Extension {
    Nibbles path;
    NodeRef child;
};
/// A fork: at least two of children and value are there.
struct Branch {
    std::array<NodeRef, 16> children;
    Bytes value;
};
using Node = std::variant<Leaf, Extension, Branch>;

/// RLP (Yellow Paper, appendix D).
[[nodiscard]] Bytes encode(const Node& node);
[[nodiscard]] Bytes encode_leaf(const Nibbles& path, ByteView value);
/// Accepts exactly what encode() gives for a node that keeps the rules above; what an extension's
/// child is cannot be seen here.
[[nodiscard]] Result<Node, TrieError> decode(ByteView encoded);

/// The root of a trie without keys: keccak256(rlp("")).
extern const Hash32 empty_root;

}  // namespace millrace::trie
