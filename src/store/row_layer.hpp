// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "state/key_value.hpp"

// Private to store/.
namespace millrace::store {

/// The rows of one batch, never changed: each key once, in the order of tables and keys, all in one
/// run of bytes. That run is also what the journal keeps of the batch
/// (docs/formats/chain-store.md), so a block's rows are copied once on their way to the disk and
/// are readable from where they lie.
///
/// Costs 16 bytes a row beside the rows; a batch has less than 4 GiB.
class RowLayer {
  public:
    static std::shared_ptr<const RowLayer> of(const state::WriteBatch& batch);
    /// Null: not what encoded() gives, by a byte.
    static std::shared_ptr<const RowLayer> decode(Bytes encoded);
    /// What of(batch) will take at most, without making it.
    static std::size_t memory_size_max(const state::WriteBatch& batch) noexcept;

    [[nodiscard]] ByteView encoded() const noexcept { return encoded_; }
    [[nodiscard]] std::size_t memory_size() const noexcept;

    struct RowView {
        ByteView key;
        bool is_erased = false;
        ByteView value;  ///< empty when erased
    };
    /// Null: the batch says nothing about this key.
    [[nodiscard]] std::optional<RowView> find(state::Table table, ByteView key) const noexcept;

    [[nodiscard]] std::size_t count(state::Table table) const noexcept;
    /// `index` < count(table).
    [[nodiscard]] RowView row(state::Table table, std::size_t index) const noexcept;
    /// Index of the first row of the table with a key ≥ `key`; count(table) when there is none.
    [[nodiscard]] std::size_t lower_bound(state::Table table, ByteView key) const noexcept;

  private:
    /// Where a row begins, and the first bytes of its key as a number: most comparisons need no
    /// more.
    struct Place {
        std::uint64_t prefix;
        std::uint32_t offset;
    };
    [[nodiscard]] RowView row_at(std::uint32_t offset) const noexcept;

    Bytes encoded_;
    std::vector<Place> places_;
    std::array<std::uint32_t, state::table_count + 1> begins_{};  ///< of each table in `places_`
};

using RowLayerPtr = std::shared_ptr<const RowLayer>;

}  // namespace millrace::store
