// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "base/assert.hpp"
#include "compute/provider_state.hpp"

// A lease from its offer to its end; what is signed and revealed: provider_statements.cpp.

namespace millrace::compute {

using provider::LeaseEntry;
using provider::LeaseState;
using types::LeaseRefusal;

namespace {

constexpr std::uint64_t clock_skew_seconds = 60;

void sort_distinct(std::vector<crypto::BlobId>& blobs) {
    std::erase_if(blobs, [](const crypto::BlobId& blob) { return blob.size == 0; });
    std::ranges::sort(blobs);
    const auto rest = std::ranges::unique(blobs);
    blobs.erase(rest.begin(), rest.end());
}

}  // namespace

std::vector<crypto::BlobId> input_blobs(const types::TaskSpec& task) {
    std::vector<crypto::BlobId> blobs{task.module.sealed()};
    for (const types::FileEntry& file : task.files)
        blobs.push_back(file.blob.sealed());
    sort_distinct(blobs);
    return blobs;
}

std::vector<crypto::BlobId> output_blobs(const provider::TaskResult& result) {
    std::vector<crypto::BlobId> blobs{result.standard_output.sealed(),
                                      result.standard_error.sealed()};
    for (const types::FileEntry& file : result.files)
        blobs.push_back(file.blob.sealed());
    sort_distinct(blobs);
    return blobs;
}

// ---- offers
// --------------------------------------------------------------------------------------

std::optional<std::string> Provider::State::task_problem(const types::LeaseOffer& offer,
                                                         Instant now) const {
    const types::Lease& terms = offer.lease;
    const types::TaskLimits& limits = offer.task.limits;
    if (terms.job != offer.task.job || terms.task != offer.task.id())
        return "the lease names another task";
    if (terms.fuel_limit < limits.fuel) return "the lease allows less fuel than the task";
    if (!types::task_price(terms.price, terms.fuel_limit)) return "the price overflows";
    if (terms.fuel_limit.value > config_.fuel_max) return "more fuel than this provider takes";
    if (limits.memory_bytes > config_.memory_max) return "more memory than this provider takes";
    if (limits.output_bytes > config_.output_max) return "more output than this provider takes";
    if (offer.task.module.plain.size == 0) return "the module is empty";
    std::uint64_t input_bytes = 0;
    for (const crypto::BlobId& blob : input_blobs(offer.task))
        input_bytes += blob.size;
    if (input_bytes > config_.input_max) return "more input than this provider takes";
    const auto now_seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(now.ms, 0)) / 1000;
    const auto time_max = static_cast<std::uint64_t>(config_.timing.lease_time_max.count()) / 1000;
    if (terms.deadline <= now_seconds) return "the lease's deadline has passed";
    if (terms.deadline > now_seconds + time_max + clock_skew_seconds)
        return "the lease's deadline is too far away";
    return std::nullopt;
}

std::optional<Provider::State::Refusal> Provider::State::refusal_of(const types::LeaseOffer& offer,
                                                                    Instant now) const {
    const types::Lease& terms = offer.lease;
    if (stopping_) return Refusal{LeaseRefusal::stopping, "this provider is stopping"};
    if (terms.provider != config_.owner)
        return Refusal{LeaseRefusal::not_my_network, "the lease is for another provider"};
    if (auto problem = task_problem(offer, now))
        return Refusal{LeaseRefusal::bad_task, std::move(*problem)};
    if (terms.price < config_.price)
        return Refusal{LeaseRefusal::price_too_low,
                       "asks at least " + to_decimal(config_.price.wei) + " wei per 10^9 fuel"};
    if (ended_.contains(offer.lease.id()))
        return Refusal{LeaseRefusal::failed, "this lease is over"};
    if (is_paused(terms.requestor, now))
        return Refusal{LeaseRefusal::credit_exhausted, "earlier tasks were never paid"};
    if (active_.size() >= std::size_t{config_.slots} + config_.queue)
        return Refusal{LeaseRefusal::busy, "all slots are taken"};
    const auto theirs = by_payer_.find(terms.requestor);
    const std::size_t theirs_count = theirs == by_payer_.end() ? 0 : theirs->second.size();
    if (leases_.size() >= leases_max || theirs_count >= leases_per_payer_max)
        return Refusal{LeaseRefusal::busy, "too many leases are open"};
    if (payers_.size() >= payers_max && !payers_.contains(terms.requestor))
        return Refusal{LeaseRefusal::busy, "too many requestors are known"};
    // One to run and one to wait is all that a requestor gets without an allocation to look at.
    if (theirs_count >= 2 && !offer.allocation && covered(terms.requestor, now).wei.is_zero())
        return Refusal{LeaseRefusal::credit_exhausted, "no final allocation covers more tasks"};
    return std::nullopt;
}

void Provider::State::on_offer(SessionId session, const types::LeaseOffer& offer, Step& at) {
    const Hash32 id = offer.lease.id();
    const auto refuse = [&](LeaseRefusal reason, std::string text) {
        send(session, types::LeaseAnswer{.lease = id, .refusal = reason, .text = std::move(text)},
             at);
    };
    const auto signer = crypto::recover(offer.lease.digest(config_.domain), offer.signature);
    if (!signer || *signer != offer.lease.requestor ||
        offer.lease.requestor != sessions_.at(session).account) {
        refuse(LeaseRefusal::bad_signature, "the lease is not signed by this requestor");
        return misbehaved(session, "a lease with a wrong signature", at);
    }
    if (const auto known = leases_.find(id); known != leases_.end()) {
        prove(session, at);
        if (offer.allocation) learn_proof(offer.lease.requestor, *offer.allocation, at);
        return repeat(session, id, known->second, at);
    }
    if (auto refusal = refusal_of(offer, at.now)) {
        refuse(refusal->reason, refusal->text);
        if (refusal->reason == LeaseRefusal::not_my_network ||
            refusal->reason == LeaseRefusal::bad_task) {
            misbehaved(session, refusal->text, at);
        }
        return;
    }
    prove(session, at);
    if (offer.allocation) learn_proof(offer.lease.requestor, *offer.allocation, at);
    accept(session, offer, at);
}

void Provider::State::accept(SessionId session, const types::LeaseOffer& offer, Step& at) {
    const Hash32 id = offer.lease.id();
    LeaseEntry entry;
    entry.terms = offer.lease;
    entry.signature = offer.signature;
    entry.task = offer.task;
    entry.key = offer.job_key;
    entry.accepted_at = at.now;
    entry.session = session;
    entry.sequence = sequence_next_++;
    persist(provider::lease_record(id, entry), at);
    LeaseEntry& placed = leases_.emplace(id, std::move(entry)).first->second;
    active_.emplace(placed.sequence, id);
    by_payer_[placed.terms.requestor].emplace(placed.sequence, id);
    const Blobs inputs = input_blobs(placed.task);
    placed.blobs_missing = {inputs.begin(), inputs.end()};
    keep(inputs, at);
    send(session, types::LeaseAnswer{.lease = id, .refusal = std::nullopt, .text = {}}, at);
    fetch(id, placed, at);
    plan(id, placed);
}

/// The requestor came back, or repeats itself: tell it again where the lease stands.
void Provider::State::repeat(SessionId session, const Hash32& id, LeaseEntry& entry, Step& at) {
    entry.session = session;
    send(session, types::LeaseAnswer{.lease = id, .refusal = std::nullopt, .text = {}}, at);
    if (entry.result) return send(session, commitment_notice(id, entry), at);
    if (entry.state == LeaseState::fetching && entry.blob_wait_until) {
        entry.blob_wait_until.reset();
        fetch(id, entry, at);
    }
    plan(id, entry);
}

// ---- blobs and running
// ---------------------------------------------------------------------------

void Provider::State::fetch(const Hash32& id, LeaseEntry& entry, Step& at) {
    MILLRACE_ASSERT(!entry.blobs_missing.empty());
    at.out.push_back(
        provider::FetchBlobs{.session = entry.session,
                             .lease = id,
                             .sealed = {entry.blobs_missing.begin(), entry.blobs_missing.end()}});
}

void Provider::State::on(const provider::BlobReady& event, Step& at) {
    for (const auto& [sequence, id] : active_) {
        LeaseEntry& entry = leases_.at(id);
        if (entry.state != LeaseState::fetching || entry.blobs_missing.erase(event.sealed) == 0)
            continue;
        if (!entry.blobs_missing.empty()) continue;
        entry.state = LeaseState::waiting;
        entry.blob_wait_until.reset();
        entry.waiting_since = at.now;
        plan(id, entry);
    }
}

void Provider::State::on(const provider::BlobFailed& event, Step& at) {
    std::vector<Hash32> hopeless;
    for (const auto& [sequence, id] : active_) {
        LeaseEntry& entry = leases_.at(id);
        if (entry.state != LeaseState::fetching || !entry.blobs_missing.contains(event.sealed))
            continue;
        if (entry.session != 0) {
            hopeless.push_back(id);
        } else if (!entry.blob_wait_until) {
            entry.blob_wait_until = at.now + config_.timing.blob_wait;
            plan(id, entry);
        }
    }
    for (const Hash32& id : hopeless)
        give_up(id, LeaseRefusal::blobs_missing, event.why, at);
}

/// Starts what is ready, in order of acceptance, as slots and credit allow.
void Provider::State::schedule(Step& at) {
    if (stopping_) return;
    std::vector<Hash32> uncovered;
    for (const auto& [sequence, id] : active_) {
        if (running_ >= config_.slots) break;
        LeaseEntry& entry = leases_.at(id);
        if (entry.state != LeaseState::waiting) continue;
        const Credit verdict = credit(entry, at.now);
        if (verdict == Credit::granted) {
            run(id, entry, at);
            continue;
        }
        if (verdict == Credit::blocked) {
            Payer& payer = payer_of(entry.terms.requestor);
            if (!payer.blocked_since) payer.blocked_since = at.now;
            const Duration relief = config_.timing.credit_relief;
            const auto passed = (at.now - *payer.blocked_since) / relief;
            set_due(id, entry,
                    std::min(instant_of(entry.terms.deadline),
                             *payer.blocked_since + Duration{relief.count() * (passed + 1)}));
            continue;
        }
        const Instant patience = entry.waiting_since + config_.timing.credit_wait;
        if (at.now >= patience) {
            uncovered.push_back(id);
        } else {
            set_due(id, entry, std::min(instant_of(entry.terms.deadline), patience));
        }
    }
    for (const Hash32& id : uncovered)
        give_up(id, LeaseRefusal::credit_exhausted, "no final allocation covers this task", at);
}

void Provider::State::run(const Hash32& id, LeaseEntry& entry, Step& at) {
    entry.state = LeaseState::running;
    ++running_;
    at.out.push_back(provider::RunTask{.lease = id,
                                       .task = entry.task,
                                       .key = entry.key,
                                       .deadline = entry.terms.deadline,
                                       .lie = lie_about(entry.terms.task)});
    plan(id, entry);
}

void Provider::State::stop_running(const Hash32& id, LeaseEntry& entry, Step& at) {
    if (entry.state != LeaseState::running) return;
    at.out.push_back(provider::KillTask{id});
    entry.state = LeaseState::waiting;
    MILLRACE_ASSERT(running_ > 0);
    --running_;
}

void Provider::State::on(const provider::TaskProgress& event, Step& at) {
    const auto found = leases_.find(event.lease);
    if (found == leases_.end() || found->second.state != LeaseState::running) return;
    LeaseEntry& entry = found->second;
    entry.progress = std::max(entry.progress, event.fuel);
    if (at.now < entry.progress_sent + config_.timing.progress_interval) return;
    entry.progress_sent = at.now;
    send(entry.session, types::Progress{.lease = event.lease, .fuel = entry.progress}, at);
}

void Provider::State::on(const provider::TaskFailed& event, Step& at) {
    const auto found = leases_.find(event.lease);
    if (found == leases_.end() || found->second.state != LeaseState::running) return;
    found->second.state = LeaseState::waiting;  // it has ended by itself: nothing to kill
    --running_;
    note(event.lease, "task failed: " + event.why, at);
    give_up(event.lease, event.kind, event.why, at);
}

void Provider::State::on(const provider::TaskFinished& event, Step& at) {
    const auto found = leases_.find(event.lease);
    if (found == leases_.end() || found->second.state != LeaseState::running) return;
    LeaseEntry& entry = found->second;
    const auto worth = types::task_price(entry.terms.price, event.summary.fuel);
    entry.result = provider::TaskResult{.summary = event.summary,
                                        .files = event.files,
                                        .deleted = event.deleted,
                                        .standard_output = event.standard_output,
                                        .standard_error = event.standard_error};
    const bool too_much = event.summary.fuel > entry.terms.fuel_limit || !worth;
    // A receipt that does not fit a frame could never be sent.
    const bool too_long =
        encode_message(receipt_notice(event.lease, entry)).size() + 64 > types::frame_size_max;
    if (too_much || too_long || !types::is_valid_tree(event.files)) {
        entry.result.reset();
        entry.state = LeaseState::waiting;
        --running_;
        return give_up(event.lease, LeaseRefusal::failed,
                       too_long ? "the list of output files is too long for one receipt"
                                : "the worker's result is out of its bounds",
                       at);
    }
    entry.worth = *worth;
    entry.state = LeaseState::committed;
    --running_;
    ++finished_;
    active_.erase({entry.sequence, event.lease});
    persist(provider::result_record(event.lease, *entry.result), at);
    keep(output_blobs(*entry.result), at);
    release(input_blobs(entry.task), at);
    send(entry.session, commitment_notice(event.lease, entry), at);
    plan(event.lease, entry);
}

// ---- endings
// -------------------------------------------------------------------------------------

void Provider::State::give_up(const Hash32& id, LeaseRefusal reason, std::string_view text,
                              Step& at) {
    std::string cut{text.substr(0, types::text_size_max)};
    while (!types::is_utf8(cut))
        cut.pop_back();
    send(leases_.at(id).session,
         types::LeaseAnswer{.lease = id, .refusal = reason, .text = std::move(cut)}, at);
    end(id, at);
}

void Provider::State::lease_due(const Hash32& id, Step& at) {
    const auto found = leases_.find(id);
    if (found == leases_.end()) return;
    LeaseEntry& entry = found->second;
    const Instant deadline = instant_of(entry.terms.deadline);
    if (is_active(entry.state)) {
        if (at.now >= deadline)
            return give_up(id, LeaseRefusal::failed, "the lease's deadline passed", at);
        if (entry.blob_wait_until && at.now >= *entry.blob_wait_until)
            return give_up(id, LeaseRefusal::blobs_missing, "the requestor did not return", at);
    } else if (at.now >= patience_end(entry)) {
        // A requestor that is away may still mean well; one that is here and silent does not.
        const bool owed = entry.state == LeaseState::accepted ||
                          (entry.state == LeaseState::revealed && entry.session != 0);
        if (owed) {
            note(id, "given up unpaid", at);
            count_unpaid(entry.terms.requestor, at);
        }
        return end(id, at);
    }
    plan(id, entry);
}

/// How long a result waits for its verdict and its voucher: tie-breakers take their time, as much
/// again as this lease had.
Instant Provider::State::patience_end(const LeaseEntry& entry) const {
    const Instant deadline = instant_of(entry.terms.deadline);
    return deadline + std::max(config_.timing.late_grace, deadline - entry.accepted_at);
}

void Provider::State::set_due(const Hash32& id, LeaseEntry& entry, std::optional<Instant> due) {
    if (entry.due == due) return;
    if (entry.due) lease_timers_.erase({*entry.due, id});
    entry.due = due;
    if (due) lease_timers_.emplace(*due, id);
}

void Provider::State::plan(const Hash32& id, LeaseEntry& entry) {
    Instant due = instant_of(entry.terms.deadline);
    if (!is_active(entry.state)) {
        due = patience_end(entry);
    } else if (entry.blob_wait_until) {
        due = std::min(due, *entry.blob_wait_until);
    }
    set_due(id, entry, due);
}

void Provider::State::set_state(const Hash32& id, LeaseEntry& entry, LeaseState state, Step& at) {
    MILLRACE_ASSERT(entry.result.has_value());
    entry.state = state;
    persist(provider::lease_state_record(id, state), at);
    plan(id, entry);
}

void Provider::State::make_readable(const LeaseEntry& entry) {
    for (const crypto::BlobId& blob : output_blobs(*entry.result))
        ++readable_[{blob, entry.terms.requestor}];
}

/// Nothing of the lease stays but its id, until its deadline.
void Provider::State::end(const Hash32& id, Step& at) {
    const auto found = leases_.find(id);
    MILLRACE_ASSERT(found != leases_.end());
    LeaseEntry& entry = found->second;
    stop_running(id, entry, at);
    set_due(id, entry, std::nullopt);
    active_.erase({entry.sequence, id});
    const auto theirs = by_payer_.find(entry.terms.requestor);
    if (theirs != by_payer_.end()) {
        theirs->second.erase({entry.sequence, id});
        if (theirs->second.empty()) by_payer_.erase(theirs);
    }
    const Bytes key = to_bytes(id.view());
    at.out.push_back(provider::Erase{"leases", key});
    if (entry.state >= LeaseState::revealed) {
        at.out.push_back(provider::Erase{"lease_states", key});
        for (const crypto::BlobId& blob : output_blobs(*entry.result)) {
            const auto readable = readable_.find({blob, entry.terms.requestor});
            if (readable != readable_.end() && --readable->second == 0) readable_.erase(readable);
        }
    }
    if (entry.state == LeaseState::settled) std::erase(settled_order_, id);
    if (entry.result) at.out.push_back(provider::Erase{"results", key});
    release(entry.result ? output_blobs(*entry.result) : input_blobs(entry.task), at);
    const provider::Ended ended{.deadline = entry.terms.deadline};
    leases_.erase(found);
    if (instant_of(ended.deadline) <= at.now) return;
    ended_[id] = ended;
    ended_order_.emplace(ended.deadline, id);
    persist(provider::ended_record(id, ended), at);
}

/// Ids whose deadline has passed need no memory: an offer of them is refused for its deadline.
void Provider::State::forget_ended(Step& at) {
    while (!ended_order_.empty()) {
        const auto [deadline, id] = *ended_order_.begin();
        if (instant_of(deadline) > at.now && ended_order_.size() <= ended_max) return;
        ended_order_.erase(ended_order_.begin());
        ended_.erase(id);
        at.out.push_back(provider::Erase{"ended", to_bytes(id.view())});
    }
}

}  // namespace millrace::compute
