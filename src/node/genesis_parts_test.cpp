// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A chain begun from a genesis file, whose accounts go into the store in parts.

#include <gtest/gtest.h>

#include "node/chain_rows.hpp"
#include "node/genesis_file.hpp"
#include "node/sample_node.hpp"

namespace millrace::node {
namespace {

ledger::Genesis other_genesis() {
    ledger::Genesis genesis = sample_genesis();
    genesis.state.accounts[recipient(9)].account = state::Account{.nonce = 0, .balance = U256{9}};
    state::AccountDiff& first = genesis.state.accounts[recipient(8)];
    first.account = state::Account{.nonce = 0, .balance = U256{1}};
    for (std::uint64_t slot = 0; slot < 7; ++slot)
        first.storage[U256{slot}] = U256{slot + 1};
    return genesis;
}

Outcome<std::unique_ptr<Chain>> open_file(state::KeyValueStore& store, std::string text,
                                          std::size_t rows_max) {
    auto file = GenesisFile::open(std::move(text), rows_max);
    EXPECT_TRUE(file.has_value()) << file.error().text();
    return Chain::open(store, *file, {});
}

TEST(GenesisParts, a_chain_begun_in_parts_is_the_chain_begun_at_once) {
    MemoryStore whole;
    ASSERT_TRUE(Chain::open(whole, other_genesis(), {}).has_value());
    Rows wanted = all_rows(whole);
    for (const std::size_t rows_max : {1u, 2u, 3u, 1'000u}) {
        FullStore store;
        const std::string text = write_genesis(other_genesis());
        const auto chain = open_file(store, text, rows_max);
        ASSERT_TRUE(chain.has_value()) << chain.error().text();
        EXPECT_EQ((*chain)->verify({}), "");
        EXPECT_TRUE(store.last_was_synced);
        EXPECT_TRUE(store.get(Table::meta, as_bytes(genesis_text_key)).has_value());
        EXPECT_FALSE(store.get(Table::meta, as_bytes(genesis_begun_key)).has_value());
        Rows rows = all_rows(store);
        std::erase_if(rows, [](const auto& row) {
            return std::ranges::equal(row.first.second, as_bytes(genesis_text_key));
        });
        EXPECT_EQ(rows, wanted);
    }
}

TEST(GenesisParts, what_a_crash_left_is_thrown_away) {
    for (std::size_t writes = 1;; ++writes) {
        FullStore store;
        store.writes_left = writes;
        const auto begun = open_file(store, write_genesis(other_genesis()), 2);
        if (begun) {
            EXPECT_GT(writes, 5u);
            break;
        }
        EXPECT_NE(begun.error().text().find("no space"), std::string::npos);
        store.writes_left = SIZE_MAX;
        const auto chain = open_file(store, write_genesis(sample_genesis()), 2);
        ASSERT_TRUE(chain.has_value()) << chain.error().text();
        EXPECT_EQ((*chain)->verify({}), "");
        MemoryStore fresh;
        ASSERT_TRUE(open_file(fresh, write_genesis(sample_genesis()), 2).has_value());
        EXPECT_EQ(all_rows(store), all_rows(fresh));
    }
}

TEST(GenesisParts, a_chain_knows_its_file_without_reading_the_accounts) {
    MemoryStore store;
    const std::string text = write_genesis(other_genesis());
    ASSERT_TRUE(open_file(store, text, 2).has_value());
    auto file = GenesisFile::open(text);
    ASSERT_TRUE(file.has_value());
    const auto again = Chain::open(store, *file, {});
    ASSERT_TRUE(again.has_value()) << again.error().text();
    EXPECT_FALSE(file->accounts_are_checked());
    EXPECT_EQ((*again)->view()->genesis_hash(),
              ledger::make_genesis_block(other_genesis()).header.hash());

    EXPECT_TRUE(open_file(store, text + "\n", 2).has_value());
    const auto other = open_file(store, write_genesis(sample_genesis()), 2);
    ASSERT_FALSE(other.has_value());
    EXPECT_NE(other.error().text().find("the store holds another chain"), std::string::npos);
}

TEST(GenesisParts, a_chain_begun_without_a_file_opens_with_one) {
    MemoryStore store;
    ASSERT_TRUE(Chain::open(store, other_genesis(), {}).has_value());
    EXPECT_TRUE(open_file(store, write_genesis(other_genesis()), 2).has_value());
}

}  // namespace
}  // namespace millrace::node
