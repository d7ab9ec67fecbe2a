// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aot/cache.hpp"
#include "base/failure.hpp"
#include "sandbox/task_codec.hpp"
#include "types/task.hpp"

namespace CLI {
class App;
}

/// What the commands of `millrace wasm` have in common: one task from flags and folders, its
/// module's compiled form, and the words for what came of it.
namespace millrace::cli {

/// Beside the program's own exit code. 134 is what a shell shows for an abort.
constexpr int status_failure = 1;
constexpr int status_out_of_fuel = 124;
constexpr int status_limit_exceeded = 125;
constexpr int status_trapped = 134;

struct TaskOptions {
    std::string module;
    std::vector<std::string> arguments;
    std::string fuel;
    std::string memory;
    std::string output_limit;
    std::string in;
    std::string standard_input;
    std::string seed;
    std::vector<std::string> environment;
    double wall_seconds = 6 * 3600;
    std::string checkpoint_fuel;  ///< empty: the network's
    std::string cache;            ///< folder of compiled modules, "none", or empty: HOME/compiled
};

void add_task_flags(CLI::App* command, TaskOptions& options);

Outcome<wasi::SharedBytes> read_file(const std::string& path, std::string_view what);

/// The task as a provider would get it, but for what is sealed there.
Outcome<sandbox::WorkerTask> read_task(const TaskOptions& options);

/// The module's machine code, from the cache or made now; what is not worth a failure is told on
/// stderr. A module that no network would take is refused first, in its own words.
Outcome<wasi::SharedBytes> image_of(const TaskOptions& options, ByteView module);

std::string_view kind_name(types::ExitKind kind);

void print_error(const Failure& failure);

}  // namespace millrace::cli
