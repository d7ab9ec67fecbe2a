// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>

#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/log.hpp"
#include "io/spawn.hpp"

namespace millrace::io {
namespace {

constexpr std::size_t ready_line_max = 64 * 1024;

struct Child {
    ChildSpec spec;
    ChildStatus status;
    bool was_ready = false;  ///< at least once
    std::string killed_for;  ///< why we killed it ourselves
    int ready_fd = -1;
    int output_fd = -1;
    int log_fd = -1;  ///< only with output_fd
    std::string line;
    TimerId timer = 0;  ///< of the state: ready deadline, back-off, or SIGKILL
    std::deque<Instant> restarts;
    std::vector<std::function<void()>> on_stopped;
};
using Pointer = std::shared_ptr<Child>;

}  // namespace

std::string_view to_text(ChildState state) noexcept {
    switch (state) {
        case ChildState::starting:
            return "starting";
        case ChildState::ready:
            return "ready";
        case ChildState::waiting:
            return "waiting";
        case ChildState::stopping:
            return "stopping";
        case ChildState::stopped:
            return "stopped";
        case ChildState::failed:
            return "failed";
    }
    return "unknown";
}

std::string describe_exit(int status) {
    if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
    if (!WIFSIGNALED(status)) return "status " + std::to_string(status);
    const int number = WTERMSIG(status);
    const char* name = ::sigdescr_np(number);
    return "killed by signal " + std::to_string(number) +
           (name != nullptr ? std::string{" ("} + name + ")" : std::string{});
}

Outcome<std::string> own_executable() {
    std::array<char, 4'096> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    if (size <= 0) return Err{system_failure("cannot find this program", "/proc/self/exe", errno)};
    return std::string{path.data(), static_cast<std::size_t>(size)};
}

Outcome<void> announce_ready(int ready_fd, const std::string& json) {
    if (ready_fd < 0) return {};
    MILLRACE_ASSERT(json.find('\n') == std::string::npos);
    const std::string line = "READY " + json + "\n";
    std::size_t written = 0;
    while (written < line.size()) {
        const ssize_t count = ::write(ready_fd, line.data() + written, line.size() - written);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            return Err{system_failure("cannot report readiness",
                                      "--ready-fd " + std::to_string(ready_fd), errno)};
        }
        written += static_cast<std::size_t>(count);
    }
    ::close(ready_fd);
    return {};
}

struct Supervisor::State : std::enable_shared_from_this<Supervisor::State> {
    EventLoop& loop;
    Handlers handlers;
    std::vector<Pointer> children;  ///< in the order of start
    bool stopping_all = false;

    State(EventLoop& owner, Handlers calls) : loop{owner}, handlers{std::move(calls)} {}

    Pointer find(const std::string& name) const {
        const auto found = std::ranges::find_if(
            children, [&](const Pointer& child) { return child->spec.name == name; });
        return found == children.end() ? nullptr : *found;
    }

    void enter(Child& child, ChildState state) {
        loop.cancel(child.timer);
        child.status.state = state;
        child.status.since = loop.now();
    }

    void set_timer(const Pointer& child, Duration wait, void (State::*then)(const Pointer&)) {
        child->timer = loop.call_after(wait, [weak = weak_from_this(), child, then] {
            if (const auto self = weak.lock()) ((*self).*then)(child);
        });
    }

    Outcome<void> launch(const Pointer& child) {
        MILLRACE_TRY(const Spawned spawned, spawn(child->spec));
        child->status.pid = spawned.pid;
        child->ready_fd = spawned.ready_fd;
        child->output_fd = spawned.output_fd;
        child->line.clear();
        child->killed_for.clear();
        enter(*child, ChildState::starting);
        set_timer(child, child->spec.ready_time_max, &State::on_not_ready);
        if (child->ready_fd >= 0) watch(child, child->ready_fd, &State::read_ready);
        if (child->output_fd >= 0) {
            child->log_fd = ::open(child->spec.log_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            watch(child, child->output_fd, &State::read_output);
        }
        loop.watch_child(spawned.pid, [weak = weak_from_this(), child](pid_t, int status) {
            if (const auto self = weak.lock()) self->on_exit(child, status);
        });
        if (child->spec.ready_by == ReadyBy::start) {
            loop.cancel(child->timer);
            set_timer(child, Duration{0}, &State::on_started);
        }
        return {};
    }

    void watch(const Pointer& child, int fd, void (State::*read)(const Pointer&)) {
        const auto watched = loop.watch_fd(fd, {.readable = true},
                                           [weak = weak_from_this(), child, read](Readiness) {
                                               if (const auto self = weak.lock())
                                                   ((*self).*read)(child);
                                           });
        MILLRACE_ASSERT(watched.has_value());
    }

    void close_fd(int& fd) {
        if (fd < 0) return;
        loop.unwatch_fd(fd);
        ::close(fd);
        fd = -1;
    }

    void on_started(const Pointer& child) { become_ready(child, {}); }

    void become_ready(const Pointer& child, std::string line) {
        if (child->status.state != ChildState::starting) return;
        enter(*child, ChildState::ready);
        child->was_ready = true;
        child->status.ready = std::move(line);
        if (handlers.on_ready) handlers.on_ready(child->spec.name, child->status.ready);
    }

    void read_ready(const Pointer& child) {
        std::array<char, 4'096> buffer;
        for (;;) {
            const ssize_t count = ::read(child->ready_fd, buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0) return close_fd(child->ready_fd);
            child->line.append(buffer.data(), static_cast<std::size_t>(count));
            const std::size_t end = child->line.find('\n');
            if (end == std::string::npos && child->line.size() <= ready_line_max) continue;
            close_fd(child->ready_fd);
            if (end == std::string::npos || !child->line.starts_with("READY ")) {
                return kill_for(child, "it wrote no READY line to its ready descriptor");
            }
            return become_ready(child, child->line.substr(6, end - 6));
        }
    }

    void read_output(const Pointer& child) {
        std::array<char, 16'384> buffer;
        for (int turn = 0; turn < 64 && child->output_fd >= 0; ++turn) {
            const ssize_t count = ::read(child->output_fd, buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return;
            if (count <= 0) return close_fd(child->output_fd);
            const std::string_view text{buffer.data(), static_cast<std::size_t>(count)};
            if (child->log_fd >= 0) {
                [[maybe_unused]] const ssize_t written =
                    ::write(child->log_fd, text.data(), text.size());
            }
            if (child->status.state == ChildState::starting) scan_output(child, text);
        }
    }

    void scan_output(const Pointer& child, std::string_view text) {
        child->line += text;
        std::size_t begin = 0;
        for (std::size_t end; (end = child->line.find('\n', begin)) != std::string::npos;
             begin = end + 1) {
            const std::string line = child->line.substr(begin, end - begin);
            if (line.find(child->spec.ready_text) == std::string::npos) continue;
            child->line.clear();
            return become_ready(child, line);
        }
        child->line.erase(0, begin);
        if (child->line.size() > ready_line_max) child->line.clear();
    }

    void kill_for(const Pointer& child, std::string why) {
        child->killed_for = std::move(why);
        if (child->status.pid > 0) ::kill(-child->status.pid, SIGKILL);
    }

    void on_not_ready(const Pointer& child) {
        kill_for(child, "it was not ready within " +
                            std::to_string(child->spec.ready_time_max.count() / 1'000) + " s");
    }

    void on_exit(const Pointer& child, int status) {
        // What it left in its group must not outlive it.
        ::kill(-child->status.pid, SIGKILL);
        child->status.pid = -1;
        child->status.last_exit = describe_exit(status);
        if (child->ready_fd >= 0) read_ready(child);
        if (child->output_fd >= 0) read_output(child);
        close_fd(child->ready_fd);
        close_fd(child->output_fd);
        if (child->log_fd >= 0) ::close(std::exchange(child->log_fd, -1));
        if (child->status.state == ChildState::stopping || stopping_all) return finish_stop(child);
        std::string how = child->status.last_exit;
        if (!child->killed_for.empty()) how = child->killed_for;
        // Its first start: a status is an answer (its log says why), a signal from outside is not.
        const bool answered = WIFEXITED(status) || !child->killed_for.empty();
        if (!child->was_ready && answered) {
            return give_up(child, "it ended before it was ready: " + how);
        }
        restart_later(child, how);
    }

    void restart_later(const Pointer& child, const std::string& how) {
        const RestartPolicy& policy = child->spec.restart;
        const Instant now = loop.now();
        while (!child->restarts.empty() && now - child->restarts.front() > policy.window) {
            child->restarts.pop_front();
        }
        if (child->restarts.size() >= policy.restarts_max) {
            return give_up(
                child, "it ended " + std::to_string(child->restarts.size() + 1) + " times within " +
                           std::to_string(policy.window.count() / 1'000) + " s, last: " + how);
        }
        Duration wait = policy.backoff_min;
        for (std::size_t n = 0; n < child->restarts.size() && wait < policy.backoff_max; ++n) {
            wait *= 2;
        }
        child->restarts.push_back(now);
        enter(*child, ChildState::waiting);
        set_timer(child, std::min(wait, policy.backoff_max), &State::restart);
        log(LogLevel::warn, "a child ended and is started again",
            {{"child", child->spec.name}, {"how", how}});
        if (handlers.on_exit) handlers.on_exit(child->spec.name, how);
    }

    void restart(const Pointer& child) {
        ++child->status.restarts;
        if (const auto launched = launch(child); !launched) {
            give_up(child, launched.error().text());
        }
    }

    void give_up(const Pointer& child, const std::string& why) {
        enter(*child, ChildState::failed);
        Failure failure{child->spec.name + " failed: " + why, {}, {}};
        if (!child->spec.log_file.empty()) {
            failure.where = child->spec.log_file;
            const std::string last = last_line_of(child->spec.log_file);
            failure.remedy = last.empty() ? "see its log" : "its log ends with: " + last;
        }
        log_failure("a child is given up", failure);
        notify_stopped(child);
        if (handlers.on_failed) handlers.on_failed(child->spec.name, failure);
    }

    void finish_stop(const Pointer& child) {
        enter(*child, ChildState::stopped);
        notify_stopped(child);
    }

    static void notify_stopped(const Pointer& child) {
        const auto calls = std::exchange(child->on_stopped, {});
        for (const auto& call : calls)
            call();
    }

    static bool has_ended(const Child& child) {
        return child.status.state == ChildState::stopped ||
               child.status.state == ChildState::failed;
    }

    void stop(const Pointer& child, std::function<void()> done) {
        if (has_ended(*child)) {
            if (done) done();
            return;
        }
        if (done) child->on_stopped.push_back(std::move(done));
        if (child->status.state == ChildState::waiting) return finish_stop(child);
        if (child->status.state == ChildState::stopping) return;
        enter(*child, ChildState::stopping);
        ::kill(-child->status.pid, SIGTERM);
        set_timer(child, child->spec.stop_time_max, &State::on_stop_late);
    }

    void on_stop_late(const Pointer& child) {
        log(LogLevel::warn, "a child did not stop in time and is killed",
            {{"child", child->spec.name}});
        kill_for(child, "it did not stop in time");
    }

    void stop_next_stage(const std::shared_ptr<std::function<void()>>& done) {
        std::uint32_t stage = 0;
        std::vector<Pointer> chosen;
        for (const Pointer& child : children) {
            if (has_ended(*child)) continue;
            if (chosen.empty() || child->spec.stage > stage) {
                chosen.clear();
                stage = child->spec.stage;
            }
            if (child->spec.stage == stage) chosen.push_back(child);
        }
        if (chosen.empty()) {
            kill_adopted();
            if (*done) (*done)();
            return;
        }
        const auto left = std::make_shared<std::size_t>(chosen.size());
        for (const Pointer& child : chosen) {
            stop(child, [weak = weak_from_this(), left, done] {
                const auto self = weak.lock();
                if (--*left == 0 && self) self->stop_next_stage(done);
            });
        }
    }

    /// Descendants that lost their parent and came to us. Killing one may bring its children.
    void kill_adopted() {
        for (int round = 0; round < 100; ++round) {
            std::vector<pid_t> strangers = children_of_this_process();
            std::erase_if(strangers, [&](pid_t pid) {
                return std::ranges::any_of(
                    children, [&](const Pointer& child) { return child->status.pid == pid; });
            });
            if (strangers.empty()) return;
            for (const pid_t pid : strangers)
                ::kill(pid, SIGKILL);
            for (const pid_t pid : strangers)
                ::waitpid(pid, nullptr, 0);
        }
    }

    void kill_all() {
        for (const Pointer& child : children) {
            loop.cancel(child->timer);
            close_fd(child->ready_fd);
            close_fd(child->output_fd);
            if (child->log_fd >= 0) ::close(std::exchange(child->log_fd, -1));
            if (child->status.pid <= 0) continue;
            loop.unwatch_child(child->status.pid);
            ::kill(-child->status.pid, SIGKILL);
            ::waitpid(child->status.pid, nullptr, 0);
            child->status.pid = -1;
        }
        kill_adopted();
    }
};

Supervisor::Supervisor(EventLoop& loop, Handlers handlers)
    : state_{std::make_shared<State>(loop, std::move(handlers))} {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    loop.reap_adopted(true);
}

Supervisor::~Supervisor() {
    state_->kill_all();
    state_->loop.reap_adopted(false);
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

Outcome<void> Supervisor::start(ChildSpec spec) {
    if (const Pointer old = state_->find(spec.name)) {
        if (!State::has_ended(*old)) {
            return Err{Failure{"a child of that name runs already", spec.name, {}}};
        }
        std::erase(state_->children, old);
    }
    if (state_->children.size() >= children_max) {
        return Err{Failure{"too many child processes", spec.name, "start fewer"}};
    }
    const auto child = std::make_shared<Child>();
    child->spec = std::move(spec);
    child->status.name = child->spec.name;
    MILLRACE_TRY_VOID(state_->launch(child));
    state_->children.push_back(child);
    state_->stopping_all = false;
    return {};
}

void Supervisor::stop(const std::string& name, std::function<void()> done) {
    if (const Pointer child = state_->find(name)) {
        state_->stop(child, std::move(done));
    } else if (done) {
        done();
    }
}

void Supervisor::stop_all(std::function<void()> done) {
    state_->stopping_all = true;
    state_->stop_next_stage(std::make_shared<std::function<void()>>(std::move(done)));
}

void Supervisor::set_command(const std::string& name, std::vector<std::string> command) {
    if (const Pointer child = state_->find(name)) child->spec.command = std::move(command);
}

std::vector<ChildStatus> Supervisor::status() const {
    std::vector<ChildStatus> result;
    for (const Pointer& child : state_->children)
        result.push_back(child->status);
    return result;
}

std::optional<ChildStatus> Supervisor::status(const std::string& name) const {
    const Pointer child = state_->find(name);
    return child ? std::optional{child->status} : std::nullopt;
}

}  // namespace millrace::io
