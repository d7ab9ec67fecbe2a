// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include "wasm/naive_twin.hpp"

namespace millrace::wasm {
namespace {

TEST(Twin, agrees_with_the_engine_in_values_memory_traps_and_fuel) {
    std::uint64_t ends[3] = {};
    for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
        SCOPED_TRACE(seed);
        twin::Generator generator{{}, seed};
        const twin::Program program = generator.program();
        for (const std::uint64_t limit : {100U, 5'000U})
            ++ends[static_cast<std::size_t>(twin::compare(program, 5, 0x80000001, limit))];
    }
    // The programs must be worth something: each way to end occurs often.
    for (const std::uint64_t count : ends)
        EXPECT_GT(count, 100U);
}

}  // namespace
}  // namespace millrace::wasm
