// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/page_tree.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/prng.hpp"
#include "crypto/hash.hpp"

namespace millrace::wasm {
namespace {

Hash32 numbered(std::uint64_t value) {
    Hash32 hash;
    for (unsigned index = 0; index < 8; ++index)
        hash.bytes[index] = static_cast<std::uint8_t>(value >> (8 * index));
    return hash;
}

/// From the definition: every leaf, then every level.
Hash32 naive_root(unsigned depth, const std::map<std::uint32_t, Hash32>& pages) {
    std::vector<Hash32> level(std::size_t{1} << depth, zero_root(0));
    for (const auto& [page, hash] : pages)
        level[page] = hash;
    while (level.size() > 1) {
        for (std::size_t index = 0; index < level.size() / 2; ++index) {
            Bytes both = to_bytes(level[2 * index].view());
            const ByteView right = level[2 * index + 1].view();
            both.insert(both.end(), right.begin(), right.end());
            level[index] = crypto::sha256(both);
        }
        level.resize(level.size() / 2);
    }
    return level[0];
}

TEST(PageTree, root_is_that_of_the_definition_after_any_changes) {
    Prng random{1};
    for (const unsigned depth : {1U, 4U, 7U}) {
        PageTree tree{depth};
        std::map<std::uint32_t, Hash32> pages;
        EXPECT_EQ(tree.root(), naive_root(depth, pages));
        for (int round = 0; round < 50; ++round) {
            for (std::uint64_t change = random.below(5); change > 0; --change) {
                const auto page = static_cast<std::uint32_t>(random.below(1ULL << depth));
                pages[page] = random.below(4) == 0 ? zero_root(0) : numbered(random.next());
                tree.set(page, pages[page]);
            }
            ASSERT_EQ(tree.root(), naive_root(depth, pages));
        }
    }
}

TEST(PageTree, some_pages_and_their_siblings_give_the_root_before_and_after_changes) {
    Prng random{2};
    constexpr unsigned depth = 6;
    for (int round = 0; round < 100; ++round) {
        PageTree tree{depth};
        std::map<std::uint32_t, Hash32> all;
        for (std::uint64_t page = random.below(40); page > 0; --page)
            all[static_cast<std::uint32_t>(random.below(64))] = numbered(random.next());
        for (const auto& [page, hash] : all)
            tree.set(page, hash);
        const Hash32 root = tree.root();
        std::map<std::uint32_t, Hash32> known;
        for (std::uint64_t count = random.below(9); count > 0; --count) {
            const auto page = static_cast<std::uint32_t>(random.below(64));
            known[page] = all.contains(page) ? all[page] : zero_root(0);
        }
        std::vector<std::uint32_t> numbers;
        std::vector<PageHash> pages;
        for (const auto& [page, hash] : known) {
            numbers.push_back(page);
            pages.emplace_back(page, hash);
        }
        auto siblings = tree.siblings(numbers);
        ASSERT_EQ(root_of(depth, pages, siblings), root);
        for (auto& [page, hash] : pages) {
            hash = numbered(random.next());
            tree.set(page, hash);
        }
        ASSERT_EQ(root_of(depth, pages, siblings), tree.root());
        siblings.emplace_back();
        EXPECT_FALSE(root_of(depth, pages, siblings).has_value());
        siblings.resize(siblings.size() - std::min<std::size_t>(siblings.size(), 2));
        EXPECT_NE(root_of(depth, pages, siblings), tree.root());
    }
}

TEST(PageTree, pages_that_were_cut_off_count_as_zeros) {
    constexpr unsigned depth = 5;
    PageTree tree{depth};
    for (std::uint32_t page = 0; page < 20; ++page)
        tree.set(page, numbered(page + 1));
    tree.root();
    for (std::uint32_t kept = 1; kept <= 20; ++kept) {
        const std::uint32_t last[] = {kept - 1};
        const auto siblings = tree.siblings(last);
        PageTree cut{depth};
        for (std::uint32_t page = 0; page < kept; ++page)
            cut.set(page, numbered(page + 1));
        const PageHash known[] = {{kept - 1, numbered(kept)}};
        EXPECT_EQ(root_of(depth, known, siblings, kept), cut.root());
    }
    // A sibling on both sides of the line says nothing.
    const std::uint32_t first[] = {0};
    const PageHash known[] = {{0, numbered(1)}};
    EXPECT_FALSE(root_of(depth, known, tree.siblings(first), 3).has_value());
}

}  // namespace
}  // namespace millrace::wasm
