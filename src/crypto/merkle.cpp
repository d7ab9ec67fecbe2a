// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/merkle.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::crypto {
namespace {

Hash32 hash_pair(const Hash32& left, const Hash32& right) noexcept {
    std::array<std::uint8_t, 64> input;
    std::ranges::copy(left.bytes, input.begin());
    std::ranges::copy(right.bytes, input.begin() + 32);
    return sha256(input);
}

/// The next layer up of a layer that continues on the right with `padding`; at least one node.
std::vector<Hash32> layer_above(const std::vector<Hash32>& layer, const Hash32& padding) {
    std::vector<Hash32> above;
    above.reserve((layer.size() + 1) / 2);
    for (std::size_t index = 0; index < layer.size(); index += 2) {
        above.push_back(
            hash_pair(layer[index], index + 1 < layer.size() ? layer[index + 1] : padding));
    }
    return above;
}

/// Root of the tree over `leaves`, padded to `width` (a power of two) with zero leaves. Padding
/// subtrees are not built: one hash per level stands for them all.
Hash32 padded_root(std::vector<Hash32> leaves, std::size_t width) {
    Hash32 padding;
    if (leaves.empty()) leaves.push_back(padding);
    for (std::size_t span = width; span > 1; span /= 2) {
        leaves = layer_above(leaves, padding);
        padding = hash_pair(padding, padding);
    }
    MILLRACE_ASSERT(leaves.size() == 1);
    return leaves.front();
}

}  // namespace

std::vector<Hash32> blob_leaves(ByteView content) {
    std::vector<Hash32> leaves;
    leaves.reserve(content.size() / blob_leaf_size + 1);
    while (!content.empty()) {
        const std::size_t size = std::min(content.size(), blob_leaf_size);
        leaves.push_back(sha256(content.first(size)));
        content = content.subspan(size);
    }
    return leaves;
}

Hash32 blob_root(const std::vector<Hash32>& leaves) {
    return padded_root(leaves, std::bit_ceil(leaves.size()));
}

BlobId blob_id(ByteView content) {
    return {.root = blob_root(blob_leaves(content)), .size = content.size()};
}

std::vector<Hash32> blob_proof(const std::vector<Hash32>& leaves, std::size_t leaf_first,
                               std::size_t leaf_count) {
    MILLRACE_ASSERT(std::has_single_bit(leaf_count));
    MILLRACE_ASSERT(leaf_first % leaf_count == 0);
    MILLRACE_ASSERT(leaf_first == 0 || leaf_first < leaves.size());
    const std::size_t width = std::bit_ceil(leaves.size());
    std::vector<Hash32> proof;
    std::vector<Hash32> layer = leaves;
    Hash32 padding;
    std::size_t position = leaf_first;
    for (std::size_t span = 1; span < width; span *= 2) {
        if (span >= leaf_count) {
            const std::size_t sibling = position ^ 1;
            proof.push_back(sibling < layer.size() ? layer[sibling] : padding);
        }
        layer = layer_above(layer, padding);
        padding = hash_pair(padding, padding);
        position /= 2;
    }
    return proof;
}

bool verify_blob_chunk(const BlobId& blob, std::uint64_t offset, ByteView chunk,
                       std::size_t leaf_count, const std::vector<Hash32>& proof) {
    // 2^40 leaves of 16 KiB: no offset or width below can overflow.
    if (blob.size > (std::uint64_t{1} << 54)) return false;
    if (!std::has_single_bit(leaf_count)) return false;
    const std::uint64_t leaves_total = (blob.size + blob_leaf_size - 1) / blob_leaf_size;
    const std::uint64_t width = std::bit_ceil(leaves_total);
    const std::uint64_t span = std::min<std::uint64_t>(leaf_count, width);
    const std::uint64_t span_size = span * blob_leaf_size;
    if (offset % span_size != 0) return false;
    if (offset > blob.size || (offset == blob.size && offset != 0)) return false;
    if (chunk.size() != std::min(span_size, blob.size - offset)) return false;
    if (proof.size() != static_cast<std::size_t>(std::countr_zero(width / span))) return false;

    Hash32 node = padded_root(blob_leaves(chunk), static_cast<std::size_t>(span));
    std::uint64_t position = offset / span_size;
    for (const Hash32& sibling : proof) {
        node = position % 2 == 0 ? hash_pair(node, sibling) : hash_pair(sibling, node);
        position /= 2;
    }
    return node == blob.root;
}

SumNode sum_leaf(const Allocation& allocation) noexcept {
    std::array<std::uint8_t, 53> input{};
    const Hash32 cap = to_word(allocation.cap);
    std::ranges::copy(allocation.payee.bytes, input.begin() + 1);
    std::ranges::copy(cap.bytes, input.begin() + 21);
    return {.hash = keccak256(input), .sum = cap};
}

std::optional<SumNode> sum_parent(const SumNode& left, const SumNode& right) noexcept {
    const auto sum = checked_add(from_word(left.sum), from_word(right.sum));
    if (!sum) return std::nullopt;
    std::array<std::uint8_t, 129> input{0x01};
    std::ranges::copy(left.hash.bytes, input.begin() + 1);
    std::ranges::copy(left.sum.bytes, input.begin() + 33);
    std::ranges::copy(right.hash.bytes, input.begin() + 65);
    std::ranges::copy(right.sum.bytes, input.begin() + 97);
    return SumNode{.hash = keccak256(input), .sum = to_word(*sum)};
}

std::optional<SumTree> SumTree::build(const std::vector<Allocation>& allocations) {
    if (allocations.size() > allocation_count_max) return std::nullopt;
    std::vector<SumNode> layer;
    layer.reserve(std::bit_ceil(allocations.size()));
    for (const Allocation& allocation : allocations)
        layer.push_back(sum_leaf(allocation));
    layer.resize(std::bit_ceil(allocations.size()), sum_leaf(Allocation{}));
    SumTree tree;
    while (layer.size() > 1) {
        std::vector<SumNode> above;
        above.reserve(layer.size() / 2);
        for (std::size_t index = 0; index < layer.size(); index += 2) {
            const auto parent = sum_parent(layer[index], layer[index + 1]);
            if (!parent) return std::nullopt;
            above.push_back(*parent);
        }
        tree.layers_.push_back(std::move(layer));
        layer = std::move(above);
    }
    tree.layers_.push_back(std::move(layer));
    return tree;
}

std::vector<SumNode> SumTree::proof(std::size_t index) const {
    MILLRACE_ASSERT(index < layers_.front().size());
    std::vector<SumNode> steps;
    for (const auto& layer : layers_) {
        if (layer.size() == 1) break;
        steps.push_back(layer[index ^ 1]);
        index /= 2;
    }
    return steps;
}

bool verify_allocation(const SumNode& root, const Allocation& allocation, std::uint64_t index,
                       const std::vector<SumNode>& proof) noexcept {
    if (proof.size() > allocation_depth_max) return false;
    if (index >> proof.size() != 0) return false;
    SumNode node = sum_leaf(allocation);
    for (const SumNode& sibling : proof) {
        const auto parent = index % 2 == 0 ? sum_parent(node, sibling) : sum_parent(sibling, node);
        if (!parent) return false;
        node = *parent;
        index /= 2;
    }
    return node == root;
}

bool verify_allocation(const SumNode& root, const Allocation& allocation, std::uint64_t index,
                       std::uint32_t leaf_count, const std::vector<SumNode>& proof) noexcept {
    if (index >= leaf_count) return false;
    const auto width = std::bit_ceil(std::uint64_t{leaf_count});
    if (proof.size() != static_cast<std::size_t>(std::countr_zero(width))) return false;
    return verify_allocation(root, allocation, index, proof);
}

}  // namespace millrace::crypto
