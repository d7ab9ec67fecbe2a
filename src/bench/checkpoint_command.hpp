// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/failure.hpp"

namespace millrace::bench {

struct CheckpointOptions {
    std::filesystem::path folder;  ///< of the kernels
    double seconds = 6;            ///< of each run, about
    int run_count = 3;
};

struct CheckpointRow {
    std::string kernel;
    double memory_mib = 0;
    // Medians of processor time.
    double plain_s = 0;    ///< without checkpoints
    double spaced_s = 0;   ///< with one in two seconds
    double network_s = 0;  ///< with the network's, one in 2^32 fuel
    double spaced_ms = 0;  ///< hashing, for each
    int spaced_count = 0;  ///< in a run
    int network_count = 0;
};

struct CheckpointReport {
    CheckpointOptions options;
    std::vector<CheckpointRow> rows;
    std::string absence;  ///< why there are no rows
};

/// What checkpoints cost compiled code: the kernels of `millrace-bench wasm`, and one that writes
/// 64 MiB over and over.
Outcome<CheckpointReport> measure_checkpoints(const CheckpointOptions& options);
std::string to_markdown(const CheckpointReport& report);

}  // namespace millrace::bench
