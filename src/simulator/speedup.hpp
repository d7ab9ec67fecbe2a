// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/failure.hpp"

namespace millrace::simulator {

/// How long a job takes on more and more providers, from the times its tasks took once on one core.
/// The requestor and the providers are the real machines (src/compute), in a virtual world
/// (src/sim): offers, blobs, commitments, vouchers and blocks take their time. Each provider is one
/// such core with a connection of its own and runs one task at a time; none lies, none fails.
struct SpeedupSettings {
    std::string times_file;  ///< JSON with an array `task_ms`, at its top or in its `local`
    std::vector<std::uint32_t> providers{1, 2, 4, 8, 16};
    std::uint32_t seeds = 5;      ///< worlds per row; the row shows the median
    std::uint32_t longer = 1;     ///< each task takes so many times as long as was measured
    std::uint64_t beside_ms = 0;  ///< what the speed-up counts from; 0: the sum of the times
    bool as_json = false;
};

/// The milliseconds in the file, each at least 1; a Failure that says what is wrong with it.
Outcome<std::vector<std::uint32_t>> read_task_times(const std::string& path);

struct SpeedupRow {
    std::uint32_t providers = 0;
    std::uint32_t replicas = 0;
    std::uint64_t job_ms = 0;
    double speedup = 0;
};

struct Speedup {
    std::uint64_t tasks = 0;
    std::uint64_t computing_ms = 0;  ///< of all tasks, once each
    std::uint64_t longest_ms = 0;
    std::uint64_t beside_ms = 0;
    std::vector<SpeedupRow> rows;  ///< by replicas, then by providers
};

/// Every task once, and twice with equal results where there are two providers or more. A broken
/// law of the simulation (sim/market.hpp) is a Failure.
Outcome<Speedup> measure_speedup(const SpeedupSettings& settings);

std::string to_text(const Speedup& speedup);
std::string to_json(const Speedup& speedup);

}  // namespace millrace::simulator
