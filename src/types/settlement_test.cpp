// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/settlement.hpp"

#include <gtest/gtest.h>

#include "types/sample_messages.hpp"

namespace millrace::types {
namespace {

// Digests and signatures below are what ethers 6 gives: test/interop/eip712_vectors.mjs prints
// them.

SettlementDomain domain() {
    SettlementDomain result;
    result.chain_id = U256{5'065'036};
    result.genesis = sample_hash("genesis");
    result.deposits = *fixed_from_hex<Address>("4d494c0000000000000000000000000000000001");
    result.jobs = *fixed_from_hex<Address>("4d494c0000000000000000000000000000000003");
    return result;
}

Address repeated(std::uint8_t byte) {
    Address address;
    address.bytes.fill(byte);
    return address;
}

crypto::SecretKey key() {
    return *crypto::SecretKey::from(sample_hash("millrace test key").view());
}

std::string signed_hex(const Hash32& digest) {
    return to_hex(crypto::sign(key(), digest).view());
}

TEST(Eip712, separators_equal_those_of_ethers) {
    EXPECT_EQ(to_hex(domain().jobs_separator().view()),
              "e606f4a7ec1eb80bea7ae831362890a880eeca7e4bd3ad6e8cb27df79989d204");
    EXPECT_EQ(to_hex(domain().deposits_separator().view()),
              "3f60a59c138d7d6b30bab92af9261c756d59f1e3131fca6946350d9fe769e738");
}

TEST(Eip712, lease_equals_that_of_ethers) {
    const Lease lease{.job = sample_hash("job"),
                      .task = sample_hash("task"),
                      .replica = 7,
                      .requestor = repeated(0x11),
                      .provider = repeated(0x22),
                      .fuel_limit = Fuel{1ull << 40},
                      .price = Amount{*u256_from_decimal("123456789012345678901234567890")},
                      .deadline = 1'793'000'000};
    EXPECT_EQ(to_hex(lease.id().view()),
              "8039d7df8ecbf4fc7a85b45e8e9912ca4b988d56ec6c05530ad326f0e4ce8c0c");
    EXPECT_EQ(to_hex(lease.digest(domain()).view()),
              "1310432ebfb76565d6bec32df60514a7d7e98c2846144df34445641d8a4bcc57");
    EXPECT_EQ(signed_hex(lease.digest(domain())),
              "a2f2ed73c9c703b15a1012c944ebacdb524dda327a54b8ed00ac1955360038d8"
              "7de4a7e8d8d8b10ac2fc24760c5cf884167c33efe26c7248e05468038285893c1c");
}

TEST(Eip712, commitment_equals_that_of_ethers) {
    const Commitment commitment{sample_hash("lease"), sample_hash("commitment")};
    EXPECT_EQ(to_hex(commitment.digest(domain()).view()),
              "f62666ea733ab80284be7c46974fe08f5f6320208ef5097d906673f3299c0299");
    EXPECT_EQ(signed_hex(commitment.digest(domain())),
              "e257d4abe5ecd457bfa874a8d71a31d2843cbcfadbef1294d16126c3f01221ee"
              "4129ac055bb75c8fa5edb93b2f790e207188f4759bc23a87e4d71394e9998a011b");
}

TEST(Eip712, receipt_equals_that_of_ethers) {
    const Receipt receipt{sample_hash("lease"), sample_hash("task"), sample_hash("result"),
                          Fuel{987'654'321}};
    EXPECT_EQ(to_hex(receipt.digest(domain()).view()),
              "aa7e96b7f03f4f6ee825a8e7d7b9e6ad4535f97075b60a3c7b4575745a2bc8aa");
    EXPECT_EQ(signed_hex(receipt.digest(domain())),
              "3a77abd5a3be9372c96c73922da3a87e2b401dbcedb8c042aa020780499ae523"
              "3e258203cfdc2eb550238d5951a1d7fa96a185254075fead4ee4f8b2ee0efb411c");
}

TEST(Eip712, voucher_equals_that_of_ethers) {
    Voucher voucher{repeated(0x11), repeated(0x22), 3, {}, 12};
    voucher.cumulative.wei.words = {5, 0, 0, 1u << 8};  // 2^200 + 5
    EXPECT_EQ(to_hex(voucher.digest(domain()).view()),
              "93910e2c344f83a847f9b6a35264c9d6e80db128d8b8c20e875e8b883d434c80");
    EXPECT_EQ(signed_hex(voucher.digest(domain())),
              "24641767315217dd1f0bb07ca821a10026f39b6bb19eef01db1c779bdfd3440f"
              "50419d0b6c45a0be9079a1d077bd471b87ec7d88a64744a6a2faddf2893660ab1b");
}

TEST(Eip712, each_domain_signs_for_itself) {
    const Receipt receipt{sample_hash("lease"), sample_hash("task"), sample_hash("result"),
                          Fuel{1}};
    SettlementDomain other = domain();
    other.genesis.bytes[0] ^= 1;
    EXPECT_NE(receipt.digest(other), receipt.digest(domain()));
    other = domain();
    other.chain_id = U256{1};
    EXPECT_NE(receipt.digest(other), receipt.digest(domain()));
    other = domain();
    other.jobs = other.deposits;
    EXPECT_NE(receipt.digest(other), receipt.digest(domain()));
}

TEST(TaskPrice, is_rounded_up_and_checked) {
    const auto price = [](std::uint64_t per_gigafuel, std::uint64_t fuel) {
        return task_price(Amount{U256{per_gigafuel}}, Fuel{fuel})->wei;
    };
    EXPECT_EQ(price(0, 5), U256{0});
    EXPECT_EQ(price(5, 0), U256{0});
    EXPECT_EQ(price(1, 1), U256{1});
    EXPECT_EQ(price(1, 1'000'000'000), U256{1});
    EXPECT_EQ(price(1, 1'000'000'001), U256{2});
    EXPECT_EQ(price(7, 1'500'000'000), U256{11});
    Amount largest;
    largest.wei.words.fill(~std::uint64_t{0});
    EXPECT_TRUE(task_price(largest, Fuel{1}));
    EXPECT_FALSE(task_price(largest, Fuel{2}));
}

TEST(Commitment, binds_chain_task_provider_result_and_salt) {
    const auto hash = [](std::uint64_t chain, std::string_view task, std::uint8_t provider,
                         std::string_view result, std::string_view salt) {
        return commitment_hash(U256{chain}, sample_hash(task), repeated(provider),
                               sample_hash(result), sample_hash(salt));
    };
    const Hash32 base = hash(1, "t", 1, "r", "s");
    EXPECT_EQ(base, hash(1, "t", 1, "r", "s"));
    EXPECT_NE(base, hash(2, "t", 1, "r", "s"));
    EXPECT_NE(base, hash(1, "u", 1, "r", "s"));
    EXPECT_NE(base, hash(1, "t", 2, "r", "s"));
    EXPECT_NE(base, hash(1, "t", 1, "q", "s"));
    EXPECT_NE(base, hash(1, "t", 1, "r", "z"));
}

}  // namespace
}  // namespace millrace::types
