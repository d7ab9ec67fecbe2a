// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "sim/market_world.hpp"

namespace millrace::sim {

namespace pro = compute::provider;

ProviderHost::ProviderHost(World& world, std::size_t index)
    : Host{world, "provider" + std::to_string(index)},
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

void ProviderHost::start() {
    up_ = true;
    machine_ = std::make_unique<compute::Provider>(config_);
    pro::Effects effects;
    if (auto restored = machine_->restore(rows_.all(), world_.now(), effects); !restored)
        return world_.violated(name_ + " restores: " + restored.error().text());
    carry_out(effects);
    wake();
}

void ProviderHost::crash() {
    ++world_.report.crashes;
    world_.record(name_, "crash", {});
    up_ = false;
    ++epoch_;
    machine_.reset();
    running_.clear();
    wake_at_.reset();
    download_wake_at_.reset();
    downloader_ = blobs::Downloader{};
    blobs_.crash([this] { return world_.chance(500'000); });
    for (std::uint64_t id = 1;; ++id) {
        Connection* connection = Connection::find(world_, id);
        if (connection == nullptr) break;
        if (world_.providers[connection->provider()].get() == this)
            connection->close("the provider died");
    }
    world_.timeline.after(world_.between(100, 15'000), [this] { start(); });
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
        const Bytes* content = machine_->may_read(connection, request->sealed)
                                   ? blobs_.find(request->sealed)
                                   : nullptr;
        types::BlobData answer{request->sealed.root, request->offset, {}, {}};
        if (content != nullptr) {
            const auto chunk = blobs::answer_from(*content, *request);
            if (chunk) answer = *chunk;
        }
        if (Connection* line = Connection::find(world_, connection)) line->to_requestor(answer);
        return;
    }
    step(pro::MessageReceived{connection, message});
}

void ProviderHost::step(const pro::Event& event) {
    if (!up_) return;
    pro::Effects effects;
    machine_->step(event, world_.now(), effects);
    bool durable = false;
    for (const pro::Effect& effect : effects)
        durable = durable || std::holds_alternative<pro::Persist>(effect);
    const auto death = durable ? draw_death() : std::nullopt;
    if (death == Death::before_commit) return crash();
    if (death == Death::after_commit || death == Death::amid_effects) {
        pro::Effects rows;
        std::size_t others = death == Death::amid_effects ? world_.prng.below(4) : 0;
        for (pro::Effect& effect : effects) {
            const bool row = std::holds_alternative<pro::Persist>(effect) ||
                             std::holds_alternative<pro::Erase>(effect);
            if (row || others > 0) rows.push_back(std::move(effect));
            if (!row && others > 0) --others;
        }
        carry_out(rows);
        return crash();
    }
    carry_out(effects);
    wake();
}

void ProviderHost::carry_out(const pro::Effects& effects) {
    // Rows first, in one transaction; then the rest in order.
    for (const pro::Effect& effect : effects) {
        if (const auto* persist = std::get_if<pro::Persist>(&effect)) rows_.put(persist->record);
        if (const auto* erase = std::get_if<pro::Erase>(&effect))
            rows_.erase(erase->table, erase->key);
    }
    for (const pro::Effect& effect : effects) {
        std::visit(
            Overload{
                [](const pro::Persist&) {},
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
                [this](const pro::FetchBlobs& fetch) {
                    for (const crypto::BlobId& blob : fetch.sealed) {
                        if (blobs_.find(blob) != nullptr) {
                            later(Duration{0}, [this, blob] { step(pro::BlobReady{blob}); });
                        } else if (fetch.session == 0) {
                            later(Duration{0}, [this, blob] {
                                step(pro::BlobFailed{blob, "not stored"});
                            });
                        } else {
                            later(Duration{0}, [this, blob, session = fetch.session] {
                                download(blobs::Want{blob, {session}, blobs_.present(blob)});
                            });
                        }
                    }
                },
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
}

void ProviderHost::wake() {
    if (!up_) return;
    const auto due = machine_->next_deadline();
    if (!due || (wake_at_ && *wake_at_ <= *due)) return;
    wake_at_ = std::max(*due, world_.now());
    later(*wake_at_ - world_.now(), [this, planned = *wake_at_] {
        if (wake_at_ == planned) wake_at_.reset();
        const auto now_due = machine_->next_deadline();
        if (now_due && *now_due <= world_.now()) {
            step(pro::TimerFired{});
            if (up_ && machine_->next_deadline() && *machine_->next_deadline() <= world_.now())
                world_.violated(name_ + ": a timer spins");
        } else {
            wake();
        }
    });
}

void ProviderHost::download(const blobs::Event& event) {
    if (!up_) return;
    blobs::Effects effects;
    downloader_.step(event, world_.now(), effects);
    for (const blobs::Effect& effect : effects) {
        std::visit(Overload{
                       [this](const blobs::SendRequest& send) {
                           if (Connection* line = Connection::find(world_, send.source))
                               line->to_requestor(send.request);
                       },
                       [this](const blobs::WriteChunk& chunk) {
                           blobs_.write(chunk.blob, chunk.offset, chunk.content);
                       },
                       [this](const blobs::Completed& done) {
                           if (!blobs_.complete(done.blob))
                               world_.violated("a completed blob is whole");
                           later(Duration{0},
                                 [this, blob = done.blob] { step(pro::BlobReady{blob}); });
                       },
                       [this](const blobs::Failed& failed) {
                           later(Duration{0}, [this, failed] {
                               step(pro::BlobFailed{failed.blob, failed.why});
                           });
                       },
                       [](const blobs::SourceDropped&) {},
                   },
                   effect);
    }
    const auto due = downloader_.next_deadline();
    if (!due || (download_wake_at_ && *download_wake_at_ <= *due)) return;
    download_wake_at_ = *due;
    later(*due - world_.now(), [this] {
        download_wake_at_.reset();
        download(blobs::TimerFired{});
    });
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
    const auto time_ms =
        static_cast<std::int64_t>(output.summary.fuel.value * 1000 / fuel_per_second_);
    later(Duration{time_ms} + world_.between(5, 50), [this, task, run] {
        const auto found = running_.find(task.lease);
        if (found == running_.end() || found->second != run) return;
        running_.erase(found);
        finish_task(task);
    });
}

types::SealedBlob ProviderHost::seal(const Bytes& plain, const crypto::JobKey& key) {
    types::SealedBlob blob;
    blob.plain = crypto::blob_id(plain);
    if (plain.empty()) return blob;
    Bytes sealed = plain;
    crypto::xor_stream(sealed, key, blob.plain.root, 0);
    blob.sealed_root = crypto::blob_id(sealed).root;
    blobs_.put(blob.sealed(), std::move(sealed));
    return blob;
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
