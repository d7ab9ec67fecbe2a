// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "crypto/cipher.hpp"
#include "crypto/merkle.hpp"
#include "types/task.hpp"

namespace millrace::store {

using crypto::BlobId;

/// Bytes with the proof a receiver checks them by (crypto::verify_blob_chunk).
struct BlobChunk {
    Bytes content;
    std::vector<Hash32> proof;
};

/// Content-addressed blobs as plain files with their leaf hashes beside them
/// (docs/formats/store.md). A blob is visible only when it is complete, verified and durable: what
/// a crash or a full disk leaves is a partial download that resumes, or a temporary file that
/// open() removes.
///
/// `cache_bytes_max` bounds the bytes of complete blobs that are not pinned: the least recently
/// used of them are removed as new ones come. Pinned blobs are never removed and not bounded here.
/// Pins live in memory: who owns a blob pins it again after a start. The newest blob stays even
/// when it alone is over the bound. "Recently" is known since the start only; before, the file's
/// time counts.
///
/// Any thread may call any function, except that those of downloads (begin to abandon) are for one
/// thread. A lock is held while a finished file is put in place or removed, never while content is
/// read, written or hashed.
class BlobStore {
  public:
    static constexpr std::uint64_t cache_bytes_default = 20ull << 30;
    static constexpr std::size_t downloads_max = 65'536;              ///< begun, not complete
    static constexpr std::uint64_t download_bytes_max = 64ull << 30;  ///< of all of them together

    static Outcome<std::unique_ptr<BlobStore>> open(
        const std::string& folder, std::uint64_t cache_bytes_max = cache_bytes_default);
    ~BlobStore();

    /// Durable on return. Storing what is there already is cheap and no error.
    Outcome<BlobId> put(ByteView content);
    /// Streams a file in; never holds more than a few leaves in memory.
    Outcome<BlobId> put_file(const std::string& path);

    [[nodiscard]] bool has(const BlobId& blob) const;
    /// Whole content; Failure when it is absent, longer than `size_max` or damaged (hash checked).
    Outcome<Bytes> read(const BlobId& blob, std::uint64_t size_max);
    /// Up to `size` bytes from `offset`; not hash checked.
    Outcome<Bytes> read_range(const BlobId& blob, std::uint64_t offset, std::uint64_t size);
    /// For BlobRequest: bytes and proof from the leaf hashes beside the blob, without reading the
    /// rest. `offset` is leaf-aligned, `size` at most types::blob_chunk_max. The answer may be
    /// shorter than `size`: the largest aligned power-of-two run of leaves that starts at `offset`,
    /// so that one proof covers it; at least one leaf.
    Outcome<BlobChunk> read_chunk(const BlobId& blob, std::uint64_t offset, std::uint32_t size);
    /// Path of the complete blob's file, to be opened read-only; absent when not stored.
    [[nodiscard]] std::optional<std::string> path_of(const BlobId& blob) const;

    /// Starts or resumes a download: what a crash left is hashed again, and only what is sound
    /// counts. A blob of up to 512 KiB (one chunk) is kept in memory until it is complete: there is
    /// nothing to resume. No effect when the blob is there (complete() then succeeds).
    Outcome<void> begin(const BlobId& blob);
    /// Bytes of whole leaves (the blob's last excepted), already proven by the caller or not:
    /// `proof` is checked here. False: the proof is wrong, nothing was written.
    Outcome<bool> write_chunk(const BlobId& blob, std::uint64_t offset, ByteView content,
                              const std::vector<Hash32>& proof);
    /// First leaf from `leaf_first` on that is missing; absent when none is.
    [[nodiscard]] std::optional<std::uint64_t> next_missing_leaf(const BlobId& blob,
                                                                 std::uint64_t leaf_first) const;
    /// Per leaf, for blobs::Want; empty when no download of it has begun.
    [[nodiscard]] std::vector<bool> present_leaves(const BlobId& blob) const;
    /// Leaves present and in all.
    struct DownloadProgress {
        std::uint64_t leaves_present = 0;
        std::uint64_t leaves = 0;
    };
    [[nodiscard]] std::optional<DownloadProgress> progress(const BlobId& blob) const;
    /// Verifies the whole, makes it durable and visible. A crash point.
    Outcome<void> complete(const BlobId& blob);
    /// Forgets the download and removes its files.
    /// Forgets the download and removes its files.
    void abandon(const BlobId& blob);

    /// Counted: pin twice, unpin twice. A blob may be pinned before it is stored.
    void pin(const BlobId& blob);
    void unpin(const BlobId& blob);
    [[nodiscard]] std::uint64_t stored_bytes() const noexcept;
    [[nodiscard]] std::uint64_t blob_count() const noexcept;

    /// Stores `plain` enciphered with the job's key (label = plain root) and says both addresses.
    Outcome<types::SealedBlob> put_sealed(ByteView plain, const crypto::JobKey& key);
    Outcome<types::SealedBlob> put_sealed_file(const std::string& path, const crypto::JobKey& key);
    /// The plain content, checked against sealed.plain.
    Outcome<Bytes> open_sealed(const types::SealedBlob& sealed, const crypto::JobKey& key,
                               std::uint64_t size_max);
    /// The same into a file (atomic, 0644), streaming.
    Outcome<void> open_sealed_to(const types::SealedBlob& sealed, const crypto::JobKey& key,
                                 const std::string& path);

    /// Reads everything and names damaged blobs; they are moved to blobs/damaged and gone from
    /// here.
    Outcome<std::vector<BlobId>> verify();

  private:
    BlobStore();
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::store
