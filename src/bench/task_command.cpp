// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/task_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "aot/cache.hpp"
#include "bench/report.hpp"
#include "crypto/hash.hpp"
#include "io/temporary_folder.hpp"
#include "sandbox/worker.hpp"
#include "wasm/module.hpp"

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

struct Times {
    std::vector<double> all;
    std::vector<double> run;  ///< what of it the worker ran
};

/// Tasks in processes that were made before they came, as a provider runs them.
Outcome<Times> measure_prepared(const std::function<Outcome<sandbox::WorkerTask>()>& task,
                                int run_count) {
    sandbox::WorkerPool pool{{}, 2};
    Times times;
    for (int round = 0; round < run_count; ++round) {
        pool.fill();
        // Until they wait for a task: making them is not what is measured here.
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        const double start = wall_ms();
        MILLRACE_TRY(const auto given, task());
        MILLRACE_TRY(auto worker, pool.start(given));
        MILLRACE_TRY(const auto report, sandbox::run_blocking(worker));
        times.all.push_back(wall_ms() - start);
        times.run.push_back(static_cast<double>(report.run_us) / 1000);
        if (report.outcome.summary.exit != types::ExitKind::exited)
            return Err{Failure{"the task did not end well", "", ""}};
    }
    return times;
}

/// With its image in memory, as a provider keeps the one that it used last.
Outcome<void> measure_large(const TaskOptions& options, const aot::ImageCache& cache,
                            TaskReport& report) {
    std::ifstream file{options.module, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const Bytes module = to_bytes(as_bytes(text));
    const auto loaded = wasm::Module::load(module);
    if (!loaded) return Err{Failure{loaded.error().text(), options.module, ""}};
    report.module_bytes = module.size();
    report.code_bytes = loaded.value()->report().code_bytes;
    MILLRACE_TRY(const auto image, aot::compile_cached(cache, module));
    report.image_bytes = image->size();
    std::vector<double> found;
    const Hash32 hash = crypto::sha256(module);
    for (int round = 0; round < options.run_count; ++round) {
        const double start = wall_ms();
        if (!cache.find(hash).image) return Err{Failure{"the image is not kept", "", ""}};
        found.push_back(wall_ms() - start);
    }
    sandbox::WorkerTask task;
    task.input.arguments = {std::string{wasi::program_name}};
    task.input.arguments.insert(task.input.arguments.end(), options.arguments.begin(),
                                options.arguments.end());
    task.compiled = image;
    MILLRACE_TRY(
        const Times times,
        measure_prepared([&] { return Outcome<sandbox::WorkerTask>{task}; }, options.run_count));
    report.large_found_ms = median(found);
    report.large_ms = median(times.all);
    report.large_worst_ms = *std::ranges::max_element(times.all);
    report.large_run_ms = median(times.run);
    return {};
}

}  // namespace

Outcome<TaskReport> measure_task(const TaskOptions& options) {
    const int run_count = options.run_count;
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
    TaskReport report;
    report.run_count = run_count;
    report.here_ms = median(here);
    report.sandboxed_ms = median(sandboxed);
    report.sandboxed_worst_ms = *std::ranges::max_element(sandboxed);
    report.prepared_ms = median(prepared.all);
    report.prepared_worst_ms = *std::ranges::max_element(prepared.all);
    report.found_ms = median(found);
    report.compiled_ms = median(compiled.all);
    report.isolation = sandbox::describe_isolation();
    if (!options.module.empty()) MILLRACE_TRY_VOID(measure_large(options, cache, report));
    return report;
}

std::string to_markdown(const TaskReport& report) {
    std::string large;
    if (report.module_bytes > 0) {
        large = fmt::format(
            "| a module of {} bytes ({} of code, {} of image), request to result, median | {:.2f} "
            "|\n"
            "| the slowest of them | {:.2f} |\n"
            "| of it the program itself, median | {:.2f} |\n"
            "| its image read from the folder and checked, median | {:.2f} |\n",
            report.module_bytes, report.code_bytes, report.image_bytes, report.large_ms,
            report.large_worst_ms, report.large_run_ms, report.large_found_ms);
    }
    return fmt::format(
        "| a task that does nothing, {} runs | milliseconds |\n|---|---:|\n"
        "| in this process | {:.2f} |\n"
        "| in its own sandboxed process, median | {:.2f} |\n"
        "| the slowest of them | {:.2f} |\n"
        "| the same, the process made ahead, median | {:.2f} |\n"
        "| the slowest of them | {:.2f} |\n"
        "| machine code looked up in the folder of compiled modules | {:.2f} |\n"
        "| looked up, and run in a process made ahead, median | {:.2f} |\n{}\n"
        "Walls: {}\n",
        report.run_count, report.here_ms, report.sandboxed_ms, report.sandboxed_worst_ms,
        report.prepared_ms, report.prepared_worst_ms, report.found_ms, report.compiled_ms, large,
        report.isolation);
}

}  // namespace millrace::bench
