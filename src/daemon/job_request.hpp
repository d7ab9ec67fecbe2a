// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/failure.hpp"

namespace millrace::daemon {

/// A file of this machine and the path it has in the task's tree.
struct FileRequest {
    std::string source;  ///< absolute path here
    std::string path;    ///< path in the task
    bool operator==(const FileRequest&) const = default;
};

struct TaskRequest {
    std::string name;  ///< for people: the matched file, or the index
    std::vector<std::string> arguments;
    std::vector<FileRequest> files;  ///< besides the job's
    bool operator==(const TaskRequest&) const = default;
};

/// A job as a person asked for it, with every pattern resolved: what `millrace run` hands to the
/// requestor agent. Paths are absolute. Bounds: types/task.hpp, and 1,000,000 tasks.
struct JobRequest {
    std::string name;
    std::string module;
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<FileRequest> files;
    std::vector<TaskRequest> tasks;
    std::string out;  ///< folder the outputs are collected in; empty: they stay in the agent
    std::uint64_t fuel_limit = 1ull << 36;
    std::uint64_t memory_limit = 1ull << 30;
    std::uint64_t output_limit = 256ull << 20;
    std::uint32_t replicas = 2;          ///< equal results that accept a task
    std::string price_max;               ///< coins per 10^9 fuel; empty: whatever is offered
    std::string cost_max;                ///< coins for the whole job; empty: the free deposit
    std::vector<std::string> providers;  ///< addresses; empty: any
    bool operator==(const JobRequest&) const = default;
};

inline constexpr std::size_t job_tasks_max = 1'000'000;

std::string job_request_to_json(const JobRequest& request);
Outcome<JobRequest> job_request_from_json(const std::string& json);

}  // namespace millrace::daemon
