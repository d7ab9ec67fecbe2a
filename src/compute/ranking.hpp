// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>

#include "base/u256.hpp"

namespace millrace::compute {

/// What a requestor knows of a provider when it chooses in the direct lane: the price asked, the
/// speed measured, what the chain says, and what happened between the two of them.
struct Standing {
    Amount price;                       ///< wei per 10^9 fuel
    std::uint64_t fuel_per_second = 0;  ///< 0: not measured yet
    std::uint64_t accepted = 0;         ///< own history
    std::uint64_t contradicted = 0;
    std::uint64_t failed = 0;          ///< refusals, time-outs, lost connections
    std::uint64_t chain_accepted = 0;  ///< counters of the registry, moved by settled evidence only
    std::uint64_t chain_contradicted = 0;
};

/// Speed taken for one that was never measured: most newcomers deserve a first task, none all.
inline constexpr std::uint64_t speed_assumed = 300'000'000;

/// A rank to compare: larger is better. It is (share of good answers) × sqrt(speed) ÷ price, where
///  - the share starts as 2 good of 3, so that a newcomer stands below a proven one and above a
///  liar;
///  - a contradiction weighs as 16 failures (a wrong result costs a third run, a failure only
///  time);
///  - the chain's counters weigh a quarter of what was seen oneself, and at most 64 tasks, because
///  a
///    provider can buy good counters from itself but not from this requestor;
///  - price counts fully and speed by its root: tasks run side by side, money adds up.
/// Deterministic: additions, products, quotients and a square root of IEEE doubles only.
double rank(const Standing& standing) noexcept;

}  // namespace millrace::compute
