// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "ledger/sample_chain.hpp"
#include "ledger/validity.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;
using types::TransactionKind;

TEST(Transfer, pays_value_tip_and_burns_the_base_fee) {
    World world;
    const auto result = world.apply(world.transfer());
    ASSERT_TRUE(result.has_value()) << to_text(result.error());
    EXPECT_TRUE(result->succeeded);
    EXPECT_EQ(result->gas_used, 21'000u);
    EXPECT_EQ(World::balance(result->diff, *world.transfer().to), U256{1'000});
    EXPECT_EQ(World::balance(result->diff, world.coinbase), U256{21'000 * 2});
    EXPECT_EQ(World::balance(result->diff, world.sender), U256{ether - 1'000 - 21'000 * 9});
    EXPECT_EQ(result->diff.accounts.at(world.sender).account->nonce, 1u);
}

TEST(Transfer, before_london_the_producer_gets_the_whole_price) {
    World world;
    world.rules.revision = Revision::berlin;
    types::Transaction transaction = world.transfer();
    transaction.kind = TransactionKind::legacy;
    transaction.max_priority_fee_per_gas = U256{};
    const auto result = world.apply(transaction);
    ASSERT_TRUE(result.has_value()) << to_text(result.error());
    EXPECT_EQ(World::balance(result->diff, world.coinbase), U256{21'000 * 100});
}

TEST(Transaction, is_refused_for_each_broken_rule) {
    World world;
    const auto refused = [&world](auto change) {
        types::Transaction transaction = world.transfer();
        change(transaction);
        const auto result = world.apply(transaction);
        return result.has_value() ? std::optional<TransactionError>{} : result.error();
    };
    using T = types::Transaction;
    EXPECT_EQ(refused([](T& t) { t.nonce = 1; }), TransactionError::nonce_too_high);
    EXPECT_EQ(refused([](T& t) { t.nonce = ~std::uint64_t{0}; }), TransactionError::nonce_max);
    EXPECT_EQ(refused([](T& t) { t.chain_id = 2; }), TransactionError::wrong_chain_id);
    EXPECT_EQ(refused([](T& t) { t.gas_limit = 20'999; }), TransactionError::intrinsic_gas_too_low);
    EXPECT_EQ(refused([](T& t) {
                  t.data.assign(100, 1);
                  t.gas_limit = 22'700;
              }),
              TransactionError::gas_below_floor);
    EXPECT_EQ(refused([](T& t) { t.gas_limit = 16'777'217; }),
              TransactionError::gas_limit_exceeds_cap);
    EXPECT_EQ(refused([](T& t) { t.max_fee_per_gas = U256{6}; }),
              TransactionError::fee_below_base_fee);
    EXPECT_EQ(refused([](T& t) { t.max_priority_fee_per_gas = U256{101}; }),
              TransactionError::tip_above_fee);
    EXPECT_EQ(refused([](T& t) { t.value.wei = U256{ether}; }),
              TransactionError::insufficient_funds);
    EXPECT_EQ(refused([](T& t) { t.max_fee_per_gas = ~U256{}; }),
              TransactionError::insufficient_funds);
    EXPECT_EQ(refused([](T& t) {
                  t.to.reset();
                  t.data.assign(49'153, 0);
                  t.gas_limit = 16'000'000;
              }),
              TransactionError::init_code_too_large);
    EXPECT_EQ(refused([](T& t) { t.kind = TransactionKind::blob; }), TransactionError::no_blobs);
    EXPECT_EQ(refused([](T& t) {
                  t.kind = TransactionKind::blob;
                  t.blob_hashes.resize(7);
              }),
              TransactionError::too_many_blobs);
    EXPECT_EQ(refused([](T& t) {
                  t.kind = TransactionKind::blob;
                  t.blob_hashes.resize(1);
              }),
              TransactionError::blob_hash_version);
    EXPECT_EQ(refused([](T& t) { t.kind = TransactionKind::set_code; }),
              TransactionError::no_authorizations);
    world.deploy(world.sender, {0x00});
    EXPECT_EQ(refused([](T& t) { t.nonce = 0; }), TransactionError::nonce_too_low);
    EXPECT_EQ(refused([](T& t) { t.nonce = 1; }), TransactionError::sender_not_eoa);
}

TEST(Transaction, of_a_type_is_refused_before_its_fork_and_where_the_network_says_so) {
    World world;
    types::Transaction transaction = world.transfer();
    const auto error = [&](Revision revision, TransactionKind kind) {
        world.rules.revision = revision;
        transaction.kind = kind;
        return world.apply(transaction).error();
    };
    constexpr auto refused = TransactionError::kind_not_supported;
    EXPECT_EQ(error(Revision::istanbul, TransactionKind::access_list), refused);
    EXPECT_EQ(error(Revision::berlin, TransactionKind::dynamic_fee), refused);
    EXPECT_EQ(error(Revision::shanghai, TransactionKind::blob), refused);
    EXPECT_EQ(error(Revision::cancun, TransactionKind::set_code), refused);
    world.rules.blob_transactions = false;
    EXPECT_EQ(error(Revision::osaka, TransactionKind::blob), refused);
}

// PUSH1 0 PUSH1 0 SSTORE on a slot that holds 1: 4,800 are refunded (EIP-3529).
TEST(Refund, is_capped_by_the_share_of_what_was_spent) {
    World world;
    const Address clearer = numbered(0x55);
    world.deploy(clearer, {0x60, 0x00, 0x60, 0x00, 0x55});
    world.accounts.accounts[clearer].storage[U256{}] = U256{1};
    types::Transaction transaction = world.transfer();
    transaction.to = clearer;
    transaction.value = {};
    transaction.gas_limit = 100'000;
    constexpr std::uint64_t spent = 21'000 + 6 + 5'000;
    auto result = world.apply(transaction);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->gas_refunded, 4'800u);
    EXPECT_EQ(result->gas_used, spent - 4'800);
    world.rules.revision = Revision::berlin;
    transaction.kind = TransactionKind::access_list;
    transaction.max_priority_fee_per_gas = U256{};
    result = world.apply(transaction);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->gas_refunded, spent / 2) << "15,000 before london, half of what was spent";
}

TEST(Floor, is_paid_where_a_refund_would_go_below_it) {
    World world;
    types::Transaction transaction = world.transfer();
    transaction.data.assign(1'000, 1);
    transaction.gas_limit = 100'000;
    const auto result = world.apply(transaction);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->gas_used, 21'000u + 1'000 * 4 * 10);
}

TEST(IntrinsicGas, counts_what_each_upgrade_added) {
    types::Transaction transaction;
    transaction.data = {0, 0, 1};
    EXPECT_EQ(intrinsic_gas(Revision::frontier, transaction).intrinsic, 21'000u + 8 + 68);
    EXPECT_EQ(intrinsic_gas(Revision::homestead, transaction).intrinsic, 53'000u + 8 + 68);
    EXPECT_EQ(intrinsic_gas(Revision::istanbul, transaction).intrinsic, 53'000u + 8 + 16);
    EXPECT_EQ(intrinsic_gas(Revision::shanghai, transaction).intrinsic, 53'000u + 8 + 16 + 2);
    transaction.access_list = {{.address = {}, .storage_keys = {Hash32{}, Hash32{}}}};
    transaction.authorizations.resize(2);
    const GasCost cost = intrinsic_gas(Revision::prague, transaction);
    EXPECT_EQ(cost.intrinsic, 53'000u + 8 + 16 + 2 + 2'400 + 2 * 1'900 + 50'000);
    EXPECT_EQ(cost.floor, 21'000u + (2 + 4) * 10);
}

// EIP-7702: the sender gives its own account code, and pays 12,500 less as it exists.
TEST(Authorization, takes_effect_also_where_the_call_fails) {
    World world;
    types::Transaction transaction = world.transfer();
    transaction.kind = TransactionKind::set_code;
    transaction.gas_limit = 100'000;
    transaction.value = {};
    const Address reverter = numbered(0x66);
    world.deploy(reverter, {0xfe});
    transaction.to = reverter;
    types::Authorization authorization;
    authorization.chain_id = U256{1};
    authorization.address = numbered(0x42);
    authorization.nonce = 1;
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(authorization.chain_id);
    writer.write(authorization.address);
    writer.write(authorization.nonce);
    writer.end_list(list);
    Bytes message = std::move(writer).take();
    message.insert(message.begin(), 0x05);
    const crypto::Signature signature = crypto::sign(world.key, crypto::keccak256(message));
    authorization.r = *u256_from_big_endian(signature.view().first(32));
    authorization.s = *u256_from_big_endian(signature.view().subspan(32, 32));
    authorization.y_parity = static_cast<std::uint8_t>(signature.bytes[64] - 27);
    transaction.authorizations = {authorization};
    const auto result = world.apply(transaction);
    ASSERT_TRUE(result.has_value()) << to_text(result.error());
    EXPECT_FALSE(result->succeeded);
    EXPECT_EQ(result->gas_used, 100'000u - 12'500);
    const state::Account& account = *result->diff.accounts.at(world.sender).account;
    EXPECT_EQ(account.nonce, 2u);
    const ByteView code = result->diff.codes.at(account.code_hash)->view();
    ASSERT_TRUE(is_delegation(code));
    EXPECT_EQ(delegation_target(code), numbered(0x42));
}

TEST(BlobFee, is_burnt) {
    World world;
    types::Transaction transaction = world.transfer();
    transaction.kind = TransactionKind::blob;
    transaction.max_fee_per_blob_gas = U256{5};
    Hash32 hash;
    hash.bytes[0] = 1;
    transaction.blob_hashes = {hash, hash};
    const auto result = world.apply(transaction);
    ASSERT_TRUE(result.has_value()) << to_text(result.error());
    EXPECT_EQ(World::balance(result->diff, world.sender),
              U256{ether - 1'000 - 21'000 * 9 - 2 * 131'072});
    EXPECT_EQ(World::balance(result->diff, world.coinbase), U256{21'000 * 2});
}

TEST(Call, without_checks_needs_no_balance_and_pays_nothing) {
    World world;
    types::Transaction transaction = world.transfer();
    transaction.max_fee_per_gas = U256{};
    transaction.max_priority_fee_per_gas = U256{};
    transaction.value = {};
    transaction.nonce = 77;
    world.accounts.accounts.clear();
    ExecutionOptions options;
    options.check_nonce = options.check_balance = options.check_base_fee = false;
    const auto result = world.apply(transaction, options);
    ASSERT_TRUE(result.has_value()) << to_text(result.error());
    EXPECT_FALSE(result->diff.accounts.contains(world.coinbase));
}

}  // namespace
}  // namespace millrace::ledger
