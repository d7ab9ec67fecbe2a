// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gtest/gtest.h>

#include "ledger/fees.hpp"
#include "ledger/sample_chain.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;

types::Header parent_of(std::uint64_t gas_used, std::uint64_t base_fee) {
    types::Header header;
    header.gas_limit = 20'000'000;
    header.gas_used = gas_used;
    header.base_fee = U256{base_fee};
    return header;
}

// The vectors of geth's CalcBaseFee test, which EIP-1559 gives rise to.
TEST(BaseFee, follows_how_full_the_parent_was) {
    const ChainConfig config = osaka_config();
    EXPECT_EQ(next_base_fee(config, parent_of(10'000'000, 1'000'000'000)), U256{1'000'000'000});
    EXPECT_EQ(next_base_fee(config, parent_of(9'000'000, 1'000'000'000)), U256{987'500'000});
    EXPECT_EQ(next_base_fee(config, parent_of(11'000'000, 1'000'000'000)), U256{1'012'500'000});
    EXPECT_EQ(next_base_fee(config, parent_of(20'000'000, 7)), U256{8}) << "at least one more";
    EXPECT_EQ(next_base_fee(config, parent_of(0, 7)), U256{7});
}

// From EIP-4844's tests of fake_exponential.
TEST(FakeExponential, is_rounded_as_the_specification_rounds) {
    const auto value = [](std::uint64_t factor, std::uint64_t numerator,
                          std::uint64_t denominator) {
        return fake_exponential(U256{factor}, U256{numerator}, U256{denominator});
    };
    EXPECT_EQ(value(1, 0, 1), U256{1});
    EXPECT_EQ(value(38'493, 0, 1'000), U256{38'493});
    EXPECT_EQ(value(0, 1'234, 2'345), U256{0});
    EXPECT_EQ(value(1, 2, 1), U256{6});
    EXPECT_EQ(value(1, 4, 2), U256{6});
    EXPECT_EQ(value(1, 3, 1), U256{16});
    EXPECT_EQ(value(1, 6, 2), U256{18});
    EXPECT_EQ(value(1, 4, 1), U256{49});
    EXPECT_EQ(value(1, 8, 2), U256{50});
    EXPECT_EQ(value(10, 8, 2), U256{542});
    EXPECT_EQ(value(11, 8, 2), U256{596});
    EXPECT_EQ(value(1, 5, 1), U256{136});
    EXPECT_EQ(value(1, 5, 2), U256{11});
    EXPECT_EQ(value(2, 5, 2), U256{23});
    EXPECT_EQ(value(1, 50'000'000, 2'225'652), U256{5'709'098'764});
    EXPECT_EQ(value(1, ~std::uint64_t{0}, 1), ~U256{}) << "no room";
}

TEST(ExcessBlobGas, is_what_exceeds_the_target_and_decays_slower_when_blobs_are_cheap) {
    Rules rules = rules_at(osaka_config(), 1, 1);
    types::Header parent;
    parent.base_fee = U256{1};
    parent.excess_blob_gas = 0;
    parent.blob_gas_used = 6 * gas_per_blob;
    EXPECT_EQ(next_excess_blob_gas(rules, parent), 0u);
    parent.blob_gas_used = 9 * gas_per_blob;
    EXPECT_EQ(next_excess_blob_gas(rules, parent), 3 * gas_per_blob);
    parent.blob_gas_used = 5 * gas_per_blob;
    EXPECT_EQ(next_excess_blob_gas(rules, parent), 0u);
    parent.blob_gas_used = 9 * gas_per_blob;
    parent.base_fee = U256{1'000};  // EIP-7918: 2^13 * 1,000 > 2^17 * 1
    EXPECT_EQ(next_excess_blob_gas(rules, parent), 3 * gas_per_blob);
    parent.blob_gas_used = 6 * gas_per_blob;
    EXPECT_EQ(next_excess_blob_gas(rules, parent), 2 * gas_per_blob) << "used * (max-target)/max";
    rules.revision = Revision::prague;
    EXPECT_EQ(next_excess_blob_gas(rules, parent), 0u);
}

TEST(Rules, begin_by_height_and_by_time) {
    ChainConfig config;
    config.homestead_block = 0;
    config.byzantium_block = 9;
    config.london_block = 27;
    config.paris_block = 36;
    config.shanghai_time = 390;
    config.cancun_time = 420;
    config.blob_schedules = {{420, {.target = 3, .max = 6, .base_fee_update_fraction = 5}},
                             {510, {.target = 9, .max = 12, .base_fee_update_fraction = 5}}};
    EXPECT_EQ(rules_at(config, 8, 0).revision, Revision::homestead);
    EXPECT_EQ(rules_at(config, 9, 0).revision, Revision::byzantium);
    EXPECT_EQ(rules_at(config, 9, 500).revision, Revision::byzantium) << "not without london";
    EXPECT_EQ(rules_at(config, 36, 389).revision, Revision::paris);
    EXPECT_EQ(rules_at(config, 40, 390).revision, Revision::shanghai);
    EXPECT_EQ(rules_at(config, 40, 420).revision, Revision::cancun);
    EXPECT_EQ(rules_at(config, 40, 509).blobs.max, 6u);
    EXPECT_EQ(rules_at(config, 40, 510).blobs.max, 12u);
}

}  // namespace
}  // namespace millrace::ledger
