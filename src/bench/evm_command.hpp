// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"

namespace millrace::bench {

struct EvmOptions {
    std::filesystem::path folder;       ///< of ipsilon/evm-benchmarks: main/*.json, micro/*.json
    int run_count = 7;                  ///< of each program, in turns; the median counts
    std::vector<std::string> programs;  ///< only those whose name contains one of these; empty: all
};

struct EvmRow {
    std::string program;   ///< "main/snailtracer/benchmark"
    std::int64_t gas = 0;  ///< of one call
    double seconds = 0;    ///< processor time of one call: the median
    double seconds_min = 0;
    double seconds_max = 0;
    /// Mgas/s of evmone's baseline interpreter (v0.15.0-141, g++ 12) where it was published to us,
    /// on another machine: an orientation, not a contest.
    std::optional<double> reference;
};

struct EvmReport {
    std::vector<EvmRow> rows;
    int run_count = 0;
};

/// Calls the contract of every benchmark program again and again on a world in memory, by the rules
/// its file names, and takes the processor time of the call alone. A call that fails, or that uses
/// another amount of gas than the one before, is a failure.
Outcome<EvmReport> measure_evm(const EvmOptions& options);

std::string to_markdown(const EvmReport& report);
std::string to_json(const EvmReport& report);

}  // namespace millrace::bench
