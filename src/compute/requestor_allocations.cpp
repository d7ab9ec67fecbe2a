// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"
#include "crypto/merkle.hpp"

// The deposit and what is promised of it: allocations planned, sent, tried again and released.

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr std::size_t leaves_max = 64;
constexpr std::uint64_t share_margin_percent = 150;  ///< of an equal share of what remains
constexpr Duration allocate_retry{5'000};
constexpr Duration release_delay{60'000};

crypto::SumTree tree_of(const std::vector<AllocationLeaf>& leaves) {
    std::vector<crypto::Allocation> list;
    list.reserve(leaves.size());
    for (const AllocationLeaf& leaf : leaves)
        list.push_back({leaf.payee, leaf.cap.wei});
    auto tree = crypto::SumTree::build(list);
    MILLRACE_ASSERT(tree.has_value());  // the caps' sum was checked against the deposit
    return std::move(*tree);
}

std::uint64_t slots_of(const PeerEntry& peer) {
    return std::clamp<std::uint64_t>(peer.record.slots, 1, 1024);
}

}  // namespace

void Requestor::State::on(const DepositUpdated& event) {
    deposit_free_ = std::min(event.free, money_max);
    allocation_next_ = std::max(allocation_next_, event.allocation_next);
    for (auto& [id, job] : jobs_) {
        job.shortage.reset();
        if (job.is_running()) jobs_to_check_.insert(id);
    }
    work_changed_ = true;
}

/// What may still be promised: the finalized free deposit less what is on its way to the chain.
Amount Requestor::State::available_deposit() const {
    Amount available = deposit_free_.value_or(Amount{});
    for (const auto& [number, allocation] : allocations_) {
        if (allocation.status == AllocationStatus::finalized || allocation.is_over) continue;
        available = minus_or_zero(available, allocation.total);
    }
    return available;
}

/// The most one lease at `peer` can cost; null when the numbers are absurd.
std::optional<Amount> Requestor::State::limit_price(const JobEntry& job,
                                                    const PeerEntry& peer) const {
    return types::task_price(peer.record.price, job.plan.common.limits.fuel);
}

/// Whether the job's cap covers `leases` more leases at `price`.
bool Requestor::State::within_cap(const JobEntry& job, const Amount& price,
                                  std::uint64_t leases) const {
    const auto& cap = job.plan.settings.total_max;
    return !cap || plus(plus(job.spent, job.reserved), times(price, leases)) <= *cap;
}

bool Requestor::State::is_final(const StreamEntry& stream) const {
    const auto found = allocations_.find(stream.allocation);
    return found != allocations_.end() && found->second.status == AllocationStatus::finalized;
}

/// A stream of this job to `peer` that covers `price` and outlives the lease. Before its allocation
/// is final a provider is asked to risk one task and no more.
StreamEntry* Requestor::State::stream_for(const JobEntry& job, const PeerEntry& peer,
                                          const Amount& price, Duration time) {
    const Duration margin = config_.timing.allocation_life / 8;
    StreamEntry* early = nullptr;
    for (const std::uint64_t number : job.allocations) {
        const auto found = streams_.find({number, peer.record.provider});
        if (found == streams_.end() || found->second.state != StreamState::open) continue;
        StreamEntry& stream = found->second;
        const AllocationEntry& allocation = allocations_.at(number);
        if (allocation.status == AllocationStatus::failed) continue;
        const Instant expiry{static_cast<std::int64_t>(allocation.expiry) * 1000};
        if (now_ + time + margin > expiry) continue;
        if (plus(plus(stream.cumulative, stream.reserved), price) > stream.cap) continue;
        if (is_final(stream)) return &stream;
        if (early == nullptr) early = &stream;
    }
    return early != nullptr && unsettled(peer) == 0 ? early : nullptr;
}

/// Keeps the leaves of a job's providers filled: enough for a few leases at the fuel limit, plus a
/// share of what the rest of the job should cost. One allocation is on its way at a time.
void Requestor::State::fund(JobEntry& job) {
    if (!deposit_free_ || !providers_known_) return;
    const bool waits = job.fund_after && now_ < *job.fund_after;
    if (waits && distinct_peers(job, true).size() < distinct_peers(job, false).size()) return;
    for (const auto& [number, allocation] : allocations_) {
        if (allocation.is_in_flight()) return;
    }
    const std::uint64_t undecided = open_tasks(job) - job.fetching.size();
    if (undecided == 0) return;
    const std::uint32_t replicas = job.plan.settings.replicas;

    // Before anything is promised: can this job start at all?
    std::vector<Amount> cheapest;
    for (const PeerEntry* peer : distinct_peers(job, false)) {
        if (const auto price = limit_price(job, *peer)) cheapest.push_back(*price);
    }
    std::ranges::sort(cheapest);
    if (cheapest.size() < replicas) return;
    Amount least;
    for (std::size_t index = 0; index < replicas; ++index)
        least = plus(least, cheapest[index]);
    const auto& cap = job.plan.settings.total_max;
    const std::string needs = format_amount(least) + " for " + std::to_string(replicas) +
                              (replicas == 1 ? " lease" : " leases") +
                              " of one task at its fuel limit";
    if (cap && job.leases == 0 && least > *cap)
        return fail_job(job, {"the job's cap of " + format_amount(*cap) + " is below " + needs,
                              job.plan.name, "raise the cap or lower limits.fuel"});

    const std::vector<const PeerEntry*> peers = distinct_peers(job, true);
    if (peers.size() < replicas) return;
    const Amount available = available_deposit();
    struct Need {
        AllocationLeaf leaf;
        Amount least;
    };
    std::vector<Need> needs_list;
    const std::uint64_t fuel_expected =
        job.fuel_samples > 0 ? checked_div(job.fuel_sum, U256{job.fuel_samples})->quotient.words[0]
                             : job.plan.settings.fuel_estimate.value;
    std::uint32_t has_room = 0;
    for (const PeerEntry* peer : peers) {
        const auto price = limit_price(job, *peer);
        if (!price) continue;
        const Duration time = lease_time(job, *peer, true);
        Amount room;  // of its open, lasting leaves, beyond what leases in flight hold
        bool can_lease = false;
        for (const StreamKey& key : peer->streams) {
            const StreamEntry& stream = streams_.at(key);
            if (stream.job != job.plan.id || stream.state != StreamState::open) continue;
            const Instant expiry{static_cast<std::int64_t>(allocations_.at(key.first).expiry) *
                                 1000};
            if (now_ + time + config_.timing.allocation_life / 8 > expiry) continue;
            const Amount rest = minus(minus(stream.cap, stream.cumulative), stream.reserved);
            room = plus(room, rest);
            can_lease = can_lease || *price <= rest;
        }
        if (can_lease) ++has_room;
        const auto live = static_cast<std::uint64_t>(std::ranges::count_if(
            peer->live, [&](const Hash32& id) { return leases_.at(id).lease.job == job.plan.id; }));
        const std::uint64_t ahead = undecided - std::min(undecided, live);  // it runs a task once
        if (ahead == 0) continue;
        const Amount low = times(*price, std::min<std::uint64_t>(ahead, 2));
        if (can_lease && room >= low) continue;
        Amount target =
            times(*price, std::min<std::uint64_t>(ahead, 2 * (slots_of(*peer) + 1) + 2));
        if (fuel_expected > 0) {
            const auto one = types::task_price(peer->record.price, Fuel{fuel_expected});
            const Amount all = times(one.value_or(Amount{}), undecided * replicas);
            const auto share = checked_div(times(all, share_margin_percent).wei,
                                           U256{100 * static_cast<std::uint64_t>(peers.size())});
            target = std::max(target, plus(low, Amount{share->quotient}));
        }
        target = std::min(target, times(*price, ahead));
        const Amount missing = std::max(minus_or_zero(target, room), *price);
        needs_list.push_back({{peer->record.provider, missing}, *price});
    }
    if (needs_list.empty()) {
        job.shortage.reset();
        return;
    }
    if (needs_list.size() > leaves_max) needs_list.resize(leaves_max);
    Amount wanted;
    for (const Need& need : needs_list)
        wanted = plus(wanted, need.leaf.cap);
    if (wanted > available) {  // not enough for all: one lease each, the best providers first
        Amount left = available;
        std::erase_if(needs_list, [&left](Need& need) {
            need.leaf.cap = need.least;
            if (need.least > left) return true;
            left = minus(left, need.least);
            return false;
        });
        for (Need& need : needs_list) {  // and the rest in equal parts
            const auto part = checked_div(left.wei, U256{needs_list.size()});
            need.leaf.cap = plus(need.leaf.cap, Amount{part->quotient});
        }
    }
    if (has_room + needs_list.size() < replicas || needs_list.empty()) {
        const Failure shortage{"the deposit has " + format_amount(available) +
                                   " free, and the job needs at least " + needs,
                               job.plan.name,
                               "add coins with `millrace wallet deposit`, or lower limits.fuel"};
        bool others_hold = job.reserved.wei.is_zero() ? false : true;
        for (const auto& [number, allocation] : allocations_)
            others_hold = others_hold || !allocation.is_over;
        if (job.leases == 0 && !others_hold && needs_list.size() + has_room < replicas)
            return fail_job(job, shortage);
        if (has_room == 0) job.shortage = shortage;
        return;
    }
    job.shortage.reset();
    std::vector<AllocationLeaf> leaves;
    for (const Need& need : needs_list) {
        if (!need.leaf.cap.wei.is_zero()) leaves.push_back(need.leaf);
    }
    if (leaves.empty()) {  // everything is free of charge: any leaf will do
        for (const Need& need : needs_list)
            leaves.push_back({need.leaf.payee, Amount{U256{1}}});
        if (Amount{U256{leaves.size()}} > available) return;
    }
    plan_allocation(job, std::move(leaves));
}

void Requestor::State::plan_allocation(JobEntry& job, std::vector<AllocationLeaf> leaves) {
    AllocationEntry allocation;
    allocation.number = allocation_next_;
    if (!allocations_.empty())
        allocation.number = std::max(allocation.number, allocations_.rbegin()->first + 1);
    allocation_next_ = allocation.number;
    allocation.job = job.plan.id;
    for (const AllocationLeaf& leaf : leaves)
        allocation.total = plus(allocation.total, leaf.cap);
    MILLRACE_ASSERT(allocation.total <= available_deposit());
    const Instant expiry = now_ + config_.timing.allocation_life;
    allocation.expiry = static_cast<std::uint64_t>(std::max<std::int64_t>(0, expiry.ms)) / 1000;
    const crypto::SumTree tree = tree_of(leaves);
    allocation.root = tree.root().hash;
    for (std::uint32_t index = 0; index < leaves.size(); ++index) {
        const StreamKey key{allocation.number, leaves[index].payee};
        streams_[key] = {.job = job.plan.id,
                         .payee = leaves[index].payee,
                         .allocation = allocation.number,
                         .index = index,
                         .cap = leaves[index].cap};
        peer_of(leaves[index].payee).streams.insert(key);
        dirty_.streams.insert(key);
    }
    allocation.leaves = std::move(leaves);
    job.allocations.insert(allocation.number);
    dirty_.allocations.insert(allocation.number);
    arm({.at = expiry + release_delay, .kind = TimerKind::allocation, .number = allocation.number});
    note(job.plan.id, "allocation " + std::to_string(allocation.number) + " of " +
                          format_amount(allocation.total) + " to " +
                          std::to_string(allocation.leaves.size()) + " providers");
    const AllocationEntry& kept = allocations_[allocation.number] = std::move(allocation);
    emit_allocate(kept);
    work_changed_ = true;
}

void Requestor::State::emit_allocate(const AllocationEntry& allocation) {
    emit(Allocate{.allocation = allocation.number,
                  .leaves = allocation.leaves,
                  .total = allocation.total,
                  .expiry = allocation.expiry,
                  .root = allocation.root});
}

types::AllocationProof Requestor::State::proof_of(const StreamEntry& stream) const {
    const crypto::SumTree tree = tree_of(allocations_.at(stream.allocation).leaves);
    types::AllocationProof proof{
        .allocation = stream.allocation, .index = stream.index, .cap = stream.cap, .path = {}};
    for (const crypto::SumNode& node : tree.proof(stream.index))
        proof.path.push_back({node.hash, Amount{from_word(node.sum)}});
    return proof;
}

void Requestor::State::on(const AllocationUpdated& event) {
    const auto found = allocations_.find(event.allocation);
    if (found == allocations_.end() || found->second.is_over) return;
    AllocationEntry& allocation = found->second;
    if (allocation.status == AllocationStatus::finalized || event.status == allocation.status)
        return;
    allocation.status = event.status;
    // After a restart an allocation is found to stand; then its transaction is not known anew.
    if (!event.transaction.is_zero()) allocation.transaction = event.transaction;
    allocation.why = event.why.substr(0, 1024);
    dirty_.allocations.insert(event.allocation);
    work_changed_ = true;
    if (event.status == AllocationStatus::failed) {
        note(allocation.job, "allocation " + std::to_string(event.allocation) +
                                 " failed: " + allocation.why + "; it is tried again");
        allocation.again = now_ + allocate_retry;
        arm({.at = *allocation.again, .kind = TimerKind::allocation, .number = event.allocation});
    }
    if (event.status == AllocationStatus::finalized && deposit_free_)
        deposit_free_ = minus_or_zero(*deposit_free_, allocation.total);
    for (const AllocationLeaf& leaf : allocation.leaves) {
        const auto stream = streams_.find({event.allocation, leaf.payee});
        if (stream != streams_.end() && stream->second.state == StreamState::closing)
            send_close(stream->second);
    }
}

/// A failed allocation is tried again under its number, so that its vouchers stay good; one whose
/// time has passed is released.
void Requestor::State::allocation_timer(std::uint64_t number) {
    const auto found = allocations_.find(number);
    if (found == allocations_.end() || found->second.is_over) return;
    AllocationEntry& allocation = found->second;
    if (allocation.again && now_ < *allocation.again) return;
    allocation.again.reset();
    const Instant expiry{static_cast<std::int64_t>(allocation.expiry) * 1000};
    const bool has_expired = now_ >= expiry + release_delay;
    if (allocation.status == AllocationStatus::failed) {
        bool is_used = false;
        for (const AllocationLeaf& leaf : allocation.leaves) {
            const StreamEntry& stream = streams_.at({number, leaf.payee});
            is_used = is_used || !stream.cumulative.wei.is_zero() || stream.live != 0;
        }
        const JobEntry* job = find_job(allocation.job);
        if (!is_used && (job == nullptr || !job->is_running())) {
            for (const AllocationLeaf& leaf : allocation.leaves) {  // it never came to stand
                StreamEntry& stream = streams_.at({number, leaf.payee});
                stream.state = StreamState::released;
                dirty_.streams.insert({number, leaf.payee});
                stream_over(stream);
            }
            return;
        }
        // Neither proofs nor vouchers name the expiry, so a late retry may move it.
        const Instant renewed = now_ + config_.timing.allocation_life;
        allocation.expiry =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, renewed.ms)) / 1000;
        arm({.at = renewed + release_delay, .kind = TimerKind::allocation, .number = number});
        allocation.status = AllocationStatus::planned;
        dirty_.allocations.insert(number);
        emit_allocate(allocation);
        return;
    }
    if (!has_expired) return;
    emit(ReleaseAllocation{number});
    allocation.again = now_ + release_delay;
    arm({.at = *allocation.again, .kind = TimerKind::allocation, .number = number});
}

void Requestor::State::on(const AllocationReleased& event) {
    const auto found = allocations_.find(event.allocation);
    if (found == allocations_.end() || found->second.is_over) return;
    if (!event.ok) {
        found->second.why = event.why.substr(0, 1024);
        return;
    }
    for (const AllocationLeaf& leaf : found->second.leaves) {
        StreamEntry& stream = streams_.at({event.allocation, leaf.payee});
        if (stream.state == StreamState::closed) continue;
        stream.state = StreamState::released;
        dirty_.streams.insert({event.allocation, leaf.payee});
        stream_over(stream);
    }
}

}  // namespace millrace::compute
