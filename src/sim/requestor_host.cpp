// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "sim/requestor_host.hpp"

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "sim/model_task.hpp"
#include "sim/provider_host.hpp"

namespace millrace::sim {

namespace req = compute::requestor;

namespace {

constexpr std::uint64_t deposit_wei = 1'000'000'000'000;

}  // namespace

RequestorHost::RequestorHost(World& world)
    : MachineHost{world, "requestor"},
      key_{secret("requestor", 0)},
      account_{crypto::address_of(key_)} {
    world.chain.deposit(account_, Amount{U256{deposit_wei}});
    plan_.id = named("job", world.settings.seed);
    plan_.name = "simulated";
    plan_.key = *crypto::JobKey::from(named("job key", world.settings.seed).view());
    plan_.common.module = seal(noise(1, 70'000), plan_.key);
    plan_.common.arguments = {"--task"};
    plan_.common.limits.fuel = Fuel{2'000'000'000};
    plan_.settings.replicas = world.settings.replicas;
    plan_.settings.results_max = req::results_asked_max;
    for (std::uint64_t index = 0; index < world.settings.tasks; ++index) {
        req::TaskInput input;
        input.label = "input " + std::to_string(index);
        input.arguments = {std::to_string(index)};
        // Some inputs repeat and some are empty: blobs are shared and may have no bytes.
        const std::size_t size = index % 7 == 0 ? 0 : (index % 5) * 9'000 + 1;
        input.files = {{"in/data.bin", seal(noise(index / 2, size), plan_.key)}};
        plan_.inputs.push_back(std::move(input));
    }
}

std::unique_ptr<compute::Requestor> RequestorHost::make_machine() {
    return std::make_unique<compute::Requestor>(compute::Requestor::Config{
        .domain = world_.domain, .key = key_, .seed = world_.settings.seed});
}

void RequestorHost::on_started() {
    later(world_.between(10, 400), [this] {
        req::ProvidersUpdated registry;
        for (const auto& provider : world_.providers)
            registry.providers.push_back(provider->record());
        step(registry);
    });
    later(world_.between(10, 400), [this] { tell_deposit(); });
    later(Duration{500}, [this] { submit(); });
}

/// The client that submits waits for the answer: asked again where the answer was lost.
void RequestorHost::submit() {
    if (machine().plan(plan_.id) == nullptr && machine().jobs().empty())
        step(req::JobSubmitted{plan_});
}

void RequestorHost::tell_deposit() {
    step(req::DepositUpdated{.free = world_.chain.free(account_),
                             .allocation_next = world_.chain.allocation_count(account_)});
    if (up_) later(Duration{10'000}, [this] { tell_deposit(); });
}

void RequestorHost::on_crashed() {
    fetches_.clear();
    links_.clear();
    for (const auto& [id, connection] : connections_)
        connection->close("the requestor died");
}

bool RequestorHost::job_over() const {
    if (!up_) return false;
    const auto jobs = machine().jobs();
    return !jobs.empty() && jobs.front().state != req::JobState::running;
}

bool RequestorHost::settled() const {
    if (!job_over()) return false;
    const auto summary = machine().summary(plan_.id);
    return summary && summary->settled;
}

std::optional<std::size_t> RequestorHost::index_of(const Address& provider) const {
    for (std::size_t index = 0; index < world_.providers.size(); ++index)
        if (world_.providers[index]->record().provider == provider) return index;
    return std::nullopt;
}

Connection* RequestorHost::line_to(const Address& provider) const {
    const auto index = index_of(provider);
    const auto link = index ? links_.find(*index) : links_.end();
    return link == links_.end() ? nullptr : connections_.at(link->second).get();
}

void RequestorHost::connected(std::size_t provider, std::uint64_t connection) {
    links_[provider] = connection;
    step(req::PeerUp{world_.providers[provider]->record().provider});
}

void RequestorHost::disconnected(std::size_t provider, std::uint64_t connection,
                                 const std::string& why) {
    const auto found = links_.find(provider);
    if (!up_ || found == links_.end() || found->second != connection) return;
    links_.erase(found);
    step(req::PeerDown{world_.providers[provider]->record().provider, why});
    if (up_) download(blobs::SourceGone{connection});
}

void RequestorHost::received(std::size_t provider, std::uint64_t connection,
                             const types::Message& message) {
    const auto found = links_.find(provider);
    if (!up_ || found == links_.end() || found->second != connection) return;
    if (const auto* data = std::get_if<types::BlobData>(&message))
        return download(blobs::DataReceived{connection, *data});
    if (const auto* request = std::get_if<types::BlobRequest>(&message)) {
        const types::BlobData answer = answer_to(*request, blobs_.find(request->sealed));
        return connections_.at(connection)->to_provider(answer);
    }
    step(req::MessageReceived{world_.providers[provider]->record().provider, message});
}

void RequestorHost::carry_out(const req::Effect& effect) {
    std::visit(
        Overload{
            [](const req::Persist&) {},  // on the disk already
            [](const req::Erase&) {},
            [this](const req::Connect& request) { connect(request); },
            [this](const req::Disconnect& request) {
                if (Connection* line = line_to(request.provider)) line->close(request.why);
            },
            [this](const req::Send& send) {
                if (Connection* line = line_to(send.provider)) line->to_provider(send.message);
            },
            [this](const req::FetchBlob& request) {
                later(Duration{0}, [this, request] { fetch(request); });
            },
            [this](const req::Allocate& request) { allocate(request); },
            [this](const req::ReleaseAllocation& request) { release(request.allocation); },
            [this](const req::ReportContradiction& request) {
                report_contradiction(request.evidence);
            },
            [this](const req::TaskDone& done) {
                world_.record(name_, "task done", done.accepted.receipt.result_id.view());
            },
            [this](const req::JobDone& done) {
                world_.record(name_, "job done " + (done.why ? done.why->text() : "well"), {});
            },
            [this](const req::Note& note) { world_.record(name_, "note: " + note.text, {}); },
        },
        effect);
}

void RequestorHost::connect(const req::Connect& effect) {
    const auto index = index_of(effect.provider);
    MILLRACE_ASSERT(index.has_value());
    later(world_.between(2, 150), [this, index = *index] {
        ProviderHost& provider = *world_.providers[index];
        if (!provider.is_up()) {
            step(req::PeerDown{provider.record().provider, "connection refused"});
            return;
        }
        const std::uint64_t id = connection_next_++;
        connections_[id] = std::make_unique<Connection>(world_, id, index);
        provider.connected(id);
        connected(index, id);
    });
}

// ---- blobs --------------------------------------------------------------------------------------

void RequestorHost::fetch(const req::FetchBlob& effect) {
    const crypto::BlobId sealed = effect.blob.sealed();
    fetches_.emplace(sealed, effect);
    if (blobs_.find(sealed) != nullptr) return blob_ended(sealed, true, {});
    const Connection* line = line_to(effect.provider);
    if (line == nullptr) return blob_ended(sealed, false, "not connected");
    download(blobs::Want{sealed, {line->id()}, blobs_.present(sealed)});
}

void RequestorHost::blob_ended(const crypto::BlobId& sealed, bool ok, const std::string& why) {
    std::vector<req::FetchBlob> waiting;
    const auto [first, last] = fetches_.equal_range(sealed);
    for (auto it = first; it != last; ++it)
        waiting.push_back(it->second);
    fetches_.erase(first, last);
    for (const req::FetchBlob& effect : waiting) {
        bool opens = ok;
        if (ok) {
            Bytes plain = *blobs_.find(sealed);
            crypto::xor_stream(plain, plan_.key, effect.blob.plain.root, 0);
            opens = crypto::blob_id(plain) == effect.blob.plain;
        }
        later(Duration{0}, [this, effect, opens, why] {
            step(req::BlobFetched{.job = effect.job,
                                  .index = effect.index,
                                  .blob = effect.blob,
                                  .provider = effect.provider,
                                  .ok = opens,
                                  .why = why});
        });
    }
}

void RequestorHost::ask(blobs::SourceId source, const types::BlobRequest& request) {
    connections_.at(source)->to_provider(request);
}

// ---- chain --------------------------------------------------------------------------------------

void RequestorHost::allocate(const req::Allocate& effect) {
    if (world_.trouble() && world_.chance(world_.settings.chain_failure_ppm)) {
        later(Duration{3'000}, [this, effect] { allocate(effect); });
        return;
    }
    if (world_.chain.allocation(account_, effect.allocation) != nullptr)
        return watch_allocation(effect.allocation);
    later(Duration{0}, [this, number = effect.allocation] {
        step(req::AllocationUpdated{
            number, req::AllocationStatus::sent, named("allocate", number), {}});
    });
    const std::uint64_t epoch = epoch_;
    world_.timeline.at(world_.next_block(), [this, effect, epoch] {
        const std::uint64_t number = effect.allocation;
        std::string why;
        if (world_.chain.allocation(account_, number) == nullptr) {
            if (world_.chain.allocation_count(account_) != number) {
                why = "another allocation took this number";
            } else {
                const auto done = world_.chain.allocate(account_, effect, world_.now());
                if (!done) why = done.error();
            }
        }
        if (!world_.chain.conserved()) world_.violated("deposits are conserved");
        if (!up_ || epoch != epoch_) return;
        if (why.empty()) return watch_allocation(number);
        world_.record(name_, "allocation fails: " + why, {});
        step(req::AllocationUpdated{number, req::AllocationStatus::failed, {}, why});
    });
}

/// It stands: tell so, and again when it is final.
void RequestorHost::watch_allocation(std::uint64_t number) {
    const auto* allocation = world_.chain.allocation(account_, number);
    const Instant final_at = allocation->mined + World::finality;
    const auto tell = [this, number](req::AllocationStatus status) {
        step(req::AllocationUpdated{number, status, named("allocate", number), {}});
    };
    later(Duration{0}, [tell] { tell(req::AllocationStatus::latest); });
    later(std::max(final_at - world_.now(), Duration{1}), [this, tell] {
        tell(req::AllocationStatus::finalized);
        if (!up_) return;
        step(req::DepositUpdated{.free = world_.chain.free(account_),
                                 .allocation_next = world_.chain.allocation_count(account_)});
    });
}

void RequestorHost::release(std::uint64_t number) {
    const std::uint64_t epoch = epoch_;
    world_.timeline.at(world_.next_block(), [this, number, epoch] {
        const auto done = world_.chain.release(account_, number, world_.now());
        if (!world_.chain.conserved()) world_.violated("deposits are conserved");
        if (!up_ || epoch != epoch_) return;
        step(
            req::AllocationReleased{number, done.has_value(), done ? std::string{} : done.error()});
    });
}

void RequestorHost::report_contradiction(const req::Evidence& evidence) {
    const auto holds = [this](const req::SignedReceipt& signed_receipt) {
        const auto lessor = crypto::recover(signed_receipt.lease.digest(world_.domain),
                                            signed_receipt.lease_signature);
        const auto signer = crypto::recover(signed_receipt.receipt.digest(world_.domain),
                                            signed_receipt.receipt_signature);
        const auto index = index_of(signed_receipt.lease.provider);
        return lessor == account_ && index && signer == world_.providers[*index]->record().signer &&
               signed_receipt.receipt.lease == signed_receipt.lease.id() &&
               signed_receipt.receipt.task == signed_receipt.lease.task;
    };
    const bool good =
        holds(evidence.wrong) && holds(evidence.right_first) && holds(evidence.right_second) &&
        evidence.right_first.receipt.result_id == evidence.right_second.receipt.result_id &&
        evidence.wrong.receipt.result_id != evidence.right_first.receipt.result_id;
    const auto accused = index_of(evidence.wrong.lease.provider);
    if (!good || !accused || !world_.providers[*accused]->lies())
        world_.violated("evidence holds and names a liar");
    later(world_.between(200, 900), [this, id = evidence.id] {
        step(req::ContradictionReported{id, true, named("contradiction", 0), {}});
    });
}

}  // namespace millrace::sim
