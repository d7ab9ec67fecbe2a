// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Scenes in the world of paper, shared by the requestor's tests.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compute/requestor_world.hpp"

namespace millrace::compute::requestor {

inline constexpr Duration long_enough{3'600'000};

inline std::function<bool(std::uint64_t)> always() {
    return [](std::uint64_t) { return true; };
}

inline Manner liar() {
    Manner manner;
    manner.lies = always();
    return manner;
}

/// Price of one accepted task of a paper provider at the default manner and price 1000.
inline const Amount task_wage{U256{2000}};

inline void submit_and_run(PaperWorld& world, const JobPlan& plan) {
    world.announce();
    world.give(JobSubmitted{plan});
    world.run(long_enough, [&] { return world.settled(plan.id); });
}

/// No law is broken, and what is settled and what is free make up the deposit.
inline void expect_conserved(PaperWorld& world) {
    EXPECT_THAT(world.broken_laws, ::testing::IsEmpty());
    Amount settled;
    for (const auto& [number, allocation] : world.allocations()) {
        for (const auto& [payee, amount] : allocation.settled)
            settled = *checked_add(settled, amount);
    }
    EXPECT_EQ(format_amount(*checked_add(settled, world.free_deposit())),
              format_amount(world.deposit()));
}

}  // namespace millrace::compute::requestor
