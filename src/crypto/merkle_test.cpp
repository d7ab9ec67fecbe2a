// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/merkle.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "crypto/hash.hpp"

namespace millrace::crypto {
namespace {

Bytes content_of(std::size_t size) {
    Prng random{size};
    Bytes content(size);
    for (std::uint8_t& byte : content)
        byte = static_cast<std::uint8_t>(random.next());
    return content;
}

Hash32 pair(const Hash32& left, const Hash32& right) {
    Bytes input = to_bytes(left.view());
    input.insert(input.end(), right.bytes.begin(), right.bytes.end());
    return sha256(input);
}

TEST(BlobTree, small_roots_by_hand) {
    EXPECT_EQ(blob_id({}).root, Hash32{});
    EXPECT_EQ(blob_id(as_bytes("abc")).root, sha256(as_bytes("abc")));
    EXPECT_EQ(blob_id(as_bytes("abc")).size, 3U);
    const Bytes content = content_of(2 * blob_leaf_size + 5);
    const auto leaves = blob_leaves(content);
    ASSERT_EQ(leaves.size(), 3U);
    EXPECT_EQ(leaves[2], sha256(ByteView{content}.last(5)));
    EXPECT_EQ(blob_root(leaves), pair(pair(leaves[0], leaves[1]), pair(leaves[2], Hash32{})));
}

TEST(BlobTree, padding_is_zero_leaves_hashed_upwards) {
    const auto leaves = blob_leaves(content_of(5 * blob_leaf_size));
    const Hash32 zeros = pair(Hash32{}, Hash32{});
    EXPECT_EQ(blob_root(leaves), pair(pair(pair(leaves[0], leaves[1]), pair(leaves[2], leaves[3])),
                                      pair(pair(leaves[4], Hash32{}), zeros)));
}

TEST(BlobTree, every_aligned_chunk_verifies_at_its_place_only) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, blob_leaf_size, blob_leaf_size + 1, 4 * blob_leaf_size,
          5 * blob_leaf_size + 7, 8 * blob_leaf_size - 1}) {
        const Bytes content = content_of(size);
        const BlobId blob = blob_id(content);
        const auto leaves = blob_leaves(content);
        for (const std::size_t leaf_count : {1U, 2U, 4U, 8U, 64U}) {
            const std::size_t span = leaf_count * blob_leaf_size;
            for (std::size_t offset = 0; offset < size || offset == 0; offset += span) {
                const ByteView chunk =
                    ByteView{content}.subspan(offset, std::min(span, size - offset));
                auto proof = blob_proof(leaves, offset / blob_leaf_size, leaf_count);
                EXPECT_TRUE(verify_blob_chunk(blob, offset, chunk, leaf_count, proof))
                    << size << " " << leaf_count << " " << offset;
                if (!chunk.empty()) {
                    Bytes changed = to_bytes(chunk);
                    changed.back() ^= 1;
                    EXPECT_FALSE(verify_blob_chunk(blob, offset, changed, leaf_count, proof));
                    EXPECT_FALSE(verify_blob_chunk(blob, offset, chunk.first(chunk.size() - 1),
                                                   leaf_count, proof));
                }
                EXPECT_FALSE(verify_blob_chunk(blob, offset + 1, chunk, leaf_count, proof));
                EXPECT_FALSE(verify_blob_chunk(blob, offset + span, chunk, leaf_count, proof));
                proof.push_back(Hash32{});
                EXPECT_FALSE(verify_blob_chunk(blob, offset, chunk, leaf_count, proof));
            }
        }
    }
}

TEST(BlobTree, hostile_sizes_are_refused) {
    const Bytes content = content_of(blob_leaf_size);
    BlobId blob = blob_id(content);
    EXPECT_FALSE(verify_blob_chunk(blob, 0, content, 0, {}));
    EXPECT_FALSE(verify_blob_chunk(blob, 0, content, 3, {}));
    blob.size = ~std::uint64_t{0};
    EXPECT_FALSE(verify_blob_chunk(blob, 0, content, 1, {}));
}

std::vector<Allocation> allocations_of(std::size_t count) {
    std::vector<Allocation> allocations(count);
    for (std::size_t index = 0; index < count; ++index) {
        allocations[index].payee.bytes[19] = static_cast<std::uint8_t>(index + 1);
        allocations[index].cap = U256{1000 * index + 1};
    }
    return allocations;
}

TEST(SumTree, every_leaf_is_proven_and_sums_to_the_total) {
    for (std::size_t count = 1; count <= 9; ++count) {
        const auto allocations = allocations_of(count);
        const auto tree = SumTree::build(allocations);
        ASSERT_TRUE(tree);
        EXPECT_EQ(tree->total(), U256{500 * count * (count - 1) + count});
        for (std::size_t index = 0; index < count; ++index) {
            const auto proof = tree->proof(index);
            EXPECT_EQ(proof.size(), tree->depth());
            EXPECT_TRUE(verify_allocation(tree->root(), allocations[index], index, proof));
            EXPECT_TRUE(verify_allocation(tree->root(), allocations[index], index,
                                          static_cast<std::uint32_t>(count), proof));
            EXPECT_FALSE(verify_allocation(tree->root(), allocations[index], index,
                                           static_cast<std::uint32_t>(index), proof));
            Allocation greedy = allocations[index];
            greedy.cap = wrapping_add(greedy.cap, U256{1});
            EXPECT_FALSE(verify_allocation(tree->root(), greedy, index, proof));
            EXPECT_FALSE(verify_allocation(tree->root(), allocations[index], index ^ 1, proof));
        }
    }
}

TEST(SumTree, layout_is_the_contracts) {
    const auto allocations = allocations_of(2);
    const auto tree = SumTree::build(allocations);
    ASSERT_TRUE(tree);
    const auto leaf = [](const Allocation& allocation) {
        Bytes input{0};
        input.insert(input.end(), allocation.payee.bytes.begin(), allocation.payee.bytes.end());
        const Hash32 cap = to_word(allocation.cap);
        input.insert(input.end(), cap.bytes.begin(), cap.bytes.end());
        return keccak256(input);
    };
    Bytes node{1};
    for (const Allocation& allocation : allocations) {
        const Hash32 hash = leaf(allocation);
        const Hash32 cap = to_word(allocation.cap);
        node.insert(node.end(), hash.bytes.begin(), hash.bytes.end());
        node.insert(node.end(), cap.bytes.begin(), cap.bytes.end());
    }
    EXPECT_EQ(tree->root().hash, keccak256(node));
}

TEST(SumTree, appending_keeps_old_leaves_in_place) {
    auto allocations = allocations_of(3);
    const auto before = SumTree::build(allocations);
    allocations.push_back({.payee = {{9}}, .cap = U256{5}});
    const auto after = SumTree::build(allocations);
    ASSERT_TRUE(before && after);
    for (std::size_t index = 0; index < 3; ++index) {
        EXPECT_TRUE(
            verify_allocation(after->root(), allocations[index], index, after->proof(index)));
    }
    EXPECT_NE(before->root(), after->root());
}

TEST(SumTree, an_overflowing_total_is_refused) {
    const U256 half = from_word(Hash32{{0x80}});
    EXPECT_FALSE(SumTree::build({{.payee = {}, .cap = half}, {.payee = {}, .cap = half}}));
    EXPECT_TRUE(SumTree::build({{.payee = {}, .cap = half}}));
    const auto empty = SumTree::build({});
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->total(), U256{});
    EXPECT_EQ(empty->root(), sum_leaf(Allocation{}));
    EXPECT_FALSE(verify_allocation(empty->root(), Allocation{}, 1, {}));
    EXPECT_FALSE(verify_allocation(empty->root(), Allocation{}, 0, std::vector<SumNode>(21)));
}

}  // namespace
}  // namespace millrace::crypto
