// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/failure.hpp"
#include "daemon/job_request.hpp"

namespace millrace::cli {

/// Decodes and validates the module and checks that every import is one a task may use.
Outcome<void> check_module(const std::string& path);

struct LocalRun {
    std::int64_t wall_ms = 0;
    std::uint64_t parallel = 0;
    std::uint64_t fuel = 0;
    std::uint64_t exit_not_zero = 0;
    std::map<std::uint64_t, std::string> result_ids;  ///< by task index, 0x…
};

/// Runs every task of the job on this machine, in the same sandboxed workers that providers use, as
/// many at a time as there are processors, and writes outputs to request.out when it is not empty.
Outcome<LocalRun> run_locally(const daemon::JobRequest& request,
                              const std::function<void(std::uint64_t done)>& on_progress);

}  // namespace millrace::cli
