// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// The structures that threads share: the loop's queue of posted calls, the thread pool, the
// threads of parallel loops, the log.
// Labelled "tsan": run under the thread sanitizer (docs/operations.md).
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "io/crash_point.hpp"
#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/log.hpp"
#include "io/parallel.hpp"
#include "io/temporary_folder.hpp"
#include "io/thread_pool.hpp"

namespace millrace::io {
namespace {

TEST(Leaf, calls_posted_by_one_thread_run_on_the_loop_in_their_order) {
    EventLoop loop;
    constexpr int threads = 4;
    constexpr int calls = 500;
    std::vector<int> last(threads, -1);
    int left = threads * calls;
    std::vector<std::thread> posters;
    for (int thread = 0; thread < threads; ++thread) {
        posters.emplace_back([&, thread] {
            for (int call = 0; call < calls; ++call) {
                const bool posted = loop.post([&, thread, call] {
                    EXPECT_EQ(last[static_cast<std::size_t>(thread)], call - 1);
                    last[static_cast<std::size_t>(thread)] = call;
                    if (--left == 0) loop.stop();
                });
                ASSERT_TRUE(posted);
            }
        });
    }
    loop.run();
    for (std::thread& poster : posters)
        poster.join();
    EXPECT_EQ(left, 0);
}

TEST(Leaf, stop_from_another_thread_ends_a_waiting_loop) {
    EventLoop loop;
    std::thread stopper{[&] { loop.stop(); }};
    loop.run();
    stopper.join();
}

TEST(Leaf, every_accepted_job_is_done_once_and_done_on_the_loop) {
    EventLoop loop;
    ThreadPool pool{loop, {.threads = 4, .waiting_max = 10'000}};
    std::atomic<int> worked{0};
    int done = 0;
    constexpr int jobs = 1'000;
    const auto loop_thread = std::this_thread::get_id();
    for (int job = 0; job < jobs; ++job) {
        ASSERT_TRUE(pool.submit([&] { ++worked; },
                                [&] {
                                    EXPECT_EQ(std::this_thread::get_id(), loop_thread);
                                    if (++done == jobs) loop.stop();
                                }));
    }
    loop.run();
    EXPECT_EQ(worked, jobs);
    EXPECT_EQ(done, jobs);
}

TEST(Leaf, a_full_pool_refuses) {
    EventLoop loop;
    std::atomic<bool> go{false};
    std::atomic<bool> begun{false};
    auto pool =
        std::make_unique<ThreadPool>(loop, ThreadPool::Size{.threads = 1, .waiting_max = 2});
    ASSERT_TRUE(pool->submit(
        [&] {
            begun = true;
            begun.notify_all();
            go.wait(false);
        },
        {}));
    begun.wait(false);
    EXPECT_TRUE(pool->submit([] {}, {}));
    EXPECT_TRUE(pool->submit([] {}, {}));
    EXPECT_FALSE(pool->submit([] {}, {}));
    EXPECT_EQ(pool->waiting_count(), 2u);
    go = true;
    go.notify_all();
}

TEST(Leaf, completions_of_a_pool_that_is_gone_are_dropped) {
    EventLoop loop;
    bool called = false;
    {
        ThreadPool pool{loop, {.threads = 2, .waiting_max = 100}};
        for (int job = 0; job < 50; ++job) {
            ASSERT_TRUE(pool.submit([] {}, [&] { called = true; }));
        }
    }
    loop.call_after(Duration{0}, [&] { loop.stop(); });
    loop.run();
    EXPECT_FALSE(called);
}

TEST(Leaf, lines_of_several_threads_do_not_mix) {
    const TemporaryFolder folder;
    ASSERT_TRUE(open_log({.role = "test", .file = folder / "log", .to_stderr = false}));
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([] {
            for (int line = 0; line < 200; ++line) {
                log(LogLevel::info, "line", {{"number", line}});
                log_limited("leaf", LogLevel::info, "limited");
                durable_event("leaf");
                if (line % 50 == 0) {
                    ASSERT_TRUE(reopen_log());
                }
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    ASSERT_TRUE(open_log({}));
    const auto text = read_text_file(folder / "log", 1u << 20);
    ASSERT_TRUE(text);
    std::size_t lines = 0;
    std::size_t begin = 0;
    for (std::size_t end; (end = text->find('\n', begin)) != std::string::npos; begin = end + 1) {
        const std::string_view line = std::string_view{*text}.substr(begin, end - begin);
        EXPECT_TRUE(line.starts_with("time=")) << line;
        EXPECT_EQ(line.find("time=", 1), std::string_view::npos) << line;
        ++lines;
    }
    EXPECT_EQ(lines, 4u * 200u + 5u);
    EXPECT_GE(durable_event_count(), 800u);
}

TEST(Leaf, each_body_of_a_parallel_loop_runs_once_and_has_run_when_the_call_returns) {
    for (const std::size_t thread_count : {0u, 1u, 2u, 5u}) {
        Parallel parallel{thread_count};
        for (std::size_t round = 0; round < 500; ++round) {
            std::vector<int> calls(round % 40);
            parallel.run(calls.size(), [&](std::size_t index) { ++calls[index]; });
            EXPECT_EQ(calls, std::vector<int>(round % 40, 1));
        }
    }
}

TEST(Leaf, the_hook_of_a_parallel_loop_is_that_loop) {
    Parallel parallel{3};
    std::atomic<std::size_t> sum = 0;
    parallel.hook()(100, [&](std::size_t index) { sum += index; });
    EXPECT_EQ(sum, 4950u);
}

}  // namespace
}  // namespace millrace::io
