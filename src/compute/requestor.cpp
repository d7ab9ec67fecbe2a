// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor.hpp"

#include "base/overload.hpp"
#include "compute/requestor_state.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr std::uint64_t timers_per_step_max = 4096;

}  // namespace

Requestor::State::State(Config config)
    : config_{std::move(config)}, account_{crypto::address_of(config_.key)}, prng_{config_.seed} {}

void Requestor::State::step(const Event& event, Instant now, Effects& out) {
    now_ = std::max(now, now_);  // a clock that was set back must not revive what has ended
    std::visit([this](const auto& alternative) { on(alternative); }, event);
    finish_step(out);
}

void Requestor::State::on(const TimerFired&) {
    for (std::uint64_t count = 0; count < timers_per_step_max; ++count) {
        if (timers_.empty() || timers_.begin()->at > now_) return;
        const Timer timer = *timers_.begin();
        timers_.erase(timers_.begin());
        switch (timer.kind) {
            case TimerKind::lease:
                lease_timer(timer.hash);
                break;
            case TimerKind::peer:
                work_changed_ = true;
                peers_changed_ = true;
                break;
            case TimerKind::fetch:
                if (JobEntry* job = job_of(timer.hash)) continue_fetch(*job, timer.number);
                break;
            case TimerKind::job:
                work_changed_ = true;
                jobs_to_check_.insert(timer.hash);
                break;
            case TimerKind::allocation:
                allocation_timer(timer.number);
                break;
            case TimerKind::stream:
                stream_timer({timer.number, timer.address});
                break;
            case TimerKind::evidence:
                if (const auto found = evidence_.find(timer.hash); found != evidence_.end())
                    report(found->second);
                break;
        }
    }
}

/// What every step ends with: work is given out, money follows, connections are sought, and what
/// changed becomes records ahead of everything that leaves the machine.
void Requestor::State::finish_step(Effects& out) {
    for (int round = 0; round < 4 && (work_changed_ || !jobs_to_check_.empty()); ++round) {
        if (work_changed_) {
            work_changed_ = false;
            dispatch();
        }
        const std::set<Hash32> to_check = std::exchange(jobs_to_check_, {});
        for (const Hash32& id : to_check) {
            if (JobEntry* job = job_of(id)) {
                end_job_if_over(*job);
                if (job->is_ended) wind_up(*job);
            }
        }
    }
    for (const StreamKey& key : std::exchange(vouchers_due_, {})) {
        const auto found = streams_.find(key);
        if (found != streams_.end()) send_voucher(found->second);
    }
    if (peers_changed_) connect_wanted();
    peers_changed_ = false;
    flush_records(out);
    out.insert(out.end(), std::make_move_iterator(effects_.begin()),
               std::make_move_iterator(effects_.end()));
    effects_.clear();
}

std::optional<Instant> Requestor::State::next_deadline() const noexcept {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->at;
}

void Requestor::State::arm(Timer timer) {
    timers_.insert(std::move(timer));
}

void Requestor::State::send(const Address& provider, types::Message message) {
    emit(Send{provider, std::move(message)});
}

void Requestor::State::note(const Hash32& job, std::string text) {
    emit(Note{job, std::move(text)});
}

requestor::PeerEntry& Requestor::State::peer_of(const Address& provider) {
    PeerEntry& peer = peers_[provider];
    peer.record.provider = provider;
    return peer;
}

JobEntry* Requestor::State::job_of(const Hash32& id) {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? nullptr : &found->second;
}

const JobEntry* Requestor::State::find_job(const Hash32& id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? nullptr : &found->second;
}

LeaseEntry* Requestor::State::lease_of(const Hash32& id) {
    const auto found = leases_.find(id);
    return found == leases_.end() ? nullptr : &found->second;
}

const LeaseEntry* Requestor::State::lease_of(const Hash32& id) const {
    const auto found = leases_.find(id);
    return found == leases_.end() ? nullptr : &found->second;
}

// ---- the public face ---------------------------------------------------------------------------

Requestor::Requestor(Config config) : state_{std::make_unique<State>(std::move(config))} {}
Requestor::Requestor(Requestor&&) noexcept = default;
Requestor& Requestor::operator=(Requestor&&) noexcept = default;
Requestor::~Requestor() = default;

Result<void, Failure> Requestor::restore(const std::vector<types::Record>& records, Instant now,
                                         Effects& out) {
    return state_->restore(records, now, out);
}
void Requestor::step(const Event& event, Instant now, Effects& out) {
    state_->step(event, now, out);
}
std::optional<Instant> Requestor::next_deadline() const noexcept {
    return state_->next_deadline();
}
Address Requestor::account() const noexcept {
    return state_->account();
}
std::vector<JobRow> Requestor::jobs() const {
    return state_->job_rows();
}
std::optional<JobSummary> Requestor::summary(const Hash32& job) const {
    return state_->summary(job);
}
std::vector<TaskRow> Requestor::tasks(const Hash32& job, std::uint64_t first,
                                      std::size_t count_max) const {
    return state_->task_rows(job, first, count_max);
}
const JobPlan* Requestor::plan(const Hash32& job) const {
    const JobEntry* entry = state_->find_job(job);
    return entry == nullptr ? nullptr : &entry->plan;
}
std::vector<ProviderRow> Requestor::providers() const {
    return state_->provider_rows();
}
std::string Requestor::explain(const Hash32& job, std::optional<std::uint64_t> task,
                               Instant now) const {
    const JobEntry* entry = state_->find_job(job);
    if (entry == nullptr) return "No such job here.";
    if (!task) return state_->explain_job(*entry, now);
    if (*task >= entry->states.size())
        return "The job has tasks 0 to " + std::to_string(entry->states.size() - 1) + " only.";
    return state_->explain_task(*entry, *task, now);
}
Amount Requestor::signed_total() const {
    return state_->signed_total();
}
Amount Requestor::allocated_open() const {
    return state_->allocated_open();
}

}  // namespace millrace::compute
