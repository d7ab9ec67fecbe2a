// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/proof.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace millrace::trie {
namespace {

/// Where a node leads a key: to a value, to a child, or nowhere.
struct Step {
    std::optional<Bytes> value;
    NodeRef child;
    std::size_t consumed = 0;  ///< nibbles between the node and its child
};

Step follow(const Node& node, const Nibbles& key, std::size_t depth) {
    const std::size_t left = key.size() - depth;
    if (const auto* leaf = std::get_if<Leaf>(&node)) {
        const bool is_end =
            leaf->path.size() == left && common_prefix(key, depth, leaf->path, 0) == left;
        if (is_end) return {.value = leaf->value, .child = {}};
        return {};
    }
    if (const auto* extension = std::get_if<Extension>(&node)) {
        const std::size_t size = extension->path.size();
        if (common_prefix(key, depth, extension->path, 0) != size) return {};
        return {.value = std::nullopt, .child = extension->child, .consumed = size};
    }
    const auto& branch = *std::get_if<Branch>(&node);
    if (left > 0)
        return {.value = std::nullopt, .child = branch.children[key[depth]], .consumed = 1};
    if (branch.value.empty()) return {};
    return {.value = branch.value, .child = {}};
}

}  // namespace

Result<std::vector<Bytes>, TrieError> prove(const NodeSource& source, ByteView key) {
    const Nibbles path = Nibbles::of(key);
    std::vector<Bytes> proof;
    std::optional<Bytes> encoded = source.node(Nibbles{});
    if (!encoded) return proof;
    proof.push_back(*encoded);
    std::size_t depth = 0;
    for (;;) {
        MILLRACE_TRY(const Node node, decode_at(path.first(depth), *encoded));
        const Step step = follow(node, path, depth);
        if (step.child.empty()) return proof;
        depth += step.consumed;
        if (step.child.is_hash()) {
            encoded = source.node(path.first(depth));
            if (!encoded) return Err{TrieError::missing_node};
            proof.push_back(*encoded);
        } else {
            encoded = to_bytes(step.child.view());
        }
    }
}

Result<std::optional<Bytes>, TrieError> verify_proof(const Hash32& root, ByteView key,
                                                     std::span<const Bytes> proof) {
    const Nibbles path = Nibbles::of(key);
    if (root == empty_root) {
        if (!proof.empty()) return Err{TrieError::unused_nodes};
        return std::optional<Bytes>{};
    }
    std::size_t depth = 0;
    NodeRef wanted = NodeRef::of_hash(root);
    for (;;) {
        Bytes encoded = to_bytes(wanted.view());
        if (wanted.is_hash()) {
            if (proof.empty()) return Err{TrieError::missing_node};
            encoded = proof.front();
            proof = proof.subspan(1);
            if (crypto::keccak256(encoded) != wanted.hash()) return Err{TrieError::wrong_hash};
        }
        MILLRACE_TRY(const Node node, decode_at(path.first(depth), encoded));
        Step step = follow(node, path, depth);
        if (step.child.empty()) {
            if (!proof.empty()) return Err{TrieError::unused_nodes};
            return std::move(step.value);
        }
        depth += step.consumed;
        wanted = step.child;
    }
}

}  // namespace millrace::trie
