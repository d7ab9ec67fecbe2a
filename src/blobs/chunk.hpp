// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/merkle.hpp"
#include "types/message.hpp"

namespace millrace::blobs {

using crypto::BlobId;

/// How many leaves one BlobData carries at most: 512 KiB of 16 KiB leaves.
inline constexpr std::uint64_t chunk_leaves_max = types::blob_chunk_max / crypto::blob_leaf_size;

/// Leaves of a blob; 0 for the empty one.
[[nodiscard]] std::uint64_t leaf_total(const BlobId& blob) noexcept;

/// The aligned run of `leaf_count` leaves that starts at `leaf_first`, as a request. The run is a
/// power of two and divides leaf_first; the blob may end inside it.
[[nodiscard]] types::BlobRequest chunk_request(const BlobId& blob, std::uint64_t leaf_first,
                                               std::uint64_t leaf_count) noexcept;

/// Checks what a source sent against the blob's address. Null when it is wrong; else the number of
/// leaves it really holds, at least 1. The run's width is read from the proof's length, so an
/// answer may be shorter than what was asked for.
[[nodiscard]] std::optional<std::uint64_t> verify_chunk(const BlobId& blob,
                                                        const types::BlobData& data);

/// The answer to a request from whole content in memory (tests, simulation; the daemon's store
/// reads from disk instead). Null when the request does not fit the content.
[[nodiscard]] std::optional<types::BlobData> answer_from(ByteView content,
                                                         const types::BlobRequest& request);

}  // namespace millrace::blobs
