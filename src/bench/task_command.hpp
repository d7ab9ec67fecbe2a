// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>

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
};

/// The time that a task costs beside its work: a module that returns at once.
Outcome<TaskReport> measure_task(int run_count);
std::string to_markdown(const TaskReport& report);

}  // namespace millrace::bench
