// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/block.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"

namespace millrace::types {
namespace {

using codec::RlpError;

template <typename Fixed>
Fixed filled(std::uint8_t byte) {
    Fixed fixed;
    fixed.bytes.fill(byte);
    return fixed;
}

Header sample_header(int later_fields) {
    Header header;
    header.parent_hash = filled<Hash32>(1);
    header.ommers_hash = ommers_hash({});
    header.coinbase = filled<Address>(2);
    header.logs_bloom.bytes[7] = 0x80;
    header.difficulty = U256{0x20000};
    header.number = 300;
    header.gas_limit = 30'000'000;
    header.gas_used = 21'000;
    header.timestamp = 1'700'000'000;
    header.extra_data = {1, 2, 3};
    header.nonce = {0, 0, 0, 0, 0, 0, 0, 0x42};
    if (later_fields > 0) header.base_fee = U256{7};
    if (later_fields > 1) header.withdrawals_root = filled<Hash32>(3);
    if (later_fields > 2) header.blob_gas_used = 131'072;
    if (later_fields > 3) header.excess_blob_gas = 0;
    if (later_fields > 4) header.parent_beacon_block_root = filled<Hash32>(4);
    if (later_fields > 5) header.requests_hash = filled<Hash32>(5);
    return header;
}

SignedTransaction sample_transaction(TransactionKind kind) {
    Transaction transaction;
    transaction.kind = kind;
    transaction.chain_id = 1;
    transaction.gas_limit = 21'000;
    transaction.to = filled<Address>(9);
    if (kind == TransactionKind::blob) transaction.blob_hashes = {filled<Hash32>(1)};
    if (kind == TransactionKind::set_code) transaction.authorizations.emplace_back();
    return sign_transaction(transaction, *crypto::SecretKey::from(Bytes(32, 0x46)));
}

Block sample_block() {
    Block block;
    block.header = sample_header(6);
    for (const auto kind :
         {TransactionKind::legacy, TransactionKind::access_list, TransactionKind::dynamic_fee,
          TransactionKind::blob, TransactionKind::set_code}) {
        block.transactions.push_back(sample_transaction(kind));
    }
    block.ommers = {sample_header(0)};
    block.withdrawals = {{.index = 1, .validator = 2, .address = filled<Address>(3), .gwei = 4}};
    return block;
}

TransactionReceipt sample_receipt(TransactionKind kind) {
    TransactionReceipt receipt;
    receipt.kind = kind;
    receipt.succeeded = true;
    receipt.cumulative_gas_used = 42'000;
    receipt.logs = {{.address = filled<Address>(1),
                     .topics = {filled<Hash32>(2), filled<Hash32>(3)},
                     .data = Bytes(70, 7)}};
    add_to_bloom(receipt.logs_bloom, receipt.logs[0]);
    return receipt;
}

Result<Header, RlpError> decode_whole_header(ByteView raw) {
    codec::RlpReaderView reader{raw};
    MILLRACE_TRY(Header header, decode_header(reader));
    MILLRACE_TRY_VOID(reader.finish());
    return header;
}

// The genesis block of Ethereum's main network.
TEST(Header, hashes_as_the_first_block_of_mainnet) {
    Header header;
    header.ommers_hash = ommers_hash({});
    header.state_root =
        *fixed_from_hex<Hash32>("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544");
    header.transactions_root = header.receipts_root =
        *fixed_from_hex<Hash32>("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    header.difficulty = U256{17'179'869'184};
    header.gas_limit = 5'000;
    header.extra_data =
        *from_hex("11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa");
    header.nonce = {0, 0, 0, 0, 0, 0, 0, 0x42};
    EXPECT_EQ(to_hex(header.hash().view()),
              "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
}

TEST(Header, comes_back_whole_in_the_form_of_every_fork) {
    for (int later_fields = 0; later_fields <= 6; ++later_fields) {
        const Header header = sample_header(later_fields);
        const auto decoded = decode_whole_header(header.encode());
        ASSERT_TRUE(decoded.has_value()) << later_fields;
        EXPECT_EQ(*decoded, header);
    }
}

TEST(Header, truncated_and_longer_ones_are_refused) {
    const Bytes raw = sample_header(6).encode();
    for (std::size_t size = 0; size < raw.size(); ++size)
        EXPECT_FALSE(decode_whole_header(ByteView{raw}.first(size)).has_value()) << size;
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    codec::RlpReaderView outer{raw};
    codec::RlpReaderView items = *outer.read_list();
    while (!items.at_end())
        writer.write_raw(*items.read_raw());
    writer.write(std::uint64_t{1});
    writer.end_list(list);
    EXPECT_EQ(decode_whole_header(writer.view()).error(), RlpError::trailing_bytes);
}

TEST(Block, comes_back_whole) {
    Block block = sample_block();
    EXPECT_EQ(*decode_block(block.encode()), block);
    block.withdrawals->clear();
    EXPECT_EQ(*decode_block(block.encode()), block);
    block.withdrawals.reset();
    EXPECT_EQ(*decode_block(block.encode()), block);
}

TEST(Block, truncated_extended_and_oversized_ones_are_refused) {
    Bytes raw = sample_block().encode();
    for (std::size_t size = 0; size < raw.size(); ++size)
        EXPECT_FALSE(decode_block(ByteView{raw}.first(size)).has_value()) << size;
    raw.push_back(0);
    EXPECT_EQ(decode_block(raw).error(), RlpError::trailing_bytes);
    EXPECT_EQ(decode_block(Bytes(block_size_max + 1)).error(), RlpError::wrong_size);
}

TEST(Block, has_one_writing_only) {
    const Bytes raw = sample_block().encode();
    for (std::size_t index = 0; index < raw.size(); ++index) {
        Bytes changed = raw;
        changed[index] ^= 0x41;
        const auto decoded = decode_block(changed);
        if (!decoded.has_value()) continue;
        EXPECT_EQ(decoded->encode(), changed) << index;
    }
}

TEST(Block, refuses_a_legacy_transaction_inside_a_string) {
    Block block = sample_block();
    block.transactions.clear();
    const Bytes empty = block.encode();
    block.transactions = {sample_transaction(TransactionKind::legacy)};
    codec::RlpReaderView outer{empty};
    codec::RlpReaderView items = *outer.read_list();
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_raw(*items.read_raw());
    const auto transactions = writer.begin_list();
    writer.write(ByteView{block.transactions[0].encode()});
    writer.end_list(transactions);
    ASSERT_TRUE(items.read_raw().has_value());
    writer.write_raw(*items.read_raw());
    writer.write_raw(*items.read_raw());
    writer.end_list(list);
    EXPECT_EQ(decode_block(writer.view()).error(), RlpError::bad_value);
}

TEST(TransactionReceipt, comes_back_whole_in_every_form) {
    for (const auto kind :
         {TransactionKind::legacy, TransactionKind::access_list, TransactionKind::dynamic_fee,
          TransactionKind::blob, TransactionKind::set_code}) {
        TransactionReceipt receipt = sample_receipt(kind);
        EXPECT_EQ(*decode_transaction_receipt(receipt.encode()), receipt);
        receipt.succeeded = false;
        EXPECT_EQ(*decode_transaction_receipt(receipt.encode()), receipt);
        receipt.state_root = filled<Hash32>(8);
        EXPECT_EQ(*decode_transaction_receipt(receipt.encode()), receipt);
    }
}

TEST(TransactionReceipt, truncated_extended_and_changed_ones_have_no_second_form) {
    const Bytes raw = sample_receipt(TransactionKind::dynamic_fee).encode();
    for (std::size_t size = 0; size < raw.size(); ++size)
        EXPECT_FALSE(decode_transaction_receipt(ByteView{raw}.first(size)).has_value()) << size;
    Bytes longer = raw;
    longer.push_back(0);
    EXPECT_EQ(decode_transaction_receipt(longer).error(), RlpError::trailing_bytes);
    for (std::size_t index = 0; index < raw.size(); ++index) {
        Bytes changed = raw;
        changed[index] ^= 0x21;
        const auto decoded = decode_transaction_receipt(changed);
        if (!decoded.has_value()) continue;
        EXPECT_EQ(decoded->encode(), changed) << index;
    }
}

Bytes short_form(const TransactionReceipt& receipt) {
    codec::RlpWriter writer;
    write_short(writer, receipt);
    return std::move(writer).take();
}

TEST(TransactionReceipt, the_short_form_comes_back_with_its_bloom) {
    for (const auto kind : {TransactionKind::legacy, TransactionKind::set_code}) {
        TransactionReceipt receipt = sample_receipt(kind);
        receipt.logs_bloom = {};
        for (const Log& log : receipt.logs)
            add_to_bloom(receipt.logs_bloom, log);
        for (const bool has_root : {false, true}) {
            if (has_root) {
                receipt.succeeded = false;
                receipt.state_root = filled<Hash32>(8);
            }
            const Bytes raw = short_form(receipt);
            codec::RlpReaderView reader{raw};
            EXPECT_EQ(*read_short(reader), receipt);
            EXPECT_TRUE(reader.at_end());
        }
    }
}

TEST(TransactionReceipt, truncated_and_changed_short_forms_have_no_second_form) {
    const Bytes raw = short_form(sample_receipt(TransactionKind::dynamic_fee));
    for (std::size_t size = 0; size < raw.size(); ++size) {
        codec::RlpReaderView reader{ByteView{raw}.first(size)};
        EXPECT_FALSE(read_short(reader).has_value()) << size;
    }
    for (std::size_t index = 0; index < raw.size(); ++index) {
        Bytes changed = raw;
        changed[index] ^= 0x21;
        codec::RlpReaderView reader{changed};
        const auto decoded = read_short(reader);
        if (!decoded.has_value() || !reader.at_end()) continue;
        EXPECT_EQ(short_form(*decoded), changed) << index;
    }
}

TEST(Bloom, contains_what_was_added) {
    Log log{.address = filled<Address>(1), .topics = {filled<Hash32>(2)}, .data = {}};
    Bloom bloom;
    EXPECT_FALSE(bloom_may_contain(bloom, log.address.view()));
    add_to_bloom(bloom, log);
    EXPECT_TRUE(bloom_may_contain(bloom, log.address.view()));
    EXPECT_TRUE(bloom_may_contain(bloom, log.topics[0].view()));
    EXPECT_FALSE(bloom_may_contain(bloom, filled<Hash32>(3).view()));
}

}  // namespace
}  // namespace millrace::types
