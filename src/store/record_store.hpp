// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "types/record.hpp"

namespace millrace::store {

/// One change of a batch: without a value, the row is erased (no error when it is absent).
struct Change {
    std::string table;
    Bytes key;
    std::optional<Bytes> value;
    bool operator==(const Change&) const = default;
};

/// Rows of an agent's machines in one SQLite file (docs/formats/store.md). commit() returns after
/// the batch is on disk (WAL, synchronous=FULL): all of it or nothing, through any crash. It is a
/// crash point (io/crash_point.hpp). One process, one thread.
class RecordStore {
  public:
    static constexpr std::size_t table_name_max = 64;  ///< [a-z_]+
    static constexpr std::size_t key_size_max = 1'024;
    static constexpr std::size_t value_size_max = 16u << 20;
    static constexpr std::size_t changes_max = 65'536;  ///< of one batch

    /// Creates the file (0600) if absent. Refuses a foreign or newer one.
    static Outcome<std::unique_ptr<RecordStore>> open(const std::string& path);
    ~RecordStore();

    /// Sorted by key; empty for a table that does not exist.
    Outcome<std::vector<types::Record>> load(const std::string& table) const;
    /// Every row, tables in alphabetical order, rows by key.
    Outcome<std::vector<types::Record>> load_all() const;
    Outcome<std::optional<Bytes>> get(const std::string& table, ByteView key) const;

    /// After a Failure nothing of the batch is stored and the store can be used on.
    Outcome<void> commit(const std::vector<Change>& batch);

    /// SQLite's integrity check of the whole file.
    Outcome<void> verify() const;
    /// A consistent copy while this store is in use.
    Outcome<void> backup(const std::string& path) const;

  private:
    RecordStore() = default;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::store
