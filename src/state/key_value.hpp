// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace millrace::state {

/// Ordered tables of bytes, which the chain lives in. In the daemon it is RocksDB
/// (store/chain_store.hpp), in tests, runners and the simulator MemoryStore. Keys order as unsigned
/// bytes. Formats: docs/formats/chain-store.md. The numbers are on disk: never reuse one.
enum class Table : std::uint8_t {
    meta = 0,             ///< format version, head, network; small
    accounts = 1,         ///< address → account
    storage = 2,          ///< address ‖ slot (32) → value without leading zeros
    codes = 3,            ///< code hash → code
    nodes = 4,            ///< path of a trie node → node
    account_history = 5,  ///< address ‖ height → what `accounts` held before that block
    storage_history = 6,
    node_history = 7,
    changes = 8,         ///< height → keys that the block changed; for rollback and pruning
    headers = 9,         ///< height → header
    bodies = 10,         ///< height → transactions, ommers, withdrawals
    receipts = 11,       ///< height → receipts
    block_numbers = 12,  ///< block hash → height
    transactions = 13,   ///< transaction hash → height ‖ index
    pool = 14,           ///< transaction hash → transaction that waits
};
inline constexpr std::size_t table_count = 15;

/// A moment of the store; any thread. Reads do not fail: on an I/O error or a damaged block of the
/// disk the implementation ends the process with one clear message, because no answer given after
/// that could be trusted.
class KeyValueView {
  public:
    virtual ~KeyValueView() = default;
    [[nodiscard]] virtual std::optional<Bytes> get(Table table, ByteView key) const = 0;

    /// Walks a table in order. Outlived by the view.
    class Cursor {
      public:
        virtual ~Cursor() = default;
        /// To the first key ≥ `key`.
        virtual void seek(ByteView key) = 0;
        [[nodiscard]] virtual bool valid() const = 0;
        /// Valid until the cursor moves.
        [[nodiscard]] virtual ByteView key() const = 0;
        [[nodiscard]] virtual ByteView value() const = 0;
        virtual void next() = 0;
    };
    [[nodiscard]] virtual std::unique_ptr<Cursor> cursor(Table table) const = 0;
};

/// Changes that take effect together or not at all; the last write to a key counts. They stand one
/// behind another in one run of bytes, as the journal of the chain store keeps them
/// (docs/formats/chain-store.md): from here to the disk they are not copied again.
class WriteBatch {
  public:
    struct Change {
        Table table = Table::meta;
        ByteView key;
        std::optional<ByteView> value;  ///< null: delete
    };
    void put(Table table, ByteView key, ByteView value);
    void erase(Table table, ByteView key);
    void append(WriteBatch later);
    /// Room for so much more.
    void reserve(std::size_t count, std::size_t byte_count);

    [[nodiscard]] std::size_t size() const noexcept { return offsets_.size(); }
    [[nodiscard]] bool empty() const noexcept { return offsets_.empty(); }
    /// `index` < size(). Valid until the batch changes.
    [[nodiscard]] Change change(std::size_t index) const noexcept;
    [[nodiscard]] std::size_t byte_count() const noexcept { return rows_.size(); }

    /// The bytes, and where each change begins.
    struct Rows {
        Bytes bytes;
        std::vector<std::size_t> offsets;
    };
    [[nodiscard]] Rows take() && { return {std::move(rows_), std::move(offsets_)}; }

    /// The change that begins `bytes`, and behind it the others. Null: not a change.
    struct Read {
        Change change;
        std::size_t size = 0;  ///< in bytes
    };
    [[nodiscard]] static std::optional<Read> read(ByteView bytes) noexcept;

  private:
    void add(Table table, ByteView key, std::uint32_t mark, ByteView value);

    Bytes rows_;
    std::vector<std::size_t> offsets_;
};

enum class Durability : std::uint8_t {
    synced,  ///< on the disk when write() returns: survives the loss of power
    logged,  ///< handed to the system: survives the end of the process
};

class KeyValueStore : public KeyValueView {
  public:
    /// Unchanged by later writes; any thread.
    [[nodiscard]] virtual std::shared_ptr<const KeyValueView> snapshot() const = 0;
    /// One writer at a time. False: nothing was written (disk full, I/O error) and the store takes
    /// no more writes; why() says it in words.
    [[nodiscard]] virtual bool write(WriteBatch batch, Durability durability) = 0;
    [[nodiscard]] virtual std::string why() const = 0;
};

/// In memory, for tests, runners and the simulator. A snapshot shares the rows; the next write()
/// copies them all if one is still held. write() and snapshot() in one thread.
class MemoryStore final : public KeyValueStore {
  public:
    [[nodiscard]] std::optional<Bytes> get(Table table, ByteView key) const override;
    [[nodiscard]] std::unique_ptr<Cursor> cursor(Table table) const override;
    [[nodiscard]] std::shared_ptr<const KeyValueView> snapshot() const override;
    [[nodiscard]] bool write(WriteBatch batch, Durability durability) override;
    [[nodiscard]] std::string why() const override { return {}; }

    struct Rows;
    MemoryStore();
    ~MemoryStore() override;

  private:
    std::shared_ptr<Rows> rows_;
};

}  // namespace millrace::state
