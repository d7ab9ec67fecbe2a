// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Inside of StateDatabase, shared by its source files.

#include <mutex>

#include "state/code_cache.hpp"
#include "state/database.hpp"
#include "state/lru_cache.hpp"
#include "state/rows.hpp"
#include "trie/source.hpp"

namespace millrace::state {

struct BytesHash {
    std::size_t operator()(const Bytes& bytes) const noexcept {
        return std::hash<std::string_view>{}(as_text(bytes));
    }
};

struct StateDatabase::State {
    State(KeyValueStore& rows, Options options);

    KeyValueStore& store;
    std::shared_ptr<CodeCache> codes;

    /// Nodes as the store holds them at the head; only the writer's.
    LruCache<Bytes, Bytes, BytesHash> nodes;
    /// What staged rows will make of `nodes` once they are written.
    struct Pending {
        Height height;
        std::vector<std::pair<Bytes, std::optional<Bytes>>> nodes;
    };
    std::optional<Pending> pending;
    std::optional<Height> head;

    [[nodiscard]] std::optional<Bytes> node(const Bytes& key);
    void cache_node(const Bytes& key, const Bytes& node);

    /// A leaf lock around one pointer: readers take the newest snapshot while the writer replaces
    /// it; nothing is called under it.
    [[nodiscard]] std::shared_ptr<const StateSnapshot> published() const;
    void publish();

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const StateSnapshot> published_;
};

}  // namespace millrace::state
