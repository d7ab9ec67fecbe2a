// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compute/requestor_testing.hpp"

namespace millrace::compute::requestor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Requestor, two_equal_results_accept_a_task_and_pay_both) {
    PaperWorld world;
    const Address first = world.add_provider(1);
    const Address second = world.add_provider(2);
    const JobPlan plan = paper_plan("render", 10);
    submit_and_run(world, plan);

    const auto summary = world.machine().summary(plan.id);
    ASSERT_TRUE(summary);
    EXPECT_EQ(summary->job.state, JobState::completed);
    EXPECT_EQ(summary->job.done, 10u);
    EXPECT_TRUE(summary->settled);
    EXPECT_EQ(summary->contradictions, 0u);
    EXPECT_EQ(world.effects<TaskDone>().size(), 10u);
    EXPECT_EQ(world.effects<JobDone>().size(), 1u);
    EXPECT_EQ(world.claims()[first], (Amount{U256{20'000}}));
    EXPECT_EQ(world.claims()[second], (Amount{U256{20'000}}));
    expect_conserved(world);
}

TEST(Requestor, a_liar_is_unpaid_and_named_and_the_tie_breaker_is_paid) {
    PaperWorld world;
    Manner half;
    half.lies = [](std::uint64_t index) { return index % 2 == 0; };
    const Address bad = world.add_provider(1, half);
    world.add_provider(2);
    world.add_provider(3);
    world.add_provider(4);
    const JobPlan plan = paper_plan("render", 20);
    submit_and_run(world, plan);

    const auto summary = world.machine().summary(plan.id);
    EXPECT_EQ(summary->job.state, JobState::completed);
    EXPECT_EQ(summary->job.done, 20u);
    EXPECT_GE(summary->contradictions, 1u);
    std::uint64_t honest_results = 0;
    for (const ProviderShare& share : summary->providers) {
        EXPECT_EQ(share.earned, (Amount{U256{2000 * share.accepted}}));
        if (share.provider == bad) {
            EXPECT_EQ(share.contradictions, summary->contradictions);
            for (const std::uint64_t index : share.contradicted_tasks)
                EXPECT_EQ(index % 2, 0u);
        } else {
            EXPECT_EQ(share.contradictions, 0u);
            honest_results += share.accepted;
        }
    }
    EXPECT_GE(honest_results, 20u);
    EXPECT_EQ(world.effects<ReportContradiction>().size(), summary->contradictions);
    EXPECT_EQ(summary->contradiction_reports.size(), summary->contradictions);
    expect_conserved(world);
}

TEST(Requestor, a_liar_gets_no_more_of_the_job_after_the_third_contradiction) {
    PaperWorld world;
    const Address bad = world.add_provider(1, liar(), 1);  // cheapest, so always preferred
    world.add_provider(2);
    world.add_provider(3);
    const JobPlan plan = paper_plan("render", 60);
    submit_and_run(world, plan);
    const auto summary = world.machine().summary(plan.id);
    EXPECT_EQ(summary->job.state, JobState::completed);
    const std::size_t pipeline = 3;  // leases that were out already when the third lie was seen
    for (const ProviderShare& share : summary->providers) {
        if (share.provider == bad) {
            EXPECT_LE(share.contradictions, 3 + pipeline);
        }
    }
    EXPECT_TRUE(world.claims()[bad].wei.is_zero());
    expect_conserved(world);
}

TEST(Requestor, a_provider_never_votes_twice_on_a_task) {
    PaperWorld world;
    world.add_provider(1, liar());
    world.add_provider(2, liar());
    world.add_provider(3);
    world.add_provider(4);
    JobPlan plan = paper_plan("render", 8);
    plan.settings.contradictions_max = 1000;
    submit_and_run(world, plan);
    for (const TaskRow& task : world.machine().tasks(plan.id, 0, 100)) {
        std::set<Address> voters;
        for (const AttemptRow& attempt : task.attempts) {
            if (!attempt.result) continue;
            EXPECT_TRUE(voters.insert(attempt.provider).second);
        }
        EXPECT_EQ(task.state, TaskState::done);
    }
    expect_conserved(world);
}

TEST(Requestor, reveals_are_asked_only_when_every_replica_has_committed) {
    PaperWorld world;
    Manner slow;
    slow.task_time = Duration{5000};
    const Address quick = world.add_provider(1);
    world.add_provider(2, slow);
    const JobPlan plan = paper_plan("render", 1);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{3000});
    EXPECT_THAT(world.sent<types::RevealRequest>(quick), IsEmpty());
    world.run(Duration{10'000});
    ASSERT_EQ(world.sent<types::RevealRequest>(quick).size(), 1u);
    EXPECT_EQ(world.sent<types::RevealRequest>(quick)[0].commitments.size(), 2u);
    expect_conserved(world);
}

TEST(Requestor, disagreement_without_end_fails_the_task_with_a_reason) {
    PaperWorld world;
    for (std::uint64_t number = 1; number <= 7; ++number)
        world.add_provider(number, liar());
    const JobPlan plan = paper_plan("render", 1);
    submit_and_run(world, plan);
    const auto summary = world.machine().summary(plan.id);
    EXPECT_EQ(summary->job.state, JobState::failed);
    EXPECT_THAT(world.machine().explain(plan.id, 0, world.now()),
                HasSubstr("No 2 of 7 providers agree"));
    EXPECT_TRUE(summary->spent.wei.is_zero());
    expect_conserved(world);
}

TEST(Requestor, a_job_without_enough_providers_waits_and_says_why_and_goes_on_by_itself) {
    PaperWorld world;
    world.add_provider(1);
    const JobPlan plan = paper_plan("render", 4);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{60'000});
    EXPECT_THAT(world.machine().jobs()[0].waits_for,
                HasSubstr("needs 2 different providers, 1 is connected and usable"));
    world.add_provider(2);
    world.announce();
    world.run(long_enough, [&] { return world.settled(plan.id); });
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    expect_conserved(world);
}

TEST(Requestor, one_operator_under_two_names_is_one_voter) {
    PaperWorld world;
    const Address first = world.add_provider(1);
    const Address second = world.add_provider(2);
    world.providers().at(second).record.endpoint = world.providers().at(first).record.endpoint;
    const JobPlan plan = paper_plan("render", 2);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{60'000});
    EXPECT_EQ(world.machine().summary(plan.id)->leases, 0u);
}

TEST(Requestor, a_hanging_provider_is_overtaken_by_a_second_copy) {
    PaperWorld world;
    Manner hangs_once;
    hangs_once.hangs = [](std::uint64_t index) { return index == 17; };
    world.add_provider(1, hangs_once);
    world.add_provider(2);
    world.add_provider(3);
    const JobPlan plan = paper_plan("render", 20);
    world.announce();
    world.give(JobSubmitted{plan});
    const Instant start = world.now();
    world.run(long_enough, [&] { return world.job_over(plan.id); });
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    EXPECT_LT(world.now() - start, Duration{30'000});  // virtual time: not the 600 s deadline
    world.run(long_enough, [&] { return world.settled(plan.id); });
    expect_conserved(world);
}

TEST(Requestor, a_provider_that_vanishes_is_replaced) {
    PaperWorld world;
    Manner slow;
    slow.task_time = Duration{20'000};
    const Address gone = world.add_provider(1, slow, 1);
    world.add_provider(2);
    world.add_provider(3);
    const JobPlan plan = paper_plan("render", 3);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{2000});
    world.providers().at(gone).manner.reachable = false;
    world.disconnect(gone);
    world.run(long_enough, [&] { return world.job_over(plan.id); });
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    EXPECT_THAT(world.broken_laws, IsEmpty());
}

TEST(Requestor, a_provider_that_returns_in_time_is_paid_for_its_work) {
    PaperWorld world;
    Manner slow;
    slow.task_time = Duration{4000};
    const Address away = world.add_provider(1, slow);
    world.add_provider(2, slow);
    const JobPlan plan = paper_plan("render", 1);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{2000});
    world.disconnect(away);
    world.run(long_enough, [&] { return world.settled(plan.id); });
    EXPECT_EQ(world.machine().summary(plan.id)->leases, 2u);
    EXPECT_EQ(world.claims()[away], task_wage);
    expect_conserved(world);
}

TEST(Requestor, a_forged_receipt_is_not_a_vote) {
    PaperWorld world;
    Manner forger;
    forger.forges_signature = true;
    const Address bad = world.add_provider(1, forger);
    world.add_provider(2);
    world.add_provider(3);
    const JobPlan plan = paper_plan("render", 4);
    submit_and_run(world, plan);
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    EXPECT_TRUE(world.claims()[bad].wei.is_zero());
    expect_conserved(world);
}

TEST(Requestor, refused_module_ends_the_job_with_the_reason) {
    PaperWorld world;
    Manner refuses;
    refuses.refuses = types::LeaseRefusal::module_refused;
    world.add_provider(1, refuses);
    world.add_provider(2, refuses);
    const JobPlan plan = paper_plan("render", 4);
    submit_and_run(world, plan);
    const auto done = world.effects<JobDone>();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].outcome, JobOutcome::failed);
    EXPECT_THAT(done[0].why->text(), HasSubstr("the module is refused by 2 providers: as told"));
    expect_conserved(world);
}

TEST(Requestor, where_no_provider_can_run_a_task_the_job_says_why_and_goes_on_once_one_can) {
    PaperWorld world;
    Manner without_worker;
    without_worker.refuses = types::LeaseRefusal::failed;
    without_worker.refusal_text = "the task worker is missing (/opt/millrace-worker)";
    const Address first = world.add_provider(1, without_worker);
    const Address second = world.add_provider(2, without_worker);
    const JobPlan plan = paper_plan("render", 4);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{60'000});
    const std::string reason =
        "no provider can run its tasks now; they are asked again after pauses: ";
    const std::string shared =
        " each refused (it tried and could not: the task worker is missing (/opt/millrace-worker))";
    EXPECT_THAT(world.machine().jobs()[0].waits_for, AllOf(HasSubstr(reason), HasSubstr(shared)));
    EXPECT_THAT(world.machine().explain(plan.id, std::nullopt, world.now()), HasSubstr(shared));

    // A job that comes later is given to nobody meanwhile, for the same reason.
    const JobPlan later = paper_plan("later", 1);
    world.give(JobSubmitted{later});
    EXPECT_THAT(world.machine().jobs()[1].waits_for, AllOf(HasSubstr(reason), HasSubstr(shared)));
    world.give(JobCancelled{later.id});

    // With one whole provider of two, tasks wait for a second one.
    world.providers().at(first).manner = {};
    world.run(Duration{300'000});
    EXPECT_THAT(world.machine().jobs()[0].waits_for,
                AllOf(HasSubstr("tasks need one more provider that has not run them yet"),
                      HasSubstr(" refused (it tried and could not: the task worker is missing")));
    world.providers().at(second).manner = {};
    world.run(long_enough, [&] { return world.settled(plan.id); });
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    expect_conserved(world);
}

TEST(Requestor, outputs_come_from_another_provider_when_one_withholds_them) {
    PaperWorld world;
    Manner stingy;
    stingy.withholds_outputs = true;
    world.add_provider(1, stingy);
    world.add_provider(2);
    const JobPlan plan = paper_plan("render", 5);
    submit_and_run(world, plan);
    EXPECT_EQ(world.machine().summary(plan.id)->job.done, 5u);
    expect_conserved(world);
}

TEST(Requestor, where_nobody_delivers_outputs_one_more_provider_runs_the_task) {
    PaperWorld world;
    Manner stingy;
    stingy.withholds_outputs = true;
    world.add_provider(1, stingy, 1);
    world.add_provider(2, stingy, 1);
    world.add_provider(3);
    const JobPlan plan = paper_plan("render", 1);
    submit_and_run(world, plan);
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    EXPECT_EQ(world.machine().summary(plan.id)->leases, 3u);
    expect_conserved(world);
}

TEST(Requestor, an_unfunded_job_fails_at_once_with_the_remedy) {
    PaperWorld world{1, Amount{U256{100}}};
    world.add_provider(1);
    world.add_provider(2);
    const JobPlan plan = paper_plan("render", 4);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{2000});
    const auto done = world.effects<JobDone>();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].outcome, JobOutcome::failed);
    EXPECT_THAT(done[0].why->text(), HasSubstr("the deposit has"));
    EXPECT_THAT(done[0].why->text(), HasSubstr("millrace wallet deposit"));
}

TEST(Requestor, a_small_deposit_is_enough_when_it_covers_two_leases) {
    // 10^10 fuel at 1000 wei per 10^9: a lease is backed by 10,000.
    PaperWorld world{1, Amount{U256{20'000 + 30'000}}};
    world.add_provider(1);
    world.add_provider(2);
    const JobPlan plan = paper_plan("render", 6);
    submit_and_run(world, plan);
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    EXPECT_EQ(world.machine().summary(plan.id)->spent, (Amount{U256{24'000}}));
    expect_conserved(world);
}

TEST(Requestor, the_cap_of_a_job_is_never_passed) {
    PaperWorld world;
    world.add_provider(1);
    world.add_provider(2);
    JobPlan plan = paper_plan("render", 100);
    plan.settings.total_max = Amount{U256{60'000}};
    submit_and_run(world, plan);
    const auto summary = world.machine().summary(plan.id);
    EXPECT_EQ(summary->job.state, JobState::failed);
    EXPECT_LE(summary->spent, *plan.settings.total_max);
    EXPECT_GT(summary->job.done, 0u);
    EXPECT_THAT(world.effects<JobDone>()[0].why->text(), HasSubstr("cap"));
    expect_conserved(world);
}

TEST(Requestor, a_provider_over_the_price_limit_is_not_used) {
    PaperWorld world;
    const Address dear = world.add_provider(1, {}, 5000);
    world.add_provider(2);
    world.add_provider(3);
    JobPlan plan = paper_plan("render", 4);
    plan.settings.price_max = Amount{U256{1000}};
    submit_and_run(world, plan);
    EXPECT_EQ(world.machine().summary(plan.id)->job.state, JobState::completed);
    EXPECT_THAT(world.sent<types::LeaseOffer>(dear), IsEmpty());
    expect_conserved(world);
}

TEST(Requestor, before_an_allocation_is_final_each_provider_risks_one_task) {
    PaperWorld world;
    const Address first = world.add_provider(1);
    const Address second = world.add_provider(2);
    const JobPlan plan = paper_plan("render", 50);
    world.announce();
    world.give(JobSubmitted{plan});
    for (int round = 0; round < 80; ++round) {  // final after 900 ms of virtual time
        world.run(Duration{10});
        for (const Address& address : {first, second}) {
            const std::size_t offered = world.sent<types::LeaseOffer>(address).size();
            std::size_t paid = 0;
            for (const auto& notice : world.sent<types::VoucherNotice>(address))
                paid = std::max<std::size_t>(paid, notice.voucher.tasks);
            EXPECT_LE(offered, paid + 1);
        }
    }
}

TEST(Requestor, a_cancelled_job_stops_and_its_money_returns) {
    PaperWorld world;
    world.add_provider(1);
    world.add_provider(2);
    const JobPlan plan = paper_plan("render", 500);
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(Duration{3000});
    world.give(JobCancelled{plan.id});
    world.run(long_enough, [&] { return world.settled(plan.id); });
    const auto summary = world.machine().summary(plan.id);
    EXPECT_EQ(summary->job.state, JobState::cancelled);
    EXPECT_LT(summary->job.done, 500u);
    EXPECT_TRUE(summary->settled);
    EXPECT_EQ(world.effects<JobDone>().at(0).outcome, JobOutcome::cancelled);
    expect_conserved(world);
}

TEST(Requestor, a_forgotten_job_leaves_no_rows_but_the_mark_of_its_allocation) {
    PaperWorld world;
    world.add_provider(1);
    world.add_provider(2);
    const JobPlan plan = paper_plan("render", 5);
    submit_and_run(world, plan);
    world.give(JobForgotten{plan.id});
    for (const auto& [key, value] : world.store())
        EXPECT_TRUE(key.first == "providers" || key.first == "allocations") << key.first;
    world.crash();
    EXPECT_THAT(world.broken_laws, IsEmpty());
    const JobPlan next = paper_plan("second", 3);
    world.give(JobSubmitted{next});
    world.run(long_enough, [&] { return world.settled(next.id); });
    EXPECT_EQ(world.machine().summary(next.id)->job.state, JobState::completed);
    expect_conserved(world);
}

TEST(Requestor, a_malformed_job_is_refused_with_the_reason) {
    PaperWorld world;
    JobPlan plan = paper_plan("render", 0);
    world.give(JobSubmitted{plan});
    const auto done = world.effects<JobDone>();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].outcome, JobOutcome::refused);
    EXPECT_THAT(done[0].why->text(), HasSubstr("no tasks"));
}

}  // namespace
}  // namespace millrace::compute::requestor
