// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include "judge/check_run.hpp"
#include "wasi/samples.hpp"

namespace millrace::judge {
namespace {

std::shared_ptr<const wasm::Module> load(std::string_view hex) {
    return wasm::Module::load(*from_hex(hex)).value();
}

CheckReport check(std::string_view hex, std::uint64_t fuel, CheckOptions options) {
    wasi::TaskInput input;
    input.arguments = {"main.wasm"};
    input.files.push_back({"in", std::make_shared<const Bytes>(Bytes(10'000, 7))});
    input.limits.fuel = Fuel{fuel};
    auto report = check_run(load(hex), input, options);
    EXPECT_TRUE(report.has_value()) << report.error().text();
    return report.value();
}

TEST(Task, segments_with_host_calls_are_judged_from_their_witness) {
    for (const std::string_view sample :
         {wasi::samples::randomness_and_time, wasi::samples::writes_and_deletes}) {
        const CheckReport report =
            check(sample, 100'000'000, {.fuel_per_root = 50, .samples = 1'000, .steps_max = 3});
        EXPECT_EQ(report.mismatches, std::vector<std::string>{});
        EXPECT_GT(report.segments, 1U);
        EXPECT_GT(report.roots_met, 0U);
        EXPECT_LE(report.witness_bytes_most, witness_bytes_max);
    }
}

TEST(Task, a_bomb_of_memory_or_output_is_judged_in_bounded_steps) {
    for (const std::string_view sample :
         {wasi::samples::memory_bomb, wasi::samples::output_bomb, wasi::samples::endless_loop}) {
        const CheckReport report =
            check(sample, 3'000'000, {.fuel_per_root = 100'000, .samples = 5});
        EXPECT_EQ(report.mismatches, std::vector<std::string>{});
        EXPECT_GT(report.segments, 1U);
        EXPECT_LE(report.witness_bytes_most, witness_bytes_max);
    }
}

}  // namespace
}  // namespace millrace::judge
