// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/ranking.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::compute {
namespace {

constexpr double contradiction_weight = 16.0;
constexpr double chain_weight = 0.25;
constexpr std::uint64_t chain_tasks_max = 64;

double to_double(const U256& number) noexcept {
    double sum = 0.0;
    for (std::size_t index = 4; index-- > 0;) {
        sum = sum * 18446744073709551616.0 + static_cast<double>(number.words[index]);
    }
    return sum;
}

}  // namespace

double rank(const Standing& standing) noexcept {
    const double chain_good =
        chain_weight * static_cast<double>(std::min(standing.chain_accepted, chain_tasks_max));
    const double chain_bad =
        chain_weight * static_cast<double>(std::min(standing.chain_contradicted, chain_tasks_max));
    const double good = 2.0 + static_cast<double>(standing.accepted) + chain_good;
    const double bad =
        1.0 + static_cast<double>(standing.failed) +
        contradiction_weight * (static_cast<double>(standing.contradicted) + chain_bad);
    const std::uint64_t speed =
        standing.fuel_per_second == 0 ? speed_assumed : standing.fuel_per_second;
    const double cost = to_double(standing.price.wei) + 1.0;
    return good / (good + bad) * std::sqrt(static_cast<double>(speed)) / cost;
}

}  // namespace millrace::compute
