// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/blob_index.hpp"

namespace millrace::store {

void BlobIndex::place_last(const BlobId& blob, Entry& entry) {
    entry.place = unpinned_.insert(unpinned_.end(), blob);
    unpinned_bytes_ += blob.size;
}

void BlobIndex::take_out(const BlobId& blob, Entry& entry) {
    if (!entry.place) return;
    unpinned_.erase(*entry.place);
    entry.place.reset();
    unpinned_bytes_ -= blob.size;
}

std::vector<BlobId> BlobIndex::add(const BlobId& blob) {
    const std::lock_guard lock{mutex_};
    const auto [found, added] = entries_.try_emplace(blob);
    if (added) bytes_ += blob.size;
    take_out(blob, found->second);
    if (!pins_.contains(blob)) place_last(blob, found->second);
    std::vector<BlobId> evicted;
    while (unpinned_bytes_ > unpinned_bytes_max_ && unpinned_.front() != blob) {
        const BlobId oldest = unpinned_.front();
        take_out(oldest, entries_.at(oldest));
        entries_.erase(oldest);
        bytes_ -= oldest.size;
        evicted.push_back(oldest);
    }
    return evicted;
}

void BlobIndex::remove(const BlobId& blob) {
    const std::lock_guard lock{mutex_};
    const auto found = entries_.find(blob);
    if (found == entries_.end()) return;
    take_out(blob, found->second);
    entries_.erase(found);
    bytes_ -= blob.size;
}

bool BlobIndex::touch(const BlobId& blob) {
    const std::lock_guard lock{mutex_};
    const auto found = entries_.find(blob);
    if (found == entries_.end()) return false;
    if (found->second.place) {
        unpinned_.splice(unpinned_.end(), unpinned_, *found->second.place);
    }
    return true;
}

bool BlobIndex::has(const BlobId& blob) const {
    const std::lock_guard lock{mutex_};
    return entries_.contains(blob);
}

void BlobIndex::pin(const BlobId& blob) {
    const std::lock_guard lock{mutex_};
    ++pins_[blob];
    const auto found = entries_.find(blob);
    if (found != entries_.end()) take_out(blob, found->second);
}

void BlobIndex::unpin(const BlobId& blob) {
    const std::lock_guard lock{mutex_};
    const auto pinned = pins_.find(blob);
    if (pinned == pins_.end()) return;
    if (--pinned->second != 0) return;
    pins_.erase(pinned);
    const auto found = entries_.find(blob);
    if (found != entries_.end() && !found->second.place) place_last(blob, found->second);
}

std::uint64_t BlobIndex::bytes() const {
    const std::lock_guard lock{mutex_};
    return bytes_;
}

std::uint64_t BlobIndex::count() const {
    const std::lock_guard lock{mutex_};
    return entries_.size();
}

std::vector<BlobId> BlobIndex::all() const {
    const std::lock_guard lock{mutex_};
    std::vector<BlobId> result;
    result.reserve(entries_.size());
    for (const auto& [blob, entry] : entries_)
        result.push_back(blob);
    return result;
}

}  // namespace millrace::store
