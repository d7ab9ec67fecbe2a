// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/task_runner.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "io/log.hpp"
#include "sandbox/worker.hpp"

namespace millrace::daemon {

namespace prov = compute::provider;

namespace {

constexpr Duration wall_time_min{1'000};
/// Processes that wait for a task; a few megabytes each, mostly shared.
constexpr std::size_t workers_ahead = 2;
/// Modules whose SHA-256 is remembered by their content's address.
constexpr std::size_t known_modules_max = 1'024;

struct Running {
    prov::RunTask request;
    TaskRunner::Progress progress;
    TaskRunner::Done done;
    std::unique_ptr<sandbox::Worker> worker;
    wasi::SharedBytes module;  ///< null while machine code is all that is needed of it
    Hash32 module_hash;
    bool is_compiled = false;
    Fuel told;  ///< of what the module was interpreted for
    io::TimerId timer = 0;
    std::int64_t started_ms = 0;
};

}  // namespace

struct TaskRunner::State {
    AgentBase& base;
    std::map<Hash32, std::shared_ptr<Running>> running;

    CompiledModules compiled;
    /// What a module's content hashes to. Whoever finds it here has the same bytes, because a
    /// BlobId fixes them, and its image in the cache stands for all of them: a module that was seen
    /// before need not even be opened.
    std::map<crypto::BlobId, Hash32> known_modules;
    sandbox::WorkerPool workers{{}, workers_ahead};

    State(AgentBase& owner, CompiledModules::Options options)
        : base{owner}, compiled{owner.loop(), std::move(options)} {
        compiled.on_ready([this](const Hash32& module) { go_over(module); });
        workers.fill();
    }

    Outcome<Bytes> open(const types::SealedBlob& blob, const prov::RunTask& request);
    Outcome<sandbox::WorkerTask> load_inputs(const prov::RunTask& request);
    Outcome<void> load_module(Running& task);
    void start(const std::shared_ptr<Running>& task);
    void launch(const std::shared_ptr<Running>& task, const sandbox::WorkerTask& input);
    void run_again(const std::shared_ptr<Running>& task);
    void go_over(const Hash32& module);
    void end_badly(const std::shared_ptr<Running>& task, const std::string& why);
    void count(Running& task, Fuel fuel);
    [[nodiscard]] bool is_running(const std::shared_ptr<Running>& task) const;
    void feed(const std::shared_ptr<Running>& task);
    void on_result(const std::shared_ptr<Running>& task);
    void end(const std::shared_ptr<Running>& task, TaskReport report);
    void fail(const std::shared_ptr<Running>& task, types::LeaseRefusal kind, std::string why);
    Outcome<prov::TaskFinished> keep(const Running& task, wasi::TaskOutcome outcome);
    void unwatch(Running& task);
    void unwatch_worker(Running& task);
};

Outcome<Bytes> TaskRunner::State::open(const types::SealedBlob& blob,
                                       const prov::RunTask& request) {
    return base.blobs().open_sealed(blob, request.key, types::blob_size_max);
}

/// All of the task but its module.
Outcome<sandbox::WorkerTask> TaskRunner::State::load_inputs(const prov::RunTask& request) {
    std::vector<wasi::SharedBytes> contents;
    for (const auto& file : request.task.files) {
        MILLRACE_TRY(Bytes content, open(file.blob, request));
        contents.push_back(std::make_shared<const Bytes>(std::move(content)));
    }
    sandbox::WorkerTask task;
    task.input = wasi::task_input(request.task, std::move(contents));
    return task;
}

Outcome<void> TaskRunner::State::load_module(Running& task) {
    const types::SealedBlob& blob = task.request.task.module;
    MILLRACE_TRY(Bytes content, open(blob, task.request));
    task.module = std::make_shared<const Bytes>(std::move(content));
    task.module_hash = crypto::sha256(*task.module);
    if (known_modules.size() >= known_modules_max) known_modules.clear();
    known_modules.insert_or_assign(blob.plain, task.module_hash);
    return {};
}

bool TaskRunner::State::is_running(const std::shared_ptr<Running>& task) const {
    const auto found = running.find(task->request.lease);
    return found != running.end() && found->second == task;
}

void TaskRunner::State::start(const std::shared_ptr<Running>& task) {
    auto input = load_inputs(task->request);
    if (!input) return fail(task, types::LeaseRefusal::failed, input.error().text());
    task->started_ms = base.loop().now().ms;
    const Instant deadline{static_cast<std::int64_t>(task->request.deadline) * 1000};
    task->timer =
        base.loop().call_at(std::max(deadline, base.loop().now() + wall_time_min), [this, task] {
            task->timer = 0;
            fail(task, types::LeaseRefusal::failed, "the lease's deadline passed");
        });
    if (const auto known = known_modules.find(task->request.task.module.plain);
        known != known_modules.end()) {
        task->module_hash = known->second;
        input->compiled = compiled.find_ready(task->module_hash);
        if (input->compiled) return launch(task, *input);
    }
    if (const auto loaded = load_module(*task); !loaded)
        return fail(task, types::LeaseRefusal::failed, loaded.error().text());
    input->module = task->module;
    compiled.find(task->module_hash, task->module,
                  [this, task, input = std::move(*input)](wasi::SharedBytes image) mutable {
                      if (!is_running(task)) return;  // killed while its module was compiled
                      input.compiled = std::move(image);
                      launch(task, input);
                  });
}

void TaskRunner::State::launch(const std::shared_ptr<Running>& task,
                               const sandbox::WorkerTask& input) {
    task->is_compiled = input.compiled != nullptr;
    auto worker = workers.start(input);
    if (!worker) return end_badly(task, worker.error().text());
    task->worker = std::make_unique<sandbox::Worker>(std::move(*worker));
    base.loop().post([this] { workers.fill(); });  // after what this turn is for
    feed(task);
    const auto watched =
        base.loop().watch_fd(task->worker->result_fd(), {.readable = true, .writable = false},
                             [this, task](io::Readiness) { on_result(task); });
    if (!watched) fail(task, types::LeaseRefusal::failed, watched.error().text());
}

/// From the beginning, as machine code if there is some to trust, within the same deadline.
void TaskRunner::State::run_again(const std::shared_ptr<Running>& task) {
    unwatch_worker(*task);
    // On a later turn: this may run in a callback on the worker's descriptor.
    base.loop().post([this, task] {
        task->worker.reset();
        if (!is_running(task)) return;
        auto input = load_inputs(task->request);
        if (!input) return fail(task, types::LeaseRefusal::failed, input.error().text());
        input->compiled = compiled.find_ready(task->module_hash);
        if (!input->compiled) {
            if (const auto loaded = load_module(*task); !loaded)
                return fail(task, types::LeaseRefusal::failed, loaded.error().text());
            input->module = task->module;
        }
        launch(task, *input);
    });
}

/// Tasks of this module that are being interpreted start anew: machine code is where they are after
/// a tenth of the time they took, and nothing has to be carried over.
void TaskRunner::State::go_over(const Hash32& module) {
    for (const auto& [lease, task] : running) {
        if (task->is_compiled || !task->worker || task->module_hash != module) continue;
        io::log(io::LogLevel::info, "a running task goes over to machine code",
                {{"lease", to_hex(lease.view()).substr(0, 16)},
                 {"fuel", std::to_string(task->told.value)}});
        run_again(task);
    }
}

void TaskRunner::State::end_badly(const std::shared_ptr<Running>& task, const std::string& why) {
    if (!task->is_compiled || !is_running(task))
        return fail(task, types::LeaseRefusal::failed, why);
    // The code itself may be at fault: the interpreter says.
    compiled.distrust(task->module_hash, why);
    run_again(task);
}

/// What a task has used so far, towards its module's being compiled.
void TaskRunner::State::count(Running& task, Fuel fuel) {
    if (task.is_compiled || fuel <= task.told) return;
    compiled.interpreted(task.module_hash, task.module, Fuel{fuel.value - task.told.value});
    task.told = fuel;
}

/// Writes the task into the worker's pipe, now and whenever it takes more.
void TaskRunner::State::feed(const std::shared_ptr<Running>& task) {
    const int fd = task->worker->task_fd();
    if (fd < 0) return;
    const auto watched = base.loop().watch_fd(fd, {.readable = false, .writable = true},
                                              [this, task, fd](io::Readiness) {
                                                  // write_some() closes the descriptor at the end,
                                                  // so it must not be watched then.
                                                  base.loop().unwatch_fd(fd);
                                                  if (!task->worker) return;
                                                  task->worker->write_some();
                                                  feed(task);
                                              });
    if (!watched) fail(task, types::LeaseRefusal::failed, watched.error().text());
}

void TaskRunner::State::on_result(const std::shared_ptr<Running>& task) {
    if (!task->worker) return;
    const bool more = task->worker->read_some();
    for (;;) {
        auto event = task->worker->next();
        if (!event) return end_badly(task, event.error().text());
        if (!event->has_value()) break;
        if (const auto* progress = std::get_if<sandbox::Progress>(&**event)) {
            count(*task, progress->fuel);
            task->progress(progress->fuel);
        } else if (const auto* refusal = std::get_if<sandbox::Refusal>(&**event)) {
            // Of machine code it may be the outline's fault: the module itself says.
            if (task->is_compiled) return end_badly(task, refusal->failure.text());
            return fail(task, types::LeaseRefusal::module_refused, refusal->failure.text());
        } else if (const auto* failure = std::get_if<Failure>(&**event)) {
            return end_badly(task, failure->text());
        } else if (auto* report = std::get_if<sandbox::WorkerReport>(&**event)) {
            count(*task, report->outcome.summary.fuel);
            auto finished = keep(*task, std::move(report->outcome));
            if (!finished) return fail(task, types::LeaseRefusal::failed, finished.error().text());
            return end(task, TaskReport{.finished = std::move(*finished), .why = {}});
        }
    }
    if (!more) {
        const int ended = task->worker->result_fd();
        base.loop().unwatch_fd(ended);
        const auto how = task->worker->finish();
        end_badly(task, how ? how->text() : "the worker ended without a result");
    }
}

/// Stores what the task produced, sealed with the job's key; lies first when it is told to.
Outcome<prov::TaskFinished> TaskRunner::State::keep(const Running& task,
                                                    wasi::TaskOutcome outcome) {
    const auto& key = task.request.key;
    prov::TaskFinished finished{.lease = task.request.lease,
                                .summary = outcome.summary,
                                .files = {},
                                .deleted = {},
                                .standard_output = {},
                                .standard_error = {},
                                .elapsed = Duration{base.loop().now().ms - task.started_ms}};
    const auto bytes_of = [](const wasi::SharedBytes& content) {
        return content ? *content : Bytes{};
    };
    Bytes standard_output = bytes_of(outcome.standard_output);
    if (task.request.lie) {
        const auto changed = std::ranges::find_if(
            outcome.files, [](const auto& file) { return file.content != nullptr; });
        if (changed != outcome.files.end()) {
            Bytes content = *changed->content;
            prov::falsify(content, *task.request.lie);
            changed->id = crypto::blob_id(content);
            changed->content = std::make_shared<const Bytes>(std::move(content));
        } else {
            prov::falsify(standard_output, *task.request.lie);
        }
    }
    std::vector<types::OutputEntry> entries;
    for (const auto& file : outcome.files) {
        if (!file.content) {
            finished.deleted.push_back(file.path);
            entries.push_back({.path = file.path, .content = {}, .deleted = true});
            continue;
        }
        MILLRACE_TRY(const auto sealed, base.blobs().put_sealed(*file.content, key));
        finished.files.push_back({file.path, sealed});
        entries.push_back({.path = file.path, .content = sealed.plain, .deleted = false});
    }
    MILLRACE_TRY(finished.standard_output, base.blobs().put_sealed(standard_output, key));
    MILLRACE_TRY(finished.standard_error,
                 base.blobs().put_sealed(bytes_of(outcome.standard_error), key));
    if (task.request.lie) {
        finished.summary.output_root = types::output_root(entries);
        finished.summary.stdout_root = finished.standard_output.plain.root;
    }
    return finished;
}

void TaskRunner::State::unwatch(Running& task) {
    if (task.timer != 0) base.loop().cancel(task.timer);
    task.timer = 0;
    unwatch_worker(task);
}

void TaskRunner::State::unwatch_worker(Running& task) {
    if (!task.worker) return;
    if (task.worker->task_fd() >= 0) base.loop().unwatch_fd(task.worker->task_fd());
    if (task.worker->result_fd() >= 0) base.loop().unwatch_fd(task.worker->result_fd());
    task.worker->kill();
}

void TaskRunner::State::end(const std::shared_ptr<Running>& task, TaskReport report) {
    unwatch(*task);
    if (running.erase(task->request.lease) == 0) return;  // killed before
    // The worker object goes on a later turn: this may be called from a callback on its descriptor.
    base.loop().post([task, report = std::move(report)]() mutable {
        task->done(std::move(report));
        task->worker.reset();  // waits for the process to be gone: after the result has left
    });
}

void TaskRunner::State::fail(const std::shared_ptr<Running>& task, types::LeaseRefusal kind,
                             std::string why) {
    end(task, TaskReport{.finished = std::nullopt, .kind = kind, .why = std::move(why)});
}

TaskRunner::TaskRunner(AgentBase& base, CompiledModules::Options compiled)
    : state_{std::make_unique<State>(base, std::move(compiled))} {}

TaskRunner::~TaskRunner() {
    kill_all();
}

void TaskRunner::run(const prov::RunTask& request, Progress progress, Done done) {
    auto task = std::make_shared<Running>();
    task->request = request;
    task->progress = std::move(progress);
    task->done = std::move(done);
    state_->running[request.lease] = task;
    state_->start(task);
}

void TaskRunner::kill(const Hash32& lease) {
    const auto found = state_->running.find(lease);
    if (found == state_->running.end()) return;
    const auto task = found->second;
    state_->running.erase(found);
    state_->unwatch(*task);
    state_->base.loop().post([task] { task->worker.reset(); });
}

void TaskRunner::kill_all() {
    while (!state_->running.empty())
        kill(state_->running.begin()->first);
}

const CompiledModules& TaskRunner::compiled() const noexcept {
    return state_->compiled;
}

}  // namespace millrace::daemon
