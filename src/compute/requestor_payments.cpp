// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

// What accepted work is paid by: vouchers on streams, their acknowledgement, closing.

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr std::size_t leases_told_max = 1024;  ///< bound of VoucherNotice

}  // namespace

/// Adds an accepted lease to its stream. The voucher itself is signed at the end of the step, once
/// for all leases of the stream.
void Requestor::State::pay(JobEntry& job, LeaseEntry& entry) {
    MILLRACE_ASSERT(entry.is_backed);
    const auto price = types::task_price(entry.lease.price, entry.receipt->fuel);
    MILLRACE_ASSERT(price.has_value());
    MILLRACE_ASSERT(*price <= entry.reserved);
    const StreamKey key{entry.allocation, entry.lease.provider};
    StreamEntry& stream = streams_.at(key);
    unreserve(entry);
    if (stream.state != StreamState::open) {  // expired while other replicas were waited for
        entry.why = "its stream was closed before the task was decided";
        return;
    }
    stream.cumulative = plus(stream.cumulative, *price);
    MILLRACE_ASSERT(stream.cumulative <= stream.cap);
    ++stream.tasks;
    stream.unacknowledged.push_back(entry.id);
    if (stream.unacknowledged.size() > leases_told_max)
        stream.unacknowledged.erase(stream.unacknowledged.begin());
    entry.paid = *price;
    job.spent = plus(job.spent, *price);
    PeerEntry& peer = peer_of(entry.lease.provider);
    peer.earned = plus(peer.earned, *price);
    ProviderShare& share = job.shares[entry.lease.provider];
    share.earned = plus(share.earned, *price);
    dirty_.streams.insert(key);
    vouchers_due_.insert(key);
}

void Requestor::State::send_voucher(StreamEntry& stream) {
    // A stream nothing was earned in is closed by its payee too, who may never have seen its leaf.
    if (stream.tasks == 0 && stream.state != StreamState::closing) return;
    const types::Voucher voucher{.payer = account_,
                                 .payee = stream.payee,
                                 .allocation = stream.allocation,
                                 .cumulative = stream.cumulative,
                                 .tasks = stream.tasks};
    if (peer_of(stream.payee).link != Link::up) return;  // said again when it returns
    const types::Signature signature = crypto::sign(config_.key, voucher.digest(config_.domain));
    types::VoucherNotice notice{.voucher = voucher,
                                .signature = signature,
                                .leases = stream.unacknowledged,
                                .allocation = std::nullopt};
    if (stream.acknowledged.wei.is_zero() || stream.state == StreamState::closing)
        notice.allocation = proof_of(stream);
    send(stream.payee, std::move(notice));
}

void Requestor::State::on_message(PeerEntry& peer, const types::VoucherAck& ack) {
    const StreamKey key{ack.allocation, peer.record.provider};
    const auto found = streams_.find(key);
    if (found == streams_.end()) return bad_message(peer, "acknowledges a stream it does not have");
    StreamEntry& stream = found->second;
    if (ack.cumulative > stream.cumulative)
        return bad_message(peer, "acknowledges more than was signed");
    if (ack.cumulative <= stream.acknowledged && !stream.acknowledged.wei.is_zero()) return;
    stream.acknowledged = ack.cumulative;
    stream.tasks_acknowledged = std::max(stream.tasks_acknowledged, acknowledged_tasks(stream));
    if (stream.acknowledged == stream.cumulative) {
        const auto grown = peer.credit + static_cast<std::uint32_t>(stream.unacknowledged.size());
        peer.credit = std::min(credit_max, grown);
        stream.unacknowledged.clear();
    }
    work_changed_ = true;
}

/// How many of the stream's results an acknowledged sum covers: all, less the newest whose prices
/// lie above it. Of results no longer remembered it counts none.
std::uint64_t Requestor::State::acknowledged_tasks(const StreamEntry& stream) const {
    Amount sum = stream.cumulative;
    std::uint64_t newer = 0;
    for (auto id = stream.unacknowledged.rbegin(); id != stream.unacknowledged.rend(); ++id) {
        if (sum <= stream.acknowledged) return stream.tasks - newer;
        const LeaseEntry* entry = lease_of(*id);
        if (entry == nullptr) break;
        sum = minus_or_zero(sum, entry->paid);
        ++newer;
    }
    return sum <= stream.acknowledged ? stream.tasks - newer : 0;
}

void Requestor::State::start_closing(StreamEntry& stream) {
    if (stream.state != StreamState::open) return;
    stream.state = StreamState::closing;
    dirty_.streams.insert({stream.allocation, stream.payee});
    peers_changed_ = true;
    send_close(stream);
}

/// Asks the payee to settle and close. Its own transaction cannot stand before the allocation does.
void Requestor::State::send_close(StreamEntry& stream) {
    const AllocationEntry& allocation = allocations_.at(stream.allocation);
    const bool stands = allocation.status == AllocationStatus::latest ||
                        allocation.status == AllocationStatus::finalized;
    if (!stands || peer_of(stream.payee).link != Link::up) return;
    if (stream.acknowledged < stream.cumulative || stream.tasks == 0) send_voucher(stream);
    vouchers_due_.erase({stream.allocation, stream.payee});
    send(stream.payee, types::CloseStream{stream.allocation});
    stream.close_again = now_ + config_.timing.close_repeat;
    arm({.at = *stream.close_again,
         .kind = TimerKind::stream,
         .number = stream.allocation,
         .address = stream.payee});
}

void Requestor::State::stream_timer(const StreamKey& key) {
    const auto found = streams_.find(key);
    if (found == streams_.end() || found->second.state != StreamState::closing) return;
    if (found->second.close_again && now_ < *found->second.close_again) return;
    send_close(found->second);
}

void Requestor::State::on_message(PeerEntry& peer, const types::StreamClosed& closed) {
    const StreamKey key{closed.allocation, peer.record.provider};
    const auto found = streams_.find(key);
    if (found == streams_.end()) return bad_message(peer, "closes a stream it does not have");
    StreamEntry& stream = found->second;
    if (stream.state == StreamState::closed || stream.state == StreamState::released) return;
    if (!closed.problem.empty()) {
        stream.close_problem = closed.problem.substr(0, 512);
        note(stream.job,
             short_name(stream.payee) + " could not close its stream yet: " + stream.close_problem);
        return;
    }
    stream.state = StreamState::closed;
    stream.close_transaction = closed.transaction;
    stream.close_problem.clear();
    dirty_.streams.insert(key);
    for (const Hash32& id : std::unordered_set<Hash32, FixedBytesHash>{peer.live}) {
        LeaseEntry* entry = lease_of(id);  // it closed on its own while leases were out
        if (entry == nullptr || entry->allocation != closed.allocation) continue;
        const std::uint64_t index = entry->index;
        const Hash32 job_id = entry->lease.job;
        entry->why = "its provider closed the stream";
        set_state(*entry, LeaseState::cancelled);
        if (JobEntry* job = job_of(job_id)) update_wanting(*job, index);
    }
    stream_over(stream);
}

/// One stream of an allocation has ended; when all have, the allocation is over.
void Requestor::State::stream_over(StreamEntry& stream) {
    AllocationEntry& allocation = allocations_.at(stream.allocation);
    if (JobEntry* job = job_of(stream.job)) {
        ProviderShare& share = job->shares[stream.payee];
        if (!stream.close_transaction.is_zero())
            share.settlements.push_back(stream.close_transaction);
        jobs_to_check_.insert(stream.job);
    }
    for (const AllocationLeaf& leaf : allocation.leaves) {
        const StreamState state = streams_.at({allocation.number, leaf.payee}).state;
        if (state == StreamState::open || state == StreamState::closing) return;
    }
    allocation.is_over = true;
    dirty_.allocations.insert(allocation.number);
    peers_changed_ = true;
    work_changed_ = true;
}

}  // namespace millrace::compute
