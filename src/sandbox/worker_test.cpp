// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/worker.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "wasi/samples.hpp"

namespace millrace::sandbox {
namespace {

using namespace std::chrono_literals;

WorkerTask task_of(std::string_view hex) {
    WorkerTask task;
    task.module = std::make_shared<const Bytes>(*from_hex(hex));
    task.input.arguments = {std::string{wasi::program_name}};
    return task;
}

BlockingOptions options_of(std::string program) {
    BlockingOptions options;
    options.worker.program = std::move(program);
    return options;
}

/// What became of the attempt: the probe's word, or how it was killed.
std::string attempt(std::string what) {
    BlockingOptions options = options_of(MILLRACE_SANDBOX_PROBE);
    options.worker.extra_arguments = {std::move(what)};
    const auto report = run_blocking(task_of(wasi::samples::endless_loop), options);
    EXPECT_FALSE(report.has_value());
    return report ? "a report" : report.error().text();
}

TEST(Worker, runs_a_task_as_this_process_would) {
    const WorkerTask task = task_of(wasi::samples::writes_and_deletes);
    const auto inside = run_blocking(task, options_of(MILLRACE_WORKER));
    ASSERT_TRUE(inside.has_value()) << inside.error().text();
    const auto here = run_here(task);
    ASSERT_TRUE(here.has_value());
    EXPECT_EQ(inside->outcome.summary, here->outcome.summary);
    ASSERT_EQ(inside->outcome.files.size(), 1u);
    EXPECT_EQ(*inside->outcome.files[0].content, *here->outcome.files[0].content);
}

TEST(Worker, inherits_no_descriptor_and_no_environment) {
    const int stray = open("/dev/null", O_RDONLY);  // not close-on-exec
    ASSERT_GE(stray, 3);
    EXPECT_EQ(attempt("inherited"), "nothing inherited");
    close(stray);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(Worker, cannot_take_more_memory_than_its_task_needs) {
    EXPECT_EQ(attempt("memory"), "refused");
}
#endif

TEST(Worker, over_its_processor_time_is_killed) {
    BlockingOptions options = options_of(MILLRACE_SANDBOX_PROBE);
    options.worker.extra_arguments = {"spin"};
    options.worker.cpu_seconds = 1;
    const auto report = run_blocking(task_of(wasi::samples::endless_loop), options);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().what, "the worker was killed");
}

TEST(Worker, that_floods_its_parent_is_cut_off) {
    EXPECT_NE(attempt("flood").find("what no worker sends"), std::string::npos);
}

TEST(Worker, dies_with_the_process_that_started_it) {
    std::array<int, 2> pipe_ends{};
    ASSERT_EQ(pipe(pipe_ends.data()), 0);
    const pid_t parent = fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
        WorkerOptions options;
        options.program = MILLRACE_SANDBOX_PROBE;
        options.extra_arguments = {"wait"};
        auto worker = Worker::start(task_of(wasi::samples::endless_loop), options);
        if (!worker) _exit(1);
        worker->write_some();
        for (;;) {  // until it is locked
            pollfd readable{worker->result_fd(), POLLIN, 0};
            poll(&readable, 1, -1);
            if (!worker->read_some()) _exit(1);
            const auto event = worker->next();
            if (event && *event) break;
        }
        const pid_t pid = worker->pid();
        if (write(pipe_ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
        pause();
    }
    pid_t worker = 0;
    ASSERT_EQ(read(pipe_ends[0], &worker, sizeof worker), ssize_t{sizeof worker});
    const int watched = static_cast<int>(syscall(SYS_pidfd_open, worker, 0));
    ASSERT_GE(watched, 0);
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    pollfd ended{watched, POLLIN, 0};
    EXPECT_EQ(poll(&ended, 1, -1), 1);  // ctest's time limit is the only clock
    for (const int end : {pipe_ends[0], pipe_ends[1], watched})
        close(end);
}

TEST(Worker, over_its_wall_clock_limit_is_killed_and_gives_no_result) {
    WorkerTask task = task_of(wasi::samples::endless_loop);
    task.input.limits.fuel = Fuel{types::fuel_per_task_max};
    BlockingOptions options = options_of(MILLRACE_WORKER);
    options.wall_limit = 200ms;
    const auto report = run_blocking(task, options);
    ASSERT_FALSE(report.has_value());
    EXPECT_NE(report.error().text().find("wall-clock"), std::string::npos);
}

TEST(Worker, stops_when_asked) {
    WorkerTask task = task_of(wasi::samples::endless_loop);
    task.input.limits.fuel = Fuel{types::fuel_per_task_max};
    std::stop_source stop;
    BlockingOptions options = options_of(MILLRACE_WORKER);
    options.stop = stop.get_token();
    options.ready = [&](const Isolation&) { stop.request_stop(); };
    const auto report = run_blocking(task, options);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().what, "the task was stopped");
}

TEST(Worker, limits_of_the_task_are_results) {
    WorkerTask loop = task_of(wasi::samples::endless_loop);
    loop.input.limits.fuel = Fuel{1'000'000};
    const auto fuel = run_blocking(loop, options_of(MILLRACE_WORKER));
    ASSERT_TRUE(fuel.has_value()) << fuel.error().text();
    EXPECT_EQ(fuel->outcome.summary.exit, types::ExitKind::out_of_fuel);

    WorkerTask output = task_of(wasi::samples::output_bomb);
    output.input.limits.output_bytes = 1 << 20;
    const auto bomb = run_blocking(output, options_of(MILLRACE_WORKER));
    ASSERT_TRUE(bomb.has_value()) << bomb.error().text();
    EXPECT_EQ(bomb->outcome.summary.exit, types::ExitKind::limit_exceeded);

    WorkerTask memory = task_of(wasi::samples::memory_bomb);
    memory.input.limits.memory_bytes = 256 << 20;
    const auto grown = run_blocking(memory, options_of(MILLRACE_WORKER));
    ASSERT_TRUE(grown.has_value()) << grown.error().text();
    EXPECT_EQ(grown->outcome.summary.exit, types::ExitKind::trapped);
}

TEST(Worker, says_which_walls_stand) {
    WorkerOptions options;
    options.program = MILLRACE_WORKER;
    const auto isolation = probe_isolation(options);
    ASSERT_TRUE(isolation.has_value()) << isolation.error().text();
    EXPECT_TRUE(isolation->has(Isolation::syscall_filter | Isolation::no_new_privileges |
                               Isolation::dies_with_parent));
}

TEST(Worker, tells_a_bad_module_from_its_own_trouble) {
    WorkerOptions options;
    options.program = MILLRACE_WORKER;
    auto worker = Worker::start(task_of(wasi::samples::imports_unknown), options);
    ASSERT_TRUE(worker.has_value());
    std::optional<WorkerEvent> last;
    for (bool is_open = true; is_open;) {
        pollfd watched[2] = {{worker->result_fd(), POLLIN, 0}, {worker->task_fd(), POLLOUT, 0}};
        poll(watched, 2, -1);
        if (watched[1].revents != 0) worker->write_some();
        if (watched[0].revents != 0) is_open = worker->read_some();
        for (;;) {
            auto event = worker->next();
            ASSERT_TRUE(event.has_value());
            if (!*event) break;
            last = std::move(*event);
        }
    }
    ASSERT_TRUE(last && std::holds_alternative<Refusal>(*last));
    EXPECT_FALSE(worker->finish().has_value());
}

/// To the end, on a worker that has its task.
types::ResultSummary finish(Outcome<Worker> worker) {
    if (!worker) {
        ADD_FAILURE() << worker.error().text();
        return {};
    }
    const auto report = run_blocking(*worker);
    if (!report) {
        ADD_FAILURE() << report.error().text();
        return {};
    }
    return report->outcome.summary;
}

TEST(WorkerPool, prepared_workers_give_the_same_results_and_each_runs_one_task) {
    const WorkerTask task = task_of(wasi::samples::writes_and_deletes);
    const auto expected = run_here(task);
    ASSERT_TRUE(expected.has_value());
    WorkerPool pool{{.program = MILLRACE_WORKER}, 2};
    pool.fill();
    EXPECT_EQ(pool.prepared(), 2u);
    std::vector<pid_t> processes;
    for (int round = 0; round < 4; ++round) {  // two prepared, two made when they are needed
        auto worker = pool.start(task);
        ASSERT_TRUE(worker.has_value());
        for (const pid_t known : processes)
            EXPECT_NE(known, worker->pid());
        processes.push_back(worker->pid());
        EXPECT_EQ(finish(std::move(worker)), expected->outcome.summary);
    }
    EXPECT_EQ(pool.prepared(), 0u);
}

TEST(WorkerPool, a_prepared_worker_that_died_is_known_before_it_gets_a_task) {
    Outcome<Worker> dead = Worker::prepare({.program = "/bin/true"});
    ASSERT_TRUE(dead.has_value());
    pollfd ended{dead->process_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&ended, 1, -1), 1);
    EXPECT_FALSE(dead->is_alive());
}

TEST(WorkerPool, limits_come_with_the_task) {
    WorkerPool pool{{.program = MILLRACE_WORKER}, 1};
    pool.fill();
    WorkerTask loop = task_of(wasi::samples::endless_loop);
    loop.input.limits.fuel = Fuel{1'000'000};
    EXPECT_EQ(finish(pool.start(loop)).exit, types::ExitKind::out_of_fuel);
}

TEST(WorkerPool, workers_without_a_task_end_with_the_pool) {
    pid_t process = 0;
    int watched = -1;
    {
        auto worker = Worker::prepare({.program = MILLRACE_WORKER});
        ASSERT_TRUE(worker.has_value());
        process = worker->pid();
        watched = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
    }
    EXPECT_EQ(kill(process, 0), -1);  // reaped
    close(watched);
}

TEST(Worker, missing_program_is_one_clear_message) {
    const auto report = run_blocking(task_of(wasi::samples::endless_loop), options_of("/no/such"));
    ASSERT_FALSE(report.has_value());
    EXPECT_NE(report.error().text().find("/no/such"), std::string::npos);
}

}  // namespace
}  // namespace millrace::sandbox
