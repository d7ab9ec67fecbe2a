// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "state/key_value.hpp"

namespace millrace::store {

class ChainDatabase;
class LayerQueue;

/// The tables of a chain in one folder of RocksDB (docs/formats/chain-store.md). A batch takes
/// effect whole or not at all, through any crash; a synced one is on disk when write() returns, and
/// is then a crash point "chain-block" (io/crash_point.hpp). After write() has returned false, a
/// batch whose bytes had reached the disk before the error may be there when the store is opened
/// again: whole, and never acknowledged.
///
/// A large batch is written as one row of a journal, which is all that write() waits for; a thread
/// of the store brings its rows into the tables, where putting each in its place costs ten times as
/// much, and reads look through the batch until then. What the thread had not done when the process
/// ended is done by open(). A small batch goes into the tables itself, unless others wait before
/// it: batches take effect in the order in which they were written, synced or not. When the tables
/// cannot be written, write() refuses from then on; reads go on.
///
/// Memory: memory_max for cached blocks, indexes, filters, rows not yet in files and batches not
/// yet in the tables (a larger one is never kept: it goes into the tables itself); beside it
/// iterators, with what they walk over, and file handles (files_open_max). A damaged block of the
/// disk ends the process with one message when it is read.
class ChainStore final : public state::KeyValueStore {
  public:
    /// Number in the FORMAT file of the folder. A folder with a newer one is refused.
    static constexpr std::uint32_t format = 3;

    struct Options {
        std::size_t memory_max = 96u << 20;
        int files_open_max = 512;
        /// Crash tests: what is not synced stays in this process and dies with it, as unsynced
        /// bytes die with the power.
        bool hold_unsynced = false;
        /// Tests: all batches go through the journal, and into the tables only when there is no
        /// room for another or settle() is called.
        bool apply_lazily = false;
        /// Crash tests: all batches go through the journal, and each of the small steps that bring
        /// its rows into the tables is a crash point too.
        bool crash_while_applying = false;
    };
    /// Creates the folder (0700) if absent. Refuses a foreign or newer one, and one in use.
    static Outcome<std::unique_ptr<ChainStore>> open(const std::string& path, Options options);
    static Outcome<std::unique_ptr<ChainStore>> open(const std::string& path) {
        return open(path, Options{});
    }
    /// Waits until all batches are in the tables. Views and cursors may outlive it: the files are
    /// closed with the last of them.
    ~ChainStore() override;

    [[nodiscard]] std::optional<Bytes> get(state::Table table, ByteView key) const override;
    [[nodiscard]] std::unique_ptr<Cursor> cursor(state::Table table) const override;
    [[nodiscard]] std::shared_ptr<const state::KeyValueView> snapshot() const override;
    [[nodiscard]] bool write(state::WriteBatch batch, state::Durability durability) override;
    [[nodiscard]] std::string why() const override;

    /// Waits until all batches are in the tables. False: they cannot be written. verify(), backup()
    /// and figures() begin with it.
    bool settle() const;
    /// Reads every file and compares its checksums.
    Outcome<void> verify() const;
    /// A consistent copy in a new folder while this store is in use; files are hard links where the
    /// file system allows.
    Outcome<void> backup(const std::string& path) const;
    struct Figures {
        std::uint64_t disk_bytes = 0;    ///< of table files
        std::uint64_t memory_bytes = 0;  ///< of Options::memory_max
    };
    [[nodiscard]] Figures figures() const;

  private:
    ChainStore(std::shared_ptr<ChainDatabase> database, const Options& options);
    [[nodiscard]] bool is_for_the_tables(const state::WriteBatch& batch) const;
    [[nodiscard]] std::optional<std::string> write_tables(const state::WriteBatch& batch,
                                                          bool synced);
    [[nodiscard]] std::optional<std::string> write_journal(state::WriteBatch batch, bool synced);
    Outcome<void> settled() const;

    std::shared_ptr<ChainDatabase> database_;
    std::size_t layers_size_max_ = 0;
    std::size_t direct_rows_max_ = 0;
    std::unique_ptr<LayerQueue> layers_;
    std::uint64_t journal_next_ = 1;  ///< the journal is empty when the store opens
    std::string why_;
};

/// The table's name on disk: "accounts", "storage_history", …
std::string_view table_name(state::Table table) noexcept;

}  // namespace millrace::store
