// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/task_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/report.hpp"
#include "sandbox/worker.hpp"

namespace millrace::bench {
namespace {

/// (module (memory (export "memory") 1) (func (export "_start")))
constexpr std::uint8_t empty_module[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,        // magic, version
    0x01, 0x04, 0x01, 0x60, 0x00, 0x00,                    // type () -> ()
    0x03, 0x02, 0x01, 0x00,                                // one function of it
    0x05, 0x03, 0x01, 0x00, 0x01,                          // one memory of one page
    0x07, 0x13, 0x02,                                      // two exports
    0x06, 'm',  'e',  'm',  'o',  'r',  'y',  0x02, 0x00,  //
    0x06, '_',  's',  't',  'a',  'r',  't',  0x00, 0x00,  //
    0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b,                    // its body: end
};

double wall_ms() {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

Outcome<TaskReport> measure_task(int run_count) {
    sandbox::WorkerTask task{
        .module = std::make_shared<const Bytes>(std::begin(empty_module), std::end(empty_module)),
        .input = {}};
    task.input.arguments = {std::string{wasi::program_name}};
    std::vector<double> here;
    std::vector<double> sandboxed;
    for (int round = 0; round < run_count; ++round) {
        double start = wall_ms();
        MILLRACE_TRY(const auto local, sandbox::run_here(task));
        here.push_back(wall_ms() - start);
        start = wall_ms();
        MILLRACE_TRY(const auto apart, sandbox::run_blocking(task));
        sandboxed.push_back(wall_ms() - start);
        if (local.outcome.summary.result_id() != apart.outcome.summary.result_id()) {
            return Err{Failure{"the sandboxed result differs", "", ""}};
        }
    }
    return TaskReport{.run_count = run_count,
                      .here_ms = median(here),
                      .sandboxed_ms = median(sandboxed),
                      .sandboxed_worst_ms = *std::ranges::max_element(sandboxed),
                      .isolation = sandbox::describe_isolation()};
}

std::string to_markdown(const TaskReport& report) {
    return fmt::format(
        "| a task that does nothing, {} runs | milliseconds |\n|---|---:|\n"
        "| in this process | {:.2f} |\n"
        "| in its own sandboxed process, median | {:.2f} |\n"
        "| the slowest of them | {:.2f} |\n\n"
        "Walls: {}\n",
        report.run_count, report.here_ms, report.sandboxed_ms, report.sandboxed_worst_ms,
        report.isolation);
}

}  // namespace millrace::bench
