// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "aot/image_file.hpp"
#include "base/failure.hpp"
#include "base/time.hpp"
#include "sandbox/task_codec.hpp"

/// One task in its own process (docs/sandbox.md).
///
///     auto report = sandbox::run_blocking(task, {.wall_limit = 60s});     // CLI, pool threads
///
///     auto worker = sandbox::Worker::start(task, {});                     // event loops
///     ... when worker->task_fd() is writable:   worker->write_some();
///     ... when worker->result_fd() is readable: worker->read_some(); worker->next();
///     ... after end of file or a report:        worker->finish();
///
///     sandbox::WorkerPool pool{{}, 2};                                    // many short tasks
///     auto worker = pool.start(task);   ... pool.fill() when there is time
///
/// The worker is exec'd, never a bare fork of a process that holds keys. It gets an empty
/// environment and three descriptors: the task, the result, and /dev/null. It locks itself before
/// it reads the first byte of the task. It dies with the thread that started it (prctl
/// PR_SET_PDEATHSIG counts threads): start workers from threads that live on.
namespace millrace::sandbox {

struct WorkerOptions {
    std::string program{};  ///< empty: libexec/millrace-worker beside the running program's folder
    /// Before the number that the worker takes; for test programs.
    std::vector<std::string> extra_arguments{};
    std::uint64_t cpu_seconds = 24 * 3600;  ///< of processor time, then the worker is killed
    bool use_cgroup = true;
};

/// ../libexec/millrace-worker relative to the running program.
std::string default_worker_program();

class Worker {
  public:
    /// prepare() and give().
    static Outcome<Worker> start(const WorkerTask& task, const WorkerOptions& options = {});

    /// A process that has given up everything but what its task decides, and waits for that.
    static Outcome<Worker> prepare(const WorkerOptions& options = {});
    /// Once. `image` is task.compiled as a file, when the caller has one already.
    Outcome<void> give(const WorkerTask& task,
                       std::shared_ptr<const aot::ImageFile> image = nullptr);
    /// False when a prepared process has ended before it got a task.
    [[nodiscard]] bool is_alive() const noexcept;

    Worker(Worker&&) noexcept;
    Worker& operator=(Worker&&) noexcept;
    /// Kills and reaps a worker that still runs; closes everything.
    ~Worker();

    [[nodiscard]] pid_t pid() const noexcept;
    /// Readable when the process has ended (pidfd).
    [[nodiscard]] int process_fd() const noexcept;
    /// Non-blocking; -1 once the task has been written.
    [[nodiscard]] int task_fd() const noexcept;
    /// Non-blocking; readable until end of file.
    [[nodiscard]] int result_fd() const noexcept;

    /// Writes what the pipe takes now. A worker that is gone is no error here: its result says why.
    void write_some();
    /// Reads what is there, at most 1 MiB. False at end of file.
    bool read_some();
    /// The next complete event; null: none yet. A report or a Failure is the last.
    Outcome<std::optional<WorkerEvent>> next();

    /// Safe at any time, from any thread that keeps this object alive.
    void kill() noexcept;
    /// Waits for the end of the process (after kill or end of file: soon). Says how it ended when
    /// it ended badly: "the worker was killed by signal 31 (bad system call)".
    std::optional<Failure> finish();
    [[nodiscard]] const Isolation& isolation() const noexcept;

  private:
    struct State;
    explicit Worker(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Workers prepared ahead of their tasks, because making a process costs more than a short task.
/// Each still runs one task and ends. The last image is kept as a file, so that tasks of one module
/// that follow each other share its pages. All calls from one thread.
class WorkerPool {
  public:
    WorkerPool(WorkerOptions options, std::size_t size);

    /// With a prepared worker when there is one, else with a new one.
    Outcome<Worker> start(const WorkerTask& task);
    /// Prepares what is missing. A failure is start()'s to tell.
    void fill();
    [[nodiscard]] std::size_t prepared() const noexcept { return workers_.size(); }

    /// A larger image is made a file anew for each task.
    static constexpr std::size_t kept_image_bytes_max = std::size_t{64} << 20;

  private:
    Outcome<std::shared_ptr<const aot::ImageFile>> file_of(const WorkerTask& task);

    WorkerOptions options_;
    std::size_t size_;
    wasi::SharedBytes image_;
    std::shared_ptr<const aot::ImageFile> image_file_;
    std::deque<Worker> workers_;
};

struct BlockingOptions {
    WorkerOptions worker;
    /// Then the worker is killed and there is a Failure, no result.
    Duration wall_limit = std::chrono::hours{6};
    std::stop_token stop;  ///< kills likewise
    std::function<void(Fuel)> progress;
    std::function<void(const Isolation&)> ready;
};

Outcome<WorkerReport> run_blocking(const WorkerTask& task, const BlockingOptions& options = {});
/// With a worker that has its task; options.worker is not used. The process is over or killed, but
/// not yet waited for: that is for the worker's destructor, when there is time.
Outcome<WorkerReport> run_blocking(Worker& worker, const BlockingOptions& options = {});

/// Starts a worker without a task and says what walls it found: "active: …; not available: …".
Outcome<Isolation> probe_isolation(const WorkerOptions& options = {});
std::string describe_isolation(const WorkerOptions& options = {});

}  // namespace millrace::sandbox
