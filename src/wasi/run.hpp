// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/failure.hpp"
#include "types/task.hpp"
#include "wasi/context.hpp"
#include "wasm/checkpoint.hpp"
#include "wasm/module.hpp"
#include "wasm/native_tier.hpp"

/// Runs one task to its end: the only place where a result id comes from (docs/formats/result.md).
///
///     const auto module = wasm::Module::load(bytes);
///     auto outcome = wasi::run_task(module.value(), input);
///     outcome->summary.result_id()
namespace millrace::wasi {

struct InputFile {
    std::string path;
    SharedBytes content;
};

struct TaskInput {
    std::vector<std::string> arguments;  ///< argv, argv[0] included
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<InputFile> files;          ///< sorted by path: the order gives inode numbers
    std::vector<std::string> directories;  ///< that exist although they may be empty
    SharedBytes standard_input;            ///< null: empty
    Hash32 seed;                           ///< of random_get; TaskSpec::content_seed()
    types::TaskLimits limits;
    bool has_root = true;  ///< false, for the conformance suite only: no descriptor 3
    /// Fuel from one checkpoint to the next; 0: none. Another interval gives another result id, so
    /// only tests and comparisons set it.
    std::uint64_t checkpoint_fuel = wasm::checkpoint_interval;
};

/// argv[0] of every task.
inline constexpr std::string_view program_name = "main.wasm";

/// The input that `spec` describes; `contents` are its files' bytes, in the same order.
TaskInput task_input(const types::TaskSpec& spec, std::vector<SharedBytes> contents);

struct OutputFile {
    std::string path;
    SharedBytes content;  ///< null: the task deleted this input
    crypto::BlobId id;
};

struct TaskOutcome {
    types::ResultSummary summary;
    std::vector<OutputFile> files;  ///< what summary.output_root commits to, sorted by path
    SharedBytes standard_output;    ///< what summary.stdout_root commits to
    SharedBytes standard_error;     ///< delivered, not compared
    std::string text;               ///< for people: "trap: unreachable"; empty when it exited
    /// What summary.checkpoint_root commits to, in the order in which they were taken.
    std::vector<wasm::Checkpoint> checkpoints;
};

/// Why a module can be no task: an import that we do not offer, or no `_start`. Null: it can.
std::optional<Failure> check_command(const wasm::Module& module);

/// What a task's module sees before its first instruction, and the limits it runs under; for those
/// who run it step by step (src/judge).
Outcome<std::unique_ptr<Context>> make_context(const TaskInput& input);
wasm::StoreLimits store_limits(const TaskInput& input);

/// A Failure means that there is no result: the module can be no task, the inputs are no tree, or
/// this machine has not the memory that the task may ask for. Everything else, traps and limits
/// included, is a result and the same everywhere.
///
/// Files and memory count only when the task exited; the standard output also when it trapped; when
/// fuel or a limit ran out nothing counts, and the result says so by empty roots.
///
/// `progress` is told the fuel used, at host calls and checkpoints.
///
/// `tier` is who runs the module as compiled code (src/aot); null: the interpreter. The result is
/// the same.
Outcome<TaskOutcome> run_task(std::shared_ptr<const wasm::Module> module, const TaskInput& input,
                              std::function<void(std::uint64_t fuel)> progress = {},
                              std::unique_ptr<wasm::NativeTier> tier = nullptr);

}  // namespace millrace::wasi
