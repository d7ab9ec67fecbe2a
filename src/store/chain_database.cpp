// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/chain_database.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/assert.hpp"
#include "io/crash_point.hpp"
#include "io/log.hpp"
#include "store/chain_settings.hpp"
#include "store/unsynced_files.hpp"

namespace millrace::store {
namespace {

using rocksdb::Slice;
using rocksdb::Status;
using state::Table;

/// Rows that are applied in one step. The writer of the journal waits for one step at most.
constexpr std::size_t step_rows_max = 512;
constexpr std::size_t step_rows_max_of_crashes = 16;

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

std::string write_failure(const Status& status, const std::string& path) {
    return failure_of("the chain store cannot be written", status, path).text();
}

using JournalKey = std::array<char, 8>;

JournalKey journal_key(std::uint64_t number) noexcept {
    JournalKey key{};
    for (std::size_t index = 0; index < key.size(); ++index)
        key[index] = static_cast<char>(number >> (56 - 8 * index));
    return key;
}

Slice slice_of(const JournalKey& key) noexcept {
    return {key.data(), key.size()};
}

}  // namespace

class ChainDatabase::Cursor final : public state::KeyValueView::Cursor {
  public:
    Cursor(std::shared_ptr<const ChainDatabase> database, const rocksdb::ReadOptions& options,
           Table table)
        : database_{std::move(database)},
          rows_{database_->rocks_->NewIterator(options, database_->table(table))} {
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
            end_after_failed_read(rows_->status(), database_->path_);
    }

    std::shared_ptr<const ChainDatabase> database_;
    std::unique_ptr<rocksdb::Iterator> rows_;
};

class ChainDatabase::Snapshot final : public state::KeyValueView {
  public:
    explicit Snapshot(std::shared_ptr<const ChainDatabase> database)
        : database_{std::move(database)} {
        options_.snapshot = database_->rocks_->GetSnapshot();
    }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;
    ~Snapshot() override { database_->rocks_->ReleaseSnapshot(options_.snapshot); }

    [[nodiscard]] std::optional<Bytes> get(Table table, ByteView key) const override {
        return database_->get(options_, table, key);
    }
    [[nodiscard]] std::unique_ptr<state::KeyValueView::Cursor> cursor(Table table) const override {
        return std::make_unique<ChainDatabase::Cursor>(database_, options_, table);
    }

  private:
    std::shared_ptr<const ChainDatabase> database_;
    rocksdb::ReadOptions options_;
};

ChainDatabase::ChainDatabase(std::string path, const ChainStore::Options& options)
    : path_{std::move(path)},
      crashes_while_applying_{options.crash_while_applying},
      step_rows_max_{crashes_while_applying_ ? step_rows_max_of_crashes : step_rows_max},
      memory_{
          std::make_unique<ChainMemory>(options.memory_max - layers_size_max(options.memory_max))} {
    if (options.hold_unsynced) files_ = make_unsynced_files();
}

ChainDatabase::~ChainDatabase() {
    if (!rocks_) return;
    for (rocksdb::ColumnFamilyHandle* table : tables_)
        rocks_->DestroyColumnFamilyHandle(table);
    if (journal_ != nullptr) rocks_->DestroyColumnFamilyHandle(journal_);
}

Outcome<std::shared_ptr<ChainDatabase>> ChainDatabase::open(const std::string& path,
                                                            const ChainStore::Options& options) {
    std::shared_ptr<ChainDatabase> database{new ChainDatabase{path, options}};
    const ChainMemory& memory = *database->memory_;
    rocksdb::DBOptions settings = database_settings(options, memory);
    if (database->files_) settings.env = database->files_.get();
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (std::size_t index = 0; index < state::table_count; ++index) {
        const auto table = static_cast<Table>(index);
        tables.emplace_back(std::string{table_name(table)}, table_settings(table, memory));
    }
    tables.emplace_back(rocksdb::kDefaultColumnFamilyName, journal_settings(memory));

    rocksdb::DB* rocks = nullptr;
    const Status opened = rocksdb::DB::Open(settings, path, tables, &database->tables_, &rocks);
    if (!opened.ok()) return Err{failure_of("the chain store cannot be opened", opened, path)};
    database->rocks_.reset(rocks);
    database->journal_ = database->tables_.back();
    database->tables_.pop_back();
    MILLRACE_TRY_VOID(database->apply_journal());
    return database;
}

/// What a process that ended had not applied. Applying some of it again changes nothing.
Outcome<void> ChainDatabase::apply_journal() {
    const std::unique_ptr<rocksdb::Iterator> rows{rocks_->NewIterator({}, journal_)};
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        std::uint64_t number = 0;
        for (const std::uint8_t byte : view_of(rows->key()))
            number = number << 8 | byte;
        const RowLayerPtr layer = RowLayer::decode(to_bytes(view_of(rows->value())));
        if (!layer || rows->key() != slice_of(journal_key(number)))
            return Err{Failure{"the journal of the chain store cannot be read", path_,
                               "restore the folder from a backup (docs/operations.md, Recovery)"}};
        if (const auto why = apply(*layer, number)) return Err{Failure{*why, {}, {}}};
    }
    if (!rows->status().ok())
        return Err{failure_of("the chain store cannot be read", rows->status(), path_)};
    return {};
}

std::optional<Bytes> ChainDatabase::get(const rocksdb::ReadOptions& options, Table name,
                                        ByteView key) const {
    rocksdb::PinnableSlice value;
    const Status status = rocks_->Get(options, table(name), slice_of(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) end_after_failed_read(status, path_);
    return to_bytes(view_of(value));
}

std::optional<Bytes> ChainDatabase::get(Table table, ByteView key) const {
    return get(rocksdb::ReadOptions{}, table, key);
}

std::shared_ptr<const state::KeyValueView> ChainDatabase::snapshot() const {
    return std::make_shared<const Snapshot>(shared_from_this());
}

std::optional<std::string> ChainDatabase::write(rocksdb::WriteBatch& rows, bool synced) {
    rocksdb::WriteOptions options;
    options.sync = synced;
    const Status written = rocks_->Write(options, &rows);
    if (!written.ok()) return write_failure(written, path_);
    return std::nullopt;
}

std::optional<std::string> ChainDatabase::write(const state::WriteBatch& batch, bool synced) {
    rocksdb::WriteBatch rows;
    for (std::size_t index = 0; index < batch.size(); ++index) {
        const state::WriteBatch::Change change = batch.change(index);
        const Status added = change.value ? rows.Put(table(change.table), slice_of(change.key),
                                                     slice_of(*change.value))
                                          : rows.Delete(table(change.table), slice_of(change.key));
        MILLRACE_ASSERT(added.ok());
    }
    return write(rows, synced);
}

std::optional<std::string> ChainDatabase::append_journal(std::uint64_t number,
                                                         const RowLayer& layer, bool synced) {
    rocksdb::WriteBatch rows;
    const JournalKey key = journal_key(number);
    const Status added = rows.Put(journal_, slice_of(key), slice_of(layer.encoded()));
    MILLRACE_ASSERT(added.ok());
    return write(rows, synced);
}

std::optional<std::string> ChainDatabase::apply(const RowLayer& layer, std::uint64_t number) {
    rocksdb::WriteBatch step;
    std::size_t count = 0;
    for (std::size_t name = 0; name < state::table_count; ++name) {
        const auto at = static_cast<Table>(name);
        for (std::size_t index = 0; index < layer.count(at); ++index) {
            const RowLayer::RowView row = layer.row(at, index);
            const Status added = row.is_erased
                                     ? step.Delete(table(at), slice_of(row.key))
                                     : step.Put(table(at), slice_of(row.key), slice_of(row.value));
            MILLRACE_ASSERT(added.ok());
            if (++count % step_rows_max_ != 0) continue;
            if (auto why = write(step, false)) return why;
            step.Clear();
            if (crashes_while_applying_) io::durable_event("chain-applying");
        }
    }
    // The journal forgets the layer with the last of its rows.
    const JournalKey key = journal_key(number);
    MILLRACE_ASSERT(step.Delete(journal_, slice_of(key)).ok());
    if (auto why = write(step, false)) return why;
    if (crashes_while_applying_) io::durable_event("chain-applied");
    return std::nullopt;
}

Outcome<void> ChainDatabase::verify() const {
    const Status checked = rocks_->VerifyChecksum();
    if (!checked.ok()) return Err{failure_of("the chain store is damaged", checked, path_)};
    return {};
}

Outcome<void> ChainDatabase::backup(const std::string& path) const {
    rocksdb::Checkpoint* made = nullptr;
    Status status = rocksdb::Checkpoint::Create(rocks_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint{made};
    if (status.ok()) status = checkpoint->CreateCheckpoint(path);
    if (!status.ok()) return Err{failure_of("the copy cannot be made", status, path)};
    return {};
}

ChainStore::Figures ChainDatabase::figures() const {
    ChainStore::Figures figures;
    for (rocksdb::ColumnFamilyHandle* table : tables_) {
        std::uint64_t size = 0;
        if (rocks_->GetIntProperty(table, rocksdb::DB::Properties::kTotalSstFilesSize, &size))
            figures.disk_bytes += size;
    }
    figures.memory_bytes = memory_->cache->GetUsage();
    return figures;
}

}  // namespace millrace::store
