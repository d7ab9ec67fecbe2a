// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/ranking.hpp"
#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr std::uint64_t window_min = 64;  ///< undecided tasks of one job at a time
constexpr std::uint64_t window_per_slot = 8;
constexpr std::size_t attempts_max = 4096;   ///< of one task, refusals as "busy" included
constexpr std::size_t durations_needed = 5;  ///< before a percentile means anything
constexpr Duration straggler_min{1'000};
constexpr Duration lease_time_max{30ll * 24 * 3'600'000};

/// The `share` (in percent) smallest of the kept durations.
std::int64_t percentile(const std::deque<std::int64_t>& durations, std::size_t share) {
    std::vector<std::int64_t> sorted{durations.begin(), durations.end()};
    std::ranges::sort(sorted);
    return sorted[(sorted.size() - 1) * share / 100];
}

bool is_one_operator(const types::ProviderRecord& left, const types::ProviderRecord& right) {
    return left.provider == right.provider || left.signer == right.signer ||
           left.node_key == right.node_key || left.endpoint == right.endpoint;
}

}  // namespace

/// Empty when `peer` may get leases of `job` (its connection, pauses and slots aside).
std::string Requestor::State::why_not(const JobEntry& job, const PeerEntry& peer) const {
    const JobSettings& settings = job.plan.settings;
    if (!peer.is_registered) return "is not in the registry";
    if (!peer.record.active) return "has paused itself in the registry";
    const auto& named = settings.providers;
    if (!named.empty() && std::ranges::find(named, peer.record.provider) == named.end())
        return "is not among the providers the job names";
    if (settings.price_max && peer.record.price > *settings.price_max)
        return "asks " + format_amount(peer.record.price) + " per gigafuel, over the job's limit " +
               format_amount(*settings.price_max);
    if (peer.price_refused && *peer.price_refused == peer.record.price)
        return "refuses its own registered price of " + format_amount(peer.record.price);
    const auto refusal = job.module_refusals.find(peer.record.provider);
    if (refusal != job.module_refusals.end()) return "refuses the module: " + refusal->second;
    const auto share = job.shares.find(peer.record.provider);
    if (share != job.shares.end() && share->second.contradictions >= settings.contradictions_max)
        return "was contradicted " + std::to_string(share->second.contradictions) +
               " times in this job and gets no more of it";
    return {};
}

bool Requestor::State::is_eligible(const JobEntry& job, const PeerEntry& peer) const {
    return why_not(job, peer).empty();
}

std::uint32_t Requestor::State::unsettled(const PeerEntry& peer) const {
    std::size_t count = 0;
    for (const Hash32& id : peer.live) {
        const LeaseEntry* entry = lease_of(id);
        if (entry != nullptr && entry->state != LeaseState::lost) ++count;
    }
    for (const StreamKey& key : peer.streams) {
        const auto stream = streams_.find(key);
        if (stream != streams_.end() && stream->second.state != StreamState::closed &&
            stream->second.state != StreamState::released)
            count += stream->second.unacknowledged.size();
    }
    return static_cast<std::uint32_t>(count);
}

bool Requestor::State::has_free_slot(const PeerEntry& peer) const {
    if (peer.link != Link::up) return false;
    if (peer.pause_until && *peer.pause_until > now_) return false;
    return peer.computing < std::clamp<std::uint64_t>(peer.record.slots, 1, 1024) + 1;
}

bool Requestor::State::has_capacity(const PeerEntry& peer) const {
    return has_free_slot(peer) && unsettled(peer) < peer.credit;
}

void Requestor::State::relieve_credit(PeerEntry& peer) {
    if (!has_free_slot(peer) || unsettled(peer) < peer.credit) {
        peer.blocked_since.reset();
        return;
    }
    if (peer.blocked_since && now_ >= *peer.blocked_since + credit_relief) {
        peer.credit = std::min(credit_max, peer.credit + 1);
        peer.blocked_since.reset();
    }
    if (unsettled(peer) < peer.credit) return;
    if (!peer.blocked_since) peer.blocked_since = now_;
    arm({.at = *peer.blocked_since + credit_relief,
         .kind = TimerKind::peer,
         .address = peer.record.provider});
}

/// Whether something of the job is on its way that can change what it holds.
bool Requestor::State::is_moving(const JobEntry& job) const {
    return std::ranges::any_of(job.active, [&](std::uint64_t index) {
        const auto& attempts = job.tasks.at(index).attempts;
        return std::ranges::any_of(attempts, [&](const Hash32& id) {
            const LeaseEntry* entry = lease_of(id);
            return entry != nullptr &&
                   (entry->state == LeaseState::offered || entry->state == LeaseState::revealing);
        });
    });
}

double Requestor::State::rank_of(const JobEntry& job, const PeerEntry& peer) const {
    const auto share = job.shares.find(peer.record.provider);
    const std::uint64_t lied = share == job.shares.end() ? 0 : share->second.contradictions;
    return rank({.price = peer.record.price,
                 .fuel_per_second = peer.fuel_per_second,
                 .accepted = peer.accepted,
                 .contradicted = peer.contradicted + 4 * lied,
                 .failed = peer.refused + peer.lost,
                 .chain_accepted = peer.record.accepted_tasks,
                 .chain_contradicted = peer.record.contradictions});
}

/// Eligible providers no two of which are one operator as far as can be seen, best first.
std::vector<const PeerEntry*> Requestor::State::distinct_peers(const JobEntry& job,
                                                               bool connected_only) const {
    std::vector<const PeerEntry*> peers;
    for (const auto& [provider, peer] : peers_) {
        if (connected_only && peer.link != Link::up) continue;
        if (is_eligible(job, peer)) peers.push_back(&peer);
    }
    std::ranges::stable_sort(peers, std::ranges::greater{},
                             [this, &job](const PeerEntry* peer) { return rank_of(job, *peer); });
    std::vector<const PeerEntry*> distinct;
    for (const PeerEntry* peer : peers) {
        if (distinct.size() == peers_max) break;
        const bool repeats = std::ranges::any_of(distinct, [&](const PeerEntry* other) {
            return is_one_operator(other->record, peer->record);
        });
        if (!repeats) distinct.push_back(peer);
    }
    return distinct;
}

/// Nobody votes twice: neither under one name nor, as far as can be seen, under two.
bool Requestor::State::may_vote(const JobEntry& job, const TaskEntry& task,
                                const PeerEntry& peer) const {
    (void)job;
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* entry = lease_of(id);
        if (entry == nullptr) return false;
        const bool is_void =
            (entry->state == LeaseState::refused || entry->state == LeaseState::lost) &&
            !entry->is_backed;
        if (is_void && !entry->commitment) continue;  // brought nothing and cannot any more
        if (entry->signer == peer.record.signer) return false;
        if (entry->lease.provider == peer.record.provider) return false;
        const auto other = peers_.find(entry->lease.provider);
        if (other != peers_.end() && is_one_operator(other->second.record, peer.record))
            return false;
    }
    return true;
}

bool Requestor::State::failed_before(const TaskEntry& task, const PeerEntry& peer) const {
    return std::ranges::any_of(task.attempts, [&](const Hash32& id) {
        const LeaseEntry* entry = lease_of(id);
        return entry != nullptr && entry->lease.provider == peer.record.provider;
    });
}

std::uint64_t Requestor::State::window(const JobEntry& job) const {
    std::uint64_t slots = 0;
    for (const auto& [provider, peer] : peers_) {
        if (peer.link == Link::up && is_eligible(job, peer))
            slots += std::clamp<std::uint64_t>(peer.record.slots, 1, 1024);
    }
    return std::max(window_min, window_per_slot * slots);
}

Duration Requestor::State::lease_time(const JobEntry& job, const PeerEntry& peer,
                                      bool queued) const {
    const JobSettings& settings = job.plan.settings;
    const std::uint64_t fuel =
        job.fuel_samples > 0 ? job.fuel_largest.value : settings.fuel_estimate.value;
    if (fuel == 0 || peer.fuel_per_second == 0) return settings.lease_time_first;
    // fuel ≤ 2^40 and 1000 × that fits; the factors are bounded by JobPlan::problem().
    const std::uint64_t expected_ms =
        fuel * 1000 / std::max<std::uint64_t>(1, peer.fuel_per_second);
    const std::uint64_t bounded =
        std::min(expected_ms, static_cast<std::uint64_t>(lease_time_max.count()));
    const std::uint64_t allowed = bounded * settings.lease_time_factor * (queued ? 2u : 1u);
    const Duration time{static_cast<std::int64_t>(
        std::min(allowed, static_cast<std::uint64_t>(lease_time_max.count())))};
    return std::max(time, settings.lease_time_min);
}

/// A lease out for longer than this near the end of its job gets a second copy elsewhere: twice the
/// 95th percentile of what leases of this job took.
std::optional<Duration> Requestor::State::straggler_time(const JobEntry& job) const {
    if (job.durations_ms.size() < durations_needed) return std::nullopt;
    return std::max(straggler_min, Duration{2 * percentile(job.durations_ms, 95)});
}

void Requestor::State::dispatch() {
    if (job_order_.empty()) return;
    std::vector<Hash32> order;
    for (const auto& [sequence, id] : job_order_) {
        if (jobs_.at(id).is_running() || !jobs_.at(id).fetching.empty()) order.push_back(id);
    }
    if (order.empty()) return;
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(turn_++ % order.size()),
                order.end());
    for (const Hash32& id : order) {
        if (jobs_.at(id).is_running()) fund(jobs_.at(id));
    }
    std::vector<PeerEntry*> free_peers;
    for (auto& [provider, peer] : peers_) {
        relieve_credit(peer);
        if (has_capacity(peer)) free_peers.push_back(&peer);
    }
    bool progressed = true;
    while (progressed && !free_peers.empty() && leases_out_ < leases_out_max) {
        progressed = false;
        for (const Hash32& id : order) {
            dispatch_job(jobs_.at(id), free_peers, progressed);
            std::erase_if(free_peers,
                          [this](const PeerEntry* peer) { return !has_capacity(*peer); });
            if (free_peers.empty()) break;
        }
    }
    for (const Hash32& id : order) {
        JobEntry& job = jobs_.at(id);
        if (!job.is_running()) continue;
        speculate(job, free_peers);
        if (job.cap_reached && !is_moving(job) && job.fetching.empty()) {
            fail_job(job,
                     {"the job's cap of " + format_amount(*job.plan.settings.total_max) +
                          " does not cover another task at its fuel limit; " +
                          format_amount(job.spent) + " is spent and " + std::to_string(job.done) +
                          " of " + std::to_string(job.states.size()) + " tasks are done",
                      job.plan.name, "raise the cap or lower limits.fuel"});
        }
    }
}

/// One round: each free provider gets at most one lease of this job, the best provider first.
void Requestor::State::dispatch_job(JobEntry& job, std::vector<PeerEntry*>& free_peers,
                                    bool& progressed) {
    if (!job.is_running() && job.fetching.empty()) return;
    if (job.wanting.empty() && !job.has_fresh()) return;
    std::ranges::stable_sort(free_peers, std::ranges::greater{},
                             [this, &job](const PeerEntry* peer) { return rank_of(job, *peer); });
    const bool enough = distinct_peers(job, true).size() >= job.plan.settings.replicas;
    const bool may_take_fresh = job.is_running() && enough && job.active.size() < window(job);
    for (PeerEntry* peer : free_peers) {
        if (leases_out_ >= leases_out_max) return;
        if (try_lease(job, *peer, may_take_fresh)) progressed = true;
    }
}

bool Requestor::State::try_lease(JobEntry& job, PeerEntry& peer, bool may_take_fresh) {
    if (!has_capacity(peer) || !is_eligible(job, peer)) return false;
    std::optional<std::uint64_t> chosen;
    std::optional<std::uint64_t> second_choice;  // one this provider has failed before
    for (const std::uint64_t index : job.wanting) {
        const TaskEntry& task = job.tasks.at(index);
        if (!may_vote(job, task, peer)) continue;
        if (!failed_before(task, peer)) {
            chosen = index;
            break;
        }
        if (!second_choice) second_choice = index;
    }
    if (!chosen && may_take_fresh && job.has_fresh()) chosen = job.fresh_next;
    if (!chosen) chosen = second_choice;
    if (!chosen) return false;

    const auto price = limit_price(job, peer);
    if (!price) return false;
    // A task is begun only where the cap covers all its replicas and those that others still lack.
    const std::uint64_t replicas = job.plan.settings.replicas;
    const bool is_fresh = *chosen == job.fresh_next;
    const std::uint64_t leases = is_fresh ? replicas + job.wanting.size() * (replicas - 1) : 1;
    if (!within_cap(job, *price, leases)) {
        job.cap_reached = true;
        return false;
    }
    const std::uint64_t slots = std::clamp<std::uint64_t>(peer.record.slots, 1, 1024);
    StreamEntry* stream =
        stream_for(job, peer, *price, lease_time(job, peer, peer.computing >= slots));
    if (stream == nullptr) return false;
    if (*chosen == job.fresh_next) ++job.fresh_next;
    give_lease(job, *chosen, peer, *stream, false);
    return true;
}

/// Near the end of a job idle providers repeat what takes too long elsewhere; first result wins.
void Requestor::State::speculate(JobEntry& job, std::vector<PeerEntry*>& free_peers) {
    if (!job.is_running() || job.has_fresh() || job.active.empty()) return;
    const auto limit = straggler_time(job);
    if (!limit) return;
    std::optional<Instant> next;
    const std::set<std::uint64_t> active = job.active;
    for (const std::uint64_t index : active) {
        const TaskEntry& task = job.tasks.at(index);
        bool is_late = false;
        bool has_copy = false;
        for (const Hash32& id : task.attempts) {
            const LeaseEntry* entry = lease_of(id);
            if (entry == nullptr || entry->state != LeaseState::offered) continue;
            has_copy = has_copy || entry->speculative;
            const Instant late_at = entry->started + *limit;
            if (late_at <= now_)
                is_late = true;
            else if (!next || late_at < *next)
                next = late_at;
        }
        if (!is_late || has_copy || !may_ask_more(job, task)) continue;
        for (PeerEntry* peer : free_peers) {
            const std::uint64_t slots = std::clamp<std::uint64_t>(peer->record.slots, 1, 1024);
            if (!has_capacity(*peer) || peer->computing >= slots) continue;
            if (!is_eligible(job, *peer) || !may_vote(job, task, *peer)) continue;
            const auto price = limit_price(job, *peer);
            if (!price || !within_cap(job, *price, 1)) continue;
            StreamEntry* stream = stream_for(job, *peer, *price, lease_time(job, *peer, false));
            if (stream == nullptr) continue;
            give_lease(job, index, *peer, *stream, true);
            break;
        }
    }
    if (next) arm({.at = *next, .kind = TimerKind::job, .hash = job.plan.id});
}

void Requestor::State::give_lease(JobEntry& job, std::uint64_t index, PeerEntry& peer,
                                  StreamEntry& stream, bool speculative) {
    TaskEntry& task = job.tasks[index];
    const types::TaskSpec spec = job.plan.task(index);
    const std::uint64_t slots = std::clamp<std::uint64_t>(peer.record.slots, 1, 1024);
    LeaseEntry entry;
    entry.queued = peer.computing >= slots;
    const Instant due = now_ + lease_time(job, peer, entry.queued);
    entry.lease = {
        .job = job.plan.id,
        .task = spec.id(),
        .replica = static_cast<std::uint32_t>(task.attempts.size()),
        .requestor = account_,
        .provider = peer.record.provider,
        .fuel_limit = spec.limits.fuel,
        .price = peer.record.price,
        .deadline = static_cast<std::uint64_t>(std::max<std::int64_t>(0, due.ms + 999)) / 1000};
    entry.id = entry.lease.id();
    entry.signature = crypto::sign(config_.key, entry.lease.digest(config_.domain));
    entry.index = index;
    entry.signer = peer.record.signer;
    entry.allocation = stream.allocation;
    entry.speculative = speculative;
    entry.offered = now_;
    entry.started = now_;
    entry.due = due;
    const auto price = types::task_price(entry.lease.price, entry.lease.fuel_limit);
    MILLRACE_ASSERT(price.has_value());
    entry.reserved = *price;
    job.reserved = plus(job.reserved, *price);
    stream.reserved = plus(stream.reserved, *price);
    ++stream.live;
    ++peer.computing;
    ++leases_out_;
    ++job.leases;
    if (speculative) ++job.speculative;
    peer.live.insert(entry.id);
    task.attempts.push_back(entry.id);
    job.lease_ids.push_back(entry.id);
    if (!task.result) {
        job.active.insert(index);
        set_task_state(job, index, TaskState::running);
    }
    arm({.at = due, .kind = TimerKind::lease, .hash = entry.id});
    dirty_.leases.insert(entry.id);
    LeaseEntry& kept = leases_[entry.id] = std::move(entry);
    send_offer(kept);
    update_wanting(job, index);
}

const types::TaskSpec Requestor::State::task_of(const LeaseEntry& entry) const {
    return jobs_.at(entry.lease.job).plan.task(entry.index);
}

void Requestor::State::send_offer(LeaseEntry& entry) {
    const JobEntry& job = jobs_.at(entry.lease.job);
    const auto stream = streams_.find({entry.allocation, entry.lease.provider});
    MILLRACE_ASSERT(stream != streams_.end());
    send(entry.lease.provider, types::LeaseOffer{.lease = entry.lease,
                                                 .signature = entry.signature,
                                                 .task = task_of(entry),
                                                 .job_key = job.plan.key,
                                                 .allocation = proof_of(stream->second)});
}

bool Requestor::State::may_ask_more(const JobEntry& job, const TaskEntry& task) const {
    std::size_t counted = 0;
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* entry = lease_of(id);
        counted += entry != nullptr && entry->is_blameless ? 0u : 1u;
    }
    return counted < job.plan.settings.leases_max && task.attempts.size() < attempts_max;
}

/// Whether the task is short of leases; where none can be given any more, it fails.
void Requestor::State::update_wanting(JobEntry& job, std::uint64_t index) {
    TaskEntry& task = job.tasks.at(index);
    const JobSettings& settings = job.plan.settings;
    std::uint32_t out = 0;
    std::uint32_t received = 0;
    std::map<Hash32, std::uint32_t> votes;
    std::uint32_t best = 0;
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* entry = lease_of(id);
        if (entry == nullptr) continue;
        if (entry->is_out()) ++out;
        if (entry->state == LeaseState::received) {
            ++received;
            best = std::max(best, ++votes[entry->receipt->result_id]);
        }
    }
    const bool may_ask = may_ask_more(job, task);
    if (task.result) {
        const bool wants =
            task.needs_source && out == 0 && job.states[index] == TaskState::fetching;
        if (wants && may_ask)
            job.wanting.insert(index);
        else
            job.wanting.erase(index);
        return;
    }
    const bool is_open =
        job.states[index] == TaskState::waiting || job.states[index] == TaskState::running;
    if (!is_open) {
        job.wanting.erase(index);
        return;
    }
    const bool short_of = best + out < settings.replicas;
    if (short_of && job.is_running() && may_ask && received + out < settings.results_max) {
        job.wanting.insert(index);
        set_task_state(job, index, out == 0 ? TaskState::waiting : TaskState::running);
        work_changed_ = true;
        return;
    }
    job.wanting.erase(index);
    if (!short_of || out != 0) return;
    if (!job.is_running()) return end_task(job, index, TaskState::cancelled);
    if (received >= settings.results_max)
        return fail_task(job, index,
                         "no " + std::to_string(settings.replicas) + " of " +
                             std::to_string(received) + " providers agree on a result");
    std::string last = "none";
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* entry = lease_of(id);
        if (entry != nullptr && !entry->why.empty()) last = entry->why;
    }
    fail_task(job, index,
              std::to_string(task.attempts.size()) +
                  " leases brought no agreement; the last reason was: " + last);
}

}  // namespace millrace::compute
