// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/transaction.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"

namespace millrace::types {
namespace {

using codec::RlpError;

const crypto::SecretKey key = *crypto::SecretKey::from(Bytes(32, 0x46));

Transaction sample(TransactionKind kind) {
    Transaction transaction;
    transaction.kind = kind;
    transaction.chain_id = 5065036;
    transaction.nonce = 9;
    transaction.max_fee_per_gas = U256{20'000'000'000};
    transaction.gas_limit = 21'000;
    transaction.to = *crypto::parse_address("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
    transaction.value = *parse_amount("1");
    transaction.data = {0x12, 0x34};
    if (has_dynamic_fee(kind)) {
        transaction.max_priority_fee_per_gas = U256{1'000'000'000};
        Hash32 first;
        first.bytes.fill(0x33);
        transaction.access_list = {{.address = *transaction.to, .storage_keys = {first, Hash32{}}}};
    }
    if (kind == TransactionKind::blob) {
        transaction.max_fee_per_blob_gas = U256{3};
        transaction.blob_hashes = {Hash32{}, Hash32{}};
        transaction.blob_hashes[0].bytes[0] = 1;
    }
    if (kind == TransactionKind::set_code) {
        transaction.authorizations = {{.chain_id = U256{5065036},
                                       .address = *transaction.to,
                                       .nonce = 1,
                                       .y_parity = 1,
                                       .r = U256{5},
                                       .s = U256{6}}};
    }
    return transaction;
}

std::vector<Transaction> samples() {
    Transaction unprotected = sample(TransactionKind::legacy);
    unprotected.chain_id.reset();
    Transaction creation = sample(TransactionKind::dynamic_fee);
    creation.to.reset();
    return {sample(TransactionKind::legacy),
            sample(TransactionKind::access_list),
            sample(TransactionKind::dynamic_fee),
            unprotected,
            creation,
            sample(TransactionKind::blob),
            sample(TransactionKind::set_code)};
}

// Signed by ethers 6 with the same key.
TEST(Transaction, every_kind_is_signed_as_ethers_does) {
    EXPECT_EQ(
        to_hex(sign_transaction(sample(TransactionKind::dynamic_fee), key).encode()),
        "02f8d4834d494c09843b9aca008504a817c800825208947e5f4552091a69125d5dfcb7b8c2659029395bdf880d"
        "e0b6b3a7640000821234f85bf859947e5f4552091a69125d5dfcb7b8c2659029395bdff842a033333333333333"
        "33333333333333333333333333333333333333333333333333a000000000000000000000000000000000000000"
        "0000000000000000000000000001a0de466b16046f9158a2eb30ef78668921c7fcbd097802b5efe9672a1a29cb"
        "8860a01fb73f1adb35cbfc094f37019c44b8a4fd06d7197976e60392f850a75436df70");
    EXPECT_EQ(
        to_hex(sign_transaction(sample(TransactionKind::access_list), key).encode()),
        "01f873834d494c098504a817c800825208947e5f4552091a69125d5dfcb7b8c2659029395bdf880de0b6b3a764"
        "0000821234c080a04031f465f160b90b5f9bb25cb4bafbafdcbec2db316a28b4f65253932c8c0d7ea00add8fe0"
        "b47b6e10a6b2897a3dc0181f3b4addab60f3a25ab06a9cc1b5370eb9");
    EXPECT_EQ(
        to_hex(sign_transaction(sample(TransactionKind::legacy), key).encode()),
        "f871098504a817c800825208947e5f4552091a69125d5dfcb7b8c2659029395bdf880de0b6b3a7640000821234"
        "839a92bca0db1dabb6fc80c3fdeecef4de647c42dcdc497f48c91a01d135953d1027b08c2ba073bc765141901b"
        "9e4de3653cde05e6ec06fac2e87858556f20737ed981fb6066");
}

// The example of EIP-155.
TEST(Transaction, the_example_of_eip_155) {
    Transaction transaction;
    transaction.kind = TransactionKind::legacy;
    transaction.chain_id = 1;
    transaction.nonce = 9;
    transaction.max_fee_per_gas = U256{20'000'000'000};
    transaction.gas_limit = 21'000;
    Address target;
    target.bytes.fill(0x35);
    transaction.to = target;
    transaction.value = *parse_amount("1");
    EXPECT_EQ(to_hex(signing_hash(transaction).view()),
              "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    EXPECT_EQ(
        to_hex(sign_transaction(transaction, key).encode()),
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a7640000802"
        "5a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aec"
        "b703304b3800ccf555c9f3dc64214b297fb1966a3b6d83");
}

TEST(Transaction, comes_back_whole_with_its_sender) {
    for (const Transaction& transaction : samples()) {
        const SignedTransaction original = sign_transaction(transaction, key);
        const auto decoded = decode_transaction(original.encode());
        ASSERT_TRUE(decoded.has_value()) << codec::to_text(decoded.error());
        EXPECT_EQ(*decoded, original);
        EXPECT_EQ(decoded->hash(), original.hash());
        EXPECT_EQ(decoded->sender(), crypto::address_of(key));
    }
}

TEST(Transaction, truncated_and_extended_ones_are_refused) {
    for (const Transaction& transaction : samples()) {
        const Bytes raw = sign_transaction(transaction, key).encode();
        for (std::size_t size = 0; size < raw.size(); ++size) {
            EXPECT_FALSE(decode_transaction(ByteView{raw}.first(size)).has_value());
        }
        Bytes longer = raw;
        longer.push_back(0);
        EXPECT_EQ(decode_transaction(longer).error(), RlpError::trailing_bytes);
    }
}

TEST(Transaction, any_changed_byte_changes_the_sender_or_is_refused) {
    const Bytes raw = sign_transaction(sample(TransactionKind::dynamic_fee), key).encode();
    for (std::size_t index = 0; index < raw.size(); ++index) {
        Bytes changed = raw;
        changed[index] ^= 1;
        const auto decoded = decode_transaction(changed);
        if (!decoded.has_value()) continue;
        EXPECT_NE(decoded->sender(), crypto::address_of(key)) << index;
        EXPECT_EQ(decoded->encode(), changed) << "one writing only";
    }
}

TEST(Transaction, larger_ones_than_pools_take_are_decoded) {
    Transaction transaction = sample(TransactionKind::dynamic_fee);
    transaction.data.assign(transaction_size_max + 1, 1);
    const SignedTransaction large = sign_transaction(transaction, key);
    EXPECT_EQ(*decode_transaction(large.encode()), large);
}

TEST(Transaction, a_high_s_is_the_same_signer_before_homestead_and_nobody_after) {
    SignedTransaction high = sign_transaction(sample(TransactionKind::legacy), key);
    EXPECT_EQ(high.sender_before_homestead(), crypto::address_of(key));
    U256 order;
    order.words = {0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff};
    high.s = *checked_sub(order, high.s);
    high.y_parity ^= 1;
    EXPECT_EQ(high.sender_before_homestead(), crypto::address_of(key));
    EXPECT_EQ(high.sender(), std::nullopt);
    high.s = order;
    EXPECT_EQ(high.sender_before_homestead(), std::nullopt);
    high.s = U256{};
    EXPECT_EQ(high.sender_before_homestead(), std::nullopt);
}

TEST(Authorization, tells_its_authority_or_nobody) {
    Authorization authorization;
    authorization.chain_id = U256{1};
    authorization.nonce = 7;
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(authorization.chain_id);
    writer.write(authorization.address);
    writer.write(authorization.nonce);
    writer.end_list(list);
    Bytes message = std::move(writer).take();
    message.insert(message.begin(), 0x05);
    const crypto::Signature signature = crypto::sign(key, crypto::keccak256(message));
    authorization.r = *u256_from_big_endian(signature.view().first(32));
    authorization.s = *u256_from_big_endian(signature.view().subspan(32, 32));
    authorization.y_parity = static_cast<std::uint8_t>(signature.bytes[64] - 27);
    EXPECT_EQ(authorization.authority(), crypto::address_of(key));
    authorization.y_parity = 27;
    EXPECT_EQ(authorization.authority(), std::nullopt);
}

TEST(Transaction, unknown_kinds_and_v_are_refused) {
    EXPECT_EQ(decode_transaction(Bytes{0x05, 0xc0}).error(), RlpError::bad_value);
    EXPECT_EQ(decode_transaction(Bytes{0x00, 0xc0}).error(), RlpError::bad_value);
    EXPECT_EQ(decode_transaction(Bytes{0x80}).error(), RlpError::bad_value);
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    for (int index = 0; index < 6; ++index)
        writer.write(std::uint64_t{0});
    writer.write(std::uint64_t{29});
    writer.write(std::uint64_t{1});
    writer.write(std::uint64_t{1});
    writer.end_list(list);
    EXPECT_EQ(decode_transaction(writer.view()).error(), RlpError::bad_value);
}

TEST(ContractAddress, is_what_create_gives) {
    const Address creator = crypto::address_of(key);
    const auto created = [&creator](std::uint64_t nonce) {
        return crypto::checksum_address(contract_address(creator, nonce));
    };
    EXPECT_EQ(created(0), "0x72665d3e94Cb4f374b7728F1ab21A3115C4D50Eb");
    EXPECT_EQ(created(127), "0xedcbE1825489a8395A9d09876654bC8ea3d19e0e");
    EXPECT_EQ(created(128), "0x330EDd805D34afcB7c5F87c87Cb886945714ccb7");
}

}  // namespace
}  // namespace millrace::types
