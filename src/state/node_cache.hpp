// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bytes.hpp"
#include "state/lru_cache.hpp"

namespace millrace::state {

struct BytesHash {
    std::size_t operator()(const Bytes& bytes) const noexcept {
        return std::hash<std::string_view>{}(as_text(bytes));
    }
};

/// Trie nodes by the key of their row. Any thread: several walk through one trie, each under its
/// own nibble, so the cache is in parts with a lock each; a leaf lock, under which nothing is
/// called but the part's container.
class NodeCache {
  public:
    explicit NodeCache(std::size_t size_max) {
        for (auto& part : parts_)
            part = std::make_unique<Part>(size_max / part_count);
    }

    [[nodiscard]] std::optional<Bytes> find(const Bytes& key) {
        Part& part = part_of(key);
        const std::lock_guard lock{part.mutex};
        const Bytes* known = part.nodes.find(key);
        return known == nullptr ? std::nullopt : std::optional{*known};
    }
    void put(Bytes key, Bytes node) {
        constexpr std::size_t overhead_size = 168;  // list, index and two vectors
        const std::size_t size = key.size() + node.size() + overhead_size;
        Part& part = part_of(key);
        const std::lock_guard lock{part.mutex};
        part.nodes.put(std::move(key), std::move(node), size);
    }
    void erase(const Bytes& key) {
        Part& part = part_of(key);
        const std::lock_guard lock{part.mutex};
        part.nodes.erase(key);
    }
    void clear() {
        for (auto& part : parts_) {
            const std::lock_guard lock{part->mutex};
            part->nodes.clear();
        }
    }

  private:
    static constexpr std::size_t part_count = 16;
    struct Part {
        explicit Part(std::size_t size_max) : nodes{size_max} {}
        std::mutex mutex;
        LruCache<Bytes, Bytes, BytesHash> nodes;
    };

    /// By the first nibbles of an account's path, and by the address's hash of a storage trie.
    [[nodiscard]] Part& part_of(const Bytes& key) noexcept {
        const std::size_t spread = key.size() < 3 ? 0 : std::size_t{key[2]} + (key[2] >> 4);
        return *parts_[spread % part_count];
    }

    std::array<std::unique_ptr<Part>, part_count> parts_;
};

}  // namespace millrace::state
