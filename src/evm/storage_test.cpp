// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// SSTORE by the tables of EIP-2200, EIP-1283 and EIP-3529.

#include <gtest/gtest.h>

#include "evm/machine_sample.hpp"

namespace millrace::evm {
namespace {

struct Case {
    std::string_view code;
    std::int64_t gas_used;
    std::int64_t refund;
    std::uint64_t original;
};

void expect_all(Revision revision, std::initializer_list<Case> cases) {
    for (const Case& expected : cases) {
        Sample sample{revision};
        sample.host.put_storage(sample_address(2), U256{0}, U256{expected.original});
        const CallResult result = sample.run(expected.code);
        EXPECT_EQ(result.status, Status::success);
        EXPECT_EQ(Sample::gas_used(result), expected.gas_used)
            << expected.code << " on " << expected.original;
        EXPECT_EQ(result.gas_refund, expected.refund)
            << expected.code << " on " << expected.original;
    }
}

TEST(Storage, eip2200_table) {
    expect_all(Revision::istanbul, {
                                       {"60006000556000600055", 1612, 0, 0},
                                       {"60006000556001600055", 20812, 0, 0},
                                       {"60016000556000600055", 20812, 19200, 0},
                                       {"60016000556002600055", 20812, 0, 0},
                                       {"60016000556001600055", 20812, 0, 0},
                                       {"60006000556000600055", 5812, 15000, 1},
                                       {"60006000556001600055", 5812, 4200, 1},
                                       {"60006000556002600055", 5812, 0, 1},
                                       {"60026000556000600055", 5812, 15000, 1},
                                       {"60026000556003600055", 5812, 0, 1},
                                       {"60026000556001600055", 5812, 4200, 1},
                                       {"60026000556002600055", 5812, 0, 1},
                                       {"60016000556000600055", 5812, 15000, 1},
                                       {"60016000556002600055", 5812, 0, 1},
                                       {"60016000556001600055", 1612, 0, 1},
                                       {"600160005560006000556001600055", 40818, 19200, 0},
                                       {"600060005560016000556000600055", 10818, 19200, 1},
                                   });
}

TEST(Storage, eip1283_table_of_constantinople) {
    expect_all(Revision::constantinople, {
                                             {"60006000556000600055", 412, 0, 0},
                                             {"60006000556001600055", 20212, 0, 0},
                                             {"60016000556000600055", 20212, 19800, 0},
                                             {"60006000556001600055", 5212, 4800, 1},
                                             {"60006000556000600055", 5212, 15000, 1},
                                             {"60016000556001600055", 412, 0, 1},
                                         });
}

TEST(Storage, eip3529_table) {
    expect_all(Revision::london, {
                                     {"60006000556000600055", 2312, 0, 0},
                                     {"60006000556001600055", 22212, 0, 0},
                                     {"60016000556000600055", 22212, 19900, 0},
                                     {"60016000556002600055", 22212, 0, 0},
                                     {"60016000556001600055", 22212, 0, 0},
                                     {"60006000556000600055", 5112, 4800, 1},
                                     {"60006000556001600055", 5112, 2800, 1},
                                     {"60006000556002600055", 5112, 0, 1},
                                     {"60026000556000600055", 5112, 4800, 1},
                                     {"60026000556003600055", 5112, 0, 1},
                                     {"60026000556001600055", 5112, 2800, 1},
                                     {"60026000556002600055", 5112, 0, 1},
                                     {"60016000556000600055", 5112, 4800, 1},
                                     {"60016000556002600055", 5112, 0, 1},
                                     {"60016000556001600055", 2312, 0, 1},
                                     {"600160005560006000556001600055", 42218, 19900, 0},
                                     {"600060005560016000556000600055", 8018, 7600, 1},
                                 });
}

TEST(Storage, before_net_metering_every_write_has_its_price) {
    for (const Revision revision :
         {Revision::frontier, Revision::byzantium, Revision::petersburg}) {
        expect_all(revision, {
                                 {"6001600055", 20006, 0, 0},
                                 {"6000600055", 5006, 0, 0},
                                 {"6000600055", 5006, 15000, 1},
                                 {"6001600055", 5006, 0, 1},
                             });
    }
}

TEST(Storage, no_write_on_the_stipend_from_istanbul) {
    Sample sample{Revision::istanbul};
    EXPECT_EQ(sample.run("6001600055", 2306).status, Status::out_of_gas);
    Sample before{Revision::constantinople};
    before.host.put_storage(sample_address(2), U256{0}, U256{1});
    EXPECT_EQ(before.run("6001600055", 2306).status, Status::success);
}

TEST(Storage, reads_are_cold_once) {
    Sample sample;
    EXPECT_EQ(Sample::gas_used(sample.run("600054 600054")), 2 * 3 + 2100 + 100);
    Sample istanbul{Revision::istanbul};
    EXPECT_EQ(Sample::gas_used(istanbul.run("600054")), 3 + 800);
    Sample frontier{Revision::frontier};
    EXPECT_EQ(Sample::gas_used(frontier.run("600054")), 3 + 50);
}

TEST(Storage, transient_values_are_read_back_and_cost_the_same_always) {
    Sample sample;
    const CallResult result = sample.run("602a60015d 60015c 60005260206000f3");
    EXPECT_EQ(word_of(result), U256{42});
    EXPECT_EQ(Sample::gas_used(result), 6 * 3 + 200 + 3 + 3);
}

TEST(Storage, a_failed_frame_leaves_no_trace) {
    Sample sample;
    const CallResult result = sample.run("6001600055 602a60015d 60006000a0 fe");
    EXPECT_EQ(result.status, Status::invalid_instruction);
    EXPECT_EQ(result.gas_left, 0);
    EXPECT_EQ(result.gas_refund, 0);
    EXPECT_TRUE(sample.host.storage(sample_address(2), U256{0}).is_zero());
    EXPECT_TRUE(sample.host.transient_storage(sample_address(2), U256{1}).is_zero());
    EXPECT_TRUE(sample.host.logs().empty());
    EXPECT_EQ(sample.host.change_count(), 0U);
}

}  // namespace
}  // namespace millrace::evm
