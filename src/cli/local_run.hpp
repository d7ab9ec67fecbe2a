// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/failure.hpp"
#include "daemon/job_request.hpp"
#include "wasi/run.hpp"

namespace millrace::cli {

/// Decodes and validates the module and checks that every import is one a task may use.
Outcome<void> check_module(const std::string& path);

struct LocalOptions {
    std::uint64_t parallel = 0;            ///< tasks at a time; 0: as many as there are processors
    wasi::SharedBytes compiled = nullptr;  ///< the module's checked image; null: interpreted
};

struct LocalRun {
    std::int64_t wall_ms = 0;
    std::uint64_t parallel = 0;
    std::uint64_t fuel = 0;
    std::uint64_t exit_not_zero = 0;
    std::map<std::uint64_t, std::string> result_ids;  ///< by task index, 0x…
    /// By task index: from starting its process to its result. Comparable with one another where
    /// no more tasks ran at a time than there are processors.
    std::map<std::uint64_t, double> task_ms;
};

/// Runs every task of the job on this machine, in the same sandboxed workers that providers use, as
/// many at a time as there are processors (or as `options` say), and writes outputs to request.out
/// when it is not empty.
Outcome<LocalRun> run_locally(const daemon::JobRequest& request, const LocalOptions& options,
                              const std::function<void(std::uint64_t done)>& on_progress);

}  // namespace millrace::cli
