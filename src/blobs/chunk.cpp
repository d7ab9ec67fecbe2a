// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "blobs/chunk.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"

namespace millrace::blobs {

using crypto::blob_leaf_size;

std::uint64_t leaf_total(const BlobId& blob) noexcept {
    return blob.size / blob_leaf_size + (blob.size % blob_leaf_size != 0 ? 1 : 0);
}

types::BlobRequest chunk_request(const BlobId& blob, std::uint64_t leaf_first,
                                 std::uint64_t leaf_count) noexcept {
    MILLRACE_ASSERT(std::has_single_bit(leaf_count));
    MILLRACE_ASSERT(leaf_count <= chunk_leaves_max);
    MILLRACE_ASSERT(leaf_first % leaf_count == 0);
    MILLRACE_ASSERT(leaf_first < leaf_total(blob));
    const std::uint64_t offset = leaf_first * blob_leaf_size;
    const std::uint64_t size = std::min(leaf_count * blob_leaf_size, blob.size - offset);
    return {.sealed = blob, .offset = offset, .size = static_cast<std::uint32_t>(size)};
}

std::optional<std::uint64_t> verify_chunk(const BlobId& blob, const types::BlobData& data) {
    if (data.content.empty() || data.sealed_root != blob.root) return std::nullopt;
    const std::uint64_t width = std::bit_ceil(leaf_total(blob));
    const std::size_t levels = static_cast<std::size_t>(std::countr_zero(width));
    if (data.proof.size() > levels) return std::nullopt;
    const std::uint64_t span = width >> data.proof.size();
    // A run wider than a frame can carry is only possible past the end; never build such a tree.
    if (span > std::max<std::uint64_t>(chunk_leaves_max, 1)) return std::nullopt;
    if (!crypto::verify_blob_chunk(blob, data.offset, data.content, span, data.proof))
        return std::nullopt;
    return (data.content.size() + blob_leaf_size - 1) / blob_leaf_size;
}

std::optional<types::BlobData> answer_from(ByteView content, const types::BlobRequest& request) {
    if (content.size() != request.sealed.size || request.offset >= content.size())
        return std::nullopt;
    if (request.offset % blob_leaf_size != 0 || request.size == 0) return std::nullopt;
    const std::uint64_t leaf_first = request.offset / blob_leaf_size;
    std::uint64_t span = 1;
    while (span < chunk_leaves_max && leaf_first % (span * 2) == 0 &&
           span * blob_leaf_size < request.size) {
        span *= 2;
    }
    const bool to_the_end = request.offset + request.size == content.size();
    if (span * blob_leaf_size > request.size && !to_the_end) span /= 2;
    const std::uint64_t size =
        std::min<std::uint64_t>(span * blob_leaf_size, content.size() - request.offset);
    const ByteView chunk = content.subspan(request.offset, size);
    const std::vector<Hash32> leaves = crypto::blob_leaves(content);
    return types::BlobData{.sealed_root = request.sealed.root,
                           .offset = request.offset,
                           .content = to_bytes(chunk),
                           .proof = crypto::blob_proof(leaves, leaf_first, span)};
}

}  // namespace millrace::blobs
