// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/requestor_daemon.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/overload.hpp"
#include "daemon/requestor_control.hpp"
#include "io/entropy.hpp"
#include "io/files.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

namespace req = compute::requestor;

namespace {

constexpr Duration connect_time_max{10'000};
constexpr Duration refresh_interval{1'000};
constexpr Duration notify_interval{200};
constexpr std::size_t tasks_pinned_at_once = 1024;
constexpr const char* job_table = "job_folders";

}  // namespace

RequestorDaemon::RequestorDaemon(AgentBase& base, Options options)
    : base_{base}, options_{std::move(options)} {}

RequestorDaemon::~RequestorDaemon() = default;

Outcome<void> RequestorDaemon::start(std::function<void(Outcome<void>)> ready) {
    ready_ = std::move(ready);
    chain_ = std::make_unique<RequestorChain>(base_);
    machine_ = std::make_unique<MachineLoop<compute::Requestor>>(
        base_.loop(), base_.records(),
        compute::Requestor{compute::Requestor::Config{
            .domain = base_.domain(), .key = base_.key(), .seed = io::random_u64()}},
        MachineLoop<compute::Requestor>::Handlers{
            .carry_out = [this](const req::Effect& effect) { carry_out(effect); },
            .on_drained =
                [this] {
                    report_settled_contradictions();
                    schedule_notify();
                }});
    transport_ = std::make_unique<io::Transport>(
        base_.loop(), base_.node_key(),
        io::Transport::Handlers{
            .on_connected = [this](io::PeerId peer, const Hash32&, bool) { on_connected(peer); },
            .on_message = [this](io::PeerId peer,
                                 types::Message message) { on_message(peer, std::move(message)); },
            .on_closed = [this](io::PeerId peer, const std::string& why) { on_closed(peer, why); },
            .on_writable = {}});
    fetcher_ = std::make_unique<BlobFetcher>(base_.loop(), base_.blobs(), *transport_);

    MILLRACE_TRY(const auto folders, base_.records().load(job_table));
    for (const auto& record : folders) {
        if (const auto job = Hash32::from(record.key)) {
            out_folders_[*job] = std::string{as_text(record.value)};
        }
    }
    MILLRACE_TRY(auto records, base_.records().load_all());
    std::erase_if(records, [](const auto& record) { return record.table == job_table; });
    MILLRACE_TRY_VOID(machine_->restore(records));
    pin_unfinished_jobs();
    control_ = std::make_unique<RequestorControl>(*this);
    MILLRACE_TRY_VOID(control_->listen());

    deposit_done_ = options_.deposit.wei.is_zero();
    if (!deposit_done_) {
        chain_->ensure_deposit(options_.deposit, [this](Outcome<Hash32> sent) {
            if (!sent) {
                io::log_failure("the deposit could not be funded", sent.error());
                if (ready_) std::exchange(ready_, nullptr)(Err{sent.error()});
                return;
            }
            if (!sent->is_zero()) {
                io::log(io::LogLevel::info, "deposit funded",
                        {{"transaction", to_hex0x(sent->view())}});
            }
            deposit_done_ = true;
        });
    }
    refresh();
    return {};
}

void RequestorDaemon::step(req::Event event) {
    machine_->step(std::move(event));
}

void RequestorDaemon::carry_out(const req::Effect& effect) {
    std::visit(Overload{
                   [](const req::Persist&) {},  // committed before
                   [](const req::Erase&) {},
                   [&](const req::Connect& request) { connect(request); },
                   [&](const req::Disconnect& request) {
                       const auto found = peers_.find(request.provider);
                       if (found == peers_.end()) return;
                       const io::PeerId connection = found->second.connection;
                       connections_.erase(connection);
                       peers_.erase(found);
                       transport_->close(connection);
                       fetcher_->on_peer_gone(connection);
                       // The machine hears of every end, also of those it asked for.
                       step(req::PeerDown{.provider = request.provider, .why = request.why});
                   },
                   [&](const req::Send& send) {
                       const auto found = peers_.find(send.provider);
                       if (found == peers_.end() || !found->second.up) return;
                       if (!transport_->send(found->second.connection, send.message)) {
                           io::log_limited("send", io::LogLevel::warn,
                                           "a message could not be queued",
                                           {{"provider", to_hex0x(send.provider.view())}});
                       }
                   },
                   [&](const req::FetchBlob& request) { fetch(request); },
                   [&](const req::Allocate& request) {
                       chain_->allocate(request, [this](req::AllocationUpdated update) {
                           const bool final = update.status == req::AllocationStatus::finalized;
                           step(std::move(update));
                           if (final) refresh();
                       });
                   },
                   [&](const req::ReleaseAllocation& request) { release(request.allocation); },
                   [&](const req::ReportContradiction& request) {
                       reports_waiting_.push_back(request.evidence);
                   },
                   [](const req::TaskDone&) {},
                   [&](const req::JobDone& done) {
                       pins_.release(done.job);
                       if (done.why) failures_[done.job] = done.why->text();
                       io::log(io::LogLevel::info, "job over",
                               {{"job", to_hex0x(done.job.view())},
                                {"why", done.why ? done.why->text() : "completed"}});
                   },
                   [](const req::Note& note) {
                       io::log(io::LogLevel::info, note.text, {{"job", to_hex0x(note.job.view())}});
                   },
               },
               effect);
}

// ---- connections -------------------------------------------------------------------------------

void RequestorDaemon::connect(const req::Connect& request) {
    const auto connection =
        transport_->connect(request.endpoint, request.node_key, connect_time_max);
    if (!connection) {
        step(req::PeerDown{.provider = request.provider, .why = connection.error().text()});
        return;
    }
    peers_[request.provider] = Peer{.connection = *connection, .up = false};
    connections_[*connection] = request.provider;
}

void RequestorDaemon::on_connected(io::PeerId connection) {
    if (!connections_.contains(connection)) return;
    transport_->send(connection, types::Hello{.genesis = base_.domain().genesis,
                                              .chain_id = base_.domain().chain_id,
                                              .account = machine().account(),
                                              .agent = "millrace/" MILLRACE_VERSION});
}

void RequestorDaemon::on_message(io::PeerId connection, types::Message message) {
    const auto found = connections_.find(connection);
    if (found == connections_.end()) return;
    const Address provider = found->second;
    if (const auto* hello = std::get_if<types::Hello>(&message)) {
        on_hello(connection, provider, *hello);
    } else if (!peers_[provider].up) {
        transport_->close(connection);
        on_closed(connection, "spoke before its hello");
    } else if (auto* data = std::get_if<types::BlobData>(&message)) {
        fetcher_->on_data(connection, std::move(*data));
    } else if (const auto* request = std::get_if<types::BlobRequest>(&message)) {
        // Everything in the store is sealed; only who was given a lease knows root and key.
        fetcher_->serve(connection, *request, true);
    } else {
        step(req::MessageReceived{.provider = provider, .message = std::move(message)});
    }
}

void RequestorDaemon::on_hello(io::PeerId connection, const Address& provider,
                               const types::Hello& hello) {
    const bool fits = hello.genesis == base_.domain().genesis &&
                      hello.chain_id == base_.domain().chain_id && hello.account == provider;
    if (!fits) {
        transport_->close(connection);
        on_closed(connection, "it is on another network or not the registered provider");
        return;
    }
    Peer& peer = peers_[provider];
    if (peer.up) return;
    peer.up = true;
    step(req::PeerUp{provider});
}

void RequestorDaemon::on_closed(io::PeerId connection, const std::string& why) {
    const auto found = connections_.find(connection);
    if (found == connections_.end()) return;
    const Address provider = found->second;
    connections_.erase(found);
    peers_.erase(provider);
    fetcher_->on_peer_gone(connection);
    step(req::PeerDown{.provider = provider, .why = why});
}

// ---- blobs -------------------------------------------------------------------------------------

void RequestorDaemon::fetch(const req::FetchBlob& request) {
    const auto peer = peers_.find(request.provider);
    std::vector<io::PeerId> sources;
    if (peer != peers_.end() && peer->second.up) sources.push_back(peer->second.connection);
    pins_.pin(request.job, request.blob.sealed());
    fetcher_->fetch(request.blob.sealed(), sources, [this, request](Outcome<void> fetched) {
        if (fetched) fetched = collect(request);
        if (!fetched) pins_.unpin(request.job, request.blob.sealed());
        step(req::BlobFetched{.job = request.job,
                              .index = request.index,
                              .blob = request.blob,
                              .provider = request.provider,
                              .ok = fetched.has_value(),
                              .why = fetched ? "" : fetched.error().text()});
    });
}

Outcome<void> RequestorDaemon::collect(const req::FetchBlob& request) {
    const req::JobPlan* plan = machine().plan(request.job);
    if (plan == nullptr) return {};
    const auto folder = out_folders_.find(request.job);
    if (request.purpose != req::BlobPurpose::output_file || folder == out_folders_.end() ||
        folder->second.empty()) {
        MILLRACE_TRY_VOID(base_.blobs().open_sealed(request.blob, plan->key, types::blob_size_max));
        return {};
    }
    const std::string path = output_path(request, folder->second);
    MILLRACE_TRY_VOID(io::make_folder(std::filesystem::path{path}.parent_path().string()));
    MILLRACE_TRY_VOID(base_.blobs().open_sealed_to(request.blob, plan->key, path));
    collected_[request.job].emplace(request.path, request.index);
    return {};
}

std::string RequestorDaemon::output_path(const req::FetchBlob& request,
                                         const std::string& out) const {
    // Two tasks may write the same path: the first keeps it, the others get a folder of their own.
    const auto job = collected_.find(request.job);
    if (job != collected_.end()) {
        const auto owner = job->second.find(request.path);
        if (owner != job->second.end() && owner->second != request.index) {
            return out + "/task-" + std::to_string(request.index) + "/" + request.path;
        }
    }
    return out + "/" + request.path;
}

void RequestorDaemon::pin_unfinished_jobs() {
    for (const auto& job : machine().jobs()) {
        const auto pin = [&](const types::SealedBlob& blob) { pins_.pin(job.id, blob.sealed()); };
        const req::JobPlan* plan = machine().plan(job.id);
        if (job.state != req::JobState::running || plan == nullptr) continue;
        pin(plan->common.module);
        for (const auto& file : plan->common.files)
            pin(file.blob);
        for (const auto& input : plan->inputs) {
            for (const auto& file : input.files)
                pin(file.blob);
        }
        for (std::uint64_t first = 0; first < job.tasks; first += tasks_pinned_at_once) {
            for (const auto& task : machine().tasks(job.id, first, tasks_pinned_at_once)) {
                if (!task.accepted) continue;
                pin(task.accepted->standard_output);
                pin(task.accepted->standard_error);
                for (const auto& file : task.accepted->files)
                    pin(file.blob);
            }
        }
    }
}

// ---- jobs --------------------------------------------------------------------------------------

Outcome<types::SealedBlob> RequestorDaemon::store_input(
    const std::string& path, const req::JobPlan& plan,
    std::map<std::string, types::SealedBlob>& stored) {
    if (const auto found = stored.find(path); found != stored.end()) return found->second;
    MILLRACE_TRY(const auto sealed, base_.blobs().put_sealed_file(path, plan.key));
    pins_.pin(plan.id, sealed.sealed());
    stored.emplace(path, sealed);
    return sealed;
}

Outcome<void> RequestorDaemon::read_plan(const JobRequest& request, req::JobPlan& plan) {
    plan.name = request.name;
    std::map<std::string, types::SealedBlob> stored;
    MILLRACE_TRY(plan.common.module, store_input(request.module, plan, stored));
    plan.common.environment = request.environment;
    plan.common.limits = {.fuel = Fuel{request.fuel_limit},
                          .memory_bytes = request.memory_limit,
                          .output_bytes = request.output_limit};
    for (const auto& file : request.files) {
        MILLRACE_TRY(const auto sealed, store_input(file.source, plan, stored));
        plan.common.files.push_back({file.path, sealed});
    }
    std::ranges::sort(plan.common.files, {}, &types::FileEntry::path);
    for (const auto& task : request.tasks) {
        req::TaskInput input{.label = task.name, .arguments = task.arguments, .files = {}};
        for (const auto& file : task.files) {
            MILLRACE_TRY(const auto sealed, store_input(file.source, plan, stored));
            // A file every task has may match a task's pattern too: it is there once.
            const bool common = std::ranges::any_of(
                plan.common.files, [&](const auto& other) { return other.path == file.path; });
            if (!common) input.files.push_back({file.path, sealed});
        }
        plan.inputs.push_back(std::move(input));
    }
    plan.settings.replicas = request.replicas;
    const auto amount = [](const std::string& text,
                           const char* key) -> Outcome<std::optional<Amount>> {
        if (text.empty()) return std::optional<Amount>{};
        const auto parsed = parse_amount(text);
        if (!parsed) {
            return Err{Failure{"'" + text + "' is not an amount", key,
                               "write coins (0.25), or a whole number of wei or gwei"}};
        }
        return parsed;
    };
    MILLRACE_TRY(plan.settings.price_max, amount(request.price_max, "price_max"));
    MILLRACE_TRY(plan.settings.total_max, amount(request.cost_max, "cost_max"));
    for (const auto& text : request.providers) {
        const auto address = crypto::parse_address(text);
        if (!address) {
            return Err{Failure{"'" + text + "' is not an address", "providers",
                               "write 0x and 40 digits; see millrace provider ls"}};
        }
        plan.settings.providers.push_back(*address);
    }
    if (const auto problem = plan.problem()) return Err{*problem};
    if (!request.out.empty()) MILLRACE_TRY_VOID(io::make_folder(request.out));
    return base_.records().commit({{.table = job_table,
                                    .key = to_bytes(plan.id.view()),
                                    .value = to_bytes(as_bytes(request.out))}});
}

Outcome<Hash32> RequestorDaemon::submit(const JobRequest& request) {
    req::JobPlan plan;
    plan.id = io::random_hash();
    io::fill_random(plan.key.bytes);
    if (const auto read = read_plan(request, plan); !read) {
        pins_.release(plan.id);
        return Err{read.error()};
    }
    out_folders_[plan.id] = request.out;
    const Hash32 id = plan.id;
    step(req::JobSubmitted{std::move(plan)});
    const auto jobs = machine().jobs();
    if (std::ranges::none_of(jobs, [&](const auto& job) { return job.id == id; })) {
        return Err{Failure{"the job was refused", request.name,
                           "see the agent's log; too many jobs may be open"}};
    }
    return id;
}

// ---- chain -------------------------------------------------------------------------------------

void RequestorDaemon::refresh() {
    if (refreshing_) return;
    refreshing_ = true;
    chain_->read_view(false, [this](Outcome<ChainView> view) {
        refreshing_ = false;
        if (view) {
            on_chain_view(*view);
        } else {
            io::log_limited("chain", io::LogLevel::warn, "the chain cannot be read",
                            {{"why", view.error().text()}});
        }
        base_.loop().call_after(refresh_interval, [this] { refresh(); });
    });
}

void RequestorDaemon::release(std::uint64_t allocation) {
    chain_->release(allocation, [this, allocation](const Outcome<Hash32>& sent) {
        step(req::AllocationReleased{.allocation = allocation,
                                     .ok = sent.has_value(),
                                     .why = sent ? "" : sent.error().text()});
        refresh();
    });
}

void RequestorDaemon::on_chain_view(const ChainView& view) {
    const bool providers_changed = view.providers != view_.providers;
    const bool deposit_changed =
        view.deposit_free_finalized != view_.deposit_free_finalized ||
        view.allocation_count_finalized != view_.allocation_count_finalized || view_.block == 0;
    view_ = view;
    if (providers_changed) step(req::ProvidersUpdated{view.providers});
    if (deposit_changed) {
        step(req::DepositUpdated{.free = view.deposit_free_finalized,
                                 .allocation_next = view.allocation_count_finalized});
    }
    tell_ready_if_so();
}

void RequestorDaemon::tell_ready_if_so() {
    if (!ready_ || !deposit_done_) return;
    // What was funded must be final before the machine may count on it.
    if (view_.deposit_free_finalized != view_.deposit_free_latest) return;
    std::exchange(ready_, nullptr)({});
}

void RequestorDaemon::report_settled_contradictions() {
    std::vector<req::Evidence> ready;
    std::erase_if(reports_waiting_, [&](const req::Evidence& evidence) {
        const auto summary = machine().summary(evidence.wrong.lease.job);
        const bool waits = summary && !summary->settled;
        if (!waits) ready.push_back(evidence);
        return !waits;
    });
    for (const auto& evidence : ready)
        report(evidence);
}

void RequestorDaemon::report(const req::Evidence& evidence) {
    chain_->report(evidence, [this, id = evidence.id](Outcome<Hash32> sent) {
        step(req::ContradictionReported{.evidence = id,
                                        .ok = sent.has_value(),
                                        .transaction = sent ? *sent : Hash32{},
                                        .why = sent ? "" : sent.error().text()});
    });
}

// ---- watchers ----------------------------------------------------------------------------------

void RequestorDaemon::schedule_notify() {
    if (notify_scheduled_ || (watches_.empty() && settlement_waits_.empty())) return;
    notify_scheduled_ = true;
    base_.loop().call_after(notify_interval, [this] {
        notify_scheduled_ = false;
        notify_watchers();
        schedule_notify();
    });
}

void RequestorDaemon::notify_watchers() {
    std::erase_if(watches_, [&](Watch& watch) { return !control_->notify(watch); });
    std::erase_if(settlement_waits_, [&](SettlementWait& wait) { return !control_->notify(wait); });
}

}  // namespace millrace::daemon
