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

/// The tables of a chain in one folder of RocksDB (docs/formats/chain-store.md). A batch takes
/// effect whole or not at all, through any crash; a synced one is on disk when write() returns, and
/// is then a crash point "chain-block" (io/crash_point.hpp). After write() has returned false, a
/// batch whose bytes had reached the disk before the error may be there when the store is opened
/// again: whole, and never acknowledged.
///
/// Memory: memory_max for cached blocks, indexes, filters and rows not yet in files; beside it
/// iterators and file handles (files_open_max). A damaged block of the disk ends the process with
/// one message when it is read.
class ChainStore final : public state::KeyValueStore {
  public:
    /// Number in the FORMAT file of the folder. A folder with a newer one is refused.
    static constexpr std::uint32_t format = 1;

    struct Options {
        std::size_t memory_max = 96u << 20;
        int files_open_max = 512;
        /// Crash tests: what is not synced stays in this process and dies with it, as unsynced
        /// bytes die with the power.
        bool hold_unsynced = false;
    };
    /// Creates the folder (0700) if absent. Refuses a foreign or newer one, and one in use.
    static Outcome<std::unique_ptr<ChainStore>> open(const std::string& path, Options options);
    static Outcome<std::unique_ptr<ChainStore>> open(const std::string& path) {
        return open(path, Options{});
    }
    /// Views and cursors may outlive it: the files are closed with the last of them.
    ~ChainStore() override;

    [[nodiscard]] std::optional<Bytes> get(state::Table table, ByteView key) const override;
    [[nodiscard]] std::unique_ptr<Cursor> cursor(state::Table table) const override;
    [[nodiscard]] std::shared_ptr<const state::KeyValueView> snapshot() const override;
    [[nodiscard]] bool write(const state::WriteBatch& batch, state::Durability durability) override;
    [[nodiscard]] std::string why() const override;

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
    struct Database;
    explicit ChainStore(std::shared_ptr<Database> database);
    std::shared_ptr<Database> database_;
    std::string why_;
};

/// The table's name on disk: "accounts", "storage_history", …
std::string_view table_name(state::Table table) noexcept;

}  // namespace millrace::store
