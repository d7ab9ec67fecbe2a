// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "daemon/tier_policy.hpp"

#include <gtest/gtest.h>

namespace millrace::daemon {
namespace {

Hash32 module(std::uint32_t number) {
    Hash32 hash;
    hash.bytes[0] = static_cast<std::uint8_t>(number);
    hash.bytes[1] = static_cast<std::uint8_t>(number >> 8U);
    hash.bytes[2] = static_cast<std::uint8_t>(number >> 16U);
    return hash;
}

TEST(TierPolicy, short_tasks_never_compile) {
    TierPolicy policy{Tier::automatic};
    for (int task = 0; task < 299; ++task)
        EXPECT_FALSE(policy.interpreted(module(1), 1'000, Fuel{1'000'000}));
    EXPECT_EQ(policy.state(module(1)), TierPolicy::State::cold);
}

TEST(TierPolicy, many_short_tasks_of_one_module_do_at_the_threshold_once) {
    TierPolicy policy{Tier::automatic};
    int times = 0;
    for (int task = 0; task < 1'000; ++task)
        times += policy.interpreted(module(1), 1'000, Fuel{1'000'000}) ? 1 : 0;
    EXPECT_EQ(times, 1);
    EXPECT_EQ(policy.state(module(1)), TierPolicy::State::compiling);
    EXPECT_EQ(policy.state(module(2)), TierPolicy::State::cold);
}

TEST(TierPolicy, a_large_module_must_have_been_used_more) {
    TierPolicy policy{Tier::automatic};
    const std::uint64_t megabyte = 1'000'000;
    EXPECT_FALSE(policy.interpreted(module(1), megabyte,
                                    Fuel{TierPolicy::fuel_per_module_byte * megabyte - 1}));
    EXPECT_TRUE(policy.interpreted(module(1), megabyte, Fuel{1}));
}

TEST(TierPolicy, what_cannot_be_compiled_is_not_tried_again) {
    TierPolicy policy{Tier::automatic};
    EXPECT_TRUE(policy.interpreted(module(1), 1'000, Fuel{TierPolicy::fuel_min}));
    policy.set(module(1), TierPolicy::State::refused);
    for (int task = 0; task < 100; ++task)
        EXPECT_FALSE(policy.interpreted(module(1), 1'000, Fuel{~0ULL / 2}));
}

TEST(TierPolicy, what_another_process_compiles_is_looked_for_ever_more_rarely) {
    TierPolicy policy{Tier::automatic};
    std::uint64_t used = 0;
    for (std::uint64_t tries = 1; tries <= 16; tries *= 2) {
        const std::uint64_t due = TierPolicy::fuel_min * tries;
        EXPECT_FALSE(policy.interpreted(module(1), 1'000, Fuel{due - used - 1}));
        EXPECT_TRUE(policy.interpreted(module(1), 1'000, Fuel{1}));
        used = due;
        policy.postpone(module(1));
    }
}

TEST(TierPolicy, switched_off_it_never_compiles) {
    TierPolicy policy{Tier::interp};
    EXPECT_FALSE(policy.interpreted(module(1), 1, Fuel{~0ULL}));
}

TEST(TierPolicy, remembers_a_bounded_number_of_modules_and_those_that_used_most) {
    TierPolicy policy{Tier::automatic};
    EXPECT_TRUE(policy.interpreted(module(0), 1'000, Fuel{TierPolicy::fuel_min}));
    policy.set(module(0), TierPolicy::State::ready);
    for (std::uint32_t number = 1; number < 3'000; ++number)
        EXPECT_FALSE(policy.interpreted(module(number), 1'000, Fuel{1}));
    EXPECT_EQ(policy.state(module(0)), TierPolicy::State::ready);
}

TEST(TierPolicy, its_name_is_read_exactly) {
    EXPECT_EQ(parse_tier("interp"), Tier::interp);
    EXPECT_EQ(parse_tier("aot"), Tier::aot);
    EXPECT_EQ(parse_tier("auto"), Tier::automatic);
    EXPECT_EQ(parse_tier("Auto"), std::nullopt);
    EXPECT_EQ(parse_tier(""), std::nullopt);
}

}  // namespace
}  // namespace millrace::daemon
