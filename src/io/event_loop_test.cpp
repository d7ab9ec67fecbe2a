// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <vector>

namespace millrace::io {
namespace {

TEST(EventLoop, timers_fire_in_the_order_of_their_due_times) {
    EventLoop loop;
    std::vector<int> fired;
    loop.call_after(Duration{20}, [&] {
        fired.push_back(3);
        loop.stop();
    });
    loop.call_after(Duration{0}, [&] { fired.push_back(1); });
    loop.call_at(loop.now() + Duration{10}, [&] { fired.push_back(2); });
    loop.run();
    EXPECT_EQ(fired, (std::vector{1, 2, 3}));
}

TEST(EventLoop, a_cancelled_timer_never_fires) {
    EventLoop loop;
    bool fired = false;
    const TimerId timer = loop.call_after(Duration{1}, [&] { fired = true; });
    TimerId second = 0;
    loop.call_after(Duration{0}, [&] { EXPECT_TRUE(loop.cancel(second)); });
    second = loop.call_after(Duration{0}, [&] { fired = true; });
    EXPECT_TRUE(loop.cancel(timer));
    EXPECT_FALSE(loop.cancel(timer));
    loop.call_after(Duration{5}, [&] { loop.stop(); });
    loop.run();
    EXPECT_FALSE(fired);
}

TEST(EventLoop, a_time_that_is_past_is_due_at_once) {
    EventLoop loop;
    loop.call_at(Instant{0}, [&] { loop.stop(); });
    loop.run();
}

TEST(EventLoop, stop_before_run_is_not_lost) {
    EventLoop loop;
    loop.stop();
    loop.run();
}

TEST(EventLoop, posts_over_the_bound_are_refused) {
    EventLoop loop;
    for (std::size_t count = 0; count < EventLoop::posted_max; ++count) {
        ASSERT_TRUE(loop.post([] {}));
    }
    EXPECT_FALSE(loop.post([] {}));
    loop.call_after(Duration{0}, [&] { loop.stop(); });
    loop.run();
    EXPECT_TRUE(loop.post([] {}));
}

TEST(EventLoop, a_watched_pipe_reports_data_and_its_end) {
    EventLoop loop;
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    std::string received;
    const auto watched = loop.watch_fd(ends[0], {.readable = true}, [&](Readiness ready) {
        EXPECT_TRUE(ready.readable);
        std::array<char, 16> buffer{};
        const ssize_t count = ::read(ends[0], buffer.data(), buffer.size());
        if (count > 0) {
            received.append(buffer.data(), static_cast<std::size_t>(count));
            ::close(ends[1]);
            return;
        }
        loop.unwatch_fd(ends[0]);
        loop.stop();
    });
    ASSERT_TRUE(watched);
    ASSERT_EQ(::write(ends[1], "hello", 5), 5);
    loop.run();
    ::close(ends[0]);
    EXPECT_EQ(received, "hello");
}

TEST(EventLoop, a_descriptor_that_cannot_be_watched_is_a_failure) {
    EventLoop loop;
    EXPECT_FALSE(loop.watch_fd(-1, {.readable = true}, [](Readiness) {}));
}

TEST(EventLoop, a_stale_event_does_not_reach_the_next_owner_of_a_descriptor) {
    EventLoop loop;
    std::array<int, 2> first{};
    std::array<int, 2> second{};
    ASSERT_EQ(::pipe(first.data()), 0);
    ASSERT_EQ(::pipe(second.data()), 0);
    ASSERT_EQ(::write(first[1], "x", 1), 1);
    ASSERT_EQ(::write(second[1], "x", 1), 1);
    int calls = 0;
    // Whichever of the two comes first takes the other out while its event is already collected.
    const auto take = [&](int other) {
        ++calls;
        loop.unwatch_fd(other);
        ASSERT_TRUE(loop.watch_fd(other, {}, [&](Readiness) { ADD_FAILURE(); }));
        loop.call_after(Duration{0}, [&] { loop.stop(); });
        loop.unwatch_fd(other == first[0] ? second[0] : first[0]);
    };
    ASSERT_TRUE(loop.watch_fd(first[0], {.readable = true}, [&](Readiness) { take(second[0]); }));
    ASSERT_TRUE(loop.watch_fd(second[0], {.readable = true}, [&](Readiness) { take(first[0]); }));
    loop.run();
    EXPECT_EQ(calls, 1);
    for (const int fd : {first[0], first[1], second[0], second[1]})
        ::close(fd);
}

TEST(EventLoop, signals_arrive_as_callbacks) {
    EventLoop loop;
    std::vector<int> seen;
    loop.on_hangup([&] {
        seen.push_back(SIGHUP);
        ::kill(::getpid(), SIGTERM);
    });
    loop.on_stop_signal([&](int number) {
        seen.push_back(number);
        loop.stop();
    });
    loop.call_after(Duration{0}, [] { ::kill(::getpid(), SIGHUP); });
    loop.run();
    EXPECT_EQ(seen, (std::vector{SIGHUP, SIGTERM}));
}

TEST(EventLoop, a_child_that_ended_before_it_was_watched_is_still_reported) {
    EventLoop loop;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(7);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    int status = -1;
    loop.watch_child(child, [&](pid_t pid, int ended) {
        EXPECT_EQ(pid, child);
        status = ended;
        loop.stop();
    });
    loop.run();
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace millrace::io
