// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

namespace millrace::compute {

namespace requestor {

std::string_view to_text(JobState state) noexcept {
    switch (state) {
        case JobState::running:
            return "running";
        case JobState::completed:
            return "completed";
        case JobState::failed:
            return "failed";
        case JobState::cancelled:
            return "cancelled";
    }
    return "unknown";
}

std::string_view to_text(TaskState state) noexcept {
    switch (state) {
        case TaskState::waiting:
            return "waiting";
        case TaskState::running:
            return "running";
        case TaskState::fetching:
            return "fetching";
        case TaskState::done:
            return "done";
        case TaskState::failed:
            return "failed";
        case TaskState::cancelled:
            return "cancelled";
    }
    return "unknown";
}

std::string_view to_text(LeaseState state) noexcept {
    switch (state) {
        case LeaseState::offered:
            return "offered";
        case LeaseState::committed:
            return "committed";
        case LeaseState::revealing:
            return "revealing";
        case LeaseState::received:
            return "received";
        case LeaseState::accepted:
            return "accepted";
        case LeaseState::contradicted:
            return "contradicted";
        case LeaseState::refused:
            return "refused";
        case LeaseState::lost:
            return "lost";
        case LeaseState::cancelled:
            return "cancelled";
    }
    return "unknown";
}

}  // namespace requestor

using namespace requestor;

JobRow Requestor::State::job_row(const JobEntry& job) const {
    return {.id = job.plan.id,
            .name = job.plan.name,
            .state = job.state,
            .tasks = job.states.size(),
            .done = job.done,
            .failed = job.failed,
            .running = job.active.size() + job.fetching.size(),
            .verified = job.done + job.fetching.size(),
            .acknowledged = acknowledged_results(job),
            .submitted = job.submitted,
            .finished = job.finished,
            .spent = job.spent,
            .waits_for = waits_for(job)};
}

std::uint64_t Requestor::State::acknowledged_results(const JobEntry& job) const {
    std::uint64_t count = 0;
    for (const std::uint64_t number : job.allocations) {
        const auto allocation = allocations_.find(number);
        if (allocation == allocations_.end()) continue;
        for (const AllocationLeaf& leaf : allocation->second.leaves)
            count += streams_.at({number, leaf.payee}).tasks_acknowledged;
    }
    return count;
}

std::vector<JobRow> Requestor::State::job_rows() const {
    std::vector<JobRow> rows;
    rows.reserve(jobs_.size());
    for (const auto& [sequence, id] : job_order_)
        rows.push_back(job_row(jobs_.at(id)));
    return rows;
}

std::optional<JobSummary> Requestor::State::summary(const Hash32& id) const {
    const JobEntry* job = find_job(id);
    if (job == nullptr) return std::nullopt;
    JobSummary summary{.job = job_row(*job),
                       .replicas = job->replicas,
                       .leases = job->leases,
                       .speculative = job->speculative,
                       .contradictions = job->contradictions,
                       .exit_not_zero = job->exit_not_zero,
                       .fuel = job->fuel,
                       .spent = job->spent,
                       .settled = job->is_ended,
                       .providers = {},
                       .contradiction_reports = {},
                       .allocations = {}};
    for (const std::uint64_t number : job->allocations) {
        const auto allocation = allocations_.find(number);
        summary.settled =
            summary.settled && allocation != allocations_.end() && allocation->second.is_over;
        if (allocation != allocations_.end() && !allocation->second.transaction.is_zero())
            summary.allocations.emplace_back(number, allocation->second.transaction);
    }
    for (const auto& [provider, share] : job->shares) {
        summary.providers.push_back(share);
        summary.providers.back().provider = provider;
    }
    for (const auto& [evidence, entry] : evidence_) {
        if (entry.job == id && entry.is_reported)
            summary.contradiction_reports.emplace_back(evidence, entry.transaction);
    }
    return summary;
}

std::vector<TaskRow> Requestor::State::task_rows(const Hash32& id, std::uint64_t first,
                                                 std::size_t count_max) const {
    std::vector<TaskRow> rows;
    const JobEntry* job = find_job(id);
    if (job == nullptr) return rows;
    for (std::uint64_t index = first; index < job->states.size() && rows.size() < count_max;
         ++index) {
        TaskRow row{.index = index,
                    .label = job->plan.label(index),
                    .state = job->states[index],
                    .result = std::nullopt,
                    .attempts = {},
                    .accepted = std::nullopt,
                    .why = {}};
        const auto task = job->tasks.find(index);
        if (task != job->tasks.end()) {
            row.result = task->second.result;
            if (task->second.accepted) row.accepted = *task->second.accepted;
            row.why = task->second.why;
            for (const Hash32& lease : task->second.attempts) {
                const LeaseEntry* entry = lease_of(lease);
                if (entry == nullptr) continue;
                AttemptRow attempt{.lease = lease,
                                   .provider = entry->lease.provider,
                                   .state = entry->state,
                                   .speculative = entry->speculative,
                                   .offered = entry->offered,
                                   .committed = entry->committed,
                                   .received = entry->received,
                                   .result = std::nullopt,
                                   .fuel = entry->progress,
                                   .price = entry->lease.price,
                                   .paid = entry->paid,
                                   .why = entry->why};
                if (entry->receipt) {
                    attempt.result = entry->receipt->result_id;
                    attempt.fuel = entry->receipt->fuel;
                }
                row.attempts.push_back(std::move(attempt));
            }
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<ProviderRow> Requestor::State::provider_rows() const {
    std::vector<ProviderRow> rows;
    for (const auto& [provider, peer] : peers_) {
        ProviderRow row{.provider = provider,
                        .endpoint = peer.record.endpoint,
                        .registered = peer.is_registered && peer.record.active,
                        .connected = peer.link == Link::up,
                        .price = peer.record.price,
                        .slots = peer.record.slots,
                        .leases_out = peer.computing,
                        .fuel_per_second = static_cast<double>(peer.fuel_per_second),
                        .accepted = peer.accepted,
                        .contradicted = peer.contradicted,
                        .refused = peer.refused,
                        .lost = peer.lost,
                        .fuel = peer.fuel,
                        .earned = peer.earned,
                        .acknowledged = peer.earned,
                        .why_unused = {}};
        for (const StreamKey& key : peer.streams) {
            const StreamEntry& stream = streams_.at(key);
            row.acknowledged = minus_or_zero(row.acknowledged,
                                             minus_or_zero(stream.cumulative, stream.acknowledged));
        }
        if (!peer.is_registered)
            row.why_unused = "it is not in the registry";
        else if (!peer.record.active)
            row.why_unused = "it has paused itself in the registry";
        else if (peer.link != Link::up)
            row.why_unused =
                peer.down_why.empty() ? "not connected" : "not connected: " + peer.down_why;
        else if (peer.pause_until && *peer.pause_until > now_)
            row.why_unused = "left alone for a while: " + peer.pause_why;
        else
            for (const auto& [id, job] : jobs_) {
                if (!job.is_running()) continue;
                const std::string why = why_not(job, peer);
                if (!why.empty()) row.why_unused = "for job \"" + job.plan.name + "\": it " + why;
            }
        rows.push_back(std::move(row));
    }
    return rows;
}

Amount Requestor::State::signed_total() const {
    Amount sum;
    for (const auto& [key, stream] : streams_)
        sum = plus(sum, stream.cumulative);
    return sum;
}

Amount Requestor::State::allocated_open() const {
    Amount sum;
    for (const auto& [key, stream] : streams_) {
        if (stream.state == StreamState::open || stream.state == StreamState::closing)
            sum = plus(sum, stream.cap);
    }
    return sum;
}

}  // namespace millrace::compute
