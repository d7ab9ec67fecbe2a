// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/local_run.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "io/clock.hpp"
#include "io/files.hpp"
#include "sandbox/worker.hpp"
#include "types/task.hpp"
#include "wasm/module.hpp"

namespace millrace::cli {

namespace fs = std::filesystem;

namespace {

using Contents = std::map<std::string, wasi::SharedBytes>;

Outcome<wasi::SharedBytes> read_shared(const std::string& path, Contents& contents) {
    if (const auto found = contents.find(path); found != contents.end()) return found->second;
    MILLRACE_TRY(Bytes bytes, io::read_file(path, types::blob_size_max));
    auto shared = std::make_shared<const Bytes>(std::move(bytes));
    contents.emplace(path, shared);
    return wasi::SharedBytes{std::move(shared)};
}

/// The task exactly as the network would hand it out, but with nothing sealed.
Outcome<sandbox::WorkerTask> make_task(const daemon::JobRequest& request, std::size_t index,
                                       Contents& contents) {
    types::TaskSpec spec;
    spec.index = index;
    spec.arguments = request.tasks[index].arguments;
    spec.environment = request.environment;
    spec.limits = {.fuel = Fuel{request.fuel_limit},
                   .memory_bytes = request.memory_limit,
                   .output_bytes = request.output_limit};
    std::map<std::string, std::string> sources;  // by path in the task, so sorted
    for (const auto& file : request.files)
        sources.emplace(file.path, file.source);
    for (const auto& file : request.tasks[index].files)
        sources.emplace(file.path, file.source);
    sandbox::WorkerTask task;
    MILLRACE_TRY(task.module, read_shared(request.module, contents));
    spec.module.plain = crypto::blob_id(*task.module);
    std::vector<wasi::SharedBytes> files;
    for (const auto& [path, source] : sources) {
        MILLRACE_TRY(auto content, read_shared(source, contents));
        spec.files.push_back({path, {.plain = crypto::blob_id(*content), .sealed_root = {}}});
        files.push_back(std::move(content));
    }
    task.input = wasi::task_input(spec, std::move(files));
    return task;
}

Outcome<void> write_outputs(const std::string& out, const wasi::TaskOutcome& outcome) {
    for (const auto& file : outcome.files) {
        if (!file.content) continue;
        const fs::path path = fs::path{out} / file.path;
        MILLRACE_TRY_VOID(io::make_folder(path.parent_path().string()));
        MILLRACE_TRY_VOID(io::atomic_write_file(path.string(), *file.content));
    }
    return {};
}

/// What the threads of one local run share; `lock` guards all but the counters.
struct Shared {
    Shared(const daemon::JobRequest& job, const LocalOptions& how) : request{job}, options{how} {}

    const daemon::JobRequest& request;
    const LocalOptions& options;
    std::atomic<std::size_t> next{0};
    std::atomic<std::uint64_t> done{0};
    std::mutex lock;
    Contents contents;
    LocalRun run;
    std::optional<Failure> failure;
};

void fail(Shared& shared, const Failure& failure) {
    const std::lock_guard guard{shared.lock};
    if (!shared.failure) shared.failure = failure;
    shared.next = shared.request.tasks.size();
}

Outcome<void> run_task(Shared& shared, std::size_t index) {
    sandbox::WorkerTask task;
    {
        const std::lock_guard guard{shared.lock};
        MILLRACE_TRY(task, make_task(shared.request, index, shared.contents));
    }
    task.compiled = shared.options.compiled;
    const auto start = std::chrono::steady_clock::now();
    MILLRACE_TRY(const auto report, sandbox::run_blocking(task));
    const std::chrono::duration<double, std::milli> span = std::chrono::steady_clock::now() - start;
    if (!shared.request.out.empty()) {
        MILLRACE_TRY_VOID(write_outputs(shared.request.out, report.outcome));
    }
    const auto& summary = report.outcome.summary;
    const std::lock_guard guard{shared.lock};
    shared.run.task_ms[index] = span.count();
    shared.run.result_ids[index] = to_hex0x(summary.result_id().view());
    shared.run.fuel += summary.fuel.value;
    if (summary.exit != types::ExitKind::exited || summary.code != 0) ++shared.run.exit_not_zero;
    return {};
}

void run_tasks(Shared& shared) {
    for (;;) {
        const std::size_t index = shared.next++;
        if (index >= shared.request.tasks.size()) return;
        if (const auto done = run_task(shared, index); !done) return fail(shared, done.error());
        ++shared.done;
        shared.done.notify_all();
    }
}

}  // namespace

Outcome<void> check_module(const std::string& path) {
    MILLRACE_TRY(const Bytes bytes, io::read_file(path, types::blob_size_max));
    const auto module = wasm::Module::load(bytes);
    if (!module) {
        return Err{Failure{"the module cannot be a task: " + module.error().message, path,
                           "see millrace wasm inspect " + path}};
    }
    if (const auto problem = wasi::check_command(**module)) return Err{*problem};
    return {};
}

Outcome<LocalRun> run_locally(const daemon::JobRequest& request, const LocalOptions& options,
                              const std::function<void(std::uint64_t done)>& on_progress) {
    Shared shared{request, options};
    const Instant start = io::steady_now();
    const std::uint64_t wanted =
        options.parallel != 0 ? options.parallel : std::thread::hardware_concurrency();
    shared.run.parallel = std::clamp<std::uint64_t>(wanted, 1, request.tasks.size());
    std::vector<std::jthread> threads;
    threads.reserve(shared.run.parallel);
    for (std::uint64_t count = 0; count < shared.run.parallel; ++count) {
        threads.emplace_back([&shared] {
            run_tasks(shared);
            // Wakes the loop below also when a task failed.
            shared.done.notify_all();
        });
    }
    for (auto& thread : threads)
        thread.join();
    on_progress(shared.done);
    if (shared.failure) return Err{*shared.failure};
    shared.run.wall_ms = (io::steady_now() - start).count();
    return std::move(shared.run);
}

}  // namespace millrace::cli
