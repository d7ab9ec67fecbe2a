// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>
#include <array>

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr Duration wind_up_grace{5'000};
constexpr std::size_t durations_kept = 256;
constexpr std::size_t lies_listed_max = 1000;

}  // namespace

Result<void, Failure> Requestor::State::restore(const std::vector<types::Record>& records,
                                                Instant now, Effects& out) {
    now_ = now;
    using Reader = Restored (State::*)(const types::Record&);
    const std::array<std::pair<std::string_view, Reader>, 8> tables{{
        // in the order in which they lean on each other
        {"jobs", &State::restore_job},
        {"inputs", &State::restore_inputs},
        {"allocations", &State::restore_allocation},
        {"streams", &State::restore_stream},
        {"tasks", &State::restore_task},
        {"leases", &State::restore_lease},
        {"providers", &State::restore_provider},
        {"evidence", &State::restore_evidence},
    }};
    for (const auto& [table, reader] : tables) {
        for (const types::Record& record : records) {
            if (record.table != table) continue;
            const Restored restored = (this->*reader)(record);
            if (restored) continue;
            return Err{Failure{"a row of the table cannot be read (" +
                                   std::string{codec::to_text(restored.error())} +
                                   "): it is damaged, or a newer millrace wrote it",
                               std::string{table} + " " + to_hex0x(record.key),
                               "use the newer program, or restore the database from a copy"}};
        }
    }
    rebuild();
    resume();
    finish_step(out);
    return {};
}

/// Everything that is counted follows from the rows.
void Requestor::State::rebuild() {
    for (auto& [number, allocation] : allocations_) {
        if (JobEntry* job = job_of(allocation.job)) job->allocations.insert(number);
        allocation_next_ = std::max(allocation_next_, number + 1);
    }
    for (auto& [key, stream] : streams_) {
        peer_of(stream.payee).streams.insert(key);
        ProviderShare& share = jobs_.at(stream.job).shares[stream.payee];
        if (!stream.close_transaction.is_zero())
            share.settlements.push_back(stream.close_transaction);
    }
    std::vector<LeaseEntry*> ordered;
    ordered.reserve(leases_.size());
    for (auto& [id, entry] : leases_)
        ordered.push_back(&entry);
    std::ranges::sort(ordered, {}, [](const LeaseEntry* entry) {
        return std::tuple{entry->lease.job, entry->index, entry->lease.replica, entry->id};
    });
    for (LeaseEntry* entry : ordered) {
        JobEntry& job = jobs_.at(entry->lease.job);
        PeerEntry& peer = peer_of(entry->lease.provider);
        TaskEntry& task = job.tasks[entry->index];
        ProviderShare& share = job.shares[entry->lease.provider];
        task.attempts.push_back(entry->id);
        job.lease_ids.push_back(entry->id);
        job.fresh_next = std::max(job.fresh_next, entry->index + 1);
        ++job.leases;
        job.speculative += entry->speculative ? 1u : 0u;
        job.replicas += entry->receipt ? 1u : 0u;
        if (entry->is_out()) ++leases_out_;
        if (entry->state == LeaseState::offered) ++peer.computing;
        if (entry->commitment && entry->state != LeaseState::committed) task.is_revealed = true;
        const auto stream = streams_.find({entry->allocation, entry->lease.provider});
        entry->is_backed = entry->is_backed && stream != streams_.end();
        if (entry->is_backed) {
            const auto price = types::task_price(entry->lease.price, entry->lease.fuel_limit);
            entry->reserved = price.value_or(Amount{});
            job.reserved = plus(job.reserved, entry->reserved);
            stream->second.reserved = plus(stream->second.reserved, entry->reserved);
            ++stream->second.live;
            peer.live.insert(entry->id);
        }
        if (entry->verdict_due) verdicts_due_[entry->lease.provider].insert(entry->id);
        if (entry->committed && !entry->queued) {
            job.durations_ms.push_back((*entry->committed - entry->started).count());
            if (job.durations_ms.size() > durations_kept) job.durations_ms.pop_front();
        }
        job.spent = plus(job.spent, entry->paid);
        share.earned = plus(share.earned, entry->paid);
        if (entry->state == LeaseState::accepted) {
            ++share.accepted;
            share.fuel.value += entry->receipt->fuel.value;
            job.fuel.value += entry->receipt->fuel.value;
        }
        if (entry->state == LeaseState::contradicted) {
            ++share.contradictions;
            ++job.contradictions;
            if (share.contradicted_tasks.size() < lies_listed_max)
                share.contradicted_tasks.push_back(entry->index);
        }
        const bool failed = entry->state == LeaseState::lost ||
                            (entry->state == LeaseState::refused && !entry->is_blameless);
        if (failed) ++share.lost;
    }
    for (auto& [key, stream] : streams_)
        stream.tasks_acknowledged = acknowledged_tasks(stream);
    for (auto& [id, job] : jobs_) {
        for (auto& [index, task] : job.tasks) {
            if (!task.accepted) continue;
            const types::ResultSummary& summary = task.accepted->summary;
            if (summary.exit != types::ExitKind::exited || summary.code != 0) ++job.exit_not_zero;
            job.fuel_largest = std::max(job.fuel_largest, summary.fuel);
            if (const auto sum = checked_add(job.fuel_sum, U256{summary.fuel.value}))
                job.fuel_sum = *sum;
            ++job.fuel_samples;
        }
        for (std::uint64_t index = 0; index < job.states.size(); ++index) {
            TaskState& state = job.states[index];
            const bool was_leased = job.tasks.contains(index);
            if (state == TaskState::waiting && !was_leased && job.state != JobState::running)
                state = TaskState::cancelled;  // never leased: it has no row of its own
            if (state == TaskState::waiting && was_leased) {
                state = TaskState::running;
                job.active.insert(index);
            }
            if (state == TaskState::fetching) job.fetching.insert(index);
            job.done += state == TaskState::done ? 1u : 0u;
            job.failed += state == TaskState::failed ? 1u : 0u;
            job.cancelled += state == TaskState::cancelled ? 1u : 0u;
            const bool is_ended = state == TaskState::done || state == TaskState::failed ||
                                  state == TaskState::cancelled;
            if (is_ended && was_leased) job.ended_tasks.push_back(index);
        }
        if (job.state != JobState::running) job.fresh_next = job.states.size();
        std::ranges::sort(job.input_keys);
    }
    for (auto& [provider, peer] : peers_)
        peer.credit = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(credit_max, credit_first + peer.accepted));
}

/// Takes up what was under way. Whatever was sent may have been lost; all of it is said again.
void Requestor::State::resume() {
    for (auto& [id, entry] : leases_) {
        if (!entry.is_backed) continue;
        const Instant deadline{static_cast<std::int64_t>(entry.lease.deadline) * 1000};
        if (entry.is_out()) {
            entry.orphaned = now_;
            arm({.at = now_ + config_.timing.orphan_grace, .kind = TimerKind::lease, .hash = id});
        }
        if (entry.state == LeaseState::offered || entry.state == LeaseState::lost)
            entry.due = deadline;
        if (entry.state == LeaseState::revealing) entry.due = now_ + config_.timing.reveal_time;
        if (entry.due) arm({.at = *entry.due, .kind = TimerKind::lease, .hash = id});
    }
    for (auto& [number, allocation] : allocations_) {
        if (allocation.is_over) continue;
        const Instant expiry{static_cast<std::int64_t>(allocation.expiry) * 1000};
        arm({.at = expiry + Duration{60'000}, .kind = TimerKind::allocation, .number = number});
        if (allocation.status == AllocationStatus::failed)
            arm({.at = now_, .kind = TimerKind::allocation, .number = number});
        else if (allocation.status != AllocationStatus::finalized)
            emit_allocate(allocation);
    }
    for (auto& [id, entry] : evidence_)
        report(entry);
    for (auto& [id, job] : jobs_) {
        const std::set<std::uint64_t> active = job.active;
        for (const std::uint64_t index : active) {
            request_reveals(job, index);
            decide(job, index);
        }
        const std::set<std::uint64_t> fetching = job.fetching;
        for (const std::uint64_t index : fetching) {
            if (job.tasks.at(index).fetches.empty()) start_fetch(job, index);
        }
        if (job.is_ended || job.state == JobState::cancelled) {
            job.grace_until = now_ + wind_up_grace;
            arm({.at = *job.grace_until, .kind = TimerKind::job, .hash = id});
        }
        jobs_to_check_.insert(id);
        forget_history(job);
    }
    work_changed_ = true;
    peers_changed_ = true;
}

}  // namespace millrace::compute
