// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "ledger/fees.hpp"
#include "ledger/sample_chain.hpp"
#include "ledger/system_calls.hpp"

namespace millrace::ledger {
namespace {

/// A world whose genesis is made, and the header of the block after it.
struct ChainWorld : World {
    types::Block genesis;
    state::OverlayView view{nothing, accounts};

    ChainWorld() {
        // Returns nothing: no requests.
        deploy(SystemContracts::withdrawal_requests, {0x00});
        deploy(SystemContracts::consolidation_requests, {0x00});
        // Stores the caller's word under slot 0: PUSH0 CALLDATALOAD PUSH0 SSTORE.
        deploy(SystemContracts::block_hashes, {0x5f, 0x35, 0x5f, 0x55});
        Genesis plain;
        plain.config = config;
        plain.header.gas_limit = 30'000'000;
        plain.state = accounts;
        genesis = make_genesis_block(plain);
    }
    [[nodiscard]] types::Header next_header() const {
        types::Header header;
        header.parent_hash = genesis.header.hash();
        header.number = 1;
        header.timestamp = 12;
        header.coinbase = coinbase;
        header.gas_limit = genesis.header.gas_limit;
        header.base_fee = next_base_fee(config, genesis.header);
        header.excess_blob_gas = 0;
        header.parent_beacon_block_root = Hash32{};
        return header;
    }
    [[nodiscard]] types::SignedTransaction signed_transfer(std::uint64_t nonce) const {
        types::Transaction transaction = transfer();
        transaction.nonce = nonce;
        transaction.max_fee_per_gas = U256{2'000'000'000};
        return types::sign_transaction(transaction, key);
    }
    BlockBuilder::Built build() {
        BlockBuilder builder{config, next_header(), view, hashes, *arena};
        for (std::uint64_t nonce = 0; nonce < 3; ++nonce) {
            EXPECT_TRUE(builder.add(signed_transfer(nonce), sender).has_value());
        }
        EXPECT_EQ(builder.add(signed_transfer(1), sender).error(), TransactionError::nonce_too_low);
        EXPECT_EQ(builder.gas_left(), 30'000'000u - 3 * 21'000);
        auto built = std::move(builder).finish(
            std::vector{types::Withdrawal{.address = numbered(0x99), .gwei = 5}});
        EXPECT_TRUE(built.has_value());
        return std::move(*built);
    }
    Result<BlockResult, BlockFailure> execute(const types::Block& block) {
        const auto senders = recover_senders(block.transactions, rules.revision, {});
        return execute_block(config, block, senders, view, hashes, *arena);
    }
};

TEST(BuiltBlock, is_accepted_and_has_the_same_result) {
    ChainWorld world;
    const BlockBuilder::Built built = world.build();
    EXPECT_TRUE(check_header(world.config, built.block.header, world.genesis.header, true));
    const auto result = world.execute(built.block);
    ASSERT_TRUE(result.has_value()) << to_text(result.error().error);
    EXPECT_TRUE(check_result(built.block, *result));
    EXPECT_EQ(result->gas_used, 3 * 21'000u);
    EXPECT_EQ(World::balance(result->diff, numbered(0x99)), U256{5'000'000'000});
    EXPECT_EQ(result->requests_hash, crypto::sha256({})) << "no requests";
    EXPECT_EQ(result->receipts.back().cumulative_gas_used, 3 * 21'000u);
}

TEST(BlockHashesContract, is_told_the_parent) {
    ChainWorld world;
    const auto built = world.build();
    EXPECT_EQ(built.result.diff.accounts.at(SystemContracts::block_hashes).storage.at(U256{}),
              from_word(world.genesis.header.hash()));
}

TEST(Block, is_refused_where_body_and_header_differ) {
    ChainWorld world;
    const auto built = world.build();
    const auto error_after = [&](auto change) {
        types::Block block = built.block;
        change(block);
        const auto result = world.execute(block);
        if (!result) return result.error().error;
        return check_result(block, *result).error().error;
    };
    using B = types::Block;
    EXPECT_EQ(error_after([](B& b) { b.header.transactions_root = {}; }),
              BlockError::bad_transactions_root);
    EXPECT_EQ(error_after([](B& b) { b.withdrawals->clear(); }), BlockError::bad_withdrawals_root);
    EXPECT_EQ(error_after([](B& b) { b.ommers.emplace_back(); }), BlockError::bad_ommers);
    EXPECT_EQ(error_after([](B& b) { ++b.header.gas_used; }), BlockError::bad_gas_used);
    EXPECT_EQ(error_after([](B& b) { b.header.logs_bloom.bytes[0] = 1; }), BlockError::bad_bloom);
    EXPECT_EQ(error_after([](B& b) { b.header.receipts_root = {}; }),
              BlockError::bad_receipts_root);
    EXPECT_EQ(error_after([](B& b) { b.header.requests_hash = Hash32{}; }),
              BlockError::bad_requests_hash);
    EXPECT_EQ(error_after([&](B& b) {
                  std::swap(b.transactions[0], b.transactions[1]);
                  b.header.transactions_root = transactions_root(b.transactions);
              }),
              BlockError::bad_transaction);
}

TEST(Block, over_eight_mebibytes_is_refused) {
    ChainWorld world;
    types::Block block = world.build().block;
    types::Transaction large = world.transfer();
    large.data.assign(8u << 20, 0);
    block.transactions.push_back(types::sign_transaction(large, world.key));
    EXPECT_EQ(world.execute(block).error().error, BlockError::too_large);
}

TEST(BuiltBlock, stays_below_eight_mebibytes_from_osaka_on) {
    ChainWorld world;
    const auto large = [&](std::uint64_t nonce) {
        types::Transaction transaction = world.transfer();
        transaction.nonce = nonce;
        transaction.max_fee_per_gas = U256{2'000'000'000};
        transaction.gas_limit = 12'000'000;
        transaction.data.assign(1u << 20, 0);
        return types::sign_transaction(transaction, world.key);
    };
    types::Header header = world.next_header();
    header.gas_limit = 200'000'000;
    {
        BlockBuilder builder{world.config, header, world.view, world.hashes, *world.arena};
        for (std::uint64_t nonce = 0; nonce < 7; ++nonce)
            ASSERT_TRUE(builder.add(large(nonce), world.sender).has_value());
        EXPECT_EQ(builder.add(large(7), world.sender).error(),
                  TransactionError::size_exceeds_block);
        EXPECT_TRUE(builder.add(world.signed_transfer(7), world.sender).has_value())
            << "a smaller one has room";
        const auto built = std::move(builder).finish(std::vector<types::Withdrawal>{});
        ASSERT_TRUE(built.has_value());
        EXPECT_LE(built->block.encode().size(), block_rlp_size_max);
        EXPECT_TRUE(world.execute(built->block).has_value());
    }
    world.config.osaka_time.reset();
    BlockBuilder earlier{world.config, header, world.view, world.hashes, *world.arena};
    for (std::uint64_t nonce = 0; nonce < 8; ++nonce)
        EXPECT_TRUE(earlier.add(large(nonce), world.sender).has_value());
}

TEST(Block, without_its_system_contracts_is_refused) {
    ChainWorld world;
    const auto built = world.build();
    world.accounts.accounts.erase(SystemContracts::withdrawal_requests);
    EXPECT_EQ(world.execute(built.block).error().error, BlockError::system_contract_empty);
    world.deploy(SystemContracts::withdrawal_requests, {0xfe});
    EXPECT_EQ(world.execute(built.block).error().error, BlockError::system_call_failed);
}

TEST(Header, owes_its_parent_all_its_fields) {
    ChainWorld world;
    const types::Header good = world.build().block.header;
    const auto error_after = [&](auto change, bool strict_time = true) {
        types::Header header = good;
        change(header);
        return check_header(world.config, header, world.genesis.header, strict_time).error().error;
    };
    using H = types::Header;
    EXPECT_EQ(error_after([](H& h) { h.parent_hash = {}; }), BlockError::unknown_parent);
    EXPECT_EQ(error_after([](H& h) { h.number = 2; }), BlockError::bad_number);
    EXPECT_EQ(error_after([](H& h) { h.timestamp = 0; }), BlockError::bad_timestamp);
    EXPECT_EQ(error_after([](H& h) { h.gas_limit += 29'297; }), BlockError::bad_gas_limit);
    EXPECT_EQ(error_after([](H& h) { h.gas_used = h.gas_limit + 1; }),
              BlockError::gas_used_over_limit);
    EXPECT_EQ(error_after([](H& h) { h.extra_data.resize(33); }), BlockError::extra_data_too_long);
    EXPECT_EQ(error_after([](H& h) { h.base_fee = U256{1}; }), BlockError::bad_base_fee);
    EXPECT_EQ(error_after([](H& h) { h.difficulty = U256{1}; }), BlockError::bad_difficulty);
    EXPECT_EQ(error_after([](H& h) { h.ommers_hash = {}; }), BlockError::bad_ommers);
    EXPECT_EQ(error_after([](H& h) { h.excess_blob_gas = 1; }), BlockError::bad_blob_gas);
    EXPECT_EQ(error_after([](H& h) { h.requests_hash.reset(); }), BlockError::bad_header_fields);
    types::Header same_time = good;
    same_time.timestamp = 0;
    EXPECT_TRUE(check_header(world.config, same_time, world.genesis.header, false))
        << "our networks may make blocks within one second";
}

TEST(Rewards, are_paid_before_paris_and_a_state_root_stands_in_old_receipts) {
    World world;
    world.config = ChainConfig{};
    world.rules = rules_at(world.config, 1, 1);
    const state::OverlayView view{world.nothing, world.accounts};
    types::Transaction transaction = world.transfer();
    transaction.kind = types::TransactionKind::legacy;
    transaction.chain_id.reset();
    transaction.max_priority_fee_per_gas = U256{};
    types::Block block;
    block.transactions = {types::sign_transaction(transaction, world.key)};
    block.header.number = 9;
    block.header.gas_limit = 30'000'000;
    block.header.coinbase = world.coinbase;
    block.header.transactions_root = transactions_root(block.transactions);
    block.ommers.emplace_back();
    block.ommers[0].number = 8;
    block.ommers[0].coinbase = numbered(0x11);
    block.header.ommers_hash = types::ommers_hash(block.ommers);
    const auto senders = recover_senders(block.transactions, world.rules.revision, {});
    EXPECT_EQ(
        execute_block(world.config, block, senders, view, world.hashes, *world.arena).error().error,
        BlockError::not_supported)
        << "nobody can tell the state root";
    Hash32 root;
    root.bytes[0] = 9;
    const auto result = execute_block(world.config, block, senders, view, world.hashes,
                                      *world.arena, [&](const state::StateDiff&) { return root; });
    ASSERT_TRUE(result.has_value()) << to_text(result.error().error);
    EXPECT_EQ(result->receipts[0].state_root, root);
    EXPECT_EQ(World::balance(result->diff, numbered(0x11)),
              div_or_zero(wrapping_mul(U256{5 * ether}, U256{7}), U256{8}));
    EXPECT_EQ(World::balance(result->diff, world.coinbase),
              U256{5 * ether + 5 * ether / 32 + 21'000 * 100});
}

TEST(Deposits, are_read_from_the_one_layout_the_contract_writes) {
    const Address contract = numbered(0xdd);
    types::Log log;
    log.address = contract;
    log.topics = {*fixed_from_hex<Hash32>(
        "649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")};
    log.data.assign(576, 0);
    constexpr std::uint64_t offsets[] = {160, 256, 320, 384, 512};
    constexpr std::uint64_t sizes[] = {48, 32, 8, 96, 8};
    for (std::size_t index = 0; index < 5; ++index) {
        store_word(U256{offsets[index]}, log.data.data() + 32 * index);
        store_word(U256{sizes[index]}, log.data.data() + offsets[index]);
        log.data[offsets[index] + 32] = static_cast<std::uint8_t>(index + 1);
    }
    Bytes deposits;
    EXPECT_TRUE(read_deposit(contract, log, deposits));
    ASSERT_EQ(deposits.size(), 192u);
    EXPECT_EQ(deposits[0], 1);
    EXPECT_EQ(deposits[48], 2);
    EXPECT_EQ(deposits[80], 3);
    EXPECT_EQ(deposits[88], 4);
    EXPECT_EQ(deposits[184], 5);
    log.data[31] ^= 1;
    EXPECT_FALSE(read_deposit(contract, log, deposits));
    log.data.pop_back();
    EXPECT_FALSE(read_deposit(contract, log, deposits));
    log.address = numbered(1);
    EXPECT_TRUE(read_deposit(contract, log, deposits)) << "somebody else's log";
    EXPECT_EQ(deposits.size(), 192u);
}

}  // namespace
}  // namespace millrace::ledger
