// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/assert.hpp"

namespace millrace::state {

/// Finds entries of a vector by their key: open addressing over (hash, index), linear probing, at
/// most half full, nothing is ever removed. Whoever chooses keys to collide pays for each of them
/// and makes others pay one comparison of four bytes per colliding key: with the ≤ 8,000 slots a
/// transaction's gas buys (EIP-7825), some 30 million of them.
class FlatIndex {
  public:
    /// `is_entry(index)` compares the key of an entry.
    template <typename IsEntry>
    [[nodiscard]] std::optional<std::uint32_t> find(std::uint32_t hash, IsEntry is_entry) const {
        if (cells_.empty()) return std::nullopt;
        for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
            const Cell& cell = cells_[at];
            if (cell.number == 0) return std::nullopt;
            if (cell.hash == hash && is_entry(cell.number - 1)) return cell.number - 1;
        }
    }

    /// The key is not in it yet.
    void insert(std::uint32_t hash, std::size_t index) {
        MILLRACE_ASSERT(index < UINT32_MAX);
        if (2 * (count_ + 1) > cells_.size()) grow();
        place({hash, static_cast<std::uint32_t>(index + 1)});
        ++count_;
    }

  private:
    struct Cell {
        std::uint32_t hash = 0;
        std::uint32_t number = 0;  ///< index + 1; 0: free
    };

    [[nodiscard]] std::size_t mask() const noexcept { return cells_.size() - 1; }

    void place(Cell cell) noexcept {
        std::size_t at = cell.hash & mask();
        while (cells_[at].number != 0)
            at = (at + 1) & mask();
        cells_[at] = cell;
    }

    void grow() {
        std::vector<Cell> old(cells_.empty() ? 32 : 2 * cells_.size());
        old.swap(cells_);
        for (const Cell& cell : old)
            if (cell.number != 0) place(cell);
    }

    std::vector<Cell> cells_;  ///< a power of two
    std::size_t count_ = 0;
};

/// Two words folded by their 128-bit product (the step of wyhash).
[[nodiscard]] inline std::uint64_t fold(std::uint64_t left, std::uint64_t right) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{left ^ 0x9e3779b97f4a7c15ULL} * Wide{right ^ 0xd6e8feb86659fd93ULL};
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace millrace::state
