// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <iterator>
#include <list>
#include <unordered_set>
#include <utility>

namespace millrace::state {

/// Keeps what was used last, up to a sum of sizes that the caller states. One thread.
template <typename Key, typename Value, typename Hash>
class LruCache {
  public:
    explicit LruCache(std::size_t size_max) : size_max_{size_max} {}

    /// Null when it is not there; valid until the next put, erase or clear.
    [[nodiscard]] const Value* find(const Key& key) {
        const auto found = index_.find(Wanted{key, Hash{}(key)});
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, *found);
        return &(*found)->value;
    }

    void put(Key key, Value value, std::size_t size) {
        const std::size_t hash = Hash{}(key);
        const auto found = index_.find(Wanted{key, hash});
        if (found == index_.end()) {
            entries_.push_front({std::move(key), std::move(value), size, hash});
            index_.insert(entries_.begin());
        } else {
            Entry& entry = **found;
            size_ -= entry.size;
            entry.value = std::move(value);
            entry.size = size;
            entries_.splice(entries_.begin(), entries_, *found);
        }
        size_ += size;
        while (size_ > size_max_)
            erase_at(index_.find(std::prev(entries_.end())));
    }

    void erase(const Key& key) {
        const auto found = index_.find(Wanted{key, Hash{}(key)});
        if (found != index_.end()) erase_at(found);
    }

    void clear() {
        index_.clear();
        entries_.clear();
        size_ = 0;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    struct Entry {
        Key key;
        Value value;
        std::size_t size;
        std::size_t hash;  ///< of the key: walking a bucket must not compute it again
    };
    using Place = typename std::list<Entry>::iterator;
    struct Wanted {
        const Key& key;
        std::size_t hash;
    };
    /// Entries by their keys, which stand in the list alone.
    struct PlaceHash {
        using is_transparent = void;
        std::size_t operator()(const Wanted& wanted) const noexcept { return wanted.hash; }
        std::size_t operator()(const Place& place) const noexcept { return place->hash; }
    };
    struct PlaceEqual {
        using is_transparent = void;
        bool operator()(const Place& left, const Place& right) const { return left == right; }
        bool operator()(const Wanted& left, const Place& right) const {
            return left.hash == right->hash && left.key == right->key;
        }
        bool operator()(const Place& left, const Wanted& right) const {
            return (*this)(right, left);
        }
    };
    using Index = std::unordered_set<Place, PlaceHash, PlaceEqual>;

    void erase_at(typename Index::iterator found) {
        const Place place = *found;
        size_ -= place->size;
        index_.erase(found);
        entries_.erase(place);
    }

    std::size_t size_max_;
    std::size_t size_ = 0;
    std::list<Entry> entries_;  ///< used last first
    Index index_;
};

}  // namespace millrace::state
