// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A requestor that dies loses nothing: after any durable step, many times in a row, and with rows
// that cannot be read it says so.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compute/requestor_testing.hpp"

namespace millrace::compute::requestor {
namespace {

using ::testing::HasSubstr;

class CrashAt : public ::testing::TestWithParam<int> {};

TEST_P(CrashAt, a_job_survives_death_after_any_durable_step_with_the_same_accounts) {
    PaperWorld world{7};
    Manner half;
    half.lies = [](std::uint64_t index) { return index % 3 == 0; };
    const Address bad = world.add_provider(1, half);
    world.add_provider(2);
    world.add_provider(3);
    JobPlan plan = paper_plan("render", 9);
    plan.settings.contradictions_max = 1000;
    world.announce();
    world.crash_after(static_cast<std::size_t>(GetParam()));
    world.give(JobSubmitted{plan});
    world.run(long_enough, [&] { return world.settled(plan.id); });

    const auto summary = world.machine().summary(plan.id);
    ASSERT_TRUE(summary);
    EXPECT_EQ(summary->job.state, JobState::completed);
    EXPECT_EQ(summary->job.done, 9u);
    Amount spent;
    for (const auto& [address, amount] : world.claims())
        spent = *checked_add(spent, amount);
    EXPECT_EQ(format_amount(spent), format_amount(summary->spent));
    std::uint64_t accepted = 0;
    for (const ProviderShare& share : summary->providers) {
        EXPECT_EQ(share.earned, (Amount{U256{2000 * share.accepted}}));
        accepted += share.accepted;
        EXPECT_TRUE(share.provider == bad || share.contradictions == 0);
    }
    EXPECT_EQ(summary->spent, (Amount{U256{2000 * accepted}}));
    for (const TaskRow& task : world.machine().tasks(plan.id, 0, 100)) {
        std::set<Address> voters;
        for (const AttemptRow& attempt : task.attempts) {
            if (attempt.state != LeaseState::accepted) continue;
            EXPECT_TRUE(voters.insert(attempt.provider).second);
        }
        EXPECT_GE(voters.size(), 2u);
    }
    expect_conserved(world);
}

INSTANTIATE_TEST_SUITE_P(Every, CrashAt, ::testing::Range(1, 120));

TEST(Requestor, many_crashes_in_a_row_lose_nothing) {
    PaperWorld world{3};
    world.add_provider(1);
    world.add_provider(2, liar());
    world.add_provider(3);
    const JobPlan plan = paper_plan("render", 30);
    world.announce();
    world.give(JobSubmitted{plan});
    for (int round = 0; round < 200 && !world.job_over(plan.id); ++round) {
        world.run(Duration{700}, [&] { return world.job_over(plan.id); });
        world.crash();
    }
    world.run(long_enough, [&] { return world.settled(plan.id); });
    EXPECT_EQ(world.machine().summary(plan.id)->job.done, 30u);
    expect_conserved(world);
}

TEST(Requestor, a_damaged_row_is_refused_by_name) {
    Requestor machine{{.domain = paper_domain(), .key = paper_key(1), .seed = 1, .timing = {}}};
    Effects effects;
    const auto restored =
        machine.restore({{"jobs", Bytes(32, 1), Bytes{0xc2, 0x02, 0x01}}}, Instant{0}, effects);
    ASSERT_FALSE(restored);
    EXPECT_THAT(restored.error().text(), HasSubstr("jobs"));
}

}  // namespace
}  // namespace millrace::compute::requestor
