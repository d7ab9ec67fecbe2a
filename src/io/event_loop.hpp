// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "base/failure.hpp"
#include "base/time.hpp"

namespace millrace::io {

using TimerId = std::uint64_t;  ///< never 0, never used twice

/// What a watched descriptor is asked for, and what it is ready for.
struct Readiness {
    bool readable = false;  ///< also set at end of file and on error: the read tells which
    bool writable = false;
};

/// The one thread of a process that runs its machines, sockets, timers and children. Everything
/// is called on the thread inside run() except post() and stop(), which any thread may call.
///
/// Made of epoll, an eventfd and a self-pipe for signals; it owns no thread. A callback may call
/// any function here, also cancel or unwatch itself; what it throws ends run() with that exception.
/// One loop per process may have signal or child callbacks (handlers are per process). SIGPIPE
/// and SIGXFSZ are ignored from the first loop on: a write to a closed connection or over a file
/// size limit is an error, not a death.
class EventLoop {
  public:
    using Callback = std::function<void()>;
    /// Waiting calls of post(); the next is refused.
    static constexpr std::size_t posted_max = 65'536;

    EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop();

    /// Until stop(). May be called again afterwards.
    void run();
    /// Makes run() return after the callback in progress. Any thread; also from a signal callback.
    void stop() noexcept;
    /// Queues a call for the loop's thread. Any thread. False when posted_max calls wait.
    bool post(Callback call);

    /// Wall-clock time, read once per turn of the loop: all callbacks of a turn see one time.
    [[nodiscard]] Instant now() const noexcept;

    /// Calls once, not before `due` (at once when it is past). A wall clock set back while it waits
    /// delays it accordingly.
    TimerId call_at(Instant due, Callback call);
    TimerId call_after(Duration wait, Callback call);
    /// False when it has run already, was cancelled or never was.
    bool cancel(TimerId timer);

    /// Calls `ready` whenever the descriptor is ready for what was asked (level-triggered). The
    /// descriptor stays the caller's; unwatch before closing it. Watching it again replaces both.
    Outcome<void> watch_fd(int fd, Readiness interest, std::function<void(Readiness)> ready);
    /// No effect on a descriptor that is not watched.
    void set_interest(int fd, Readiness interest);
    void unwatch_fd(int fd);

    /// SIGTERM and SIGINT, each time one arrives.
    void on_stop_signal(std::function<void(int signal)> call);
    /// SIGHUP.
    void on_hangup(Callback call);
    /// Calls once when the child has ended, with waitpid's status; it is reaped by then.
    void watch_child(pid_t child, std::function<void(pid_t, int status)> call);
    void unwatch_child(pid_t child);
    /// Also reaps children nobody watches: descendants a subreaper has adopted.
    void reap_adopted(bool enabled);

  private:
    friend class ThreadPool;
    /// Like post(), without the bound: for completions whose number their source bounds.
    void post_completion(Callback call);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::io
