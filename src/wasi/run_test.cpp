// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/run.hpp"

#include <gtest/gtest.h>

#include "wasi/samples.hpp"

namespace millrace::wasi {
namespace {

std::shared_ptr<const wasm::Module> load(std::string_view hex) {
    return wasm::Module::load(*from_hex(hex)).value();
}

TaskInput plain_input() {
    TaskInput input;
    input.arguments = {std::string{program_name}};
    return input;
}

TaskOutcome run(std::string_view hex, const TaskInput& input) {
    return run_task(load(hex), input).value();
}

TEST(Run, randomness_and_time_are_functions_of_the_task) {
    TaskInput input = plain_input();
    const TaskOutcome first = run(samples::randomness_and_time, input);
    const TaskOutcome again = run(samples::randomness_and_time, input);
    EXPECT_EQ(first.summary, again.summary);
    EXPECT_EQ(*first.standard_output, *again.standard_output);
    EXPECT_EQ(first.summary.exit, types::ExitKind::exited);
    EXPECT_EQ(first.summary.code, 7u);
    ASSERT_EQ(first.standard_output->size(), 64u);
    const Hash32 block = random_block(input.seed, 0);
    EXPECT_TRUE(std::equal(block.bytes.begin(), block.bytes.end(), first.standard_output->begin()));

    input.seed.bytes[0] = 1;
    const TaskOutcome other = run(samples::randomness_and_time, input);
    EXPECT_NE(first.summary.result_id(), other.summary.result_id());
    EXPECT_EQ(first.summary.fuel, other.summary.fuel);
}

TEST(Run, clocks_start_at_the_epoch_and_count_fuel) {
    const TaskOutcome outcome = run(samples::randomness_and_time, plain_input());
    std::uint64_t realtime = 0;
    std::uint64_t monotonic = 0;
    std::memcpy(&realtime, outcome.standard_output->data() + 48, 8);
    std::memcpy(&monotonic, outcome.standard_output->data() + 56, 8);
    EXPECT_GT(realtime, epoch_ns);
    EXPECT_LT(realtime, epoch_ns + outcome.summary.fuel.value);
    EXPECT_GT(monotonic - monotonic_start_ns, realtime - epoch_ns);
}

TEST(Run, output_holds_new_files_and_deleted_inputs) {
    TaskInput input = plain_input();
    input.files.push_back({"in", std::make_shared<const Bytes>(Bytes{1, 2, 3})});
    const TaskOutcome outcome = run(samples::writes_and_deletes, input);
    ASSERT_EQ(outcome.files.size(), 2u);
    EXPECT_EQ(outcome.files[0].path, "in");
    EXPECT_EQ(outcome.files[0].content, nullptr);
    EXPECT_EQ(outcome.files[1].path, "out");
    EXPECT_EQ(as_text(*outcome.files[1].content), "outin");
    EXPECT_EQ(outcome.summary.output_root,
              types::output_root({{"in", {}, true}, {"out", outcome.files[1].id, false}}));
    EXPECT_FALSE(outcome.summary.memory_root.is_zero());
}

TEST(Run, a_trap_keeps_the_output_but_not_the_memory) {
    const TaskOutcome outcome = run(samples::prints_and_traps, plain_input());
    EXPECT_EQ(outcome.summary.exit, types::ExitKind::trapped);
    EXPECT_EQ(outcome.summary.code, static_cast<std::uint32_t>(wasm::TrapKind::unreachable));
    EXPECT_EQ(as_text(*outcome.standard_output), "before");
    EXPECT_TRUE(outcome.summary.memory_root.is_zero());
    EXPECT_FALSE(outcome.text.empty());
}

TEST(Run, running_out_of_fuel_leaves_nothing_but_the_limit) {
    TaskInput input = plain_input();
    input.limits.fuel = Fuel{10'000};
    const TaskOutcome outcome = run(samples::endless_loop, input);
    EXPECT_EQ(outcome.summary.exit, types::ExitKind::out_of_fuel);
    EXPECT_EQ(outcome.summary.fuel, input.limits.fuel);
    EXPECT_TRUE(outcome.summary.memory_root.is_zero());
}

TEST(Run, output_over_the_limit_ends_the_task_everywhere_alike) {
    TaskInput input = plain_input();
    input.limits.output_bytes = 1 << 20;
    const TaskOutcome outcome = run(samples::output_bomb, input);
    EXPECT_EQ(outcome.summary.exit, types::ExitKind::limit_exceeded);
    EXPECT_EQ(outcome.summary.code, static_cast<std::uint32_t>(LimitHit::output));
    EXPECT_TRUE(outcome.standard_output->empty());
    EXPECT_EQ(outcome.summary, run(samples::output_bomb, input).summary);
}

TEST(Run, memory_grows_to_its_limit_and_no_further) {
    TaskInput input = plain_input();
    input.limits.memory_bytes = 64 * 17 * 1024;
    const TaskOutcome outcome = run(samples::memory_bomb, input);
    EXPECT_EQ(outcome.summary.exit, types::ExitKind::trapped);
    input.limits.memory_bytes = 1;
    const TaskOutcome none = run(samples::memory_bomb, input);
    EXPECT_EQ(none.summary.exit, types::ExitKind::limit_exceeded);
    EXPECT_EQ(none.summary.code, static_cast<std::uint32_t>(LimitHit::memory));
}

TEST(Run, a_module_that_wants_more_than_wasi_is_named_and_refused) {
    const auto outcome = run_task(load(samples::imports_unknown), plain_input());
    ASSERT_FALSE(outcome.has_value());
    EXPECT_NE(outcome.error().what.find("env.foo"), std::string::npos);
}

TEST(Run, checkpoints_are_taken_at_the_first_safe_point_after_each_interval) {
    TaskInput input = plain_input();
    input.limits.fuel = Fuel{100'000};
    const TaskOutcome without = run(samples::endless_loop, input);
    EXPECT_TRUE(without.checkpoints.empty());
    input.checkpoint_fuel = 1'000;
    const TaskOutcome with = run(samples::endless_loop, input);
    EXPECT_TRUE(without.summary.checkpoint_root.is_zero());
    EXPECT_EQ(with.summary.checkpoint_root, wasm::checkpoints_root(with.checkpoints));
    EXPECT_EQ(with.summary.fuel, without.summary.fuel);
    // Each round of the loop costs one and starts at its head.
    ASSERT_EQ(with.checkpoints.size(), 99u);
    for (std::size_t index = 0; index < with.checkpoints.size(); ++index) {
        EXPECT_EQ(with.checkpoints[index].fuel, (index + 1) * 1'000 + 1);
        EXPECT_EQ(with.checkpoints[index].memory, with.checkpoints[0].memory);
    }
    EXPECT_EQ(run(samples::endless_loop, input).checkpoints, with.checkpoints);
    EXPECT_FALSE(wasm::checkpoints_root(with.checkpoints).is_zero());
    EXPECT_TRUE(wasm::checkpoints_root({}).is_zero());
}

TEST(Run, checkpoints_commit_to_memory_and_to_host_calls) {
    TaskInput input = plain_input();
    input.files.push_back({"in", std::make_shared<const Bytes>(Bytes{1, 2, 3})});
    input.limits.fuel = Fuel{200'000};
    input.checkpoint_fuel = 5'000;
    const auto first = run(samples::output_bomb, input).checkpoints;
    ASSERT_GT(first.size(), 3u);
    for (std::size_t index = 1; index < first.size(); ++index)
        EXPECT_NE(first[index].io, first[index - 1].io);
    EXPECT_EQ(run(samples::output_bomb, input).checkpoints, first);
}

}  // namespace
}  // namespace millrace::wasi
