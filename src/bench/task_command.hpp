// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <vector>

#include "base/failure.hpp"

namespace millrace::bench {

struct TaskReport {
    int run_count = 0;
    double here_ms = 0;       ///< median: load and run in this process
    double sandboxed_ms = 0;  ///< median: a fresh worker process, its walls, the task, the result
    double sandboxed_worst_ms = 0;
    double prepared_ms = 0;  ///< median: the same, the process made before the task came
    double prepared_worst_ms = 0;
    double found_ms = 0;     ///< median: its machine code looked up in the folder, and checked
    double compiled_ms = 0;  ///< median: looked up, and run in a prepared process
    std::string isolation;   ///< what walls the workers found

    // Of a large module, when one was given.
    std::uint64_t module_bytes = 0;
    std::uint64_t code_bytes = 0;  ///< of it
    std::uint64_t image_bytes = 0;
    double large_found_ms = 0;  ///< median: its image read from the folder, and checked
    double large_ms = 0;        ///< median: request to result, with the image in memory
    double large_worst_ms = 0;
    double large_run_ms = 0;  ///< median of what of it the worker says it instantiated and ran
};

struct TaskOptions {
    int run_count = 50;
    std::string module;                  ///< a file; empty: none
    std::vector<std::string> arguments;  ///< with which it soon ends
};

/// The time that a task costs beside its work: a module that returns at once; and of a large one,
/// until its program runs.
Outcome<TaskReport> measure_task(const TaskOptions& options);
std::string to_markdown(const TaskReport& report);

}  // namespace millrace::bench
