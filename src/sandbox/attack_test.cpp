// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Native code in the worker's place, as if the engine had a fault: everything that reaches beyond
// its own memory and its two ends fails (docs/sandbox.md). probe_main.cpp has the list.

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "aot/image.hpp"
#include "crypto/hash.hpp"
#include "sandbox/landlock.hpp"
#include "sandbox/worker.hpp"
#include "wasi/samples.hpp"
#include "wasm/outline.hpp"

namespace millrace::sandbox {
namespace {

WorkerTask some_task() {
    WorkerTask task;
    task.module = std::make_shared<const Bytes>(*from_hex(wasi::samples::endless_loop));
    task.input.arguments = {std::string{wasi::program_name}};
    return task;
}

Outcome<Worker> start_probe(std::string what) {
    WorkerOptions options;
    options.program = MILLRACE_SANDBOX_PROBE;
    options.use_cgroup = !what.starts_with("compiler: ");  // a group would take its threads
    options.extra_arguments = {std::move(what)};
    return Worker::start(some_task(), options);
}

/// What became of the attempt: the probe's word, or how it was killed.
std::string attempt(std::string what) {
    auto worker = start_probe(std::move(what));
    if (!worker) return worker.error().text();
    const auto report = run_blocking(*worker);
    return report ? "a report" : report.error().text();
}

std::vector<std::string> all_attacks() {
    std::istringstream lines{attempt("names")};
    std::vector<std::string> names;
    for (std::string name; std::getline(lines, name);)
        names.push_back(name);
    return names;
}

bool is_killed(const std::string& outcome) {
    return outcome.find("Bad system call") != std::string::npos;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool is_sanitized = true;  // its runtime is allowed more (lockdown.cpp)
#else
constexpr bool is_sanitized = false;
#endif

TEST(Attack, every_system_call_out_of_the_worker_kills_it) {
    if (is_sanitized) GTEST_SKIP();
    const auto attacks = all_attacks();
    ASSERT_GE(attacks.size(), 50u);
    for (const std::string& attack : attacks) {
        const std::string outcome = attempt(attack);
        EXPECT_TRUE(is_killed(outcome)) << attack << ": " << outcome;
    }
}

TEST(Attack, the_other_walls_hold_without_the_filter) {
    // The filter is one program in the kernel; these refuse by themselves.
    for (const char* attack : {"open", "openat", "open /proc/self/mem", "open /proc/1/environ",
                               "socket", "unix socket", "memfd", "dup", "pidfd_open", "inotify",
                               "fork", "vfork", "mount", "setuid", "raise a limit", "bpf"}) {
        if (is_sanitized) break;
        EXPECT_EQ(attempt("half: " + std::string{attack}), "refused") << attack;
    }
    if (geteuid() == 0 && !is_sanitized) {
        for (const char* attack : {"kill", "ptrace", "read another task", "write another task"})
            EXPECT_EQ(attempt("half: " + std::string{attack}), "refused") << attack;
    }
}

TEST(Attack, landlock_alone_refuses_files_ports_and_signals) {
    const int version = landlock_version();
    if (version == 0) GTEST_SKIP() << "this kernel has no Landlock: that wall is missing here";
    struct Reach {
        const char* attack;
        int version_min;
    };
    for (const Reach reach : {Reach{"open", 1}, Reach{"openat", 1}, Reach{"open /proc/self/mem", 1},
                              Reach{"bind a port", 4}, Reach{"kill", 6}}) {
        if (version < reach.version_min) continue;
        const std::string attack{reach.attack};
        EXPECT_EQ(attempt("free: " + attack), "allowed") << attack;  // so nothing else refuses it
        EXPECT_EQ(attempt("landlock: " + attack), "refused") << attack;
    }
}

TEST(Attack, a_worker_says_whether_landlock_stands) {
    const auto isolation = probe_isolation({.program = MILLRACE_WORKER});
    ASSERT_TRUE(isolation.has_value()) << isolation.error().text();
    EXPECT_EQ(isolation->has(Isolation::landlock), landlock_version() > 0) << isolation->text();
    EXPECT_NE(isolation->text().find("Landlock"), std::string::npos);
}

TEST(Attack, the_compiler_has_threads_and_finds_no_file) {
    if (is_sanitized) GTEST_SKIP();
    EXPECT_EQ(attempt("compiler: thread"), "ran");
    for (const char* attack : {"open", "openat", "open /proc/self/mem", "stat", "readlink", "ioctl",
                               "clone3", "no death with the parent"})
        EXPECT_EQ(attempt("compiler: " + std::string{attack}), "refused") << attack;
    for (const char* attack : {"socket",
                               "fork",
                               "vfork",
                               "exec",
                               "kill",
                               "kill everybody",
                               "tgkill",
                               "ptrace",
                               "read another task",
                               "shared memory",
                               "memfd",
                               "executable memory",
                               "made executable",
                               "read other descriptor",
                               "write other descriptor",
                               "io_uring",
                               "unshare",
                               "setuid",
                               "unlink",
                               "rename",
                               "raise a limit",
                               "openat2",
                               "open by int 0x80",
                               "open by x32"}) {
        const std::string outcome = attempt("compiler: " + std::string{attack});
        EXPECT_TRUE(is_killed(outcome)) << attack << ": " << outcome;
    }
}

TEST(Attack, a_worker_cannot_outlive_its_task) {
    auto worker = start_probe("outlive");  // it blocks all signals and goes on after its report
    ASSERT_TRUE(worker.has_value());
    const pid_t process = worker->pid();
    const auto report = run_blocking(*worker);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().what, "the task is over");
    { const Worker ended = std::move(*worker); }
    EXPECT_EQ(kill(process, 0), -1);
}

#if defined(__x86_64__)
/// An image, with a right digest, whose every function is `code`.
WorkerTask task_with_code(Bytes code) {
    WorkerTask task = some_task();
    aot::Image image;
    image.module = crypto::sha256(*task.module);
    image.stack_bytes = 1 << 20;
    image.functions = {{0, 0}};
    image.outline = wasm::outline_of((*wasm::Module::load(*task.module))->data());
    image.code = std::move(code);
    task.compiled = std::make_shared<const Bytes>(aot::encode_image(image));
    return task;
}

TEST(Attack, a_forged_image_is_behind_the_same_walls) {
    // mov eax, number; xor edi, edi; xor esi, esi; xor edx, edx; syscall; ret
    const auto calls = [](std::uint8_t number) {
        return Bytes{0xb8, number, 0, 0, 0, 0x31, 0xff, 0x31, 0xf6, 0x31, 0xd2, 0x0f, 0x05, 0xc3};
    };
    BlockingOptions options;
    options.worker.program = MILLRACE_WORKER;
    for (const long number : {SYS_open, SYS_socket, SYS_fork, SYS_execve, SYS_kill, SYS_ptrace,
                              SYS_shmget, SYS_setuid, SYS_dup}) {
        const auto report =
            run_blocking(task_with_code(calls(static_cast<std::uint8_t>(number))), options);
        ASSERT_FALSE(report.has_value()) << number;
        EXPECT_TRUE(is_killed(report.error().text())) << number << report.error().text();
    }
    const Bytes privileged{0xf4};       // hlt
    const Bytes undefined{0x0f, 0x0b};  // ud2 with fuel left, so no safe point
    // mov rax, -1; ud2; ud2: goes on behind a false safe point, to the same end
    const Bytes twice{0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b, 0x0f, 0x0b};
    for (const Bytes& code : {privileged, undefined, twice}) {
        const auto report = run_blocking(task_with_code(code), options);
        ASSERT_FALSE(report.has_value());
        EXPECT_NE(report.error().text().find("killed"), std::string::npos) << report.error().text();
    }
}
#endif

}  // namespace
}  // namespace millrace::sandbox
