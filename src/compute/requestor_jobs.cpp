// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor_state.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

/// After a job's last task is decided, leases still out may bring their result and be paid.
constexpr Duration wind_up_grace{5'000};

bool is_over(TaskState state) noexcept {
    return state == TaskState::done || state == TaskState::failed || state == TaskState::cancelled;
}

}  // namespace

void Requestor::State::on(const JobSubmitted& event) {
    const Hash32& id = event.plan.id;
    if (jobs_.contains(id)) {  // the daemon repeats what it is not sure of
        note(id, "job is known already");
        return;
    }
    std::optional<Failure> why = event.plan.problem();
    std::size_t open = 0;
    for (const auto& [other_id, other] : jobs_)
        open += other.is_ended ? 0u : 1u;
    if (!why && open >= jobs_open_max)
        why = Failure{"1,024 jobs are open already", "job", "wait for one to end or cancel one"};
    if (why) {
        emit(JobDone{id, JobOutcome::refused, std::move(why)});
        return;
    }
    JobEntry& job = jobs_[id];
    job.plan = event.plan;
    job.sequence = sequence_next_++;
    job.submitted = now_;
    job.states.assign(job.plan.task_count(), TaskState::waiting);
    job.fund_after = now_ + Duration{300};  // lets the first connections come up
    arm({.at = *job.fund_after, .kind = TimerKind::job, .hash = id});
    job_order_[job.sequence] = id;
    dirty_.new_jobs.insert(id);
    dirty_.jobs.insert(id);
    note(id,
         "job \"" + job.plan.name + "\" taken, " + std::to_string(job.states.size()) + " tasks");
    work_changed_ = true;
    peers_changed_ = true;
}

void Requestor::State::on(const JobCancelled& event) {
    JobEntry* job = job_of(event.job);
    if (job == nullptr || !job->is_running()) return;
    job->state = JobState::cancelled;
    job->failure = Failure{"the job was cancelled", job->plan.name, ""};
    job->grace_until = now_ + wind_up_grace;
    arm({.at = *job->grace_until, .kind = TimerKind::job, .hash = event.job});
    dirty_.jobs.insert(event.job);
    cancel_open_tasks(*job, true);
    jobs_to_check_.insert(event.job);
}

void Requestor::State::on(const JobForgotten& event) {
    JobEntry* job = job_of(event.job);
    if (job == nullptr || !job->is_ended) return;
    for (const auto& [key, stream] : streams_) {
        if (stream.job == event.job &&
            (stream.state == StreamState::open || stream.state == StreamState::closing))
            return;
    }
    const auto erase = [this](std::string table, Bytes key) {
        emit(Erase{std::move(table), std::move(key)});
    };
    for (auto entry = leases_.begin(); entry != leases_.end();) {
        if (entry->second.lease.job != event.job) {
            ++entry;
            continue;
        }
        if (const auto peer = peers_.find(entry->second.lease.provider); peer != peers_.end())
            peer->second.live.erase(entry->first);
        entry = leases_.erase(entry);
    }
    for (const Hash32& id : job->lease_ids)
        erase("leases", to_bytes(id.view()));
    for (std::uint64_t index = 0; index < job->states.size(); ++index) {
        if (job->states[index] != TaskState::waiting && job->states[index] != TaskState::running)
            erase("tasks", key_of(event.job.view(), index));
    }
    for (const std::uint64_t first : job->input_keys)
        erase("inputs", key_of(event.job.view(), first));
    for (auto stream = streams_.begin(); stream != streams_.end();) {
        if (stream->second.job != event.job) {
            ++stream;
            continue;
        }
        erase("streams", key_of(stream->first.first, stream->first.second.view()));
        if (const auto peer = peers_.find(stream->first.second); peer != peers_.end())
            peer->second.streams.erase(stream->first);
        stream = streams_.erase(stream);
    }
    for (auto entry = evidence_.begin(); entry != evidence_.end();) {
        if (entry->second.job != event.job) {
            ++entry;
            continue;
        }
        erase("evidence", to_bytes(entry->first.view()));
        entry = evidence_.erase(entry);
    }
    // Numbers of allocations are never used twice: the newest row stays as the mark.
    for (const std::uint64_t number : job->allocations) {
        if (allocations_.empty() || number == allocations_.rbegin()->first) continue;
        erase("allocations", key_of(number, {}));
        allocations_.erase(number);
    }
    erase("jobs", to_bytes(event.job.view()));
    job_order_.erase(job->sequence);
    jobs_.erase(event.job);
}

std::uint64_t Requestor::State::open_tasks(const JobEntry& job) const noexcept {
    return job.states.size() - job.done - job.failed - job.cancelled;
}

void Requestor::State::set_task_state(JobEntry& job, std::uint64_t index, TaskState state) {
    job.states[index] = state;
}

/// `state` is done, failed or cancelled.
void Requestor::State::end_task(JobEntry& job, std::uint64_t index, TaskState state) {
    if (is_over(job.states[index])) return;
    if (state == TaskState::done) ++job.done;
    if (state == TaskState::failed) ++job.failed;
    if (state == TaskState::cancelled) ++job.cancelled;
    set_task_state(job, index, state);
    job.wanting.erase(index);
    job.active.erase(index);
    job.fetching.erase(index);
    if (job.tasks.contains(index)) {
        job.ended_tasks.push_back(index);
        dirty_.tasks.insert({job.plan.id, index});
    }
    jobs_to_check_.insert(job.plan.id);
    work_changed_ = true;
    forget_history(job);
}

/// Bounds memory: of long ended tasks only the state stays; their rows stay in the store.
void Requestor::State::forget_history(JobEntry& job) {
    while (job.ended_tasks.size() > history_tasks_max) {
        const std::uint64_t index = job.ended_tasks.front();
        const auto task = job.tasks.find(index);
        if (task != job.tasks.end()) {
            for (const Hash32& id : task->second.attempts) {
                const LeaseEntry* entry = lease_of(id);
                const bool live = entry != nullptr && entry->is_backed;
                if (live || dirty_.leases.contains(id)) return;  // tried again at the next end
            }
            if (dirty_.tasks.contains({job.plan.id, index})) return;
            for (const Hash32& id : task->second.attempts)
                leases_.erase(id);
            job.tasks.erase(task);
        }
        job.ended_tasks.pop_front();
    }
}

/// Ends the leases of a task that will not be decided: they are not paid.
void Requestor::State::call_off(const TaskEntry& task, const std::string& why) {
    for (const Hash32& id : task.attempts) {
        LeaseEntry* entry = lease_of(id);
        if (entry == nullptr) continue;
        if (!entry->is_out() && !entry->may_return() && entry->state != LeaseState::received)
            continue;
        entry->why = why;
        set_state(*entry, LeaseState::cancelled);
        send_verdict(*entry);
    }
}

void Requestor::State::fail_task(JobEntry& job, std::uint64_t index, std::string why) {
    TaskEntry& task = job.tasks[index];
    task.why = std::move(why);
    note(job.plan.id, "task " + std::to_string(index) + " failed: " + task.why);
    call_off(task, "the task failed");
    end_task(job, index, TaskState::failed);
}

/// Tasks that will not be pursued any more. `only_unrevealed`: where all replicas committed and the
/// reveal runs, the work is done and the task is decided and paid in the usual way.
void Requestor::State::cancel_open_tasks(JobEntry& job, bool only_unrevealed) {
    for (std::uint64_t index = job.fresh_next; index < job.states.size(); ++index) {
        if (job.states[index] == TaskState::waiting) {
            set_task_state(job, index, TaskState::cancelled);
            ++job.cancelled;
        }
    }
    job.fresh_next = job.states.size();
    const std::set<std::uint64_t> active = job.active;
    for (const std::uint64_t index : active) {
        TaskEntry& task = job.tasks[index];
        if (only_unrevealed && task.is_revealed) continue;
        call_off(task, "the task was given up");
        end_task(job, index, TaskState::cancelled);
    }
    const std::set<std::uint64_t> remaining = job.active;
    for (const std::uint64_t index : remaining)
        update_wanting(job, index);
}

void Requestor::State::fail_job(JobEntry& job, Failure why) {
    if (!job.is_running()) return;
    job.state = JobState::failed;
    job.failure = std::move(why);
    note(job.plan.id, "job failed: " + job.failure->text());
    dirty_.jobs.insert(job.plan.id);
    cancel_open_tasks(job, true);
    jobs_to_check_.insert(job.plan.id);
}

void Requestor::State::end_job_if_over(JobEntry& job) {
    if (job.is_ended) return;
    const bool grace_over = job.grace_until && now_ >= *job.grace_until;
    if (job.state == JobState::cancelled && grace_over) cancel_open_tasks(job, false);
    if (open_tasks(job) != 0) return;
    job.is_ended = true;
    job.finished = now_;
    if (job.state == JobState::running) {
        job.state = job.failed == 0 ? JobState::completed : JobState::failed;
        if (job.failed != 0)
            job.failure = Failure{std::to_string(job.failed) + " of " +
                                      std::to_string(job.states.size()) + " tasks failed",
                                  job.plan.name, "`millrace job explain` tells why"};
    }
    job.grace_until = now_ + wind_up_grace;
    arm({.at = *job.grace_until, .kind = TimerKind::job, .hash = job.plan.id});
    dirty_.jobs.insert(job.plan.id);
    peers_changed_ = true;
    JobOutcome outcome = JobOutcome::completed;
    if (job.state == JobState::failed) outcome = JobOutcome::failed;
    if (job.state == JobState::cancelled) outcome = JobOutcome::cancelled;
    emit(JobDone{job.plan.id, outcome, job.failure});
}

/// An ended job: leases still out are waited for during the grace, then called off; streams without
/// leases are closed, so that what is left in them returns to the deposit.
void Requestor::State::wind_up(JobEntry& job) {
    const bool grace_over = job.grace_until && now_ >= *job.grace_until;
    for (const std::uint64_t number : job.allocations) {
        const auto allocation = allocations_.find(number);
        if (allocation == allocations_.end()) continue;
        for (const AllocationLeaf& leaf : allocation->second.leaves) {
            const auto found = streams_.find({number, leaf.payee});
            if (found == streams_.end() || found->second.state != StreamState::open) continue;
            StreamEntry& stream = found->second;
            const std::unordered_set<Hash32, FixedBytesHash> live = peer_of(leaf.payee).live;
            for (const Hash32& id : live) {
                LeaseEntry* entry = lease_of(id);
                if (entry == nullptr || entry->lease.job != job.plan.id) continue;
                if (!grace_over && !entry->may_return()) continue;
                if (entry->why.empty()) entry->why = "the job ended first";
                set_state(*entry, LeaseState::cancelled);
                send_verdict(*entry);
            }
            if (stream.live == 0) start_closing(stream);
        }
    }
}

}  // namespace millrace::compute
