// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/spawn.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "io/files.hpp"

namespace millrace::io {
namespace {

/// Descriptors to be closed unless released.
class Descriptor {
  public:
    explicit Descriptor(int fd = -1) noexcept : fd_{fd} {}
    Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

struct Pipe {
    Descriptor read;
    Descriptor write;
};

/// Above the standard descriptors even when the caller runs without them.
Outcome<Pipe> make_pipe() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return Err{system_failure("cannot make a pipe", {}, errno)};
    }
    const Descriptor low_read{ends[0]};
    const Descriptor low_write{ends[1]};
    Pipe result{Descriptor{::fcntl(ends[0], F_DUPFD_CLOEXEC, 3)},
                Descriptor{::fcntl(ends[1], F_DUPFD_CLOEXEC, 3)}};
    if (result.read.get() < 0 || result.write.get() < 0) {
        return Err{system_failure("cannot make a pipe", {}, errno)};
    }
    ::fcntl(result.read.get(), F_SETFL, O_NONBLOCK);
    return result;
}

Outcome<std::string> find_executable(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const std::string candidate = std::string{rest.substr(0, colon)} + "/" + name;
        struct stat status {};
        if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
            ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
        rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
    }
    return Err{Failure{"there is no program '" + name + "'", "PATH", "install it"}};
}

std::vector<std::string> child_environment(const ChildSpec& spec) {
    std::vector<std::string> result;
    const auto replaced = [&](std::string_view entry) {
        const std::string_view name = entry.substr(0, entry.find('='));
        return std::ranges::find(spec.environment_removed, name) !=
                   spec.environment_removed.end() ||
               std::ranges::any_of(spec.environment,
                                   [&](const auto& added) { return added.first == name; });
    };
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!replaced(*entry)) result.emplace_back(*entry);
    }
    for (const auto& [name, value] : spec.environment)
        result.push_back(name + "=" + value);
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (std::string& text : strings)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

/// What the child needs, prepared before the fork: between fork and exec only async-signal-safe
/// calls are allowed.
struct Plan {
    const char* executable;
    char* const* arguments;
    char* const* environment;
    const char* folder;  ///< null: stay
    pid_t parent;
    int input;
    int output;
    int error_output;
    int ready_fd;   ///< to be kept open; -1: none
    int report_fd;  ///< errno goes here when the exec fails
};

[[noreturn]] void run_child(const Plan& plan) noexcept {
    const auto give_up = [&] {
        const int error = errno;
        [[maybe_unused]] const ssize_t written = ::write(plan.report_fd, &error, sizeof error);
        ::_exit(127);
    };
    ::setpgid(0, 0);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up();
    if (::getppid() != plan.parent) ::_exit(127);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < 32; ++number)
        ::signal(number, SIG_DFL);
    if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 ||
        ::dup2(plan.error_output, 2) < 0) {
        give_up();
    }
    if (plan.folder != nullptr && ::chdir(plan.folder) != 0) give_up();
    ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (plan.ready_fd >= 0) ::fcntl(plan.ready_fd, F_SETFD, 0);
    ::execve(plan.executable, plan.arguments, plan.environment);
    give_up();
    ::_exit(127);
}

}  // namespace

Outcome<Spawned> spawn(const ChildSpec& spec) {
    MILLRACE_ASSERT(!spec.command.empty());
    MILLRACE_TRY(const std::string executable, find_executable(spec.command.front()));
    const Descriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    if (null.get() < 0) return Err{system_failure("cannot open", "/dev/null", errno)};
    Descriptor log;
    if (!spec.log_file.empty()) {
        log = Descriptor{
            ::open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
        if (log.get() < 0) return Err{system_failure("cannot open the log", spec.log_file, errno)};
    }
    MILLRACE_TRY(Pipe report, make_pipe());
    ::fcntl(report.read.get(), F_SETFL, 0);
    Pipe ready;
    Pipe output;
    std::vector<std::string> arguments = spec.command;
    if (spec.ready_by == ReadyBy::descriptor) {
        MILLRACE_TRY(ready, make_pipe());
        arguments.push_back("--ready-fd");
        arguments.push_back(std::to_string(ready.write.get()));
    } else if (spec.ready_by == ReadyBy::output_line) {
        MILLRACE_TRY(output, make_pipe());
    }
    std::vector<std::string> environment = child_environment(spec);
    const std::vector<char*> argument_pointers = pointers(arguments);
    const std::vector<char*> environment_pointers = pointers(environment);
    const int sink = log.get() >= 0 ? log.get() : null.get();
    const Plan plan{
        .executable = executable.c_str(),
        .arguments = argument_pointers.data(),
        .environment = environment_pointers.data(),
        .folder = spec.folder.empty() ? nullptr : spec.folder.c_str(),
        .parent = ::getpid(),
        .input = null.get(),
        .output = output.write.get() >= 0 ? output.write.get() : sink,
        .error_output = sink,
        .ready_fd = ready.write.get(),
        .report_fd = report.write.get(),
    };
    const pid_t pid = ::fork();
    if (pid < 0) return Err{system_failure("cannot start a process", executable, errno)};
    if (pid == 0) run_child(plan);
    ::setpgid(pid, pid);
    report.write = Descriptor{};
    int error = 0;
    ssize_t count = 0;
    do {
        count = ::read(report.read.get(), &error, sizeof error);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        ::waitpid(pid, nullptr, 0);
        return Err{system_failure("cannot start the program", executable, error)};
    }
    return Spawned{
        .pid = pid, .ready_fd = ready.read.release(), .output_fd = output.read.release()};
}

std::vector<pid_t> children_of_this_process() {
    std::vector<pid_t> result;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder{::opendir("/proc"), ::closedir};
    if (folder == nullptr) return result;
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string_view name = entry->d_name;
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error != std::errc{} || end != name.data() + name.size()) continue;
        const auto status = read_text_file("/proc/" + std::string{name} + "/stat", 4'096);
        if (!status) continue;
        // "pid (name) S ppid …"; the name may hold anything, also ')'.
        const std::size_t after = status->rfind(") ");
        if (after == std::string::npos || after + 4 >= status->size()) continue;
        const char state = (*status)[after + 2];
        pid_t parent = 0;
        std::from_chars(status->data() + after + 4, status->data() + status->size(), parent);
        if (parent == ::getpid() && state != 'Z') result.push_back(pid);
    }
    return result;
}

std::string last_line_of(const std::string& path) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return {};
    std::array<char, 4'096> tail{};
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    const off_t from = std::max<off_t>(0, size - static_cast<off_t>(tail.size()));
    const ssize_t count = ::pread(file.get(), tail.data(), tail.size(), from);
    std::string_view text{tail.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.remove_suffix(1);
    const std::size_t newline = text.rfind('\n');
    if (newline != std::string_view::npos) text.remove_prefix(newline + 1);
    return std::string{text.substr(0, 300)};
}

}  // namespace millrace::io
