// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/provider.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "compute/provider_state.hpp"

// Sessions, timers, restart, queries.

namespace millrace::compute {

using provider::LeaseEntry;
using provider::LeaseState;
using provider::Payer;
using provider::SessionId;
using provider::Stream;

Instant instant_of(std::uint64_t seconds) noexcept {
    constexpr std::uint64_t year_9999 = 253'402'300'799;
    return Instant{static_cast<std::int64_t>(std::min(seconds, year_9999) * 1000)};
}

namespace provider {

std::string_view to_text(LeaseState state) noexcept {
    switch (state) {
        case LeaseState::fetching:
            return "fetching";
        case LeaseState::waiting:
            return "waiting";
        case LeaseState::running:
            return "running";
        case LeaseState::committed:
            return "committed";
        case LeaseState::revealed:
            return "revealed";
        case LeaseState::accepted:
            return "accepted";
        case LeaseState::settled:
            return "settled";
    }
    return "unknown";
}

void falsify(Bytes& content, const Hash32& lie) {
    constexpr std::size_t changed_max = 8;
    if (content.empty()) {
        content.assign(lie.bytes.begin(), lie.bytes.begin() + changed_max);
        return;
    }
    const std::size_t changed = std::min(content.size(), changed_max);
    const std::size_t room = content.size() - changed + 1;
    const std::size_t place = (std::size_t{lie.bytes[8]} << 8 | lie.bytes[9]) % room;
    content[place] ^= static_cast<std::uint8_t>(lie.bytes[0] | 1);
    for (std::size_t index = 1; index < changed; ++index)
        content[place + index] ^= lie.bytes[index];
}

}  // namespace provider

// ---- steps
// ---------------------------------------------------------------------------------------

void Provider::State::step(const provider::Event& event, Instant now, provider::Effects& out) {
    Step at{.now = now, .out = out};
    std::visit([&](const auto& happened) { on(happened, at); }, event);
    finish_step(at);
}

void Provider::State::finish_step(Step& at) {
    forget_ended(at);
    schedule(at);
    settle_touched(at);
    if (!stopping_ || stopped_) return;
    const bool settling =
        std::ranges::any_of(streams_, [](const auto& item) { return item.second.settling; });
    if (settling && at.now < stop_by_) return;
    stopped_ = true;
    at.out.push_back(provider::Stopped{});
}

void Provider::State::on(const provider::TimerFired&, Step& at) {
    // Each due timer once: what it plans anew is for a later step.
    std::vector<Hash32> leases;
    for (const auto& [when, id] : lease_timers_) {
        if (when > at.now) break;
        leases.push_back(id);
    }
    for (const Hash32& id : leases)
        lease_due(id, at);
    for (const auto& [when, id] : stream_timers_) {
        if (when > at.now) break;
        touched_.insert(id);
    }
}

void Provider::State::on(const provider::Stop&, Step& at) {
    if (stopping_) return;
    stopping_ = true;
    stop_by_ = at.now + config_.timing.stop_time_max;
    for (const auto& [sequence, id] : active_)
        stop_running(id, leases_.at(id), at);
    for (const auto& [id, stream] : streams_)
        touched_.insert(id);
}

std::optional<Instant> Provider::State::next_deadline() const noexcept {
    std::optional<Instant> due;
    const auto consider = [&](Instant when) {
        if (!due || when < *due) due = when;
    };
    if (!lease_timers_.empty()) consider(lease_timers_.begin()->first);
    if (!stream_timers_.empty()) consider(stream_timers_.begin()->first);
    if (!ended_order_.empty()) consider(instant_of(ended_order_.begin()->first));
    if (stopping_ && !stopped_) consider(stop_by_);
    return due;
}

// ---- sessions
// ------------------------------------------------------------------------------------

void Provider::State::on(const provider::PeerUp& event, Step& at) {
    if (sessions_.size() >= sessions_max) {
        at.out.push_back(
            provider::CloseSession{event.session, "too many requestors are connected"});
        return;
    }
    const auto payer = payers_.find(event.account);
    const bool proven = payer != payers_.end() && !event.node_key.is_zero() &&
                        payer->second.node_key == event.node_key;
    sessions_[event.session] = Session{
        .account = event.account, .node_key = event.node_key, .proven = proven, .bad_messages = 0};
    if (proven) resume(event.session, event.account, at);
}

/// A known requestor is back: what we committed to may have been given up by it, so say it again.
void Provider::State::resume(SessionId session, const Address& account, Step& at) {
    const auto theirs = by_payer_.find(account);
    if (theirs == by_payer_.end()) return;
    for (const auto& [sequence, id] : theirs->second) {
        LeaseEntry& entry = leases_.at(id);
        if (!entry.result) continue;
        entry.session = session;
        send(session, commitment_notice(id, entry), at);
    }
}

void Provider::State::on(const provider::PeerDown& event, Step&) {
    sessions_.erase(event.session);
    for (auto& [id, entry] : leases_) {
        if (entry.session == event.session) entry.session = 0;
    }
}

void Provider::State::on(const provider::MessageReceived& event, Step& at) {
    if (!sessions_.contains(event.session)) return;
    const SessionId session = event.session;
    std::visit(Overload{
                   [&](const types::LeaseOffer& offer) { on_offer(session, offer, at); },
                   [&](const types::RevealRequest& request) { on_reveal(session, request, at); },
                   [&](const types::Verdict& verdict) { on_verdict(session, verdict, at); },
                   [&](const types::VoucherNotice& notice) { on_voucher(session, notice, at); },
                   [&](const types::CloseStream& close) { on_close(session, close, at); },
                   // The daemon's own.
                   [](const types::Hello&) {},
                   [](const types::BlobRequest&) {},
                   [](const types::BlobData&) {},
                   [](const types::NetworkRequest&) {},
                   [](const types::NetworkAnswer&) {},
                   [](const types::FaucetRequest&) {},
                   [](const types::FaucetAnswer&) {},
                   [&](const auto&) { misbehaved(session, "a message only providers send", at); },
               },
               event.message);
}

void Provider::State::misbehaved(SessionId session, std::string_view why, Step& at) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    if (++found->second.bad_messages < bad_messages_max) return;
    at.out.push_back(provider::CloseSession{session, std::string{why}});
    on(provider::PeerDown{session}, at);
}

/// A signature of its account came over this session.
void Provider::State::prove(SessionId session, Step& at) {
    Session& peer = sessions_.at(session);
    peer.proven = true;
    peer.bad_messages = 0;
    const bool known = payers_.contains(peer.account);
    Payer& payer = payer_of(peer.account);
    if (known && payer.node_key == peer.node_key) return;
    payer.node_key = peer.node_key;
    persist(provider::payer_record(peer.account, payer), at);
}

void Provider::State::send(SessionId session, types::Message message, Step& at) {
    if (session == 0) return;
    at.out.push_back(provider::Send{session, std::move(message)});
}

void Provider::State::persist(types::Record record, Step& at) {
    at.out.push_back(provider::Persist{std::move(record)});
}

void Provider::State::note(const Hash32& lease, std::string text, Step& at) {
    at.out.push_back(provider::Note{lease, std::move(text)});
}

void Provider::State::keep(const Blobs& blobs, Step& at) {
    provider::KeepBlobs effect;
    for (const crypto::BlobId& blob : blobs) {
        if (kept_[blob]++ == 0) effect.sealed.push_back(blob);
    }
    if (!effect.sealed.empty()) at.out.push_back(std::move(effect));
}

void Provider::State::release(const Blobs& blobs, Step& at) {
    provider::ForgetBlobs effect;
    for (const crypto::BlobId& blob : blobs) {
        const auto found = kept_.find(blob);
        MILLRACE_ASSERT(found != kept_.end());
        if (--found->second != 0) continue;
        effect.sealed.push_back(blob);
        kept_.erase(found);
    }
    if (!effect.sealed.empty()) at.out.push_back(std::move(effect));
}

// ---- restart
// -------------------------------------------------------------------------------------

Result<void, Failure> Provider::State::restore_row(const types::Record& record) {
    const auto damaged = [&](codec::RlpError error) {
        return Err{Failure{.what = "a record is damaged or of a newer version: " +
                                   std::string{codec::to_text(error)},
                           .where = record.table + "/" + to_hex(record.key),
                           .remedy = "use the version that wrote it, or restore a copy"}};
    };
    const auto id = Hash32::from(record.key);
    const auto no_key = [&] { return damaged(codec::RlpError::wrong_size); };
    if (record.table == "leases") {
        auto lease = provider::decode_lease(record.value);
        if (!lease) return damaged(lease.error());
        if (!id || lease->terms.id() != *id) return no_key();
        LeaseEntry& entry = leases_[*id];
        lease->state = entry.state;
        lease->result = std::move(entry.result);
        entry = std::move(*lease);
    } else if (record.table == "lease_states") {
        const auto state = provider::decode_lease_state(record.value);
        if (!state) return damaged(state.error());
        if (!id) return no_key();
        leases_[*id].state = *state;
    } else if (record.table == "results") {
        auto result = provider::decode_result(record.value);
        if (!result) return damaged(result.error());
        if (!id) return no_key();
        leases_[*id].result = std::move(*result);
    } else if (record.table == "ended") {
        const auto ended = provider::decode_ended(record.value);
        if (!ended) return damaged(ended.error());
        if (!id) return no_key();
        ended_[*id] = *ended;
        ended_order_.emplace(ended->deadline, *id);
    } else if (record.table == "payers") {
        auto payer = provider::decode_payer(record.value);
        if (!payer) return damaged(payer.error());
        const auto account = Address::from(record.key);
        if (!account) return no_key();
        payers_[*account] = std::move(*payer);
    } else if (record.table == "streams") {
        auto stream = provider::decode_stream(record.value);
        if (!stream) return damaged(stream.error());
        const StreamId stream_id{stream->voucher.payer, stream->voucher.allocation};
        if (record.key != provider::stream_key(stream_id.first, stream_id.second)) return no_key();
        streams_[stream_id] = std::move(*stream);
    } else {
        return Err{Failure{.what = "a record of an unknown table",
                           .where = record.table,
                           .remedy = "use the version that wrote it"}};
    }
    return {};
}

Result<void, Failure> Provider::State::restore(const std::vector<types::Record>& records,
                                               Instant now, provider::Effects& out) {
    for (const types::Record& record : records)
        MILLRACE_TRY_VOID(restore_row(record));
    std::vector<std::pair<Instant, Hash32>> order;
    for (const auto& [id, entry] : leases_) {
        const bool whole = entry.terms.deadline != 0;
        const bool has_state = entry.state >= LeaseState::revealed;
        if (!whole || (has_state && !entry.result)) {
            return Err{Failure{.what = "a lease is recorded in part only",
                               .where = "leases/" + to_hex(id.view()),
                               .remedy = "restore a copy of the folder"}};
        }
        order.emplace_back(entry.accepted_at, id);
    }
    std::ranges::sort(order);
    Step at{.now = now, .out = out};
    Blobs kept;
    const std::size_t keep_place = out.size();
    for (const auto& [accepted_at, id] : order)
        restore_lease(id, leases_.at(id), kept, at);
    provider::KeepBlobs keep_effect;
    for (const auto& [blob, count] : kept_)
        keep_effect.sealed.push_back(blob);
    if (!keep_effect.sealed.empty())
        out.insert(out.begin() + static_cast<std::ptrdiff_t>(keep_place), std::move(keep_effect));
    for (auto& [id, stream] : streams_) {
        stream.seen_at = now;
        const bool settled_state = stream.state == provider::AllocationState::finalized ||
                                   stream.state == provider::AllocationState::invalid;
        if (stream.proof && !settled_state && !stream.closed) check(stream, at);
        touched_.insert(id);
    }
    finish_step(at);
    return {};
}

void Provider::State::restore_lease(const Hash32& id, LeaseEntry& entry, Blobs& kept, Step& at) {
    entry.sequence = sequence_next_++;
    if (entry.result) {
        entry.worth =
            types::task_price(entry.terms.price, entry.result->summary.fuel).value_or(Amount{});
        if (entry.state < LeaseState::revealed) entry.state = LeaseState::committed;
        if (entry.state >= LeaseState::revealed) make_readable(entry);
        kept = output_blobs(*entry.result);
    } else {
        entry.state = LeaseState::fetching;
        kept = input_blobs(entry.task);
        entry.blobs_missing = {kept.begin(), kept.end()};
        active_.emplace(entry.sequence, id);
    }
    for (const crypto::BlobId& blob : kept)
        ++kept_[blob];
    if (entry.state == LeaseState::settled) {
        settled_order_.push_back(id);
    } else {
        by_payer_[entry.terms.requestor].emplace(entry.sequence, id);
    }
    if (!entry.result) fetch(id, entry, at);
    plan(id, entry);
}

// ---- queries
// -------------------------------------------------------------------------------------

bool Provider::State::may_read(SessionId session, const crypto::BlobId& sealed) const noexcept {
    const auto found = sessions_.find(session);
    return found != sessions_.end() && found->second.proven &&
           readable_.contains({sealed, found->second.account});
}

provider::Status Provider::State::status() const {
    provider::Status status;
    status.slots = config_.slots;
    status.running = running_;
    status.waiting = static_cast<std::uint32_t>(active_.size()) - running_;
    status.stopping = stopping_;
    status.tasks_finished = finished_;
    const auto add = [](Amount& sum, const Amount& more) {
        sum = checked_add(sum, more).value_or(sum);
    };
    for (const auto& [account, payer] : payers_) {
        provider::PayerRow row{
            .payer = account,
            .connected = false,
            .tasks_paid = payer.tasks_paid,
            .earned = payer.earned,
            .settled = payer.settled,
            .owed = {},
            .contradictions = payer.contradictions,
            .unpaid = payer.unpaid,
            .credit_tasks = static_cast<std::uint32_t>(credit_tasks(account, Instant{})),
            .leases = 0};
        for (const auto& [id, session] : sessions_)
            row.connected = row.connected || session.account == account;
        if (const auto theirs = by_payer_.find(account); theirs != by_payer_.end()) {
            row.leases = static_cast<std::uint32_t>(theirs->second.size());
            for (const auto& [sequence, id] : theirs->second) {
                const LeaseEntry& entry = leases_.at(id);
                if (entry.state == LeaseState::accepted) add(row.owed, entry.worth);
            }
        }
        status.contradictions += payer.contradictions;
        add(status.earned, payer.earned);
        add(status.settled, payer.settled);
        status.payers.push_back(std::move(row));
    }
    for (const auto& [id, entry] : leases_) {
        if (entry.state == LeaseState::settled) continue;
        status.leases.push_back({.lease = id,
                                 .requestor = entry.terms.requestor,
                                 .task_index = entry.task.index,
                                 .state = entry.state,
                                 .fuel = entry.result ? entry.result->summary.fuel : entry.progress,
                                 .worth = entry.worth,
                                 .accepted_at = entry.accepted_at,
                                 .deadline = entry.terms.deadline});
    }
    return status;
}

// ---- the outside
// ---------------------------------------------------------------------------------

Provider::Provider(Config config) : state_{std::make_unique<State>(std::move(config))} {}
Provider::Provider(Provider&&) noexcept = default;
Provider& Provider::operator=(Provider&&) noexcept = default;
Provider::~Provider() = default;

Result<void, Failure> Provider::restore(const std::vector<types::Record>& records, Instant now,
                                        provider::Effects& out) {
    return state_->restore(records, now, out);
}
void Provider::step(const provider::Event& event, Instant now, provider::Effects& out) {
    state_->step(event, now, out);
}
std::optional<Instant> Provider::next_deadline() const noexcept {
    return state_->next_deadline();
}
bool Provider::may_read(SessionId session, const crypto::BlobId& sealed) const noexcept {
    return state_->may_read(session, sealed);
}
provider::Status Provider::status() const {
    return state_->status();
}

}  // namespace millrace::compute
