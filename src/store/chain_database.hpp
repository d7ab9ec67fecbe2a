// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "store/chain_store.hpp"
#include "store/layer_queue.hpp"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Env;
struct ReadOptions;
class WriteBatch;
}  // namespace rocksdb

// Private to store/.
namespace millrace::store {

struct ChainMemory;

/// The open RocksDB folder of a chain: its tables, and the journal of batches not yet in them.
/// The last of store, views and cursors closes it.
class ChainDatabase final : public LayerBase, public std::enable_shared_from_this<ChainDatabase> {
  public:
    /// Creates the folder if absent; brings what the journal holds into the tables.
    static Outcome<std::shared_ptr<ChainDatabase>> open(const std::string& path,
                                                        const ChainStore::Options& options);
    ChainDatabase(const ChainDatabase&) = delete;
    ChainDatabase& operator=(const ChainDatabase&) = delete;
    ~ChainDatabase() override;

    // LayerBase
    [[nodiscard]] std::optional<Bytes> get(state::Table table, ByteView key) const override;
    [[nodiscard]] std::shared_ptr<const state::KeyValueView> snapshot() const override;
    [[nodiscard]] std::optional<std::string> apply(const RowLayer& layer,
                                                   std::uint64_t number) override;

    /// Into the tables at once. Null: done; else why not.
    [[nodiscard]] std::optional<std::string> write(const state::WriteBatch& batch, bool synced);
    /// Into the journal. Numbers rise.
    [[nodiscard]] std::optional<std::string> append_journal(std::uint64_t number,
                                                            const RowLayer& layer, bool synced);

    [[nodiscard]] Outcome<void> verify() const;
    [[nodiscard]] Outcome<void> backup(const std::string& path) const;
    [[nodiscard]] ChainStore::Figures figures() const;

  private:
    class Snapshot;
    class Cursor;
    ChainDatabase(std::string path, const ChainStore::Options& options);
    Outcome<void> apply_journal();
    [[nodiscard]] rocksdb::ColumnFamilyHandle* table(state::Table name) const noexcept {
        return tables_[static_cast<std::size_t>(name)];
    }
    [[nodiscard]] std::optional<Bytes> get(const rocksdb::ReadOptions& options, state::Table name,
                                           ByteView key) const;
    [[nodiscard]] std::optional<std::string> write(rocksdb::WriteBatch& rows, bool synced);

    const std::string path_;
    const bool crashes_while_applying_;
    const std::size_t step_rows_max_;
    const std::unique_ptr<ChainMemory> memory_;
    std::unique_ptr<rocksdb::Env> files_;  ///< null: the system's; outlives `rocks_`
    std::unique_ptr<rocksdb::DB> rocks_;
    std::vector<rocksdb::ColumnFamilyHandle*> tables_;
    rocksdb::ColumnFamilyHandle* journal_ = nullptr;
};

}  // namespace millrace::store
