// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/chain_settings.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>

namespace millrace::store {
namespace {

using state::Table;

/// Keys that are hashes or begin with one: nothing to find in common, and values of a few bytes.
bool is_worth_compressing(Table table) noexcept {
    return table != Table::block_numbers && table != Table::transactions && table != Table::pool;
}

rocksdb::CompressionType compression(bool for_the_bottom) {
    const auto known = rocksdb::GetSupportedCompressions();
    const auto wanted = for_the_bottom ? rocksdb::kZSTD : rocksdb::kLZ4Compression;
    return std::ranges::find(known, wanted) != known.end() ? wanted : rocksdb::kNoCompression;
}

// Few shards, so that one block is small beside the part of the cache it has to fit in; a part that
// indexes and filters keep against the blocks of rows.
constexpr int cache_shard_bits = 2;
constexpr double important_share = 0.5;

rocksdb::ColumnFamilyOptions settings(bool is_compressed, const ChainMemory& memory) {
    rocksdb::BlockBasedTableOptions blocks;
    blocks.block_cache = memory.cache;
    blocks.cache_index_and_filter_blocks = true;
    blocks.pin_top_level_index_and_filter = true;
    blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    // In pieces: rows are small, a whole filter of one file is a megabyte, and a bounded cache
    // would read it again for every row.
    blocks.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    blocks.partition_filters = true;
    blocks.format_version = 5;

    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
    options.write_buffer_size = memory.buffer_size;
    options.max_write_buffer_number = 2;
    options.arena_block_size = 256u << 10;
    // Most reads of a block of transfers ask for accounts that are not there yet.
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.05;
    options.target_file_size_base = 32u << 20;
    options.level_compaction_dynamic_level_bytes = true;
    options.compression = is_compressed ? compression(false) : rocksdb::kNoCompression;
    if (is_compressed) options.bottommost_compression = compression(true);
    return options;
}

}  // namespace

ChainMemory::ChainMemory(std::size_t size_max)
    : cache{rocksdb::NewLRUCache(size_max, cache_shard_bits, false, important_share)},
      buffers{std::make_shared<rocksdb::WriteBufferManager>(size_max / 3, cache)},
      buffer_size{size_max / 6} {}

rocksdb::ColumnFamilyOptions table_settings(Table table, const ChainMemory& memory) {
    return settings(is_worth_compressing(table), memory);
}

rocksdb::ColumnFamilyOptions journal_settings(const ChainMemory& memory) {
    // Its rows are gone before they would come into a file, but for a few.
    return settings(false, memory);
}

rocksdb::DBOptions database_settings(const ChainStore::Options& options,
                                     const ChainMemory& memory) {
    rocksdb::DBOptions all;
    all.create_if_missing = true;
    all.create_missing_column_families = true;
    all.write_buffer_manager = memory.buffers;
    all.max_open_files = options.files_open_max;
    all.max_background_jobs = 2;
    // What a start has to read again at most: the log of tables that are seldom written.
    all.max_total_wal_size = 64u << 20;
    // Power lost in the middle of a write leaves a torn end of the log: all before it counts.
    all.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    all.track_and_verify_wals_in_manifest = true;
    all.info_log_level = rocksdb::WARN_LEVEL;
    all.keep_log_file_num = 2;
    all.max_log_file_size = 1u << 20;
    all.stats_dump_period_sec = 0;
    all.stats_persist_period_sec = 0;
    return all;
}

}  // namespace millrace::store
