// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/failure.hpp"
#include "crypto/merkle.hpp"

// Private to store/: one blob's bytes and its tree on disk (docs/formats/store.md).
namespace millrace::store {

using crypto::BlobId;

/// A blob up to this size has no tree file: its leaves are hashed again when they are asked for.
inline constexpr std::uint64_t treeless_size_max = 1u << 20;
/// Bytes read or written at a time when streaming; whole leaves.
inline constexpr std::size_t stream_step = 1u << 20;

[[nodiscard]] constexpr std::uint64_t leaf_count_of(std::uint64_t size) noexcept {
    return (size + crypto::blob_leaf_size - 1) / crypto::blob_leaf_size;
}
/// "<root in hex>-<size>".
std::string blob_name(const BlobId& blob);
std::optional<BlobId> parse_blob_name(std::string_view name);

/// An open descriptor, closed when it goes.
class File {
  public:
    File() = default;
    explicit File(int fd) noexcept : fd_{fd} {}
    File(File&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    File& operator=(File&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~File() { close(); }
    void close() noexcept;
    [[nodiscard]] int get() const noexcept { return fd_; }

    /// `flags` as of open(2), O_CLOEXEC added.
    static Outcome<File> open(const std::string& path, int flags);
    Outcome<void> write_at(const std::string& path, std::uint64_t offset, ByteView bytes) const;
    /// Exactly `target`; Failure when the file ends before.
    Outcome<void> read_at(const std::string& path, std::uint64_t offset,
                          std::span<std::uint8_t> target) const;
    /// Up to `target`; fewer only at the end.
    Outcome<std::size_t> read_up_to(const std::string& path, std::uint64_t offset,
                                    std::span<std::uint8_t> target) const;
    Outcome<void> sync(const std::string& path) const;

  private:
    int fd_ = -1;
};

/// Writes a temporary file front to back and hashes its leaves on the way. Removed when it goes,
/// unless released.
class BlobWriter {
  public:
    static Outcome<BlobWriter> create(const std::string& path);
    BlobWriter(BlobWriter&&) noexcept = default;
    BlobWriter& operator=(BlobWriter&&) = delete;
    ~BlobWriter();

    /// All calls but the last are of whole leaves.
    Outcome<void> append(ByteView bytes);
    /// fsync; then id() and leaves() are final.
    Outcome<void> finish();
    [[nodiscard]] BlobId id() const { return {crypto::blob_root(leaves_), size_}; }
    [[nodiscard]] const std::vector<Hash32>& leaves() const noexcept { return leaves_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    void release() noexcept { path_.clear(); }

  private:
    BlobWriter() = default;
    std::string path_;
    File file_;
    std::uint64_t size_ = 0;
    std::vector<Hash32> leaves_;
};

/// All layers of the tree over `leaves`, lowest first, without padding.
Bytes encode_tree(std::uint64_t size, const std::vector<Hash32>& leaves);
/// The sibling path of an aligned run of leaves, read from a tree file.
Outcome<std::vector<Hash32>> read_proof(const std::string& tree_path, std::uint64_t size,
                                        std::uint64_t leaf_first, std::uint64_t leaf_count);

}  // namespace millrace::store
