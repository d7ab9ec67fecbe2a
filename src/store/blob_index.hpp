// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "crypto/merkle.hpp"

// Private to store/: which blobs are complete, who pins them, and what goes when space is short.
namespace millrace::store {

using crypto::BlobId;

struct BlobIdHash {
    std::size_t operator()(const BlobId& blob) const noexcept {
        return FixedBytesHash{}(blob.root) ^ static_cast<std::size_t>(blob.size);
    }
};

/// A leaf structure: any thread; its mutex is held for a few map operations and never while calling
/// out. A blob is in `entries_` exactly while its file is complete in its place; the list orders
/// the unpinned ones, least recently used first, and `unpinned_bytes_` is the sum of their sizes.
class BlobIndex {
  public:
    explicit BlobIndex(std::uint64_t unpinned_bytes_max)
        : unpinned_bytes_max_{unpinned_bytes_max} {}

    /// Adds a complete blob as the most recently used, and takes out those that have to go for it:
    /// the caller removes their files.
    std::vector<BlobId> add(const BlobId& blob);
    void remove(const BlobId& blob);
    /// Marks it used. False when it is absent.
    bool touch(const BlobId& blob);
    [[nodiscard]] bool has(const BlobId& blob) const;
    void pin(const BlobId& blob);
    void unpin(const BlobId& blob);
    [[nodiscard]] std::uint64_t bytes() const;
    [[nodiscard]] std::uint64_t count() const;
    [[nodiscard]] std::vector<BlobId> all() const;

  private:
    struct Entry {
        std::optional<std::list<BlobId>::iterator> place;  ///< absent while pinned
    };
    void place_last(const BlobId& blob, Entry& entry);
    void take_out(const BlobId& blob, Entry& entry);

    const std::uint64_t unpinned_bytes_max_;
    mutable std::mutex mutex_;
    std::unordered_map<BlobId, Entry, BlobIdHash> entries_;
    std::unordered_map<BlobId, std::uint64_t, BlobIdHash> pins_;
    std::list<BlobId> unpinned_;
    std::uint64_t unpinned_bytes_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace millrace::store
