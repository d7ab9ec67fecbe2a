// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/engine.hpp"

/// The outcome of a comparison, and its three forms.
namespace millrace::bench {

struct Cell {
    double seconds = 0;  ///< median
    std::optional<std::uint64_t> fuel;
};

struct Row {
    std::string kernel;
    std::int64_t checksum = 0;
    std::vector<Cell> cells;  ///< one per engine, in order
    bool is_in_mean = true;
};

struct Report {
    std::vector<std::string> engines;   ///< the first one is what the others are compared with
    std::vector<std::string> absences;  ///< "node: node is not installed"
    std::vector<Row> rows;
    int run_count = 0;
};

double median(std::vector<double> values);  ///< of at least one value
/// Geometric mean of one engine / another over the rows that count; 1 without any.
double mean_ratio(const Report& report, std::size_t engine, std::size_t base = 0);

std::string to_table(const Report& report);
std::string to_markdown(const Report& report);
std::string to_json(const Report& report);

}  // namespace millrace::bench
