// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <list>
#include <unordered_map>
#include <utility>

namespace millrace::state {

/// Keeps what was used last, up to a sum of sizes that the caller states. One thread.
template <typename Key, typename Value, typename Hash>
class LruCache {
  public:
    explicit LruCache(std::size_t size_max) : size_max_{size_max} {}

    /// Null when it is not there; valid until the next put, erase or clear.
    [[nodiscard]] const Value* find(const Key& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->value;
    }

    void put(const Key& key, Value value, std::size_t size) {
        erase(key);
        entries_.push_front({key, std::move(value), size});
        index_.emplace(key, entries_.begin());
        size_ += size;
        while (size_ > size_max_)
            erase(Key{entries_.back().key});
    }

    void erase(const Key& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return;
        size_ -= found->second->size;
        entries_.erase(found->second);
        index_.erase(found);
    }

    void clear() {
        entries_.clear();
        index_.clear();
        size_ = 0;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    struct Entry {
        Key key;
        Value value;
        std::size_t size;
    };
    std::size_t size_max_;
    std::size_t size_ = 0;
    std::list<Entry> entries_;  ///< used last first
    std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> index_;
};

}  // namespace millrace::state
