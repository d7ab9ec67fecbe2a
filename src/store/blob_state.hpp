// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/blob_file.hpp"
#include "store/blob_index.hpp"
#include "store/blob_store.hpp"

// Private to store/: shared by the .cpp files of BlobStore.
namespace millrace::store {

/// A blob that is on its way. `leaves` holds the hash of each proven leaf, and zero elsewhere.
struct Download {
    std::vector<Hash32> leaves;
    std::vector<bool> present;
    std::uint64_t present_count = 0;
    Bytes memory;  ///< content of a blob of one chunk; empty when files hold it
    bool in_memory = false;
};

struct BlobStore::State {
    std::string folder;
    BlobIndex index;
    /// Held while a blob's file is put in its place or taken from it, together with the index's
    /// change: otherwise one thread could remove the file that another has just put there again.
    std::mutex place_mutex;
    std::atomic<std::uint64_t> temporary_last{0};
    std::unordered_map<BlobId, Download, BlobIdHash> downloads;
    std::uint64_t download_bytes = 0;

    State(std::string root, std::uint64_t bytes_max) : folder{std::move(root)}, index{bytes_max} {}

    [[nodiscard]] std::string shelf_of(const BlobId& blob) const {
        return folder + "/" + to_hex(blob.root.view().first(1));
    }
    [[nodiscard]] std::string path_of(const BlobId& blob) const {
        return shelf_of(blob) + "/" + blob_name(blob);
    }
    [[nodiscard]] std::string tree_path_of(const BlobId& blob) const {
        return path_of(blob) + ".tree";
    }
    [[nodiscard]] std::string partial_data(const BlobId& blob) const {
        return folder + "/partial/" + blob_name(blob) + ".data";
    }
    [[nodiscard]] std::string partial_leaves(const BlobId& blob) const {
        return folder + "/partial/" + blob_name(blob) + ".leaves";
    }
    std::string new_temporary() { return folder + "/tmp/" + std::to_string(++temporary_last); }

    /// Puts a finished, synced file in the blob's place: tree first, so that a blob in its place
    /// always has one; then evicts what has to go.
    Outcome<void> publish(const std::string& finished, const BlobId& blob,
                          const std::vector<Hash32>& leaves);
    /// The same for what a writer holds; a copy that is there already is kept instead.
    Outcome<void> publish(BlobWriter writer);
    void remove_files(const BlobId& blob) const;
    /// Out of the index and into damaged/.
    Failure set_aside(const BlobId& blob);
    Outcome<File> open_complete(const BlobId& blob);
};

/// What a caller is told when a blob is not stored.
Failure absent_blob(const BlobId& blob);

}  // namespace millrace::store
