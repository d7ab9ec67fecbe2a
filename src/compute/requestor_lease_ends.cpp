// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

// What becomes of a lease once it is given: its states, its loss, its provider's answers.

namespace millrace::compute {

using namespace requestor;

/// Every change of a lease's state, with the counts that hang on it.
void Requestor::State::set_state(LeaseEntry& entry, LeaseState state) {
    PeerEntry& peer = peer_of(entry.lease.provider);
    const bool was_out = entry.is_out();
    if (entry.state == LeaseState::offered && state != LeaseState::offered) {
        MILLRACE_ASSERT(peer.computing > 0);
        --peer.computing;
        start_next_queued(peer);
    }
    if (entry.state != LeaseState::offered && state == LeaseState::offered) ++peer.computing;
    entry.state = state;
    if (was_out && !entry.is_out()) --leases_out_;
    if (!was_out && entry.is_out()) ++leases_out_;
    const bool is_over = state == LeaseState::accepted || state == LeaseState::contradicted ||
                         state == LeaseState::refused || state == LeaseState::cancelled;
    if (is_over) {
        unreserve(entry);
        entry.due.reset();
        entry.notice.reset();
    }
    dirty_.leases.insert(entry.id);
    work_changed_ = true;
    jobs_to_check_.insert(entry.lease.job);
}

/// The lease cannot be paid any more; its money is free for others.
void Requestor::State::unreserve(LeaseEntry& entry) {
    if (!entry.is_backed) return;
    entry.is_backed = false;
    peer_of(entry.lease.provider).live.erase(entry.id);
    JobEntry& job = jobs_.at(entry.lease.job);
    job.reserved = minus(job.reserved, entry.reserved);
    job.cap_reached = false;
    const auto stream = streams_.find({entry.allocation, entry.lease.provider});
    MILLRACE_ASSERT(stream != streams_.end());
    stream->second.reserved = minus(stream->second.reserved, entry.reserved);
    --stream->second.live;
    entry.reserved = {};
    work_changed_ = true;
    jobs_to_check_.insert(entry.lease.job);
}

void Requestor::State::start_next_queued(PeerEntry& peer) {
    LeaseEntry* next = nullptr;
    for (const Hash32& id : peer.live) {
        LeaseEntry* entry = lease_of(id);
        if (entry == nullptr || entry->state != LeaseState::offered || !entry->queued) continue;
        const bool sooner = next == nullptr || entry->offered < next->offered ||
                            (entry->offered == next->offered && entry->id < next->id);
        if (sooner) next = entry;
    }
    if (next == nullptr) return;
    next->queued = false;
    next->started = now_;
}

/// A lease that failed by silence or garbage. One that may return keeps its money until its
/// deadline.
void Requestor::State::lose(LeaseEntry& entry, std::string why, bool may_return) {
    JobEntry& job = jobs_.at(entry.lease.job);
    PeerEntry& peer = peer_of(entry.lease.provider);
    entry.why = std::move(why);
    set_state(entry, LeaseState::lost);
    entry.orphaned.reset();
    ++peer.lost;
    ++job.shares[entry.lease.provider].lost;
    dirty_.peers.insert(entry.lease.provider);
    const Instant deadline{static_cast<std::int64_t>(entry.lease.deadline) * 1000};
    if (may_return && deadline > now_) {
        entry.due = deadline;
        arm({.at = deadline, .kind = TimerKind::lease, .hash = entry.id});
    } else {
        entry.due.reset();
        unreserve(entry);
    }
    note(job.plan.id, "task " + std::to_string(entry.index) + ": lease at " +
                          short_name(entry.lease.provider) + " lost, " + entry.why);
    update_wanting(job, entry.index);
}

void Requestor::State::lease_timer(const Hash32& id) {
    LeaseEntry* entry = lease_of(id);
    if (entry == nullptr) return;
    if (entry->orphaned && entry->is_out() &&
        now_ >= *entry->orphaned + config_.timing.orphan_grace) {
        const PeerEntry& peer = peer_of(entry->lease.provider);
        const std::string why =
            peer.down_why.empty() ? std::string{"no connection"} : peer.down_why;
        return lose(*entry, "its provider is away: " + why, true);
    }
    if (!entry->due || now_ < *entry->due) return;
    switch (entry->state) {
        case LeaseState::offered:
            pause(peer_of(entry->lease.provider), "let a lease pass its deadline", std::nullopt);
            return lose(*entry, "the deadline passed without a result", false);
        case LeaseState::revealing:
            pause(peer_of(entry->lease.provider), "committed but did not reveal", std::nullopt);
            return lose(*entry, "it committed but did not reveal in time", false);
        case LeaseState::lost:
            entry->due.reset();
            unreserve(*entry);
            dirty_.leases.insert(id);
            if (jobs_.at(entry->lease.job).tasks.contains(entry->index))
                update_wanting(jobs_.at(entry->lease.job), entry->index);
            return;
        case LeaseState::committed:
        case LeaseState::received:
        case LeaseState::accepted:
        case LeaseState::contradicted:
        case LeaseState::refused:
        case LeaseState::cancelled:
            return;
    }
}

void Requestor::State::on_message(PeerEntry& peer, const types::LeaseAnswer& answer) {
    LeaseEntry* entry = lease_of(answer.lease);
    if (entry == nullptr || entry->lease.provider != peer.record.provider)
        return bad_message(peer, "answers a lease it does not have");
    if (!answer.refusal) return;
    if (!entry->is_out() && !entry->may_return()) return;
    using enum types::LeaseRefusal;
    JobEntry& job = jobs_.at(entry->lease.job);
    const std::string text = answer.text.empty() ? std::string{"no reason given"} : answer.text;
    std::string why;
    std::optional<Duration> fixed;
    switch (*answer.refusal) {
        case busy:
            why = "busy";
            break;
        case price_too_low:
            why = "the price is too low for it";
            peer.price_refused = entry->lease.price;
            break;
        case not_my_network:
            why = "it is on another network";
            fixed = Duration{600'000};
            break;
        case bad_signature:
            why = "it does not accept our signature";
            fixed = Duration{600'000};
            break;
        case bad_task:
            why = "it does not take such a task";
            break;
        case credit_exhausted:
            why = "it waits for payment or for the allocation to be final";
            peer.credit = std::max(1u, peer.credit / 2);
            for (const StreamKey& key : peer.streams) {
                if (!streams_.at(key).unacknowledged.empty()) vouchers_due_.insert(key);
            }
            break;
        case stopping:
            why = "it is stopping";
            fixed = Duration{30'000};
            break;
        case failed:
            why = "it tried and could not";
            break;
        case module_refused:
            why = "it refuses the module";
            break;
        case blobs_missing:
            why = "module or inputs did not reach it";
            break;
    }
    entry->why = why + ": " + text.substr(0, 1024);
    const bool harmless = *answer.refusal == busy || *answer.refusal == stopping ||
                          *answer.refusal == credit_exhausted;
    entry->is_blameless = harmless;
    if (!harmless) {
        ++peer.refused;
        ++job.shares[peer.record.provider].lost;
        dirty_.peers.insert(peer.record.provider);
    }
    const std::uint64_t index = entry->index;
    const std::string refusal_text = entry->why;
    set_state(*entry, LeaseState::refused);
    note(job.plan.id, "task " + std::to_string(index) + ": " + short_name(peer.record.provider) +
                          " refused, " + refusal_text);
    pause(peer, refusal_text, fixed);
    if (*answer.refusal == module_refused)
        job.module_refusals[peer.record.provider] = text.substr(0, 1024);
    const std::size_t known = distinct_peers(job, false).size() + job.module_refusals.size();
    if (*answer.refusal == module_refused &&
        job.module_refusals.size() >= std::min<std::size_t>(2, known))
        return fail_job(job,
                        {"the module is refused by " + std::to_string(job.module_refusals.size()) +
                             " providers: " + text.substr(0, 1024),
                         job.plan.name, "`millrace wasm inspect` tells what the module needs"});
    if (*answer.refusal == bad_task && job.states[index] != TaskState::done) {
        std::size_t refusals = 0;
        for (const Hash32& id : job.tasks.at(index).attempts) {
            const LeaseEntry* other = lease_of(id);
            if (other != nullptr && other->state == LeaseState::refused &&
                other->why.starts_with("it does not take such a task"))
                ++refusals;
        }
        if (refusals >= 2 && job.active.contains(index))
            return fail_task(job, index, "two providers do not take it: " + text.substr(0, 1024));
    }
    update_wanting(job, index);
}

void Requestor::State::on_message(PeerEntry& peer, const types::Progress& progress) {
    LeaseEntry* entry = lease_of(progress.lease);
    if (entry == nullptr || entry->lease.provider != peer.record.provider)
        return bad_message(peer, "reports progress of a lease it does not have");
    entry->progress = std::max(entry->progress, progress.fuel);
}

}  // namespace millrace::compute
