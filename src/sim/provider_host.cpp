// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "sim/provider_host.hpp"

#include "base/overload.hpp"
#include "sim/model_task.hpp"
#include "sim/requestor_host.hpp"

namespace millrace::sim {

namespace pro = compute::provider;

ProviderHost::ProviderHost(World& world, std::size_t index)
    : MachineHost{world, "provider" + std::to_string(index)},
      config_{.domain = world.domain,
              .owner = crypto::address_of(secret("owner", index)),
              .signer = secret("signer", index),
              .seed = named("seed", index),
              .price = Amount{U256{1'000 + 100 * index}},
              .slots = world.settings.slots,
              .queue = 1,
              .settle_threshold = {},
              .wrong_result_ppm = index < world.settings.liars ? world.settings.lie_ppm : 0} {
    record_ = {.provider = config_.owner,
               .signer = crypto::address_of(config_.signer),
               .node_key = named("node key", index),
               .endpoint = "10.0.0." + std::to_string(index + 1) + ":7000",
               .price = config_.price,
               .slots = config_.slots,
               .active = true,
               .stake = {},
               .accepted_tasks = 0,
               .paid_total = {},
               .contradictions = 0,
               .streak = 0,
               .score = 0};
    fuel_per_second_ = 500'000'000 + 250'000'000 * world.prng.below(7);
}

std::unique_ptr<compute::Provider> ProviderHost::make_machine() {
    return std::make_unique<compute::Provider>(config_);
}

void ProviderHost::on_crashed() {
    running_.clear();
    for (std::uint64_t id = 1;; ++id) {
        Connection* connection = Connection::find(world_, id);
        if (connection == nullptr) break;
        if (world_.providers[connection->provider()].get() == this)
            connection->close("the provider died");
    }
}

void ProviderHost::connected(std::uint64_t connection) {
    step(pro::PeerUp{connection, world_.requestor->account(), named("requestor node", 0)});
}

void ProviderHost::disconnected(std::uint64_t connection) {
    if (!up_) return;
    step(pro::PeerDown{connection});
    if (up_) download(blobs::SourceGone{connection});
}

void ProviderHost::received(std::uint64_t connection, const types::Message& message) {
    if (!up_) return;
    if (const auto* data = std::get_if<types::BlobData>(&message))
        return download(blobs::DataReceived{connection, *data});
    if (const auto* request = std::get_if<types::BlobRequest>(&message)) {
        const bool allowed = machine().may_read(connection, request->sealed);
        const Bytes* content = allowed ? blobs_.find(request->sealed) : nullptr;
        if (Connection* line = Connection::find(world_, connection))
            line->to_requestor(answer_to(*request, content));
        return;
    }
    step(pro::MessageReceived{connection, message});
}

void ProviderHost::carry_out(const pro::Effect& effect) {
    std::visit(
        Overload{
            [](const pro::Persist&) {},  // on the disk already
            [](const pro::Erase&) {},
            [this](const pro::Send& send) {
                if (Connection* line = Connection::find(world_, send.session))
                    line->to_requestor(send.message);
            },
            [this](const pro::CloseSession& close) {
                world_.record(name_, "closes: " + close.why, {});
                if (Connection* line = Connection::find(world_, close.session))
                    line->close(close.why);
            },
            [this](const pro::FetchBlobs& request) { fetch(request); },
            [this](const pro::RunTask& task) { run_task(task); },
            [this](const pro::KillTask& kill) {
                if (running_.erase(kill.lease) == 0) world_.violated("kills what does not run");
            },
            [this](const pro::CheckAllocation& check) { check_allocation(check); },
            [this](const pro::Settle& settled) { settle(settled); },
            [](const pro::KeepBlobs&) {},
            [](const pro::ForgetBlobs&) {},
            [](const pro::Stopped&) {},
            [this](const pro::Note& note) { world_.record(name_, "note: " + note.text, {}); },
        },
        effect);
}

void ProviderHost::ask(blobs::SourceId source, const types::BlobRequest& request) {
    if (Connection* line = Connection::find(world_, source)) line->to_requestor(request);
}

void ProviderHost::blob_ended(const crypto::BlobId& sealed, bool ok, const std::string& why) {
    later(Duration{0}, [this, sealed, ok, why] {
        if (ok) return step(pro::BlobReady{sealed});
        step(pro::BlobFailed{sealed, why});
    });
}

void ProviderHost::fetch(const pro::FetchBlobs& request) {
    for (const crypto::BlobId& blob : request.sealed) {
        if (blobs_.find(blob) != nullptr) {
            blob_ended(blob, true, {});
        } else if (request.session == 0) {
            blob_ended(blob, false, "not stored");
        } else {
            later(Duration{0}, [this, blob, session = request.session] {
                download(blobs::Want{blob, {session}, blobs_.present(blob)});
            });
        }
    }
}

void ProviderHost::run_task(const pro::RunTask& task) {
    const auto check = [this, &task](const types::SealedBlob& blob) {
        const Bytes* sealed = blobs_.find(blob.sealed());
        if (sealed == nullptr) return world_.violated("a task runs with all its blobs");
        Bytes plain = *sealed;
        crypto::xor_stream(plain, task.key, blob.plain.root, 0);
        if (crypto::blob_id(plain) != blob.plain) world_.violated("inputs open with the job's key");
    };
    check(task.task.module);
    for (const types::FileEntry& file : task.task.files)
        check(file.blob);
    if (running_.size() >= config_.slots) world_.violated("no more tasks run than there are slots");
    const std::uint64_t run = ++runs_;
    running_[task.lease] = run;
    const ModelOutput output = run_model(task.task, std::nullopt);
    const auto& measured = world_.settings.task_ms;
    const auto time_ms =
        measured.empty()
            ? static_cast<std::int64_t>(output.summary.fuel.value * 1000 / fuel_per_second_)
            : std::int64_t{measured.at(static_cast<std::size_t>(task.task.index))};
    later(Duration{time_ms} + world_.between(5, 50), [this, task, run] {
        const auto found = running_.find(task.lease);
        if (found == running_.end() || found->second != run) return;
        running_.erase(found);
        finish_task(task);
    });
}

void ProviderHost::finish_task(const pro::RunTask& task) {
    const ModelOutput output = run_model(task.task, task.lie);
    pro::TaskFinished event;
    event.lease = task.lease;
    event.summary = output.summary;
    for (const auto& [path, content] : output.files)
        event.files.push_back({path, seal(content, task.key)});
    event.standard_output = seal(output.standard_output, task.key);
    step(event);
}

void ProviderHost::check_allocation(const pro::CheckAllocation& check) {
    later(world_.between(1, 60), [this, check] {
        pro::AllocationSeen seen{.payer = check.payer,
                                 .proof = check.proof,
                                 .state = pro::AllocationState::absent,
                                 .expiry = 0,
                                 .settled = {}};
        const auto* allocation = world_.chain.allocation(check.payer, check.proof.allocation);
        if (world_.trouble() && world_.chance(world_.settings.chain_failure_ppm)) {
            seen.state = pro::AllocationState::unreachable;
        } else if (allocation != nullptr) {
            const auto stream =
                world_.chain.stream(check.payer, check.proof.allocation, config_.owner);
            seen.expiry = allocation->expiry;
            seen.settled = stream.settled;
            seen.state = world_.now() >= allocation->mined + World::finality
                             ? pro::AllocationState::finalized
                             : pro::AllocationState::latest;
            if (stream.closed) seen.state = pro::AllocationState::closed;
            if (!world_.chain.proof_holds(check.payer, config_.owner, check.proof))
                seen.state = pro::AllocationState::invalid;
        }
        step(seen);
    });
}

void ProviderHost::settle(const pro::Settle& settle) {
    const bool lost = world_.trouble() && world_.chance(world_.settings.chain_failure_ppm);
    for (const pro::Claim& claim : settle.claims) {
        if (lost) {
            later(world_.between(100, 3'000), [this, claim] {
                step(pro::SettleFailed{claim.voucher.payer, claim.voucher.allocation, "no answer"});
            });
            continue;
        }
        // Once sent the transaction is on its way, whatever becomes of this process.
        const std::uint64_t epoch = epoch_;
        world_.timeline.at(world_.next_block(), [this, claim, epoch] {
            const types::Voucher& voucher = claim.voucher;
            const auto before =
                world_.chain.stream(voucher.payer, voucher.allocation, voucher.payee);
            std::string why;
            if (!before.closed) {
                const auto paid = world_.chain.settle(claim, world_.now());
                if (!paid) why = paid.error();
            }
            if (!world_.chain.conserved()) world_.violated("deposits are conserved");
            if (!up_ || epoch != epoch_) return;
            const auto after =
                world_.chain.stream(voucher.payer, voucher.allocation, voucher.payee);
            if (!why.empty())
                return step(pro::SettleFailed{voucher.payer, voucher.allocation, why});
            step(pro::VoucherSettled{.payer = voucher.payer,
                                     .allocation = voucher.allocation,
                                     .cumulative = after.settled,
                                     .closed = after.closed,
                                     .transaction = after.close_transaction});
        });
    }
}

}  // namespace millrace::sim
