// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/provider_daemon.hpp"

#include <nlohmann/json.hpp>

#include "base/overload.hpp"
#include "crypto/hash.hpp"
#include "io/entropy.hpp"
#include "io/files.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

namespace prov = compute::provider;
using Json = nlohmann::json;

ProviderDaemon::ProviderDaemon(AgentBase& base, Options options)
    : base_{base}, options_{std::move(options)} {}

ProviderDaemon::~ProviderDaemon() = default;

Outcome<Hash32> ProviderDaemon::load_seed() {
    const std::string path = base_.home().keys() + "/salt-seed";
    if (!io::file_exists(path)) {
        MILLRACE_TRY_VOID(io::atomic_write_file(path, io::random_bytes(32), 0600));
    }
    MILLRACE_TRY(const Bytes bytes, io::read_file(path, 32));
    const auto seed = Hash32::from(bytes);
    if (!seed) {
        return Err{Failure{"the salt seed is damaged", path,
                           "restore it from a backup; without it open leases cannot be revealed"}};
    }
    return *seed;
}

Outcome<void> ProviderDaemon::start(std::function<void(Outcome<std::string>)> ready) {
    if (options_.wrong_result_ppm > 0 && !options_.development) {
        return Err{Failure{"lying on purpose is refused here", "--fault",
                           "it is for development networks only"}};
    }
    MILLRACE_TRY(const Hash32 seed, load_seed());
    chain_ = std::make_unique<ProviderChain>(base_);
    machine_ = std::make_unique<MachineLoop<compute::Provider>>(
        base_.loop(), base_.records(),
        compute::Provider{compute::Provider::Config{.domain = base_.domain(),
                                                    .owner = base_.account(),
                                                    .signer = base_.key(),
                                                    .seed = seed,
                                                    .price = options_.price,
                                                    .slots = options_.slots,
                                                    .settle_threshold = {},
                                                    .wrong_result_ppm = options_.wrong_result_ppm}},
        MachineLoop<compute::Provider>::Handlers{
            .carry_out = [this](const prov::Effect& effect) { carry_out(effect); }});
    transport_ = std::make_unique<io::Transport>(
        base_.loop(), base_.node_key(),
        io::Transport::Handlers{
            .on_connected = [this](io::PeerId peer, const Hash32& key,
                                   bool) { on_connected(peer, key); },
            .on_message = [this](io::PeerId peer,
                                 types::Message message) { on_message(peer, std::move(message)); },
            .on_closed = [this](io::PeerId peer, const std::string&) { on_closed(peer); },
            .on_writable = {}});
    fetcher_ = std::make_unique<BlobFetcher>(base_.loop(), base_.blobs(), *transport_);
    runner_ = std::make_unique<TaskRunner>(
        base_,
        CompiledModules::Options{
            .tier = options_.tier, .folder = base_.home_root() + "/compiled", .compiler = {}});
    MILLRACE_TRY(auto records, base_.records().load_all());
    MILLRACE_TRY_VOID(machine_->restore(records));
    MILLRACE_TRY(control_, io::ControlServer::listen(
                               base_.loop(), base_.home().run(),
                               [this](const std::string& line, const io::ControlReply& reply) {
                                   answer_control(line, reply);
                               }));
    MILLRACE_TRY(endpoint_, transport_->listen(options_.listen));
    const std::string advertised = options_.advertise.empty() ? endpoint_ : options_.advertise;
    chain_->ensure_registered(
        {.node_key = base_.node_key().public_key(),
         .endpoint = advertised,
         .price = options_.price,
         .slots = options_.slots,
         .stake = options_.stake},
        [this, advertised, ready = std::move(ready)](const Outcome<Hash32>& sent) {
            if (!sent) return ready(Err{sent.error()});
            const auto written = base_.home().publish_endpoint(endpoint_);
            if (!written) return ready(Err{written.error()});
            ready(advertised);
        });
    return {};
}

void ProviderDaemon::stop() {
    if (stopping_) return;
    stopping_ = true;
    step(prov::Stop{});
}

void ProviderDaemon::step(prov::Event event) {
    machine_->step(std::move(event));
}

void ProviderDaemon::carry_out(const prov::Effect& effect) {
    std::visit(
        Overload{
            [](const prov::Persist&) {},  // committed before
            [](const prov::Erase&) {},
            [&](const prov::Send& send) {
                if (!transport_->send(send.session, send.message)) {
                    io::log_limited("send", io::LogLevel::warn, "a message could not be queued",
                                    {{"kind", types::message_name(send.message)}});
                }
            },
            [&](const prov::CloseSession& close) {
                io::log_limited("close", io::LogLevel::warn, "a session is closed",
                                {{"why", close.why}});
                transport_->close(close.session);
                sessions_.erase(close.session);
                fetcher_->on_peer_gone(close.session);
            },
            [&](const prov::FetchBlobs& request) { fetch(request); },
            [&](const prov::RunTask& request) { run(request); },
            [&](const prov::KillTask& kill) { runner_->kill(kill.lease); },
            [&](const prov::CheckAllocation& check) {
                chain_->check_allocation(
                    check, [this](prov::AllocationSeen seen) { step(std::move(seen)); });
            },
            [&](const prov::Settle& settle) {
                chain_->settle(settle, [this](prov::Event event) { step(std::move(event)); });
            },
            [&](const prov::KeepBlobs& keep) {
                for (const auto& blob : keep.sealed)
                    base_.blobs().pin(blob);
            },
            [&](const prov::ForgetBlobs& forget) {
                for (const auto& blob : forget.sealed)
                    base_.blobs().unpin(blob);
            },
            [&](const prov::Stopped&) { base_.loop().stop(); },
            [](const prov::Note& note) {
                io::log(io::LogLevel::info, note.text, {{"lease", to_hex0x(note.lease.view())}});
            }},
        effect);
}

// ---- sessions ----------------------------------------------------------------------------------

void ProviderDaemon::on_connected(io::PeerId peer, const Hash32& key) {
    sessions_[peer] = Session{.node_key = key, .up = false};
}

void ProviderDaemon::on_message(io::PeerId peer, types::Message message) {
    const auto session = sessions_.find(peer);
    if (session == sessions_.end()) return;
    if (const auto* hello = std::get_if<types::Hello>(&message)) {
        on_hello(peer, *hello);
    } else if (!session->second.up) {
        transport_->close(peer);
        on_closed(peer);
    } else if (auto* data = std::get_if<types::BlobData>(&message)) {
        fetcher_->on_data(peer, std::move(*data));
    } else if (const auto* request = std::get_if<types::BlobRequest>(&message)) {
        fetcher_->serve(peer, *request, machine().may_read(peer, request->sealed));
    } else {
        step(prov::MessageReceived{.session = peer, .message = std::move(message)});
    }
}

void ProviderDaemon::on_hello(io::PeerId peer, const types::Hello& hello) {
    Session& session = sessions_[peer];
    if (session.up) return;
    const types::Hello answer{.genesis = base_.domain().genesis,
                              .chain_id = base_.domain().chain_id,
                              .account = base_.account(),
                              .agent = "millrace/" MILLRACE_VERSION};
    transport_->send(peer, answer);
    if (hello.genesis != answer.genesis || hello.chain_id != answer.chain_id) {
        transport_->close(peer);
        sessions_.erase(peer);
        return;
    }
    session.up = true;
    step(prov::PeerUp{.session = peer, .account = hello.account, .node_key = session.node_key});
}

void ProviderDaemon::on_closed(io::PeerId peer) {
    const auto session = sessions_.find(peer);
    if (session == sessions_.end()) return;
    const bool was_up = session->second.up;
    sessions_.erase(session);
    fetcher_->on_peer_gone(peer);
    if (was_up) step(prov::PeerDown{.session = peer});
}

// ---- work --------------------------------------------------------------------------------------

void ProviderDaemon::fetch(const prov::FetchBlobs& request) {
    std::vector<io::PeerId> sources;
    if (request.session != 0) sources.push_back(request.session);
    for (const auto& blob : request.sealed) {
        fetcher_->fetch(blob, sources, [this, blob](const Outcome<void>& outcome) {
            if (outcome) {
                step(prov::BlobReady{blob});
            } else {
                step(prov::BlobFailed{.sealed = blob, .why = outcome.error().text()});
            }
        });
    }
}

void ProviderDaemon::run(const prov::RunTask& request) {
    runner_->run(
        request,
        [this, lease = request.lease](Fuel fuel) {
            step(prov::TaskProgress{.lease = lease, .fuel = fuel});
        },
        [this, lease = request.lease](TaskReport report) {
            if (report.finished) {
                step(std::move(*report.finished));
            } else {
                step(prov::TaskFailed{.lease = lease, .kind = report.kind, .why = report.why});
            }
        });
}

void ProviderDaemon::answer_control(const std::string& line, const io::ControlReply& reply) {
    const Json request = Json::parse(line, nullptr, false);
    if (!request.is_object() || request.value("op", "") != "status") {
        return reply.finish(Json{{"error", {{"what", "a provider answers only 'status'"}}}}.dump());
    }
    const auto status = machine().status();
    const auto& compiled = runner_->compiled();
    reply.finish(Json{{"account", crypto::checksum_address(base_.account())},
                      {"endpoint", endpoint_},
                      {"slots", status.slots},
                      {"running", status.running},
                      {"waiting", status.waiting},
                      {"tasks_finished", status.tasks_finished},
                      {"contradictions", status.contradictions},
                      {"tier", std::string{to_text(compiled.tier())}},
                      {"modules_compiled", compiled.counts().compiled},
                      {"modules_not_compiled", compiled.counts().failed},
                      {"tasks_compiled", compiled.counts().tasks},
                      {"earned", to_decimal(status.earned.wei)},
                      {"settled", to_decimal(status.settled.wei)}}
                     .dump());
}

}  // namespace millrace::daemon
