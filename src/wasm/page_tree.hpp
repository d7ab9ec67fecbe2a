// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

/// SHA-256 Merkle trees over pages of 4 KiB (docs/formats/checkpoint.md). A leaf is the hash of a
/// page, a node that of its two children; the depth is fixed by what the pages hold, and pages that
/// were never set count as zeros. Because every tree of a kind has the same depth, a page cannot be
/// taken for a node.
namespace millrace::wasm {

constexpr std::size_t state_page_size = 4096;
constexpr unsigned page_tree_depth_max = 32;

/// The root of a tree of this depth whose pages are all zero.
const Hash32& zero_root(unsigned depth);

using PageHash = std::pair<std::uint32_t, Hash32>;

class PageTree {
  public:
    explicit PageTree(unsigned depth);

    [[nodiscard]] unsigned depth() const noexcept { return depth_; }
    void set(std::uint32_t page, const Hash32& hash);
    /// Of exactly state_page_size bytes.
    void set_page(std::uint32_t page, ByteView bytes);
    /// Hashes the paths of what was set since the last call.
    const Hash32& root();
    /// What root_of() needs beside the pages `pages` (ascending). After root().
    [[nodiscard]] std::vector<Hash32> siblings(std::span<const std::uint32_t> pages) const;

  private:
    [[nodiscard]] const Hash32& at(unsigned level, std::size_t index) const;

    unsigned depth_;
    std::vector<std::vector<Hash32>> levels_;  ///< each as far as something was set
    std::vector<std::uint32_t> changed_;
    Hash32 root_;
};

/// The root of a tree of which only some pages are known: `pages` ascending and distinct, then the
/// siblings that are missing, level by level from the leaves, left to right. Without pages the one
/// sibling is the root. Null when there are too few or too many siblings, or a page lies outside.
///
/// `pages_kept`: pages from there on that are not in `pages` have become zeros since the siblings
/// were made. Null as well when a sibling holds pages on both sides of that line.
std::optional<Hash32> root_of(unsigned depth, std::span<const PageHash> pages,
                              std::span<const Hash32> siblings,
                              std::uint64_t pages_kept = ~std::uint64_t{0});

}  // namespace millrace::wasm
