// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// Downloads of BlobStore: partial blobs, proven leaf by leaf, that survive a crash.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "io/files.hpp"
#include "store/blob_state.hpp"
#include "types/message.hpp"

namespace millrace::store {
namespace {

/// Takes from the partial files what is really there. A power loss may have kept a leaf's hash and
/// lost its bytes, so each is hashed again; whether the hashes belong to the blob, complete() says.
Outcome<void> resume(const std::string& data_path, const std::string& leaves_path,
                     const BlobId& blob, Download& download) {
    if (!io::file_exists(data_path) || !io::file_exists(leaves_path)) return {};
    MILLRACE_TRY(const File data, File::open(data_path, O_RDONLY));
    MILLRACE_TRY(const Bytes hashes,
                 io::read_file(leaves_path, download.leaves.size() * Hash32::size));
    Bytes leaf(crypto::blob_leaf_size);
    for (std::size_t index = 0; (index + 1) * Hash32::size <= hashes.size(); ++index) {
        const auto hash =
            Hash32::from(ByteView{hashes}.subspan(index * Hash32::size, Hash32::size));
        if (hash->is_zero()) continue;
        const std::uint64_t offset = index * crypto::blob_leaf_size;
        const auto part = std::span{leaf}.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(leaf.size(), blob.size - offset)));
        MILLRACE_TRY(const std::size_t count, data.read_up_to(data_path, offset, part));
        if (count != part.size() || crypto::blob_leaves(part).front() != *hash) continue;
        download.leaves[index] = *hash;
        download.present[index] = true;
        ++download.present_count;
    }
    return {};
}

}  // namespace

Outcome<void> BlobStore::begin(const BlobId& blob) {
    if (has(blob) || state_->downloads.contains(blob)) return {};
    if (blob.size == 0 || blob.size > types::blob_size_max) {
        return Err{Failure{"there can be no blob of that size", blob_name(blob), {}}};
    }
    if (state_->downloads.size() >= downloads_max ||
        state_->download_bytes + blob.size > download_bytes_max) {
        return Err{Failure{"too many blobs are being fetched", blob_name(blob),
                           "wait until others are complete"}};
    }
    Download download;
    const auto leaf_count = static_cast<std::size_t>(leaf_count_of(blob.size));
    download.leaves.resize(leaf_count);
    download.present.resize(leaf_count);
    download.in_memory = blob.size <= types::blob_chunk_max;
    if (!download.in_memory) {
        MILLRACE_TRY_VOID(
            resume(state_->partial_data(blob), state_->partial_leaves(blob), blob, download));
    }
    state_->download_bytes += blob.size;
    state_->downloads.emplace(blob, std::move(download));
    return {};
}

Outcome<bool> BlobStore::write_chunk(const BlobId& blob, std::uint64_t offset, ByteView content,
                                     const std::vector<Hash32>& proof) {
    const auto found = state_->downloads.find(blob);
    if (found == state_->downloads.end()) return true;  // complete already, or abandoned
    Download& download = found->second;
    const std::uint64_t width = std::bit_ceil(leaf_count_of(blob.size));
    // The proof's length says how wide the run of leaves is.
    if (proof.size() >= 64 || width >> proof.size() == 0) return false;
    const auto run = static_cast<std::size_t>(width >> proof.size());
    if (!crypto::verify_blob_chunk(blob, offset, content, run, proof)) return false;

    const auto leaf_first = static_cast<std::size_t>(offset / crypto::blob_leaf_size);
    const std::vector<Hash32> hashes = crypto::blob_leaves(content);
    if (download.in_memory) {
        download.memory.resize(static_cast<std::size_t>(blob.size));
        std::ranges::copy(content, download.memory.begin() + static_cast<std::ptrdiff_t>(offset));
    } else {
        const std::string data_path = state_->partial_data(blob);
        const std::string leaves_path = state_->partial_leaves(blob);
        MILLRACE_TRY(const File data, File::open(data_path, O_WRONLY | O_CREAT));
        MILLRACE_TRY_VOID(data.write_at(data_path, offset, content));
        MILLRACE_TRY(const File leaves, File::open(leaves_path, O_WRONLY | O_CREAT));
        Bytes flat;
        for (const Hash32& hash : hashes) {
            flat.insert(flat.end(), hash.bytes.begin(), hash.bytes.end());
        }
        MILLRACE_TRY_VOID(leaves.write_at(leaves_path, leaf_first * Hash32::size, flat));
    }
    for (std::size_t index = 0; index < hashes.size(); ++index) {
        download.leaves[leaf_first + index] = hashes[index];
        if (download.present[leaf_first + index]) continue;
        download.present[leaf_first + index] = true;
        ++download.present_count;
    }
    return true;
}

std::optional<std::uint64_t> BlobStore::next_missing_leaf(const BlobId& blob,
                                                          std::uint64_t leaf_first) const {
    const auto found = state_->downloads.find(blob);
    if (found == state_->downloads.end()) return std::nullopt;
    const std::vector<bool>& present = found->second.present;
    for (std::uint64_t leaf = leaf_first; leaf < present.size(); ++leaf) {
        if (!present[static_cast<std::size_t>(leaf)]) return leaf;
    }
    return std::nullopt;
}

std::vector<bool> BlobStore::present_leaves(const BlobId& blob) const {
    const auto found = state_->downloads.find(blob);
    return found == state_->downloads.end() ? std::vector<bool>{} : found->second.present;
}

std::optional<BlobStore::DownloadProgress> BlobStore::progress(const BlobId& blob) const {
    const auto found = state_->downloads.find(blob);
    if (found == state_->downloads.end()) return std::nullopt;
    return DownloadProgress{.leaves_present = found->second.present_count,
                            .leaves = found->second.leaves.size()};
}

Outcome<void> BlobStore::complete(const BlobId& blob) {
    if (has(blob)) {
        abandon(blob);
        return {};
    }
    const auto found = state_->downloads.find(blob);
    if (found == state_->downloads.end()) return Err{absent_blob(blob)};
    const Download& download = found->second;
    if (download.present_count != download.leaves.size()) {
        return Err{Failure{"the blob is not complete: " + std::to_string(download.present_count) +
                               " of " + std::to_string(download.leaves.size()) + " parts are here",
                           blob_name(blob),
                           {}}};
    }
    if (crypto::blob_root(download.leaves) != blob.root) {
        abandon(blob);
        return Err{Failure{"what was fetched before the restart is damaged", blob_name(blob),
                           "it is fetched again from the start"}};
    }
    if (download.in_memory) {
        MILLRACE_TRY_VOID(put(download.memory));
    } else {
        const std::string data_path = state_->partial_data(blob);
        MILLRACE_TRY(const File data, File::open(data_path, O_RDWR));
        MILLRACE_TRY_VOID(data.sync(data_path));
        MILLRACE_TRY_VOID(state_->publish(data_path, blob, download.leaves));
    }
    abandon(blob);
    return {};
}

void BlobStore::abandon(const BlobId& blob) {
    const auto found = state_->downloads.find(blob);
    if (found == state_->downloads.end()) return;
    if (!found->second.in_memory) {
        ::unlink(state_->partial_data(blob).c_str());
        ::unlink(state_->partial_leaves(blob).c_str());
    }
    state_->download_bytes -= blob.size;
    state_->downloads.erase(found);
}

}  // namespace millrace::store
