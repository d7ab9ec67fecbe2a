// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench/report.hpp"

namespace millrace::bench {

struct WasmOptions {
    int run_count = 5;
    std::vector<std::string> kernels;  ///< empty: all
    std::filesystem::path folder;      ///< of the built kernels
};

/// Runs every kernel in every engine, in turn, `run_count` times over. Two engines that differ in a
/// checksum are a failure, and so is an engine that disagrees with itself or another about fuel.
Outcome<Report> compare_engines(const WasmOptions& options);

}  // namespace millrace::bench
