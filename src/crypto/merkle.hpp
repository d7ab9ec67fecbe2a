// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"

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

/// The sibling path of `leaf_count` aligned leaves starting at `leaf_first`. `leaf_count` is a power
/// of two and divides `leaf_first`; nearest sibling first.
std::vector<Hash32> blob_proof(const std::vector<Hash32>& leaves, std::size_t leaf_first,
                               std::size_t leaf_count);
/// True when `chunk` (whole leaves, the blob's last leaf excepted) lies at `offset` of the blob.
bool verify_blob_chunk(const BlobId& blob, std::uint64_t offset, ByteView chunk,
                       std::size_t leaf_count, const std::vector<Hash32>& proof);

/// Merkle-sum tree of allocations, Keccak-256 as the Deposits contract verifies it:
/// leaf = keccak(0x00 ‖ payee(20) ‖ cap(32)), node = keccak(0x01 ‖ left ‖ leftSum ‖ right ‖ rightSum);
/// leaves padded to a power of two with the leaf of (zero address, 0).
struct SumNode {
    Hash32 hash;
    Hash32 sum;  ///< big-endian uint256
};

}  // namespace millrace::crypto
