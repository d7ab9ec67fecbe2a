// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/compile.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "aot/image.hpp"

namespace millrace::aot {
namespace {

constexpr std::size_t answer_max = image_code_max + (std::size_t{64} << 20);
constexpr std::size_t words_max = 4'096;

class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int number) noexcept : number_{number} {}
    Descriptor(Descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor() { close(); }
    void close() noexcept {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }
    [[nodiscard]] int get() const noexcept { return number_; }

  private:
    int number_ = -1;
};

struct Pipe {
    Descriptor read;
    Descriptor write;
};

Failure system_failure(std::string what) {
    return {std::move(what), std::strerror(errno), ""};
}

Outcome<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return Err{system_failure("cannot make a pipe")};
    return Pipe{Descriptor{ends[0]}, Descriptor{ends[1]}};
}

std::string default_program() {
    std::array<char, PATH_MAX> buffer{};
    const ssize_t size = readlink("/proc/self/exe", buffer.data(), buffer.size());
    const std::string_view self{buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
    const std::size_t slash = self.rfind('/');
    const std::string folder{slash == std::string_view::npos ? "." : self.substr(0, slash)};
    return folder + "/../libexec/millrace-compile";
}

/// The compiler as a process; killed and reaped when this goes away.
class Child {
  public:
    explicit Child(pid_t pid) noexcept
        : pid_{pid}, watched_{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))} {}
    ~Child() {
        if (pid_ < 0) return;
        kill(pid_, SIGKILL);
        (void)wait();
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// Any thread, also after the end: the process's descriptor names no other one.
    void stop() const noexcept {
        if (watched_.get() >= 0)
            (void)syscall(SYS_pidfd_send_signal, watched_.get(), SIGKILL, nullptr, 0);
    }
    int wait() noexcept {
        int status = 0;
        while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return status;
    }

  private:
    pid_t pid_;
    Descriptor watched_;
};

struct ChildPipes {
    Descriptor question;
    Descriptor answer;
    Descriptor words;
    pid_t pid = -1;
};

Outcome<ChildPipes> start_compiler(const std::string& program, std::vector<std::string> arguments) {
    if (access(program.c_str(), X_OK) != 0) {
        return Err{Failure{"the compiler program is missing", program,
                           "keep libexec/millrace-compile beside bin/, or use --tier interp"}};
    }
    MILLRACE_TRY(Pipe question, make_pipe());
    MILLRACE_TRY(Pipe answer, make_pipe());
    MILLRACE_TRY(Pipe words, make_pipe());
    arguments.insert(arguments.begin(), program);
    std::vector<char*> list;
    list.reserve(arguments.size() + 1);
    for (std::string& argument : arguments)
        list.push_back(argument.data());
    list.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, question.read.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, answer.write.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, words.write.get(), 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    std::array<char*, 1> no_environment{nullptr};
    ChildPipes child;
    // Threads of a daemon block signals; its children shall not.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t no_signals;
    sigset_t all_signals;
    sigemptyset(&no_signals);
    sigfillset(&all_signals);
    posix_spawnattr_setsigmask(&attributes, &no_signals);
    posix_spawnattr_setsigdefault(&attributes, &all_signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int error = posix_spawn(&child.pid, program.c_str(), &actions, &attributes, list.data(),
                                  no_environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return Err{Failure{"cannot start the compiler", program + ": " + std::strerror(error), ""}};
    child.question = std::move(question.write);
    child.answer = std::move(answer.read);
    child.words = std::move(words.read);
    return child;
}

/// What went over the three pipes.
struct Talk {
    Bytes answer;
    std::string words;
    bool is_in_time = true;
};

bool take(Descriptor& from, std::size_t most, auto& target) {
    std::array<char, 65'536> buffer;
    const ssize_t count = read(from.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) return true;
    if (count <= 0) {
        from.close();
        return true;
    }
    if (target.size() + static_cast<std::size_t>(count) > most) return false;
    target.insert(target.end(), buffer.begin(), buffer.begin() + count);
    return true;
}

Talk talk(ByteView question, Descriptor to, Descriptor answer, Descriptor words,
          std::chrono::steady_clock::time_point end) {
    Talk result;
    fcntl(to.get(), F_SETFL, O_NONBLOCK);
    while (answer.get() >= 0 || words.get() >= 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        std::array<pollfd, 3> wanted{
            {{to.get(), POLLOUT, 0}, {answer.get(), POLLIN, 0}, {words.get(), POLLIN, 0}}};
        const int ready =
            left.count() <= 0 ? 0 : poll(wanted.data(), 3, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            result.is_in_time = false;
            return result;
        }
        if (wanted[0].revents != 0) {
            const ssize_t count = write(to.get(), question.data(), question.size());
            if (count > 0) question = question.subspan(static_cast<std::size_t>(count));
            if ((count < 0 && errno != EAGAIN && errno != EINTR) || question.empty()) to.close();
        }
        if (wanted[1].revents != 0 && !take(answer, answer_max, result.answer)) answer.close();
        if (wanted[2].revents != 0 && !take(words, words_max, result.words)) words.close();
    }
    return result;
}

}  // namespace

bool can_run_here() noexcept {
    return __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("popcnt") != 0;
}

Outcome<Bytes> compile_elsewhere(ByteView module, const CompileJob& job) {
    const std::string program = job.program.empty() ? default_program() : job.program;
    const std::uint64_t seconds = job.seconds_max + module.size() / 10'000;
    MILLRACE_TRY(ChildPipes pipes,
                 start_compiler(program, {"-", "-", "--threads", std::to_string(job.threads),
                                          "--seconds", std::to_string(seconds), "--metered",
                                          job.metering == Metering::exact ? "1" : "0"}));
    Child child{pipes.pid};
    // Before it has threads, which would each have their own priority.
    if (job.in_background) (void)setpriority(PRIO_PROCESS, static_cast<id_t>(pipes.pid), 10);
    const std::stop_callback on_stop{job.stop, [&] { child.stop(); }};
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
    Talk done = talk(module, std::move(pipes.question), std::move(pipes.answer),
                     std::move(pipes.words), end);
    if (!done.is_in_time) {
        return Err{Failure{"the module takes too long to compile",
                           std::to_string(seconds) + " seconds", "use --tier interp"}};
    }
    const int status = child.wait();
    if (job.stop.stop_requested()) return Err{Failure{"compiling was stopped", "", ""}};
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::move(done.answer);
    while (!done.words.empty() && done.words.back() == '\n')
        done.words.pop_back();
    std::string how = WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                                          : "exit " + std::to_string(WEXITSTATUS(status));
    if (!done.words.empty()) how += ": " + done.words;
    return Err{Failure{"the module could not be compiled", std::move(how), "use --tier interp"}};
}

struct CompilerService::State {
    explicit State(ChildPipes started) : pipes{std::move(started)}, child{pipes.pid} {}

    bool write_all(ByteView bytes) {
        while (!bytes.empty()) {
            const ssize_t count = write(pipes.question.get(), bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
        return true;
    }
    bool read_all(std::span<std::uint8_t> bytes) {
        while (!bytes.empty()) {
            const ssize_t count = read(pipes.answer.get(), bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
        return true;
    }

    ChildPipes pipes;
    Child child;
};

CompilerService::CompilerService(std::unique_ptr<State> state) : state_{std::move(state)} {}
CompilerService::CompilerService(CompilerService&&) noexcept = default;
CompilerService& CompilerService::operator=(CompilerService&&) noexcept = default;
CompilerService::~CompilerService() = default;

Outcome<CompilerService> CompilerService::start(std::string program) {
    if (program.empty()) program = default_program();
    MILLRACE_TRY(ChildPipes pipes, start_compiler(program, {"--serve"}));
    return CompilerService{std::make_unique<State>(std::move(pipes))};
}

Outcome<Bytes> CompilerService::compile(ByteView module) {
    // A length, then as many bytes; the answer has a byte in front: 0 for an image, 1 for words.
    const auto size = static_cast<std::uint64_t>(module.size());
    std::array<std::uint8_t, 8> head{};
    std::memcpy(head.data(), &size, sizeof size);
    std::array<std::uint8_t, 9> answer{};
    const Failure gone{"the compiler ended", "", ""};
    if (!state_->write_all(head) || !state_->write_all(module) || !state_->read_all(answer))
        return Err{gone};
    std::uint64_t length = 0;
    std::memcpy(&length, answer.data() + 1, sizeof length);
    if (length > answer_max) return Err{gone};
    Bytes bytes(static_cast<std::size_t>(length));
    if (!state_->read_all(bytes)) return Err{gone};
    if (answer[0] == 0) return bytes;
    return Err{Failure{std::string{as_text(bytes)}, "", ""}};
}

}  // namespace millrace::aot
