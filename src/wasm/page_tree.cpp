// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/page_tree.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::wasm {
namespace {

Hash32 node(const Hash32& left, const Hash32& right) {
    std::array<std::uint8_t, 64> both{};
    std::ranges::copy(left.bytes, both.begin());
    std::ranges::copy(right.bytes, both.begin() + 32);
    return crypto::sha256(both);
}

}  // namespace

const Hash32& zero_root(unsigned depth) {
    static const std::array<Hash32, page_tree_depth_max + 1> roots = [] {
        std::array<Hash32, page_tree_depth_max + 1> list;
        const std::array<std::uint8_t, state_page_size> page{};
        list[0] = crypto::sha256(page);
        for (std::size_t level = 1; level < list.size(); ++level)
            list[level] = node(list[level - 1], list[level - 1]);
        return list;
    }();
    return roots[depth];
}

PageTree::PageTree(unsigned depth) : depth_{depth}, levels_(depth), root_{zero_root(depth)} {
    MILLRACE_ASSERT(depth > 0 && depth < page_tree_depth_max);
}

const Hash32& PageTree::at(unsigned level, std::size_t index) const {
    return index < levels_[level].size() ? levels_[level][index] : zero_root(level);
}

void PageTree::set(std::uint32_t page, const Hash32& hash) {
    MILLRACE_ASSERT(page >> depth_ == 0);
    auto& leaves = levels_[0];
    if (page >= leaves.size()) {
        if (hash == zero_root(0)) return;
        leaves.resize(std::size_t{page} + 1, zero_root(0));
    }
    if (leaves[page] == hash) return;
    leaves[page] = hash;
    changed_.push_back(page);
}

void PageTree::set_page(std::uint32_t page, ByteView bytes) {
    MILLRACE_ASSERT(bytes.size() == state_page_size);
    // Most pages of a large memory were never used.
    const bool is_zero = bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1,
                                                      state_page_size - 1) == 0;
    set(page, is_zero ? zero_root(0) : crypto::sha256(bytes));
}

const Hash32& PageTree::root() {
    if (changed_.empty()) return root_;
    std::ranges::sort(changed_);
    for (unsigned level = 0; level < depth_; ++level) {
        std::size_t kept = 0;
        for (const std::uint32_t index : changed_) {
            if (kept == 0 || changed_[kept - 1] != index / 2) changed_[kept++] = index / 2;
        }
        changed_.resize(kept);
        if (level + 1 == depth_) {
            root_ = node(at(level, 0), at(level, 1));
            break;
        }
        auto& parents = levels_[level + 1];
        const std::size_t needed = (levels_[level].size() + 1) / 2;
        if (parents.size() < needed) parents.resize(needed, zero_root(level + 1));
        for (const std::uint32_t index : changed_)
            parents[index] =
                node(at(level, std::size_t{index} * 2), at(level, std::size_t{index} * 2 + 1));
    }
    changed_.clear();
    return root_;
}

std::vector<Hash32> PageTree::siblings(std::span<const std::uint32_t> pages) const {
    MILLRACE_ASSERT(changed_.empty());
    if (pages.empty()) return {root_};
    std::vector<Hash32> list;
    std::vector<std::uint32_t> known{pages.begin(), pages.end()};
    for (unsigned level = 0; level < depth_; ++level) {
        std::size_t kept = 0;
        for (std::size_t index = 0; index < known.size(); ++index) {
            const std::uint32_t page = known[index];
            const bool has_pair = index + 1 < known.size() && known[index + 1] == (page ^ 1U);
            if (has_pair && page % 2 == 0) {
                ++index;
            } else {
                list.push_back(at(level, page ^ 1U));
            }
            known[kept++] = page / 2;
        }
        known.resize(kept);
    }
    return list;
}

std::optional<Hash32> root_of(unsigned depth, std::span<const PageHash> pages,
                              std::span<const Hash32> siblings, std::uint64_t pages_kept) {
    if (pages.empty()) {
        if (siblings.size() != 1) return std::nullopt;
        return siblings[0];
    }
    if (pages.back().first >> depth != 0) return std::nullopt;
    std::vector<PageHash> known{pages.begin(), pages.end()};
    std::size_t used = 0;
    for (unsigned level = 0; level < depth; ++level) {
        std::size_t kept = 0;
        for (std::size_t index = 0; index < known.size(); ++index) {
            const auto [page, hash] = known[index];
            Hash32 parent;
            if (page % 2 == 0 && index + 1 < known.size() && known[index + 1].first == page + 1) {
                parent = node(hash, known[index + 1].second);
                ++index;
            } else {
                if (used == siblings.size()) return std::nullopt;
                const std::uint64_t other = page ^ 1U;
                const bool is_cut = (other << level) >= pages_kept;
                if (!is_cut && ((other + 1) << level) > pages_kept) return std::nullopt;
                const Hash32& sibling = is_cut ? zero_root(level) : siblings[used];
                ++used;
                parent = page % 2 == 0 ? node(hash, sibling) : node(sibling, hash);
            }
            known[kept++] = {page / 2, parent};
        }
        known.resize(kept);
    }
    if (used != siblings.size() || known.size() != 1) return std::nullopt;
    return known[0].second;
}

}  // namespace millrace::wasm
