// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "base/assert.hpp"
#include "compute/provider_state.hpp"

// Vouchers, credit, settlement.

namespace millrace::compute {

using provider::AllocationState;
using provider::LeaseEntry;
using provider::LeaseState;
using provider::Payer;
using provider::Stream;

namespace {

/// Sums of what we are owed or covered for; a sum beyond 256 bits counts as the largest number.
Amount add_saturating(const Amount& left, const Amount& right) {
    Amount largest;
    largest.wei.words.fill(~std::uint64_t{0});
    return checked_add(left, right).value_or(largest);
}

Amount minus(const Amount& left, const Amount& right) {
    return checked_sub(left, right).value_or(Amount{});
}

Duration doubled(Duration delay, Duration min, Duration max) {
    return std::clamp(Duration{delay.count() * 2}, min, max);
}

}  // namespace

// ---- credit
// --------------------------------------------------------------------------------------

bool Provider::State::is_paused(const Address& payer, Instant now) const {
    const auto found = payers_.find(payer);
    return found != payers_.end() && now < found->second.pause_until;
}

/// What final allocations still hold for us beyond the vouchers we have.
Amount Provider::State::covered(const Address& payer, Instant now) const {
    Amount sum;
    for (auto it = streams_.lower_bound({payer, 0}); it != streams_.end(); ++it) {
        if (it->first.first != payer) break;
        const Stream& stream = it->second;
        if (stream.state != AllocationState::finalized || stream.closed || stream.close_wanted)
            continue;
        if (instant_of(stream.expiry) <= now) continue;
        sum = add_saturating(sum, minus(stream.proof->cap, stream.voucher.cumulative));
        sum = add_saturating(sum, stream.unassigned);
    }
    return sum;
}

std::uint64_t Provider::State::credit_tasks(const Address& payer, Instant now) const {
    if (covered(payer, now).wei.is_zero()) return 1;
    const auto found = payers_.find(payer);
    std::uint64_t tasks = config_.credit_tasks_first;
    if (found != payers_.end()) {
        tasks += std::min<std::uint64_t>(found->second.tasks_paid, config_.credit_tasks_max);
        if (found->second.blocked_since) {
            const auto waits = (now - *found->second.blocked_since) / config_.timing.credit_relief;
            tasks += static_cast<std::uint64_t>(std::max<std::int64_t>(waits, 0));
        }
    }
    return std::clamp<std::uint64_t>(tasks, 1, std::max(config_.credit_tasks_max, 1u));
}

/// May this waiting lease run now? One task is risked on trust; more must be covered.
Provider::State::Credit Provider::State::credit(const LeaseEntry& entry, Instant now) const {
    const Address& payer = entry.terms.requestor;
    const auto full_price = [](const LeaseEntry& lease) {
        return types::task_price(lease.terms.price, lease.terms.fuel_limit).value_or(Amount{});
    };
    std::uint64_t open = 0;
    Amount needed = full_price(entry);
    for (const auto& [sequence, id] : by_payer_.at(payer)) {
        const LeaseEntry& other = leases_.at(id);
        if (other.state < LeaseState::running) continue;
        ++open;
        needed = add_saturating(needed, other.result ? other.worth : full_price(other));
    }
    if (open == 0) return Credit::granted;
    if (needed > covered(payer, now)) return Credit::uncovered;
    return open < credit_tasks(payer, now) ? Credit::granted : Credit::blocked;
}

/// A requestor that leaves too many tasks unpaid is left alone for a while.
void Provider::State::count_unpaid(const Address& account, Step& at) {
    Payer& payer = payer_of(account);
    ++payer.unpaid;
    if (payer.unpaid > 2 + payer.tasks_paid / 10) {
        payer.pause_until = at.now + config_.timing.default_pause;
        note({},
             "requestor " + to_hex0x(account.view()) + " left " + std::to_string(payer.unpaid) +
                 " tasks unpaid: paused",
             at);
    }
    persist(provider::payer_record(account, payer), at);
}

// ---- allocations
// ---------------------------------------------------------------------------------

/// Null when the requestor has too many streams that all still matter.
Stream* Provider::State::stream_for(const Address& payer, std::uint64_t allocation, Step& at) {
    const StreamId id{payer, allocation};
    const auto found = streams_.find(id);
    if (found != streams_.end()) return &found->second;
    std::size_t count = 0;
    auto useless = streams_.end();
    for (auto it = streams_.lower_bound({payer, 0}); it != streams_.end(); ++it) {
        if (it->first.first != payer) break;
        ++count;
        const Stream& stream = it->second;
        const bool nothing_due =
            minus(stream.voucher.cumulative, stream.settled).wei.is_zero() && !stream.settling;
        if (nothing_due && (stream.closed || stream.state != AllocationState::finalized ||
                            instant_of(stream.expiry) <= at.now)) {
            useless = it;
        }
    }
    if (count >= streams_per_payer_max) {
        if (useless == streams_.end()) return nullptr;
        if (useless->second.due) stream_timers_.erase({*useless->second.due, useless->first});
        at.out.push_back(
            provider::Erase{"streams", provider::stream_key(payer, useless->first.second)});
        touched_.erase(useless->first);
        streams_.erase(useless);
    }
    Stream stream;
    stream.voucher.payer = payer;
    stream.voucher.payee = config_.owner;
    stream.voucher.allocation = allocation;
    stream.seen_at = at.now;
    return &streams_.emplace(id, std::move(stream)).first->second;
}

void Provider::State::learn_proof(const Address& payer, const types::AllocationProof& proof,
                                  Step& at) {
    Stream* stream = stream_for(payer, proof.allocation, at);
    if (stream == nullptr) {
        return note({}, "requestor " + to_hex0x(payer.view()) + " has too many allocations", at);
    }
    if (stream->closed || stream->state == AllocationState::finalized) return;
    if (stream->proof == proof) {
        // Shown again: the requestor may know that it is final by now.
        const bool old_news = at.now >= stream->checked_at + config_.timing.check_again_min;
        if (!stream->checking && old_news) check(*stream, at);
        return;
    }
    // A leaf below what is signed already cannot be the one the voucher is for.
    if (proof.cap < stream->voucher.cumulative) return;
    stream->proof = proof;
    stream->state = AllocationState::absent;
    stream->check_delay = Duration{0};
    persist(provider::stream_record(*stream), at);
    check(*stream, at);
    touched_.emplace(payer, proof.allocation);
}

void Provider::State::check(Stream& stream, Step& at) {
    stream.checking = true;
    stream.checked_at = at.now;
    stream.check_at.reset();
    at.out.push_back(provider::CheckAllocation{stream.voucher.payer, *stream.proof});
}

void Provider::State::on(const provider::AllocationSeen& event, Step& at) {
    const StreamId id{event.payer, event.proof.allocation};
    const auto found = streams_.find(id);
    if (found == streams_.end() || found->second.proof != event.proof) return;
    Stream& stream = found->second;
    stream.checking = false;
    const bool changed = stream.state != event.state || stream.expiry != event.expiry;
    switch (event.state) {
        case AllocationState::finalized:
        case AllocationState::latest:
            stream.state = event.state;
            stream.expiry = event.expiry;
            stream.settled = std::max(stream.settled, event.settled);
            break;
        case AllocationState::invalid:
            stream.state = event.state;
            note({},
                 "allocation " + std::to_string(id.second) + " of " + to_hex0x(event.payer.view()) +
                     " does not hold our leaf",
                 at);
            break;
        case AllocationState::closed:
            stream.state = event.state;
            stream.settled = std::max(stream.settled, event.settled);
            stream.closed = true;
            if (stream.close_wanted)
                tell_closed(event.payer,
                            {.allocation = id.second, .transaction = {}, .problem = {}}, at);
            break;
        case AllocationState::absent:
        case AllocationState::unreachable:
            break;
    }
    const bool open_question = event.state == AllocationState::absent ||
                               event.state == AllocationState::latest ||
                               event.state == AllocationState::unreachable;
    if (open_question) {
        stream.check_delay = doubled(stream.check_delay, config_.timing.check_again_min,
                                     config_.timing.check_again_max);
        stream.check_at = at.now + stream.check_delay;
    }
    if (changed) persist(provider::stream_record(stream), at);
    touched_.insert(id);
    if (stream.state == AllocationState::finalized) assign(event.payer, at);
}

// ---- vouchers
// ------------------------------------------------------------------------------------

void Provider::State::on_voucher(SessionId session, const types::VoucherNotice& notice, Step& at) {
    const types::Voucher& voucher = notice.voucher;
    const Address& payer = voucher.payer;
    if (payer != sessions_.at(session).account || voucher.payee != config_.owner)
        return misbehaved(session, "a voucher for somebody else", at);
    const auto signer = crypto::recover(voucher.digest(config_.domain), notice.signature);
    if (!signer || *signer != payer)
        return misbehaved(session, "a voucher with a wrong signature", at);
    if (!payers_.contains(payer) && payers_.size() >= payers_max)
        return misbehaved(session, "a voucher of an unknown requestor", at);
    prove(session, at);
    if (notice.allocation && notice.allocation->allocation == voucher.allocation)
        learn_proof(payer, *notice.allocation, at);
    Stream* stream = stream_for(payer, voucher.allocation, at);
    if (stream == nullptr) return misbehaved(session, "too many allocations", at);
    const bool grows =
        voucher.cumulative >= stream->voucher.cumulative && voucher.tasks >= stream->voucher.tasks;
    if (grows && voucher != stream->voucher) {
        if (stream->closed) return note({}, "a voucher for a closed stream", at);
        if (stream->proof && voucher.cumulative > stream->proof->cap)
            return misbehaved(session, "a voucher over its leaf", at);
        const Amount paid = minus(voucher.cumulative, stream->voucher.cumulative);
        stream->voucher = voucher;
        stream->signature = notice.signature;
        stream->unassigned = add_saturating(stream->unassigned, paid);
        Payer& known = payer_of(payer);
        known.earned = add_saturating(known.earned, paid);
        persist(provider::payer_record(payer, known), at);
        persist(provider::stream_record(*stream), at);
        // What a voucher names has been accepted, even if the verdict was lost on the way.
        for (const Hash32& id : notice.leases) {
            const auto lease = leases_.find(id);
            if (lease == leases_.end() || lease->second.terms.requestor != payer) continue;
            if (lease->second.state == LeaseState::revealed)
                set_state(id, lease->second, LeaseState::accepted, at);
        }
        touched_.emplace(payer, voucher.allocation);
        assign(payer, at);
    }
    const Stream& newest = streams_.at({payer, voucher.allocation});
    send(session,
         types::VoucherAck{.allocation = voucher.allocation,
                           .cumulative = newest.voucher.cumulative},
         at);
}

/// Counts money of final streams for accepted leases, oldest first.
void Provider::State::assign(const Address& account, Step& at) {
    const auto theirs = by_payer_.find(account);
    if (theirs == by_payer_.end()) return;
    std::vector<Hash32> accepted;
    for (const auto& [sequence, id] : theirs->second) {
        if (leases_.at(id).state == LeaseState::accepted) accepted.push_back(id);
    }
    std::set<StreamId> used;
    bool any = false;
    for (const Hash32& id : accepted) {
        LeaseEntry& entry = leases_.at(id);
        bool paid = entry.worth.wei.is_zero();
        for (auto it = streams_.lower_bound({account, 0}); !paid && it != streams_.end(); ++it) {
            if (it->first.first != account) break;
            Stream& stream = it->second;
            if (stream.state != AllocationState::finalized || stream.unassigned < entry.worth)
                continue;
            stream.unassigned = minus(stream.unassigned, entry.worth);
            used.insert(it->first);
            paid = true;
        }
        if (paid) mark_paid(id, entry, at);
        any = any || paid;
    }
    for (const StreamId& id : used)
        persist(provider::stream_record(streams_.at(id)), at);
    if (any) persist(provider::payer_record(account, payer_of(account)), at);
}

void Provider::State::mark_paid(const Hash32& id, LeaseEntry& entry, Step& at) {
    Payer& payer = payer_of(entry.terms.requestor);
    ++payer.tasks_paid;
    payer.blocked_since.reset();
    const auto theirs = by_payer_.find(entry.terms.requestor);
    theirs->second.erase({entry.sequence, id});
    if (theirs->second.empty()) by_payer_.erase(theirs);
    set_state(id, entry, LeaseState::settled, at);
    settled_order_.push_back(id);
    if (settled_order_.size() > settled_kept_max) {
        const Hash32 oldest = settled_order_.front();
        end(oldest, at);
    }
}

// ---- settlement
// ----------------------------------------------------------------------------------

void Provider::State::on_close(SessionId session, const types::CloseStream& close, Step& at) {
    const Session& peer = sessions_.at(session);
    if (!peer.proven) return misbehaved(session, "closes a stream without having signed", at);
    const auto found = streams_.find({peer.account, close.allocation});
    const auto answer = [&](const Hash32& transaction, std::string problem) {
        send(session,
             types::StreamClosed{.allocation = close.allocation,
                                 .transaction = transaction,
                                 .problem = std::move(problem)},
             at);
    };
    if (found == streams_.end() || !found->second.proof)
        return answer({}, "no proof of this provider's leaf was ever sent");
    if (found->second.state == AllocationState::invalid)
        return answer({}, "the allocation does not hold this provider's leaf");
    if (found->second.closed) return answer(found->second.close_transaction, {});
    Stream& stream = found->second;
    if (!stream.close_wanted) {
        stream.close_wanted = true;
        persist(provider::stream_record(stream), at);
    }
    touched_.insert(found->first);
}

/// When the voucher must be on chain: some time before the payer may release the allocation, but
/// not in the first three quarters of what was left of its life when we first saw it.
Instant Provider::State::settle_by(const Stream& stream) const {
    const Instant expiry = instant_of(stream.expiry);
    const Duration life = std::max(expiry - stream.seen_at, Duration{0});
    const Duration margin =
        std::min(config_.timing.settle_before_expiry, Duration{life.count() / 4});
    return Instant{expiry.ms - margin.count()};
}

bool Provider::State::wants_settling(const Stream& stream, Instant now) const {
    if (stream.settling || stream.closed || !stream.proof) return false;
    if (stream.state != AllocationState::latest && stream.state != AllocationState::finalized)
        return false;
    if (stream.settle_at && now < *stream.settle_at) return false;
    if (stream.close_wanted) return true;
    const Amount unsettled = minus(stream.voucher.cumulative, stream.settled);
    if (unsettled.wei.is_zero()) return false;
    const bool over =
        !config_.settle_threshold.wei.is_zero() && unsettled >= config_.settle_threshold;
    return stopping_ || over || now >= settle_by(stream);
}

provider::Claim Provider::State::claim_of(const Stream& stream) const {
    return {.voucher = stream.voucher,
            .signature = stream.signature,
            .proof = *stream.proof,
            .close = stream.close_wanted};
}

void Provider::State::settle_touched(Step& at) {
    provider::Settle settle;
    for (const StreamId& id : touched_) {
        const auto found = streams_.find(id);
        if (found == streams_.end()) continue;
        Stream& stream = found->second;
        if (stream.check_at && !stream.checking && at.now >= *stream.check_at) check(stream, at);
        if (wants_settling(stream, at.now)) {
            stream.settling = true;
            settle.claims.push_back(claim_of(stream));
        }
        plan(id, stream, at.now);
        if (settle.claims.size() == provider::claims_per_settle_max) {
            at.out.push_back(std::move(settle));
            settle = {};
        }
    }
    if (!settle.claims.empty()) at.out.push_back(std::move(settle));
    touched_.clear();
}

/// The stream's next timer: a look at the chain, a settlement tried again, or the expiry.
void Provider::State::plan(const StreamId& id, Stream& stream, Instant now) {
    std::optional<Instant> due = stream.check_at;
    const auto consider = [&](Instant when) {
        if (when > now && (!due || when < *due)) due = when;
    };
    if (!stream.settling && !stream.closed && stream.proof) {
        if (stream.settle_at) consider(*stream.settle_at);
        if (stream.voucher.cumulative > stream.settled && stream.expiry != 0)
            consider(settle_by(stream));
    }
    if (stream.due == due) return;
    if (stream.due) stream_timers_.erase({*stream.due, id});
    stream.due = due;
    if (due) stream_timers_.emplace(*due, id);
}

void Provider::State::on(const provider::VoucherSettled& event, Step& at) {
    const StreamId id{event.payer, event.allocation};
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Stream& stream = found->second;
    stream.settling = false;
    stream.settle_at.reset();
    stream.settle_delay = Duration{0};
    if (event.cumulative > stream.settled) {
        Payer& payer = payer_of(event.payer);
        payer.settled = add_saturating(payer.settled, minus(event.cumulative, stream.settled));
        stream.settled = event.cumulative;
        persist(provider::payer_record(event.payer, payer), at);
    }
    if (event.closed) {
        stream.closed = true;
        stream.close_transaction = event.transaction;
        tell_closed(
            event.payer,
            {.allocation = event.allocation, .transaction = event.transaction, .problem = {}}, at);
    }
    persist(provider::stream_record(stream), at);
    touched_.insert(id);
}

void Provider::State::on(const provider::SettleFailed& event, Step& at) {
    const StreamId id{event.payer, event.allocation};
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Stream& stream = found->second;
    stream.settling = false;
    stream.settle_delay = doubled(stream.settle_delay, config_.timing.settle_retry_min,
                                  config_.timing.settle_retry_max);
    stream.settle_at = at.now + stream.settle_delay;
    note({},
         "settlement of allocation " + std::to_string(event.allocation) + " failed: " + event.why,
         at);
    touched_.insert(id);
}

void Provider::State::tell_closed(const Address& payer, const types::StreamClosed& message,
                                  Step& at) {
    for (const auto& [id, session] : sessions_) {
        if (session.proven && session.account == payer) send(id, message, at);
    }
}

}  // namespace millrace::compute
