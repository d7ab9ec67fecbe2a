// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Inside of StateDatabase, shared by its source files.

#include <mutex>

#include "state/code_cache.hpp"
#include "state/database.hpp"
#include "state/head_rows.hpp"
#include "state/node_cache.hpp"
#include "state/rows.hpp"
#include "trie/source.hpp"

namespace millrace::state {

/// What staged rows will make of the caches once they are written.
struct PendingBlock {
    Height height;
    std::vector<std::pair<Bytes, std::optional<Bytes>>> nodes;
    HeadRows::Changes head_rows;
    bool is_absorbed = false;
};

struct StateDatabase::State {
    State(KeyValueStore& rows, Options options);

    KeyValueStore& store;
    std::shared_ptr<CodeCache> codes;

    /// As the store holds them at the head; only the writer's.
    NodeCache nodes;
    HeadRows head_rows;
    std::optional<PendingBlock> pending;
    std::optional<Height> head;
    Height pruned;  ///< as the store has it, or will have with what is staged

    [[nodiscard]] std::optional<Bytes> node(const Bytes& key);

    /// A leaf lock around one pointer: readers take the newest snapshot while the writer replaces
    /// it; nothing is called under it.
    [[nodiscard]] std::shared_ptr<const StateSnapshot> published() const;
    void publish();

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const StateSnapshot> published_;
};

}  // namespace millrace::state
