// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "base/overload.hpp"
#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr Duration idle_time{60'000};  ///< a connection without use is closed after this
constexpr Duration bad_peer_pause{300'000};
constexpr std::size_t why_size_max = 256;

}  // namespace

void Requestor::State::on(const ProvidersUpdated& event) {
    for (auto& [provider, peer] : peers_)
        peer.is_registered = false;
    std::size_t taken = 0;
    for (const types::ProviderRecord& record : event.providers) {
        if (record.provider.is_zero() || record.price > money_max) continue;
        if (taken == providers_max) break;
        if (!peers_.contains(record.provider) && peers_.size() >= 2 * providers_max) break;
        ++taken;
        PeerEntry& peer = peer_of(record.provider);
        if (peer.record.endpoint != record.endpoint || peer.record.node_key != record.node_key) {
            peer.connect_after.reset();  // it moved: what failed at the old place says nothing
            peer.connect_failures = 0;
        }
        peer.record = record;
        peer.is_registered = true;
    }
    std::erase_if(peers_, [](const auto& item) {
        const PeerEntry& peer = item.second;
        return !peer.is_registered && peer.link == Link::down && peer.live.empty() &&
               peer.streams.empty() && peer.accepted + peer.contradicted + peer.lost == 0;
    });
    providers_known_ = true;
    peers_changed_ = true;
    work_changed_ = true;
}

/// Doubling from `least` to `most`, with a quarter of seeded jitter so that peers do not march in
/// step.
Duration Requestor::State::backoff(Duration least, Duration most, std::uint32_t count) {
    const std::uint32_t doublings = std::min(count, 20u);
    const std::int64_t grown = std::min(least.count() << doublings, most.count());
    const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(1, grown / 4));
    return Duration{grown + static_cast<std::int64_t>(prng_.below(spread))};
}

void Requestor::State::pause(PeerEntry& peer, std::string why, std::optional<Duration> fixed) {
    const Duration time = fixed ? *fixed
                                : backoff(config_.timing.refusal_pause_min,
                                          config_.timing.refusal_pause_max, peer.refusals_in_row);
    if (!fixed) ++peer.refusals_in_row;
    peer.pause_until = now_ + time;
    peer.pause_why = std::move(why);
    arm({.at = *peer.pause_until, .kind = TimerKind::peer, .address = peer.record.provider});
}

void Requestor::State::bad_message(PeerEntry& peer, const std::string& why) {
    ++peer.bad_messages;
    if (peer.bad_messages == 1 || peer.bad_messages >= bad_messages_max)
        note({}, short_name(peer.record.provider) + " " + why);
    if (peer.bad_messages < bad_messages_max) return;
    peer.bad_messages = 0;
    pause(peer, "it sent too many messages that fit nothing; the last: it " + why, bad_peer_pause);
    emit(Disconnect{peer.record.provider, why});
}

/// Whether there is a reason to talk to it: work to give, outputs to fetch, money to hand over.
bool Requestor::State::is_wanted(const PeerEntry& peer) const {
    if (!peer.live.empty()) return true;
    for (const StreamKey& key : peer.streams) {
        const StreamEntry& stream = streams_.at(key);
        if (stream.state == StreamState::closing) return true;
        if (stream.state == StreamState::open && stream.acknowledged < stream.cumulative)
            return true;
    }
    for (const auto& [id, job] : jobs_) {
        if (job.is_running() && is_eligible(job, peer)) return true;
        for (const std::uint64_t index : job.fetching) {
            const auto& sources = job.tasks.at(index).sources;
            if (std::ranges::find(sources, peer.record.provider, &OutputSource::provider) !=
                sources.end())
                return true;
        }
    }
    return false;
}

void Requestor::State::connect_wanted() {
    std::size_t linked = 0;
    for (const auto& [provider, peer] : peers_)
        linked += peer.link == Link::down ? 0u : 1u;
    for (auto& [provider, peer] : peers_) {
        if (peer.link == Link::connecting) continue;
        const bool wanted = is_wanted(peer);
        if (peer.link == Link::up) {
            if (wanted) {
                peer.idle_since = now_;
            } else if (now_ >= peer.idle_since + idle_time) {
                emit(Disconnect{provider, "nothing to do"});
            } else {
                arm({.at = peer.idle_since + idle_time,
                     .kind = TimerKind::peer,
                     .address = provider});
            }
            continue;
        }
        if (!wanted || linked >= peers_max || peer.record.endpoint.empty()) continue;
        if (peer.connect_after && now_ < *peer.connect_after) continue;
        if (peer.pause_until && now_ < *peer.pause_until && peer.live.empty()) continue;
        peer.link = Link::connecting;
        ++linked;
        emit(Connect{provider, peer.record.node_key, peer.record.endpoint});
    }
}

/// Repeats everything its provider may have missed. All of it is safe to hear twice.
void Requestor::State::on(const PeerUp& event) {
    const auto found = peers_.find(event.provider);
    if (found == peers_.end()) return;
    PeerEntry& peer = found->second;
    peer.link = Link::up;
    peer.connect_failures = 0;
    peer.connect_after.reset();
    peer.bad_messages = 0;
    peer.idle_since = now_;
    peer.down_why.clear();
    std::vector<LeaseEntry*> live;
    for (const Hash32& id : peer.live)
        live.push_back(lease_of(id));
    std::ranges::sort(live, {}, [](const LeaseEntry* entry) {
        return std::pair{entry->offered, entry->id};
    });
    for (LeaseEntry* entry : live) {
        JobEntry& job = jobs_.at(entry->lease.job);
        entry->orphaned.reset();
        const TaskState state = job.states[entry->index];
        const bool is_wanted_still = state != TaskState::failed && state != TaskState::cancelled;
        if (entry->may_return() && is_wanted_still && !job.is_ended) {
            entry->why.clear();  // its deadline is still armed
            set_state(*entry, entry->commitment ? LeaseState::committed : LeaseState::offered);
            if (entry->commitment) request_reveals(job, entry->index);
            update_wanting(job, entry->index);
            if (entry->state == LeaseState::revealing) continue;
        }
        if (entry->state == LeaseState::offered)
            send_offer(*entry);
        else if (entry->state == LeaseState::revealing)
            send_reveal(*entry);
    }
    for (const Hash32& id : std::exchange(verdicts_due_[event.provider], {})) {
        if (LeaseEntry* entry = lease_of(id)) send_verdict(*entry);
    }
    verdicts_due_.erase(event.provider);
    for (const StreamKey& key : peer.streams) {
        StreamEntry& stream = streams_.at(key);
        if (stream.acknowledged < stream.cumulative) vouchers_due_.insert(key);
        if (stream.state == StreamState::closing) {
            stream.close_again = now_;
            arm({.at = now_,
                 .kind = TimerKind::stream,
                 .number = key.first,
                 .address = key.second});
        }
    }
    for (auto& [id, job] : jobs_) {
        const std::set<std::uint64_t> fetching = job.fetching;
        for (const std::uint64_t index : fetching) {
            const auto& sources = job.tasks.at(index).sources;
            if (std::ranges::find(sources, event.provider, &OutputSource::provider) !=
                sources.end()) {
                job.tasks.at(index).fetch_again.reset();
                continue_fetch(job, index);
            }
        }
    }
    work_changed_ = true;
}

void Requestor::State::on(const PeerDown& event) {
    const auto found = peers_.find(event.provider);
    if (found == peers_.end()) return;
    PeerEntry& peer = found->second;
    const bool was_up = peer.link == Link::up;
    peer.link = Link::down;
    peer.down_why = event.why.substr(0, why_size_max);
    peer.connect_after = now_ + backoff(config_.timing.reconnect_min, config_.timing.reconnect_max,
                                        peer.connect_failures);
    ++peer.connect_failures;
    arm({.at = *peer.connect_after, .kind = TimerKind::peer, .address = event.provider});
    if (was_up) {
        for (const Hash32& id : peer.live) {
            LeaseEntry* entry = lease_of(id);
            if (entry == nullptr || !entry->is_out()) continue;
            entry->orphaned = now_;
            arm({.at = now_ + config_.timing.orphan_grace, .kind = TimerKind::lease, .hash = id});
        }
    }
    work_changed_ = true;
    peers_changed_ = true;
}

void Requestor::State::on(const MessageReceived& event) {
    const auto found = peers_.find(event.provider);
    if (found == peers_.end() || found->second.link != Link::up) return;
    PeerEntry& peer = found->second;
    std::visit(Overload{
                   [&](const types::LeaseAnswer& message) { on_message(peer, message); },
                   [&](const types::Progress& message) { on_message(peer, message); },
                   [&](const types::CommitmentNotice& message) { on_message(peer, message); },
                   [&](const types::ReceiptNotice& message) { on_message(peer, message); },
                   [&](const types::VoucherAck& message) { on_message(peer, message); },
                   [&](const types::StreamClosed& message) { on_message(peer, message); },
                   [&](const auto&) { bad_message(peer, "sends what only a requestor may send"); },
               },
               event.message);
}

}  // namespace millrace::compute
