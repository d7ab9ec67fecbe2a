// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "crypto/merkle.hpp"
#include "types/record.hpp"

namespace millrace::sim {

/// A machine's rows as its database holds them after the last commit.
class RecordDisk {
  public:
    void put(const types::Record& record) { rows_[{record.table, record.key}] = record.value; }
    void erase(const std::string& table, const Bytes& key) { rows_.erase({table, key}); }
    [[nodiscard]] std::vector<types::Record> all() const {
        std::vector<types::Record> records;
        records.reserve(rows_.size());
        for (const auto& [key, value] : rows_)
            records.push_back({key.first, key.second, value});
        return records;
    }
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  private:
    std::map<std::pair<std::string, Bytes>, Bytes> rows_;
};

/// Blobs of one computer. Complete ones survive a crash; leaves of a partial download survive only
/// as far as the disk had written them.
class BlobDisk {
  public:
    void put(const crypto::BlobId& id, Bytes content) { complete_[id] = std::move(content); }
    /// Null when it is not complete. The empty blob is always there.
    [[nodiscard]] const Bytes* find(const crypto::BlobId& id) const {
        if (id.size == 0) return &empty_;
        const auto found = complete_.find(id);
        return found == complete_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] std::vector<bool> present(const crypto::BlobId& id) const {
        const auto found = partial_.find(id);
        return found == partial_.end() ? std::vector<bool>{} : found->second.present;
    }
    void write(const crypto::BlobId& id, std::uint64_t offset, ByteView content) {
        Partial& partial = partial_[id];
        const std::size_t leaf_size = crypto::blob_leaf_size;
        partial.content.resize(id.size);
        partial.present.resize((id.size + leaf_size - 1) / leaf_size);
        std::ranges::copy(content, partial.content.begin() + static_cast<std::ptrdiff_t>(offset));
        for (std::size_t at = 0; at < content.size(); at += leaf_size)
            partial.present[(offset + at) / leaf_size] = true;
    }
    /// Whole now: checks it against its address.
    [[nodiscard]] bool complete(const crypto::BlobId& id) {
        const auto found = partial_.find(id);
        if (found == partial_.end()) return find(id) != nullptr;
        if (crypto::blob_id(found->second.content) != id) return false;
        complete_[id] = std::move(found->second.content);
        partial_.erase(found);
        return true;
    }
    /// Every leaf for which `survives()` is false was only in the cache of the disk.
    template <typename Survives>
    void crash(Survives survives) {
        for (auto& [id, partial] : partial_) {
            for (std::size_t leaf = 0; leaf < partial.present.size(); ++leaf)
                if (partial.present[leaf] && !survives()) partial.present[leaf] = false;
        }
    }

  private:
    struct Partial {
        Bytes content;
        std::vector<bool> present;
    };
    std::map<crypto::BlobId, Bytes> complete_;
    std::map<crypto::BlobId, Partial> partial_;
    Bytes empty_;
};

}  // namespace millrace::sim
