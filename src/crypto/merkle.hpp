// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"

namespace millrace::crypto {

/// Content address of bytes (design D10): SHA-256 Merkle tree over 16 KiB leaves as in BEP 52. The
/// last leaf is hashed at its true length; the leaf layer is padded to a power of two with 32 zero
/// bytes; the empty blob has the root 32 zero bytes. Because a root alone does not fix the length,
/// a BlobId carries both.
inline constexpr std::size_t blob_leaf_size = 16 * 1024;

struct BlobId {
    Hash32 root;
    std::uint64_t size = 0;
    auto operator<=>(const BlobId&) const = default;
};

BlobId blob_id(ByteView content);
std::vector<Hash32> blob_leaves(ByteView content);
Hash32 blob_root(const std::vector<Hash32>& leaves);

/// The sibling path of `leaf_count` aligned leaves starting at `leaf_first`. `leaf_count` is a
/// power of two and divides `leaf_first`, which lies inside the blob (or is 0); nearest sibling
/// first. A span wider than the whole tree stands for the whole tree: its path is empty.
std::vector<Hash32> blob_proof(const std::vector<Hash32>& leaves, std::size_t leaf_first,
                               std::size_t leaf_count);
/// True when `chunk` is what the blob holds at `offset`: `leaf_count` leaves (a power of two),
/// fewer only where the blob ends. `offset` is a multiple of leaf_count leaves. Anything else, a
/// proof of another length included, is false: all of it may come from a hostile peer.
bool verify_blob_chunk(const BlobId& blob, std::uint64_t offset, ByteView chunk,
                       std::size_t leaf_count, const std::vector<Hash32>& proof);

/// Merkle-sum tree of allocations, Keccak-256 as the Deposits contract verifies it:
/// leaf = keccak(0x00 ‖ payee(20) ‖ cap(32)), node = keccak(0x01 ‖ left ‖ leftSum ‖ right ‖
/// rightSum); leaves padded to a power of two with the leaf of (zero address, 0). Because every
/// node commits to the sums below it, a proven leaf is part of a list whose caps add up to the
/// root's total: nobody can promise the same coin twice under one root.
struct SumNode {
    Hash32 hash;
    Hash32 sum;  ///< big-endian uint256
    auto operator<=>(const SumNode&) const = default;
};

struct Allocation {
    Address payee;
    U256 cap;
    bool operator==(const Allocation&) const = default;
};

/// Our bound; the contract's is 32.
inline constexpr std::size_t allocation_depth_max = 20;
inline constexpr std::size_t allocation_count_max = std::size_t{1} << allocation_depth_max;

SumNode sum_leaf(const Allocation& allocation) noexcept;
/// Null when the sums overflow 256 bits.
std::optional<SumNode> sum_parent(const SumNode& left, const SumNode& right) noexcept;

/// All layers of the tree over one list; 128 bytes of memory per allocation.
class SumTree {
  public:
    /// Null when the total overflows or there are more than allocation_count_max entries. An empty
    /// list is the tree of one padding leaf.
    static std::optional<SumTree> build(const std::vector<Allocation>& allocations);

    [[nodiscard]] const SumNode& root() const noexcept { return layers_.back().front(); }
    [[nodiscard]] U256 total() const noexcept { return from_word(root().sum); }
    [[nodiscard]] std::size_t depth() const noexcept { return layers_.size() - 1; }
    /// Siblings of leaf `index`, nearest first. The index must be inside the padded leaf layer.
    [[nodiscard]] std::vector<SumNode> proof(std::size_t index) const;

  private:
    SumTree() = default;
    std::vector<std::vector<SumNode>> layers_;
};

/// True when `allocation` is leaf `index` of the tree with this root. Bit i of `index` says that
/// the node on level i is a right child; an index too large for the proof's length is refused.
bool verify_allocation(const SumNode& root, const Allocation& allocation, std::uint64_t index,
                       const std::vector<SumNode>& proof) noexcept;
/// The same with the contract's further demand: index < leaf_count, and a proof as long as the
/// padded tree of leaf_count leaves is deep.
bool verify_allocation(const SumNode& root, const Allocation& allocation, std::uint64_t index,
                       std::uint32_t leaf_count, const std::vector<SumNode>& proof) noexcept;

}  // namespace millrace::crypto
