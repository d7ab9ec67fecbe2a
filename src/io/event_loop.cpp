// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/event_loop.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/clock.hpp"
#include "io/files.hpp"

namespace millrace::io {
namespace {

/// Write end of the self-pipe of the loop that handles signals; -1 while none does.
std::atomic<int> signal_pipe_write{-1};

extern "C" void millrace_on_signal(int number) {
    const int saved = errno;
    const auto byte = static_cast<unsigned char>(number);
    // A full pipe holds enough signals already: nothing is lost that matters.
    [[maybe_unused]] const ssize_t written = ::write(signal_pipe_write.load(), &byte, 1);
    errno = saved;
}

std::uint32_t epoll_mask(Readiness interest) noexcept {
    return (interest.readable ? static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP) : 0u) |
           (interest.writable ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
}

}  // namespace

struct EventLoop::State {
    struct Timer {
        Instant steady_due{};
        std::optional<Instant> wall_due{};
        Callback call{};
    };
    struct Watch {
        std::uint32_t generation = 0;
        std::shared_ptr<std::function<void(Readiness)>> ready;
    };

    int epoll = -1;
    int wake = -1;
    std::array<int, 2> signal_pipe{-1, -1};
    std::set<int> signals;
    Instant wall_time = wall_now();
    bool running = false;
    std::atomic<bool> stopping{false};

    std::mutex posted_mutex;  ///< guards `posted` only; never held while a callback runs
    std::deque<Callback> posted;

    TimerId timer_last = 0;
    std::unordered_map<TimerId, Timer> timers;
    std::set<std::pair<Instant, TimerId>> due_times;

    std::uint32_t generation_last = 0;
    std::unordered_map<int, Watch> watches;

    std::function<void(int)> stop_signal;
    Callback hangup;
    std::map<pid_t, std::function<void(pid_t, int)>> children;
    bool reaping_adopted = false;

    void wake_up() const noexcept {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake, &one, sizeof one);
    }

    void add_internal(int fd) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = static_cast<std::uint32_t>(fd);
        MILLRACE_ASSERT(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    }

    void handle_signal(int number) {
        if (signal_pipe[0] < 0) {
            MILLRACE_ASSERT(::pipe2(signal_pipe.data(), O_CLOEXEC | O_NONBLOCK) == 0);
            add_internal(signal_pipe[0]);
            int free_slot = -1;
            const bool only_loop =
                signal_pipe_write.compare_exchange_strong(free_slot, signal_pipe[1]);
            MILLRACE_ASSERT(only_loop);
        }
        if (!signals.insert(number).second) return;
        struct sigaction action {};
        action.sa_handler = millrace_on_signal;
        action.sa_flags = SA_RESTART;
        sigfillset(&action.sa_mask);
        MILLRACE_ASSERT(::sigaction(number, &action, nullptr) == 0);
    }

    void arm(TimerId id, Instant steady_due) {
        timers[id].steady_due = steady_due;
        due_times.emplace(steady_due, id);
    }

    [[nodiscard]] int wait_time() {
        {
            const std::lock_guard lock{posted_mutex};
            if (!posted.empty()) return 0;
        }
        if (due_times.empty()) return -1;
        const Duration left = due_times.begin()->first - steady_now();
        return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
    }

    void run_timers() {
        const Instant now = steady_now();
        // Timers set by these callbacks wait for the next turn: a callback cannot starve the rest.
        std::vector<TimerId> due;
        for (const auto& [time, id] : due_times) {
            if (time > now) break;
            due.push_back(id);
        }
        for (const TimerId id : due) {
            const auto found = timers.find(id);
            if (found == timers.end()) continue;
            due_times.erase({found->second.steady_due, id});
            if (const auto wall = found->second.wall_due; wall && *wall > wall_time) {
                arm(id, now + (*wall - wall_time));
                continue;
            }
            const Callback call = std::move(found->second.call);
            timers.erase(found);
            call();
            if (stopping) return;
        }
    }

    void run_posted() {
        std::size_t count = 0;
        {
            const std::lock_guard lock{posted_mutex};
            count = posted.size();
        }
        for (; count > 0 && !stopping; --count) {
            Callback call;
            {
                const std::lock_guard lock{posted_mutex};
                call = std::move(posted.front());
                posted.pop_front();
            }
            call();
        }
    }

    void read_signals() {
        std::array<unsigned char, 256> numbers{};
        const ssize_t count = ::read(signal_pipe[0], numbers.data(), numbers.size());
        std::set<int> seen;
        for (ssize_t index = 0; index < count; ++index) {
            seen.insert(numbers[static_cast<std::size_t>(index)]);
        }
        for (const int number : seen) {
            if (number == SIGCHLD) {
                reap();
            } else if (number == SIGHUP) {
                const Callback call = hangup;
                if (call) call();
            } else {
                const auto call = stop_signal;
                if (call) call(number);
            }
        }
    }

    void reap() {
        std::vector<pid_t> pids;
        for (const auto& [pid, call] : children)
            pids.push_back(pid);
        for (const pid_t pid : pids) {
            int status = 0;
            const pid_t ended = ::waitpid(pid, &status, WNOHANG);
            const bool lost = ended < 0 && errno == ECHILD;
            if (ended != pid && !lost) continue;
            if (lost) status = 255 << 8;
            const auto found = children.find(pid);
            if (found == children.end()) continue;
            const auto call = std::move(found->second);
            children.erase(found);
            call(pid, status);
        }
        while (reaping_adopted) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) break;
            if (info.si_pid == 0 || children.contains(info.si_pid)) break;
            ::waitpid(info.si_pid, nullptr, WNOHANG);
        }
        // A watched child may have ended between the two looks; it sends no second signal.
        if (reaping_adopted && !children.empty()) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
                millrace_on_signal(SIGCHLD);
            }
        }
    }

    void dispatch(const epoll_event& event) {
        const int fd = static_cast<int>(event.data.u64 & 0xffffffffu);
        if (fd == wake) {
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t got = ::read(wake, &count, sizeof count);
            return;
        }
        if (fd == signal_pipe[0]) {
            read_signals();
            return;
        }
        const auto found = watches.find(fd);
        if (found == watches.end() || found->second.generation != event.data.u64 >> 32) return;
        const auto ready = found->second.ready;  // lives through unwatch inside the call
        (*ready)({.readable = (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0,
                  .writable = (event.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0});
    }
};

EventLoop::EventLoop() : state_{std::make_unique<State>()} {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    state_->epoll = ::epoll_create1(EPOLL_CLOEXEC);
    state_->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    MILLRACE_ASSERT(state_->epoll >= 0);
    MILLRACE_ASSERT(state_->wake >= 0);
    state_->add_internal(state_->wake);
}

EventLoop::~EventLoop() {
    for (const int number : state_->signals)
        std::signal(number, SIG_DFL);
    if (state_->signal_pipe[0] >= 0) {
        signal_pipe_write = -1;
        ::close(state_->signal_pipe[0]);
        ::close(state_->signal_pipe[1]);
    }
    ::close(state_->wake);
    ::close(state_->epoll);
}

void EventLoop::run() {
    State& state = *state_;
    MILLRACE_ASSERT(!state.running);
    state.running = true;
    struct Leave {
        State& state;
        ~Leave() { state.running = false; }
    } leave{state};
    std::array<epoll_event, 64> events{};
    while (!state.stopping.exchange(false)) {
        const int count = ::epoll_wait(state.epoll, events.data(), static_cast<int>(events.size()),
                                       state.wait_time());
        MILLRACE_ASSERT(count >= 0 || errno == EINTR);
        state.wall_time = wall_now();
        for (int index = 0; index < count && !state.stopping; ++index) {
            state.dispatch(events[static_cast<std::size_t>(index)]);
        }
        if (!state.stopping) state.run_posted();
        if (!state.stopping) state.run_timers();
    }
}

void EventLoop::stop() noexcept {
    state_->stopping = true;
    state_->wake_up();
}

bool EventLoop::post(Callback call) {
    {
        const std::lock_guard lock{state_->posted_mutex};
        if (state_->posted.size() >= posted_max) return false;
        state_->posted.push_back(std::move(call));
    }
    state_->wake_up();
    return true;
}

void EventLoop::post_completion(Callback call) {
    {
        const std::lock_guard lock{state_->posted_mutex};
        state_->posted.push_back(std::move(call));
    }
    state_->wake_up();
}

Instant EventLoop::now() const noexcept {
    return state_->running ? state_->wall_time : wall_now();
}

TimerId EventLoop::call_at(Instant due, Callback call) {
    const TimerId id = ++state_->timer_last;
    state_->timers[id] = {.wall_due = due, .call = std::move(call)};
    state_->arm(id, steady_now() + std::max(due - wall_now(), Duration{0}));
    return id;
}

TimerId EventLoop::call_after(Duration wait, Callback call) {
    const TimerId id = ++state_->timer_last;
    state_->timers[id] = {.call = std::move(call)};
    state_->arm(id, steady_now() + std::max(wait, Duration{0}));
    return id;
}

bool EventLoop::cancel(TimerId timer) {
    const auto found = state_->timers.find(timer);
    if (found == state_->timers.end()) return false;
    state_->due_times.erase({found->second.steady_due, timer});
    state_->timers.erase(found);
    return true;
}

Outcome<void> EventLoop::watch_fd(int fd, Readiness interest,
                                  std::function<void(Readiness)> ready) {
    State& state = *state_;
    const auto found = state.watches.find(fd);
    const std::uint32_t generation = ++state.generation_last;
    epoll_event event{};
    event.events = epoll_mask(interest);
    event.data.u64 = std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
    const int operation = found == state.watches.end() ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(state.epoll, operation, fd, &event) != 0) {
        return Err{
            system_failure("cannot watch a descriptor", "descriptor " + std::to_string(fd), errno)};
    }
    state.watches[fd] = {
        .generation = generation,
        .ready = std::make_shared<std::function<void(Readiness)>>(std::move(ready))};
    return {};
}

void EventLoop::set_interest(int fd, Readiness interest) {
    const auto found = state_->watches.find(fd);
    if (found == state_->watches.end()) return;
    epoll_event event{};
    event.events = epoll_mask(interest);
    event.data.u64 = std::uint64_t{found->second.generation} << 32 | static_cast<std::uint32_t>(fd);
    MILLRACE_ASSERT(::epoll_ctl(state_->epoll, EPOLL_CTL_MOD, fd, &event) == 0);
}

void EventLoop::unwatch_fd(int fd) {
    if (state_->watches.erase(fd) == 0) return;
    ::epoll_ctl(state_->epoll, EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::on_stop_signal(std::function<void(int)> call) {
    state_->stop_signal = std::move(call);
    state_->handle_signal(SIGTERM);
    state_->handle_signal(SIGINT);
}

void EventLoop::on_hangup(Callback call) {
    state_->hangup = std::move(call);
    state_->handle_signal(SIGHUP);
}

void EventLoop::watch_child(pid_t child, std::function<void(pid_t, int)> call) {
    state_->handle_signal(SIGCHLD);
    state_->children[child] = std::move(call);
    millrace_on_signal(SIGCHLD);  // it may have ended before the handler was there
}

void EventLoop::unwatch_child(pid_t child) {
    state_->children.erase(child);
}

void EventLoop::reap_adopted(bool enabled) {
    state_->reaping_adopted = enabled;
    if (enabled) state_->handle_signal(SIGCHLD);
}

}  // namespace millrace::io
