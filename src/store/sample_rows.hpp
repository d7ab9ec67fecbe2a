// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// A chain store's rows in words, for its tests.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/chain_store.hpp"

namespace millrace::store {

inline Bytes text(std::string_view content) {
    return to_bytes(as_bytes(content));
}

using Row = std::pair<Bytes, Bytes>;

/// The rows of a table in order, from `first` on.
inline std::vector<Row> rows_of(const state::KeyValueView& view, state::Table table,
                                std::string_view first = {}) {
    std::vector<Row> rows;
    const auto cursor = view.cursor(table);
    for (cursor->seek(as_bytes(first)); cursor->valid(); cursor->next())
        rows.emplace_back(to_bytes(cursor->key()), to_bytes(cursor->value()));
    return rows;
}

inline std::unique_ptr<ChainStore> opened(const std::string& path,
                                          ChainStore::Options options = {}) {
    auto store = ChainStore::open(path, options);
    EXPECT_TRUE(store.has_value()) << store.error().text();
    return std::move(store).value();
}

/// Writes one row, safe against loss of power.
inline void put(ChainStore& store, state::Table table, std::string_view key,
                std::string_view value) {
    state::WriteBatch batch;
    batch.put(table, text(key), text(value));
    ASSERT_TRUE(store.write(batch, state::Durability::synced)) << store.why();
}

}  // namespace millrace::store
