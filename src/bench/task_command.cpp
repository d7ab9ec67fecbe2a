// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/task_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "aot/cache.hpp"
#include "bench/report.hpp"
#include "crypto/hash.hpp"
#include "io/temporary_folder.hpp"
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

/// Tasks in processes that were made before they came, as a provider runs them.
Outcome<std::vector<double>> measure_prepared(
    const std::function<Outcome<sandbox::WorkerTask>()>& task, int run_count) {
    sandbox::WorkerPool pool{{}, 2};
    std::vector<double> times;
    for (int round = 0; round < run_count; ++round) {
        pool.fill();
        // Until they wait for a task: making them is not what is measured here.
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        const double start = wall_ms();
        MILLRACE_TRY(const auto given, task());
        MILLRACE_TRY(auto worker, pool.start(given));
        MILLRACE_TRY(const auto report, sandbox::run_blocking(worker));
        times.push_back(wall_ms() - start);
        if (report.outcome.summary.exit != types::ExitKind::exited)
            return Err{Failure{"the task did not end well", "", ""}};
    }
    return times;
}

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
    MILLRACE_TRY(const auto prepared,
                 measure_prepared([&] { return Outcome<sandbox::WorkerTask>{task}; }, run_count));
    const io::TemporaryFolder folder;
    MILLRACE_TRY(const auto cache, aot::ImageCache::open(folder / "compiled"));
    MILLRACE_TRY_VOID(aot::compile_cached(cache, *task.module));
    std::vector<double> found;
    const auto compiled_task = [&]() -> Outcome<sandbox::WorkerTask> {
        const double start = wall_ms();
        sandbox::WorkerTask compiled = task;
        compiled.compiled = cache.find(crypto::sha256(*task.module)).image;
        found.push_back(wall_ms() - start);
        return compiled;
    };
    MILLRACE_TRY(const auto compiled, measure_prepared(compiled_task, run_count));
    return TaskReport{.run_count = run_count,
                      .here_ms = median(here),
                      .sandboxed_ms = median(sandboxed),
                      .sandboxed_worst_ms = *std::ranges::max_element(sandboxed),
                      .prepared_ms = median(prepared),
                      .prepared_worst_ms = *std::ranges::max_element(prepared),
                      .found_ms = median(found),
                      .compiled_ms = median(compiled),
                      .isolation = sandbox::describe_isolation()};
}

std::string to_markdown(const TaskReport& report) {
    return fmt::format(
        "| a task that does nothing, {} runs | milliseconds |\n|---|---:|\n"
        "| in this process | {:.2f} |\n"
        "| in its own sandboxed process, median | {:.2f} |\n"
        "| the slowest of them | {:.2f} |\n"
        "| the same, the process made ahead, median | {:.2f} |\n"
        "| the slowest of them | {:.2f} |\n"
        "| machine code looked up in the folder of compiled modules | {:.2f} |\n"
        "| looked up, and run in a process made ahead, median | {:.2f} |\n\n"
        "Walls: {}\n",
        report.run_count, report.here_ms, report.sandboxed_ms, report.sandboxed_worst_ms,
        report.prepared_ms, report.prepared_worst_ms, report.found_ms, report.compiled_ms,
        report.isolation);
}

}  // namespace millrace::bench
