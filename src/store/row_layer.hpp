// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "state/key_value.hpp"

// Private to store/.
namespace millrace::store {

/// The rows of one batch, never changed: its run of bytes, which is also what the journal keeps of
/// it (docs/formats/chain-store.md), and where each key's last write stands in it, in the order of
/// tables and keys. That order is made when it is first asked for. Any thread.
///
/// Costs 24 bytes a row beside the rows; a batch has less than 4 GiB.
class RowLayer {
  public:
    static std::shared_ptr<const RowLayer> of(state::WriteBatch batch);
    /// Null: not what encoded() gives.
    static std::shared_ptr<const RowLayer> decode(Bytes encoded);
    /// What of(batch) takes, without making it.
    static std::size_t memory_size_of(const state::WriteBatch& batch) noexcept;

    [[nodiscard]] ByteView encoded() const noexcept { return encoded_; }
    [[nodiscard]] std::size_t memory_size() const noexcept { return memory_size_; }

    struct RowView {
        ByteView key;
        bool is_erased = false;
        ByteView value;  ///< empty when erased
    };
    /// Null: the batch says nothing about this key.
    [[nodiscard]] std::optional<RowView> find(state::Table table, ByteView key) const;

    [[nodiscard]] std::size_t count(state::Table table) const;
    /// `index` < count(table).
    [[nodiscard]] RowView row(state::Table table, std::size_t index) const;
    /// Index of the first row of the table with a key ≥ `key`; count(table) when there is none.
    [[nodiscard]] std::size_t lower_bound(state::Table table, ByteView key) const;

    /// Use of() or decode(): public for std::make_shared.
    RowLayer(Bytes encoded, std::vector<std::size_t> offsets);

  private:
    /// Where a row begins, and the first bytes of its key as a number: most comparisons need no
    /// more.
    struct Place {
        std::uint64_t prefix;
        std::uint32_t offset;
    };
    struct Index {
        std::vector<Place> places;
        std::array<std::uint32_t, state::table_count + 1> begins{};  ///< of each table in `places`
    };
    [[nodiscard]] const Index& index() const;
    void make_index() const;
    [[nodiscard]] RowView row_at(std::uint32_t offset) const noexcept;

    const Bytes encoded_;
    const std::size_t memory_size_;
    mutable std::once_flag index_once_;
    mutable std::vector<std::size_t> offsets_;  ///< in order of writing; gone with the index made
    mutable Index index_;
};

using RowLayerPtr = std::shared_ptr<const RowLayer>;

}  // namespace millrace::store
