// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/chain_store.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/assert.hpp"
#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "io/log.hpp"
#include "store/unsynced_files.hpp"

namespace millrace::store {
namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::Slice;
using rocksdb::Status;
using state::Table;

// In the order of state::Table.
constexpr std::array<std::string_view, state::table_count> names{"meta",
                                                                 "accounts",
                                                                 "storage",
                                                                 "codes",
                                                                 "nodes",
                                                                 "account_history",
                                                                 "storage_history",
                                                                 "node_history",
                                                                 "changes",
                                                                 "headers",
                                                                 "bodies",
                                                                 "receipts",
                                                                 "block_numbers",
                                                                 "transactions",
                                                                 "pool"};

/// Keys that are hashes or begin with one: nothing to find in common, and values of a few bytes.
bool is_worth_compressing(Table table) noexcept {
    return table != Table::block_numbers && table != Table::transactions && table != Table::pool;
}

Slice slice_of(ByteView bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
ByteView view_of(const Slice& slice) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(slice.data()), slice.size()};
}

std::string remedy_for(const Status& status) {
    if (status.IsNoSpace()) return "free space on that disk, then start again";
    if (status.IsCorruption())
        return "check the disk; restore the folder from a backup (docs/operations.md, Recovery)";
    const std::string text = status.ToString();
    if (text.find("lock") != std::string::npos) return "another program uses the folder: stop it";
    return "check the disk, its free space, and the owner and mode of the folder";
}

Failure failure_of(std::string what, const Status& status, const std::string& path) {
    return {std::move(what) + ": " + status.ToString(), path, remedy_for(status)};
}

/// No answer given after a failed read could be trusted: the process ends.
[[noreturn]] void end_after_failed_read(const Status& status, const std::string& path) {
    io::log_failure("the process ends, because its chain cannot be read",
                    failure_of("the chain store cannot be read", status, path));
    std::_Exit(EXIT_FAILURE);
}

Outcome<void> check_format(const std::string& path) {
    const std::string file = path + "/FORMAT";
    if (!io::file_exists(file)) {
        if (io::file_exists(path + "/CURRENT"))
            return Err{Failure{"this folder holds a database that is not a chain store", path,
                               "give another folder"}};
        return io::atomic_write_file(file, as_bytes(std::to_string(ChainStore::format) + "\n"));
    }
    MILLRACE_TRY(std::string digits, io::read_text_file(file, 64));
    while (!digits.empty() && (digits.back() == '\n' || digits.back() == ' '))
        digits.pop_back();
    std::uint32_t format = 0;
    const char* const end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, format);
    if (error != std::errc{} || rest != end || format == 0)
        return Err{Failure{"the FORMAT file holds no number", file,
                           "restore the folder from a backup, or start with an empty one"}};
    if (format > ChainStore::format)
        return Err{Failure{"this chain store was written by a newer millrace (format " +
                               std::to_string(format) + ", this program knows " +
                               std::to_string(ChainStore::format) + ")",
                           path, "use the newer program, or a backup made before the upgrade"}};
    return {};
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

/// One cache for blocks, indexes, filters and the rows not yet in files.
struct Memory {
    std::shared_ptr<rocksdb::Cache> cache;
    std::shared_ptr<rocksdb::WriteBufferManager> buffers;
    std::size_t buffer_size = 0;

    explicit Memory(std::size_t size_max)
        : cache{rocksdb::NewLRUCache(size_max, cache_shard_bits, false, important_share)},
          buffers{std::make_shared<rocksdb::WriteBufferManager>(size_max / 3, cache)},
          buffer_size{size_max / 6} {}
};

rocksdb::ColumnFamilyOptions table_options(Table table, const Memory& memory) {
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
    options.target_file_size_base = 32u << 20;
    options.level_compaction_dynamic_level_bytes = true;
    options.compression =
        is_worth_compressing(table) ? compression(false) : rocksdb::kNoCompression;
    if (is_worth_compressing(table)) options.bottommost_compression = compression(true);
    return options;
}

rocksdb::DBOptions database_options(const ChainStore::Options& options, const Memory& memory) {
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

}  // namespace

std::string_view table_name(Table table) noexcept {
    return names[static_cast<std::size_t>(table)];
}

/// The open database; the last of store, views and cursors closes it.
struct ChainStore::Database {
    std::string path;
    Memory memory;
    std::unique_ptr<rocksdb::Env> files;  ///< null: the system's; outlives `rocks`
    std::vector<ColumnFamilyHandle*> tables;
    ColumnFamilyHandle* unnamed = nullptr;  ///< RocksDB insists on a table "default"
    std::unique_ptr<rocksdb::DB> rocks;

    Database(std::string where, const Options& options)
        : path{std::move(where)}, memory{options.memory_max} {
        if (options.hold_unsynced) files = make_unsynced_files();
    }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database() {
        if (!rocks) return;
        for (ColumnFamilyHandle* table : tables)
            rocks->DestroyColumnFamilyHandle(table);
        if (unnamed != nullptr) rocks->DestroyColumnFamilyHandle(unnamed);
    }

    [[nodiscard]] ColumnFamilyHandle* table(Table name) const noexcept {
        return tables[static_cast<std::size_t>(name)];
    }

    [[nodiscard]] std::optional<Bytes> get(const rocksdb::ReadOptions& options, Table name,
                                           ByteView key) const {
        rocksdb::PinnableSlice value;
        const Status status = rocks->Get(options, table(name), slice_of(key), &value);
        if (status.IsNotFound()) return std::nullopt;
        if (!status.ok()) end_after_failed_read(status, path);
        return to_bytes(view_of(value));
    }
};

namespace {

template <typename Database>
class RocksCursor final : public state::KeyValueView::Cursor {
  public:
    RocksCursor(std::shared_ptr<const Database> database, const rocksdb::ReadOptions& options,
                Table table)
        : database_{std::move(database)},
          rows_{database_->rocks->NewIterator(options, database_->table(table))} {
        rows_->SeekToFirst();
        check();
    }

    void seek(ByteView key) override {
        rows_->Seek(slice_of(key));
        check();
    }
    [[nodiscard]] bool valid() const override { return rows_->Valid(); }
    [[nodiscard]] ByteView key() const override { return view_of(rows_->key()); }
    [[nodiscard]] ByteView value() const override { return view_of(rows_->value()); }
    void next() override {
        rows_->Next();
        check();
    }

  private:
    void check() const {
        if (!rows_->Valid() && !rows_->status().ok())
            end_after_failed_read(rows_->status(), database_->path);
    }

    std::shared_ptr<const Database> database_;
    std::unique_ptr<rocksdb::Iterator> rows_;
};

template <typename Database>
class RocksSnapshot final : public state::KeyValueView {
  public:
    explicit RocksSnapshot(std::shared_ptr<const Database> database)
        : database_{std::move(database)} {
        options_.snapshot = database_->rocks->GetSnapshot();
    }
    RocksSnapshot(const RocksSnapshot&) = delete;
    RocksSnapshot& operator=(const RocksSnapshot&) = delete;
    ~RocksSnapshot() override { database_->rocks->ReleaseSnapshot(options_.snapshot); }

    [[nodiscard]] std::optional<Bytes> get(Table table, ByteView key) const override {
        return database_->get(options_, table, key);
    }
    [[nodiscard]] std::unique_ptr<Cursor> cursor(Table table) const override {
        return std::make_unique<RocksCursor<Database>>(database_, options_, table);
    }

  private:
    std::shared_ptr<const Database> database_;
    rocksdb::ReadOptions options_;
};

}  // namespace

Outcome<std::unique_ptr<ChainStore>> ChainStore::open(const std::string& path, Options options) {
    MILLRACE_TRY_VOID(io::make_folder(path, 0700));
    MILLRACE_TRY_VOID(check_format(path));

    auto database = std::make_shared<Database>(path, options);
    rocksdb::DBOptions settings = database_options(options, database->memory);
    if (database->files) settings.env = database->files.get();
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (std::size_t index = 0; index < state::table_count; ++index)
        tables.emplace_back(std::string{names[index]},
                            table_options(static_cast<Table>(index), database->memory));
    tables.emplace_back(rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions{});

    rocksdb::DB* rocks = nullptr;
    const Status opened = rocksdb::DB::Open(settings, path, tables, &database->tables, &rocks);
    if (!opened.ok()) return Err{failure_of("the chain store cannot be opened", opened, path)};
    database->rocks.reset(rocks);
    database->unnamed = database->tables.back();
    database->tables.pop_back();
    return std::unique_ptr<ChainStore>{new ChainStore{std::move(database)}};
}

ChainStore::ChainStore(std::shared_ptr<Database> database) : database_{std::move(database)} {}
ChainStore::~ChainStore() = default;

std::optional<Bytes> ChainStore::get(Table table, ByteView key) const {
    return database_->get({}, table, key);
}

std::unique_ptr<state::KeyValueView::Cursor> ChainStore::cursor(Table table) const {
    return std::make_unique<RocksCursor<Database>>(database_, rocksdb::ReadOptions{}, table);
}

std::shared_ptr<const state::KeyValueView> ChainStore::snapshot() const {
    return std::make_shared<const RocksSnapshot<Database>>(database_);
}

bool ChainStore::write(const state::WriteBatch& batch, state::Durability durability) {
    if (!why_.empty()) return false;
    rocksdb::WriteBatch rows;
    for (const state::WriteBatch::Change& change : batch.changes()) {
        MILLRACE_ASSERT(static_cast<std::size_t>(change.table) < state::table_count);
        const Status added =
            change.value ? rows.Put(database_->table(change.table), slice_of(change.key),
                                    slice_of(*change.value))
                         : rows.Delete(database_->table(change.table), slice_of(change.key));
        MILLRACE_ASSERT(added.ok());
    }
    const bool synced = durability == state::Durability::synced;
    rocksdb::WriteOptions options;
    options.sync = synced;
    const Status written = database_->rocks->Write(options, &rows);
    if (!written.ok()) {
        why_ = failure_of("the chain store cannot be written", written, database_->path).text();
        return false;
    }
    if (synced) io::durable_event("chain-block");
    return true;
}

std::string ChainStore::why() const {
    return why_;
}

Outcome<void> ChainStore::verify() const {
    const Status checked = database_->rocks->VerifyChecksum();
    if (!checked.ok())
        return Err{failure_of("the chain store is damaged", checked, database_->path)};
    return {};
}

Outcome<void> ChainStore::backup(const std::string& path) const {
    rocksdb::Checkpoint* made = nullptr;
    Status status = rocksdb::Checkpoint::Create(database_->rocks.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint{made};
    if (status.ok()) status = checkpoint->CreateCheckpoint(path);
    if (!status.ok()) return Err{failure_of("the copy cannot be made", status, path)};
    return io::atomic_write_file(path + "/FORMAT", as_bytes(std::to_string(format) + "\n"));
}

ChainStore::Figures ChainStore::figures() const {
    Figures figures;
    for (const auto& table : database_->tables) {
        std::uint64_t size = 0;
        if (database_->rocks->GetIntProperty(table, rocksdb::DB::Properties::kTotalSstFilesSize,
                                             &size))
            figures.disk_bytes += size;
    }
    figures.memory_bytes = database_->memory.cache->GetUsage();
    return figures;
}

}  // namespace millrace::store
