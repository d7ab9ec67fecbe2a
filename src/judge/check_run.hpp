// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "judge/recorder.hpp"
#include "wasi/run.hpp"

/// Plays a dispute about a task with oneself: the run's roots, then sampled segments, each judged
/// from its witness alone (`millrace wasm replay`).
namespace millrace::judge {

/// A task in a recorder, with everything that the recorder needs to live.
class RecordedTask {
  public:
    static Outcome<std::unique_ptr<RecordedTask>> create(std::shared_ptr<const wasm::Module> module,
                                                         const wasi::TaskInput& input);
    [[nodiscard]] Recorder& recorder() noexcept { return *recorder_; }

  private:
    explicit RecordedTask(const wasi::TaskInput& input) : store_{wasi::store_limits(input)} {}
    std::unique_ptr<wasi::Context> context_;
    wasm::Store store_;
    std::unique_ptr<Recorder> recorder_;
};

struct CheckOptions {
    std::uint64_t fuel_per_root = std::uint64_t{1} << 16;
    std::size_t samples = 8;               ///< roots from which segments are judged
    std::size_t segments_per_sample = 64;  ///< at most; the last one may reach the next root
    std::uint64_t steps_max = witness_steps_max;
    std::uint64_t seed = 1;
};

struct CheckReport {
    std::uint64_t fuel = 0;
    std::size_t roots = 0;
    std::string end;            ///< "returned", "exited 3", …
    std::size_t segments = 0;   ///< judged
    std::size_t roots_met = 0;  ///< samples whose segments reached the next root
    std::uint64_t steps = 0;    ///< judged
    std::size_t witness_bytes_least = 0;
    std::size_t witness_bytes_most = 0;
    std::uint64_t witness_bytes_sum = 0;
    /// What did not agree; empty when all is well.
    std::vector<std::string> mismatches;
};

/// A Failure means that the module can be no task, or this machine lacks memory.
Outcome<CheckReport> check_run(const std::shared_ptr<const wasm::Module>& module,
                               const wasi::TaskInput& input, const CheckOptions& options);

}  // namespace millrace::judge
