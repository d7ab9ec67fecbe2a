// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <thread>

#include "aot/abi.hpp"
#include "base/overload.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/channel.hpp"

namespace millrace::sandbox {
namespace {

using Clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool limits_address_space = false;  // shadow memory takes terabytes of it
#else
constexpr bool limits_address_space = true;
#endif

/// What a worker needs beyond what the task is given: the program itself, allocator slack.
constexpr std::uint64_t address_space_base = 512ull << 20;

/// Memory that holding and running `task` may take. The module, or of compiled code its outline, is
/// decoded into several forms; growing memories and buffers are copied once while they grow.
std::uint64_t memory_need(const WorkerTask& task, std::uint64_t frame_size) {
    const types::TaskLimits& limits = task.input.limits;
    const std::uint64_t module =
        task.compiled ? aot::stated_sizes(*task.compiled).outline : task.module->size();
    return address_space_base + 3 * frame_size + 40 * module + 2 * limits.memory_bytes +
           4 * limits.output_bytes;
}

/// What compiled code adds: address space that is reserved, of which only a part is ever writable.
struct CompiledNeed {
    std::uint64_t reserved = 0;
    std::uint64_t writable = 0;
};
CompiledNeed compiled_need(const WorkerTask& task) {
    if (!task.compiled) return {};
    const std::uint64_t stack = aot::stated_sizes(*task.compiled).stack;
    // The image is mapped twice, to be read and to be run. Of its list of functions there are
    // copies.
    return {.reserved = aot::memory_reach + 2 * task.compiled->size() + (std::uint64_t{1} << 20),
            .writable = task.compiled->size() + stack + (std::uint64_t{4} << 20)};
}

void set_non_blocking(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

std::string signal_text(int number) {
    const char* name = sigdescr_np(number);
    return "signal " + std::to_string(number) + " (" + (name == nullptr ? "unknown" : name) + ")";
}

}  // namespace

struct Worker::State {
    pid_t pid = -1;
    Fd process;
    Fd task;
    Fd result;
    /// What is still to be written: the plan, with the image's descriptor, and the task.
    Bytes plan;
    std::shared_ptr<const aot::ImageFile> image;  ///< null once it has been handed over
    Bytes frame;
    std::vector<ByteView> outgoing;  ///< of these, last first
    std::uint64_t cpu_seconds = 0;
    WorkerReader reader{types::TaskLimits{}};
    std::unique_ptr<Cgroup> cgroup;
    Isolation isolation;
    bool is_reaped = false;
    int status = 0;

    void kill() const noexcept {
        if (process.get() >= 0) {
            (void)syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
        }
    }
    void reap() {
        if (is_reaped || pid < 0) return;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        is_reaped = true;
    }
    ~State() {
        kill();
        reap();
    }
};

std::string default_worker_program() {
    std::array<char, PATH_MAX> buffer{};
    const ssize_t size = readlink("/proc/self/exe", buffer.data(), buffer.size());
    const std::string_view self{buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
    const std::size_t slash = self.rfind('/');
    const std::string folder{slash == std::string_view::npos ? "." : self.substr(0, slash)};
    return folder + "/../libexec/millrace-worker";
}

Worker::Worker(std::unique_ptr<State> state) : state_{std::move(state)} {}
Worker::Worker(Worker&&) noexcept = default;
Worker& Worker::operator=(Worker&&) noexcept = default;
Worker::~Worker() = default;

namespace {

/// With nothing in its environment, a session of its own, and three descriptors.
Outcome<pid_t> spawn(const std::string& program, std::vector<std::string> arguments, int task,
                     int result, int null) {
    arguments.insert(arguments.begin(), program);
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    char* no_environment[] = {nullptr};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t no_signals;
    sigset_t all_signals;
    sigemptyset(&no_signals);
    sigfillset(&all_signals);
    posix_spawn_file_actions_adddup2(&actions, task, 0);
    posix_spawn_file_actions_adddup2(&actions, result, 1);
    posix_spawn_file_actions_adddup2(&actions, null, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_setsigmask(&attributes, &no_signals);
    posix_spawnattr_setsigdefault(&attributes, &all_signals);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = -1;
    const int error =
        posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), no_environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0) return pid;
    errno = error;
    return Err{system_failure("cannot start the task worker")};
}

}  // namespace

Outcome<Worker> Worker::prepare(const WorkerOptions& options) {
    const std::string program =
        options.program.empty() ? default_worker_program() : options.program;
    if (access(program.c_str(), X_OK) != 0) {
        return Err{Failure{"the task worker is missing", program,
                           "keep libexec/millrace-worker beside bin/, as it was installed"}};
    }
    MILLRACE_TRY(Pipe task_pipe, make_one_way_socket());
    MILLRACE_TRY(Pipe result_pipe, make_pipe());
    const Fd null{open("/dev/null", O_WRONLY | O_CLOEXEC)};
    if (null.get() < 0) return Err{system_failure("cannot open /dev/null")};
    std::vector<std::string> arguments = options.extra_arguments;
    arguments.push_back(std::to_string(getpid()));
    auto state = std::make_unique<State>();
    MILLRACE_TRY(state->pid, spawn(program, std::move(arguments), task_pipe.read.get(),
                                   result_pipe.write.get(), null.get()));
    state->process = Fd{static_cast<int>(syscall(SYS_pidfd_open, state->pid, 0))};
    if (state->process.get() < 0) {
        const Failure failure = system_failure("cannot watch the task worker");
        ::kill(state->pid, SIGKILL);
        return Err{failure};
    }
    if (options.use_cgroup) state->cgroup = std::make_unique<Cgroup>(state->pid);
    state->cpu_seconds = options.cpu_seconds;
    state->task = std::move(task_pipe.write);
    state->result = std::move(result_pipe.read);
    set_non_blocking(state->task.get());
    set_non_blocking(state->result.get());
    (void)fcntl(state->result.get(), F_SETPIPE_SZ, 1 << 20);
    return Worker{std::move(state)};
}

Outcome<void> Worker::give(const WorkerTask& task, std::shared_ptr<const aot::ImageFile> image) {
    if (task.compiled && !image) {
        MILLRACE_TRY(image, aot::ImageFile::make(*task.compiled));
    }
    state_->reader = WorkerReader{task.input.limits};
    state_->frame = encode_task(task);
    state_->image = std::move(image);
    const CompiledNeed compiled = compiled_need(task);
    const std::uint64_t need = memory_need(task, state_->frame.size()) + compiled.writable;
    const bool counts_writable = limits_address_space && task.compiled != nullptr;
    state_->plan = encode_plan(
        {.limits = {.address_space = limits_address_space ? need + compiled.reserved : 0,
                    .data_bytes = counts_writable ? need : 0,
                    .cpu_seconds = state_->cpu_seconds},
         .image_size = state_->image ? state_->image->size() : 0,
         .image_offset = state_->image ? state_->image->offset() : 0});
    state_->outgoing = {state_->frame, state_->plan};
    if (state_->cgroup) state_->cgroup->limit_memory(need);
    return {};
}

bool Worker::is_alive() const noexcept {
    pollfd ended{state_->process.get(), POLLIN, 0};
    return poll(&ended, 1, 0) == 0;
}

Outcome<Worker> Worker::start(const WorkerTask& task, const WorkerOptions& options) {
    MILLRACE_TRY(Worker worker, prepare(options));
    MILLRACE_TRY_VOID(worker.give(task));
    return worker;
}

Outcome<std::shared_ptr<const aot::ImageFile>> WorkerPool::file_of(const WorkerTask& task) {
    if (!task.compiled) return std::shared_ptr<const aot::ImageFile>{};
    if (task.compiled == image_) return image_file_;
    MILLRACE_TRY(auto made, aot::ImageFile::make(*task.compiled));
    const bool keeps = task.compiled->size() <= kept_image_bytes_max;
    image_ = keeps ? task.compiled : nullptr;
    image_file_ = keeps ? made : nullptr;
    return made;
}

Outcome<Worker> WorkerPool::start(const WorkerTask& task) {
    MILLRACE_TRY(auto image, file_of(task));
    while (!workers_.empty()) {
        Worker worker = std::move(workers_.front());
        workers_.pop_front();
        if (!worker.is_alive()) continue;
        MILLRACE_TRY_VOID(worker.give(task, std::move(image)));
        return worker;
    }
    MILLRACE_TRY(Worker worker, Worker::prepare(options_));
    MILLRACE_TRY_VOID(worker.give(task, std::move(image)));
    return worker;
}

WorkerPool::WorkerPool(WorkerOptions options, std::size_t size)
    : options_{std::move(options)}, size_{size} {
    if (options_.use_cgroup) Cgroup::sweep();
}

void WorkerPool::fill() {
    while (workers_.size() < size_) {
        auto worker = Worker::prepare(options_);
        if (!worker) return;
        workers_.push_back(std::move(*worker));
    }
}

pid_t Worker::pid() const noexcept {
    return state_->pid;
}
int Worker::process_fd() const noexcept {
    return state_->process.get();
}
int Worker::task_fd() const noexcept {
    return state_->task.get();
}
int Worker::result_fd() const noexcept {
    return state_->result.get();
}
void Worker::kill() noexcept {
    state_->kill();
}
const Isolation& Worker::isolation() const noexcept {
    return state_->isolation;
}

void Worker::write_some() {
    while (state_->task.get() >= 0) {
        while (!state_->outgoing.empty() && state_->outgoing.back().empty())
            state_->outgoing.pop_back();
        if (state_->outgoing.empty()) {
            state_->task.reset();
            state_->frame = {};
            state_->image.reset();
            return;
        }
        ByteView& next = state_->outgoing.back();
        const ssize_t count =
            send_with(state_->task.get(), next, state_->image ? state_->image->descriptor() : -1);
        const int error = errno;
        if (count > 0) {
            state_->image.reset();  // it went with the first byte
            next = next.subspan(static_cast<std::size_t>(count));
        } else if (error == EAGAIN) {
            return;
        } else if (error != EINTR) {
            state_->task.reset();
            return;
        }
    }
}

bool Worker::read_some() {
    std::array<std::uint8_t, 64 * 1024> buffer;
    for (int round = 0; round < 16; ++round) {
        const ssize_t count = ::read(state_->result.get(), buffer.data(), buffer.size());
        if (count == 0) return false;
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        state_->reader.feed({buffer.data(), static_cast<std::size_t>(count)});
    }
    return true;
}

Outcome<std::optional<WorkerEvent>> Worker::next() {
    auto event = state_->reader.next();
    if (event && *event) {
        if (auto* ready = std::get_if<Ready>(&**event)) {
            if (state_->cgroup) ready->isolation.walls |= state_->cgroup->walls();
            state_->isolation = ready->isolation;
        }
    }
    return event;
}

std::optional<Failure> Worker::finish() {
    state_->reap();
    state_->cgroup.reset();
    if (WIFEXITED(state_->status) && WEXITSTATUS(state_->status) == 0) return std::nullopt;
    if (WIFEXITED(state_->status)) {
        return Failure{"the worker ended without a result",
                       "status " + std::to_string(WEXITSTATUS(state_->status)), ""};
    }
    const int number = WTERMSIG(state_->status);
    Failure failure{"the worker was killed", signal_text(number), ""};
    if (number == SIGKILL) failure.remedy = "the machine may be short of memory";
    if (number == SIGSYS) failure.remedy = "it tried a system call that its sandbox forbids";
    if (number == SIGXCPU) failure.remedy = "it used more processor time than allowed";
    return failure;
}

Outcome<WorkerReport> run_blocking(const WorkerTask& task, const BlockingOptions& options) {
    MILLRACE_TRY(Worker worker, Worker::start(task, options.worker));
    return run_blocking(worker, options);
}

Outcome<WorkerReport> run_blocking(Worker& worker, const BlockingOptions& options) {
    const std::stop_callback on_stop{options.stop, [&] { worker.kill(); }};
    const Clock::time_point deadline = Clock::now() + options.wall_limit;
    std::optional<Outcome<WorkerReport>> end;
    bool is_late = false;
    for (bool is_open = true; is_open && !end;) {
        const auto left = std::chrono::ceil<Duration>(deadline - Clock::now());
        if (left <= Duration::zero()) {
            is_late = true;
            worker.kill();
            break;
        }
        pollfd watched[2] = {{worker.result_fd(), POLLIN, 0}, {worker.task_fd(), POLLOUT, 0}};
        const int timeout = static_cast<int>(std::min<Duration::rep>(left.count(), 1'000'000));
        if (poll(watched, 2, timeout) < 0 && errno != EINTR) {
            return Err{system_failure("cannot wait for the worker")};
        }
        if (watched[1].revents != 0) worker.write_some();
        if (watched[0].revents != 0) is_open = worker.read_some();
        for (bool more = true; more && !end;) {
            auto event = worker.next();
            if (!event) return Err{std::move(event).error()};
            if (!*event) break;
            std::visit(
                Overload{[&](const Ready& ready) {
                             if (options.ready) options.ready(ready.isolation);
                         },
                         [&](const Progress& progress) {
                             if (options.progress) options.progress(progress.fuel);
                         },
                         [&](WorkerReport& report) { end.emplace(std::move(report)); },
                         [&](Refusal& refusal) { end.emplace(Err{std::move(refusal.failure)}); },
                         [&](Failure& failure) { end.emplace(Err{std::move(failure)}); }},
                **event);
        }
    }
    if (end) {
        worker.kill();
        return std::move(*end);
    }
    if (is_late) {
        return Err{Failure{"the task took longer than its wall-clock limit",
                           std::to_string(options.wall_limit.count()) + " ms",
                           "raise the limit, or lower the task's fuel"}};
    }
    const auto failure = worker.finish();
    if (options.stop.stop_requested()) return Err{Failure{"the task was stopped", "", ""}};
    if (failure) return Err{*failure};
    return Err{Failure{"the worker ended without a result", "", "report this"}};
}

Outcome<Isolation> probe_isolation(const WorkerOptions& options) {
    WorkerTask nothing;
    nothing.module = std::make_shared<const Bytes>();
    std::optional<Isolation> found;
    BlockingOptions blocking;
    blocking.worker = options;
    blocking.wall_limit = std::chrono::seconds{30};
    blocking.ready = [&](const Isolation& isolation) { found = isolation; };
    const auto report = run_blocking(nothing, blocking);  // refuses the empty module
    if (found) return *found;
    if (!report) return Err{report.error()};
    return Err{Failure{"the worker did not say what protects it", "", ""}};
}

std::string describe_isolation(const WorkerOptions& options) {
    const auto isolation = probe_isolation(options);
    return isolation ? isolation->text() : "not available: " + isolation.error().text();
}

}  // namespace millrace::sandbox
