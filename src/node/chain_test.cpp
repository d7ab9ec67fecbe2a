// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/chain.hpp"

#include <gtest/gtest.h>

#include "node/chain_rows.hpp"
#include "node/sample_node.hpp"
#include "state/rows.hpp"

namespace millrace::node {
namespace {

TEST(Chain, an_empty_store_gets_the_genesis_block_and_two_opens_give_the_same_head) {
    Node node;
    const Head first = node.chain->head();
    EXPECT_EQ(first.header.number, 0u);
    EXPECT_EQ(first.hash, ledger::make_genesis_block(sample_genesis()).header.hash());
    const Rows rows = all_rows(node.store);
    node.open();
    EXPECT_EQ(node.chain->head().hash, first.hash);
    EXPECT_EQ(all_rows(node.store), rows);
    EXPECT_EQ(node.chain->verify({}), "");
}

TEST(Chain, a_sealed_block_is_found_by_height_and_hashes) {
    Node node;
    const auto transfer = sample_transfer(1, 0, 7, 500);
    const auto sealed = node.seal({transfer, sample_transfer(2, 0, 8, 600)});
    const auto view = node.chain->view();
    EXPECT_EQ(view->head().hash, sealed.hash);
    EXPECT_EQ(view->block(Height{1}), sealed.block);
    EXPECT_EQ(view->header(Height{1}), sealed.block.header);
    EXPECT_EQ(view->receipts(Height{1}), sealed.receipts);
    EXPECT_EQ(sealed.receipts.size(), 2u);
    EXPECT_EQ(view->height_of(sealed.hash), Height{1});
    EXPECT_EQ(view->hash_at(Height{1}), sealed.hash);
    EXPECT_EQ(view->hash_at(Height{0}), view->genesis_hash());
    EXPECT_EQ(view->hash_at(Height{2}), std::nullopt);
    EXPECT_EQ(view->block(Height{2}), std::nullopt);
    const auto place = view->place_of(sample_transfer(2, 0, 8, 600).hash());
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(place->height, Height{1});
    EXPECT_EQ(place->index, 1u);
    EXPECT_EQ(view->place_of(Hash32{}), std::nullopt);
    EXPECT_EQ(node.balance(7), 500u);
    EXPECT_EQ(node.chain->verify({}), "");
}

TEST(Chain, a_sealed_block_imports_on_a_second_chain_to_the_same_rows) {
    Node maker;
    Node other;
    for (std::uint64_t nonce = 0; nonce < 5; ++nonce) {
        const auto sealed =
            maker.seal({sample_transfer(1, nonce, 7, 5), sample_transfer(2, nonce, 9, nonce)});
        const auto imported = other.chain->import(sealed.block, {});
        ASSERT_TRUE(imported.has_value()) << imported.error().text();
        EXPECT_EQ(other.chain->head().hash, sealed.hash);
    }
    EXPECT_EQ(all_rows(other.store), all_rows(maker.store));
}

TEST(Chain, a_refused_block_changes_nothing) {
    Node maker;
    Node other;
    const types::Block good = maker.seal({sample_transfer(1, 0, 7, 5)}).block;
    const Rows before = all_rows(other.store);
    const auto refusal = [&](auto change) {
        types::Block bad = good;
        change(bad);
        const auto imported = other.chain->import(bad, {});
        EXPECT_FALSE(imported.has_value());
        EXPECT_EQ(all_rows(other.store), before);
        EXPECT_EQ(other.chain->head().header.number, 0u);
        return imported.has_value() ? ledger::BlockError::not_supported : imported.error().error;
    };
    using ledger::BlockError;
    EXPECT_EQ(refusal([](types::Block& bad) { bad.header.state_root.bytes[3] ^= 1; }),
              BlockError::bad_state_root);
    EXPECT_EQ(refusal([](types::Block& bad) { bad.header.parent_hash.bytes[3] ^= 1; }),
              BlockError::unknown_parent);
    EXPECT_EQ(refusal([](types::Block& bad) { bad.header.number = 2; }), BlockError::bad_number);
    EXPECT_EQ(refusal([](types::Block& bad) { bad.header.timestamp = 999; }),
              BlockError::bad_timestamp);
    EXPECT_EQ(refusal([](types::Block& bad) { ++bad.header.gas_used; }), BlockError::bad_gas_used);
    EXPECT_EQ(refusal([](types::Block& bad) { bad.transactions.clear(); }),
              BlockError::bad_transactions_root);
    EXPECT_EQ(refusal([](types::Block& bad) {
                  bad.transactions[0] = sample_transfer(1, 7, 7, 5);
                  bad.header.transactions_root = ledger::transactions_root(bad.transactions);
              }),
              BlockError::bad_transaction);
    ASSERT_TRUE(other.chain->import(good, {}).has_value());
    EXPECT_EQ(all_rows(other.store), all_rows(maker.store));
}

TEST(Chain, a_full_disk_loses_the_new_block_only) {
    Node maker;
    Node other;
    const auto first = maker.seal({sample_transfer(1, 0, 7, 5)});
    const auto second = maker.build({sample_transfer(1, 1, 7, 5)});
    maker.store.writes_left = 0;
    other.store.writes_left = 0;
    const Rows before = all_rows(maker.store);
    std::string why;
    EXPECT_FALSE(maker.chain->seal(second, why).has_value());
    EXPECT_EQ(why, "no space");
    const auto imported = other.chain->import(first.block, {});
    ASSERT_FALSE(imported.has_value());
    EXPECT_EQ(imported.error().text(), "no space");
    EXPECT_EQ(all_rows(maker.store), before);
    EXPECT_EQ(maker.chain->head().hash, first.hash);
    EXPECT_EQ(maker.chain->view()->head().hash, first.hash);
    maker.store.writes_left = SIZE_MAX;
    maker.open();
    EXPECT_EQ(maker.chain->head().hash, first.hash);
    EXPECT_EQ(maker.chain->verify({}), "");
}

TEST(Chain, a_view_stays_at_its_moment) {
    Node node;
    node.seal({sample_transfer(1, 0, 7, 5)});
    const auto view = node.chain->view();
    node.seal({sample_transfer(1, 1, 7, 5)});
    EXPECT_EQ(view->head().header.number, 1u);
    EXPECT_EQ(view->hash_at(Height{2}), std::nullopt);
    EXPECT_EQ(view->state(Height{2}), nullptr);
    EXPECT_EQ(view->state(Height{1})->account(recipient(7))->balance, U256{5});
    EXPECT_EQ(view->state(Height{0})->account(recipient(7)), std::nullopt);
    EXPECT_EQ(node.balance(7), 10u);
}

TEST(Chain, rollback_restores_every_row) {
    Node node;
    std::vector<Rows> rows{all_rows(node.store)};
    for (int block = 0; block < 6; ++block) {
        node.seal_many(1);
        rows.push_back(all_rows(node.store));
    }
    EXPECT_FALSE(node.chain->rollback(Height{7}));
    for (const std::uint64_t height : {5u, 2u, 2u, 0u}) {
        ASSERT_TRUE(node.chain->rollback(Height{height}));
        EXPECT_EQ(all_rows(node.store), rows[height]);
        EXPECT_EQ(node.chain->head().header.number, height);
        EXPECT_EQ(node.chain->view()->head().header.number, height);
    }
    node.seal_many(6);
    EXPECT_EQ(all_rows(node.store), rows[6]);
    EXPECT_EQ(node.chain->verify({}), "");
}

TEST(Chain, history_is_readable_as_long_as_it_was_asked_for) {
    Node node{{.history = 2}};
    node.seal_many(6);
    const auto view = node.chain->view();
    for (std::uint64_t height = 0; height <= 6; ++height)
        EXPECT_EQ(view->state(Height{height}) != nullptr, height >= 4) << height;
    EXPECT_NE(view->block(Height{1}), std::nullopt);
    EXPECT_FALSE(node.chain->rollback(Height{3}));
    EXPECT_TRUE(node.chain->rollback(Height{4}));
    EXPECT_EQ(node.chain->verify({}), "");
}

TEST(Chain, a_chain_with_all_history_can_be_pruned_later) {
    Node node;
    node.seal_many(8);
    node.open({.history = 3});
    node.seal_many(1);
    EXPECT_EQ(node.chain->view()->state(Height{5}), nullptr);
    EXPECT_NE(node.chain->view()->state(Height{6}), nullptr);
    Node same;
    same.seal_many(9);
    EXPECT_EQ(node.chain->head().hash, same.chain->head().hash);
}

TEST(Chain, an_override_shows_at_once_and_is_written_with_the_next_block) {
    Node node;
    const Rows before = all_rows(node.store);
    state::StateDiff diff;
    diff.accounts[recipient(70)].account = state::Account{.nonce = 3, .balance = U256{99}};
    node.chain->override_state(diff);
    EXPECT_EQ(node.balance(70), 99u);
    EXPECT_EQ(all_rows(node.store), before);
    node.seal({sample_transfer(1, 0, 70, 1)});
    EXPECT_EQ(node.balance(70), 100u);
    EXPECT_EQ(node.chain->view()->state(Height{0})->account(recipient(70)), std::nullopt);
    EXPECT_EQ(node.chain->verify({}), "");
    node.chain->override_state(diff);
    ASSERT_TRUE(node.chain->rollback(Height{0}));
    EXPECT_EQ(node.balance(70), 0u);
    EXPECT_EQ(all_rows(node.store), before);
}

TEST(Chain, another_genesis_or_chain_id_is_refused_by_name) {
    Node node;
    const Hash32 ours = node.chain->head().hash;
    ledger::Genesis other = sample_genesis();
    other.header.timestamp = 5;
    const auto refused = Chain::open(node.store, other, {});
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().text().find(to_hex0x(ours.view())), std::string::npos);
    EXPECT_NE(refused.error().text().find(
                  to_hex0x(ledger::make_genesis_block(other).header.hash().view())),
              std::string::npos);
    other = sample_genesis();
    other.config.chain_id = 5;
    const auto id = Chain::open(node.store, other, {});
    ASSERT_FALSE(id.has_value());
    EXPECT_NE(id.error().text().find("4711"), std::string::npos);
}

TEST(Chain, a_store_that_does_not_fit_together_is_refused_and_named) {
    const auto refusal = [](auto damage) {
        Node node;
        node.seal_many(2);
        node.chain.reset();
        state::WriteBatch batch;
        damage(batch);
        EXPECT_TRUE(node.store.write(batch, state::Durability::synced));
        const auto opened = Chain::open(node.store, sample_genesis(), {});
        return opened.has_value() ? std::string{} : opened.error().text();
    };
    const auto height = [](std::uint64_t number) { return state::height_key(Height{number}); };
    const auto head = to_bytes(as_bytes(head_key));
    const std::string verify = "millrace node verify";
    for (const std::string& text :
         {refusal([&](auto& batch) { batch.erase(Table::headers, height(2)); }),
          refusal([&](auto& batch) { batch.erase(Table::bodies, height(2)); }),
          refusal([&](auto& batch) { batch.erase(Table::receipts, height(2)); }),
          refusal([&](auto& batch) {
              batch.put(Table::meta, head, Bytes{1, 2, 3});
          }),
          refusal([&](auto& batch) { batch.erase(Table::meta, head); }), refusal([&](auto& batch) {
              batch.erase(Table::nodes, state::TrieName::accounts().node_key(trie::Nibbles{}));
          }),
          refusal([&](auto& batch) {
              batch.put(Table::meta, to_bytes(state::state_head_key()),
                        state::encode_state_height(Height{1}));
          })})
        EXPECT_NE(text.find(verify), std::string::npos) << text;
    const std::string newer = refusal([&](auto& batch) {
        batch.put(Table::meta, head, encode_head_row({.format = 2, .height = {}, .hash = {}}));
    });
    EXPECT_NE(newer.find("newer millrace (format 2, this program knows 1)"), std::string::npos);
}

TEST(Chain, verify_names_the_first_row_that_does_not_agree) {
    const auto found = [](auto damage) {
        Node node;
        node.seal_many(3);
        const auto sealed = node.chain->view()->block(Height{2});
        state::WriteBatch batch;
        damage(batch, *sealed);
        EXPECT_TRUE(node.store.write(batch, state::Durability::synced));
        node.open();
        return node.chain->verify({});
    };
    const auto key = [](std::uint64_t number) { return state::height_key(Height{number}); };
    EXPECT_EQ(found([](auto&, const auto&) {}), "");
    EXPECT_NE(found([&](auto& batch, auto& block) {
                  auto other = block;
                  other.transactions.clear();
                  batch.put(Table::bodies, key(2), encode_body_row(other));
              }).find("block 2: the transactions"),
              std::string::npos);
    EXPECT_NE(found([&](auto& batch, auto&) {
                  batch.put(Table::receipts, key(2), encode_receipts_row({}));
              }).find("block 2: the receipts"),
              std::string::npos);
    EXPECT_NE(found([&](auto& batch, auto& block) {
                  batch.erase(Table::transactions, to_bytes(block.transactions[0].hash().view()));
              }).find("block 2: the hash of transaction 0"),
              std::string::npos);
    EXPECT_NE(found([&](auto& batch, auto& block) {
                  batch.erase(Table::block_numbers, to_bytes(block.header.hash().view()));
              }).find("block 2: its hash"),
              std::string::npos);
    EXPECT_NE(found([&](auto& batch, auto&) {
                  batch.put(Table::transactions, Bytes(32, 9), encode_place_row(Height{1}, 0));
              }).find("table transactions has 4 rows"),
              std::string::npos);
    EXPECT_NE(found([&](auto& batch, auto&) {
                  batch.put(Table::accounts, Bytes(20, 9), state::encode_account_row({}));
              }).find("the state"),
              std::string::npos);
}

TEST(Chain, blockhash_reaches_256_blocks_back_also_after_a_restart) {
    Node node;
    for (int block = 0; block < 260; ++block)
        node.seal({});
    // PUSH0 CALLDATALOAD BLOCKHASH PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    const evm::CodePtr code =
        evm::Code::make(Bytes{0x5f, 0x35, 0x40, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3});
    const auto asked = [&](std::uint64_t number) {
        auto builder = node.chain->begin_block(9'999, Address{}, Hash32{});
        const auto view = node.chain->view();
        types::Transaction transaction = sample_transfer(1, 0, 7, 0).transaction;
        transaction.gas_limit = 100'000;
        transaction.data = to_bytes(to_word(U256{number}).view());
        const types::Header& parent = view->head().header;
        types::Header header = parent;
        header.number = parent.number + 1;
        const auto rules = ledger::rules_at(view->config(), header.number, header.timestamp);
        state::StateDiff diff;
        diff.accounts[*transaction.to].account =
            state::Account{.nonce = 1, .balance = {}, .code_hash = code->hash()};
        diff.codes[code->hash()] = code;
        const auto base = view->state(Height{parent.number});
        const state::OverlayView overlay{*base, diff};
        const auto arena = evm::make_arena();
        const auto hashes = [&](std::uint64_t at) {
            return view->hash_at(Height{at}).value_or(Hash32{});
        };
        const state::TransactionState::BlockHashes block_hashes = hashes;
        const auto result =
            ledger::apply_transaction(rules, ledger::environment_of(rules, header), transaction,
                                      crypto::address_of(sample_key(1)), header.gas_limit, 0,
                                      overlay, block_hashes, *arena, {.check_base_fee = false});
        return result.has_value() ? Hash32::from(result->output) : std::nullopt;
    };
    EXPECT_EQ(asked(260), node.chain->view()->hash_at(Height{260}));
    EXPECT_EQ(asked(5), node.chain->view()->hash_at(Height{5}));
    EXPECT_EQ(asked(4), Hash32{});
    EXPECT_EQ(asked(261), Hash32{});
    const auto sealed = node.seal({});
    node.open();
    EXPECT_EQ(node.chain->head().hash, sealed.hash);
    EXPECT_EQ(node.chain->verify({}), "");
}

}  // namespace
}  // namespace millrace::node
