// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <rocksdb/options.h>

#include <memory>

#include "store/chain_store.hpp"

// Private to store/: how RocksDB is set up for a chain.
namespace millrace::store {

/// One cache for blocks, indexes, filters and the rows not yet in files; beside it the layers that
/// are not applied yet.
struct ChainMemory {
    std::shared_ptr<rocksdb::Cache> cache;
    std::shared_ptr<rocksdb::WriteBufferManager> buffers;
    std::size_t buffer_size = 0;

    explicit ChainMemory(std::size_t size_max);
};

/// Of `memory_max`, what layers may take: a block of 5,000 transfers is one of some 6 MiB.
constexpr std::size_t layers_size_max(std::size_t memory_max) noexcept {
    return memory_max / 6;
}

rocksdb::ColumnFamilyOptions table_settings(state::Table table, const ChainMemory& memory);
rocksdb::ColumnFamilyOptions journal_settings(const ChainMemory& memory);
rocksdb::DBOptions database_settings(const ChainStore::Options& options, const ChainMemory& memory);

}  // namespace millrace::store
