// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/job_request.hpp"

namespace millrace::cli {

/// A job in the language that job files and the flags of `millrace run` share. Templates in `args`:
/// {index} (0-based, or the number of the range), {path} (path of the task's own file inside the
/// task), {name} (its last part), {stem} (that without its extension).
struct JobDescription {
    std::filesystem::path base;  ///< relative paths and patterns start here
    std::string name;
    std::string module;
    std::vector<std::string> args;
    std::vector<std::string> files;     ///< patterns; "source=path" renames one file
    std::vector<std::string> for_each;  ///< patterns: one task for each match
    std::optional<std::string> range;   ///< "0..47": one task for each number, both ends included
    std::vector<std::string> environment;  ///< "NAME=value"
    std::string out;
    std::optional<std::string> fuel;  ///< a number, or one with k, M, G, T
    std::optional<std::string> memory;
    std::optional<std::string> output;
    std::uint32_t replicas = 2;
    std::string price_max;
    std::string cost_max;
    std::vector<std::string> providers;
};

/// Reads a job file (TOML, `version = 1`; docs/formats/job.md). An unknown key is an error that
/// names the nearest known one.
Outcome<JobDescription> read_job_file(const std::filesystem::path& file);

/// Resolves patterns and templates, and checks that every file is there and readable.
Outcome<daemon::JobRequest> resolve_job(const JobDescription& description);

/// "64", "10M", "1G": decimal multiples for fuel, binary ones for bytes.
std::optional<std::uint64_t> parse_count(std::string_view text, bool binary);

/// Files below `base` that match `pattern`: `*`, `?`, `[…]` inside a part, `**` for any parts.
/// Sorted.
std::vector<std::filesystem::path> expand_pattern(const std::filesystem::path& base,
                                                  const std::string& pattern);

}  // namespace millrace::cli
