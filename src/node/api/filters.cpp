// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/api/filters.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/overload.hpp"
#include "crypto/hash.hpp"

namespace millrace::node {
namespace {

std::string notification(const Filters::Id& id, std::string_view result) {
    JsonWriter out;
    out.begin('{').key("jsonrpc").text("2.0").key("method").text("eth_subscription");
    out.key("params").begin('{').key("subscription").quantity(id);
    out.key("result").raw(result).end('}').end('}');
    return std::move(out).take();
}

std::string head_text(const NewHead& head) {
    JsonWriter out;
    out.begin('{');
    write_header_members(out, head.block->header, &head.hash);
    out.end('}');
    return std::move(out).take();
}

std::string log_text(const BlockLogs::Entry& entry) {
    JsonWriter out;
    write_log(out, entry.log, entry.place);
    return std::move(out).take();
}

constexpr std::size_t index_of(Filters::Kind kind) noexcept {
    return static_cast<std::size_t>(kind);
}

}  // namespace

std::optional<Filters::Id> Filters::add(Kind kind, LogFilter logs, bool full,
                                        std::uint64_t seconds) {
    const std::lock_guard lock{mutex_};
    if (filters_.size() >= limits_.filters_max) expire(seconds);
    if (filters_.size() >= limits_.filters_max) return std::nullopt;
    const std::uint64_t next =
        kind == Kind::pending ? pending_first_ + pending_.size() : heads_first_ + heads_.size();
    const Id id = next_id();
    filters_.emplace(
        id,
        Filter{.kind = kind, .full = full, .logs = std::move(logs), .next = next, .used = seconds});
    ++filters_of_kind_[index_of(kind)];
    return id;
}

Filters::Id Filters::next_id() {
    std::array<std::uint8_t, Hash32::size + 8> seed{};
    std::ranges::copy(secret_.bytes, seed.begin());
    const std::uint64_t number = ids_given_++;
    for (std::size_t index = 0; index < 8; ++index)
        seed[Hash32::size + index] = static_cast<std::uint8_t>(number >> (8 * index));
    return u256_from_big_endian(crypto::keccak256(seed).view().first(16)).value_or(U256{});
}

void Filters::erase_filter(std::map<Id, Filter>::iterator place) {
    --filters_of_kind_[index_of(place->second.kind)];
    filters_.erase(place);
    if (filters_of_kind_[index_of(Kind::pending)] == 0) {
        pending_first_ += pending_.size();
        pending_.clear();
    }
    if (filters_of_kind_[index_of(Kind::heads)] + filters_of_kind_[index_of(Kind::logs)] == 0) {
        heads_first_ += heads_.size();
        heads_.clear();
        logs_bytes_ = 0;
    }
}

void Filters::expire(std::uint64_t seconds) {
    if (seconds == expired_at_) return;  // at most one walk over all a second
    expired_at_ = seconds;
    for (auto place = filters_.begin(); place != filters_.end();) {
        const auto following = std::next(place);
        const std::uint64_t used = place->second.used;
        if (seconds > used && seconds - used > unused_seconds_max) erase_filter(place);
        place = following;
    }
}

Filters::Filter* Filters::use(const Id& id, std::uint64_t seconds) {
    expire(seconds);
    const auto place = filters_.find(id);
    if (place == filters_.end()) return nullptr;
    Filter& filter = place->second;
    const std::uint64_t first = filter.kind == Kind::pending ? pending_first_ : heads_first_;
    if (filter.next < first) {  // what it was not told is no longer kept
        erase_filter(place);
        return nullptr;
    }
    filter.used = seconds;
    return &filter;
}

std::optional<Filters::Changes> Filters::changes(const Id& id, std::uint64_t seconds) {
    const std::lock_guard lock{mutex_};
    Filter* filter = use(id, seconds);
    if (filter == nullptr) return std::nullopt;
    Changes result{.kind = filter->kind, .full = filter->full, .hashes = {}};
    if (filter->kind == Kind::pending) {
        const auto first = static_cast<std::ptrdiff_t>(filter->next - pending_first_);
        result.hashes.assign(pending_.begin() + first, pending_.end());
        filter->next = pending_first_ + pending_.size();
        return result;
    }
    const auto first = static_cast<std::ptrdiff_t>(filter->next - heads_first_);
    for (auto head = heads_.begin() + first; head != heads_.end(); ++head) {
        if (filter->kind == Kind::logs) {
            if (head->logs != nullptr) result.blocks.push_back(head->logs);
        } else if (!head->removed) {
            result.hashes.push_back(head->hash);
        }
    }
    filter->next = heads_first_ + heads_.size();
    if (filter->kind == Kind::logs) result.logs = filter->logs;
    return result;
}

std::optional<LogFilter> Filters::log_filter(const Id& id, std::uint64_t seconds) {
    const std::lock_guard lock{mutex_};
    const Filter* filter = use(id, seconds);
    if (filter == nullptr || filter->kind != Kind::logs) return std::nullopt;
    return filter->logs;
}

bool Filters::remove(const Id& id) {
    const std::lock_guard lock{mutex_};
    const auto place = filters_.find(id);
    if (place == filters_.end()) return false;
    erase_filter(place);
    return true;
}

std::optional<Filters::Id> Filters::subscribe(const Api::Caller& caller, Kind kind,
                                              LogFilter logs) {
    auto subscription = std::make_shared<Subscription>(Subscription{.id = {},
                                                                    .session = caller.session,
                                                                    .kind = kind,
                                                                    .logs = std::move(logs),
                                                                    .push = caller.push});
    const std::lock_guard lock{mutex_};
    const auto counted = sessions_.find(caller.session);
    const std::size_t count = counted == sessions_.end() ? 0 : counted->second;
    if (count >= limits_.subscriptions_per_session_max) return std::nullopt;
    sessions_[caller.session] = count + 1;
    subscription->id = next_id();
    subscriptions_.emplace(subscription->id, subscription);
    return subscription->id;
}

void Filters::end(const SubscriptionPtr& subscription) {
    if (subscription->ended) return;
    subscription->ended = true;
    subscription->held.clear();
    subscriptions_.erase(subscription->id);
    const auto counted = sessions_.find(subscription->session);
    if (counted != sessions_.end() && --counted->second == 0) sessions_.erase(counted);
}

void Filters::start(const Id& id) {
    SubscriptionPtr subscription;
    {
        const std::lock_guard lock{mutex_};
        const auto place = subscriptions_.find(id);
        if (place == subscriptions_.end()) return;
        subscription = place->second;
    }
    // Until nothing is held: what comes meanwhile is held too, so the order stays.
    for (;;) {
        std::vector<std::string> messages;
        {
            const std::lock_guard lock{mutex_};
            if (subscription->ended) return;
            messages.swap(subscription->held);
            if (messages.empty()) {
                subscription->started = true;
                return;
            }
        }
        for (std::string& message : messages) {
            if (subscription->push(std::move(message))) continue;
            const std::lock_guard lock{mutex_};
            end(subscription);
            return;
        }
    }
}

bool Filters::unsubscribe(std::uint64_t session, const Id& id) {
    const std::lock_guard lock{mutex_};
    const auto place = subscriptions_.find(id);
    if (place == subscriptions_.end() || place->second->session != session) return false;
    end(SubscriptionPtr{place->second});
    return true;
}

void Filters::session_closed(std::uint64_t session) {
    const std::lock_guard lock{mutex_};
    if (!sessions_.contains(session)) return;
    std::vector<SubscriptionPtr> closed;
    for (const auto& [id, subscription] : subscriptions_) {
        if (subscription->session == session) closed.push_back(subscription);
    }
    for (const SubscriptionPtr& subscription : closed)
        end(subscription);
}

std::vector<Filters::SubscriptionPtr> Filters::subscriptions_of(Kind kind, Kind other) const {
    std::vector<SubscriptionPtr> result;
    for (const auto& [id, subscription] : subscriptions_) {
        if (subscription->kind == kind || subscription->kind == other)
            result.push_back(subscription);
    }
    return result;
}

/// False: the subscription has ended.
bool Filters::deliver(const SubscriptionPtr& subscription, std::string message) {
    {
        const std::lock_guard lock{mutex_};
        if (subscription->ended) return false;
        if (!subscription->started) {
            if (subscription->held.size() < held_max) {
                subscription->held.push_back(std::move(message));
                return true;
            }
            end(subscription);
            return false;
        }
    }
    if (subscription->push(std::move(message))) return true;
    const std::lock_guard lock{mutex_};
    end(subscription);
    return false;
}

void Filters::on_event(const NodeEvent& event) {
    std::visit(Overload{[this](const NewHead& head) { on_head(head); },
                        [this](const NewPending& pending) { on_pending(pending); }},
               event);
}

void Filters::on_pending(const NewPending& pending) {
    std::vector<SubscriptionPtr> listening;
    {
        const std::lock_guard lock{mutex_};
        if (filters_of_kind_[index_of(Kind::pending)] > 0) {
            pending_.push_back(pending.hash);
        } else {
            ++pending_first_;
        }
        if (pending_.size() > pending_max) {
            pending_.pop_front();
            ++pending_first_;
        }
        listening = subscriptions_of(Kind::pending, Kind::pending);
    }
    if (listening.empty()) return;
    const std::string text = std::move(JsonWriter{}.data(pending.hash)).take();
    for (const SubscriptionPtr& subscription : listening)
        deliver(subscription, notification(subscription->id, text));
}

void Filters::keep_head(const NewHead& head, std::shared_ptr<const BlockLogs> logs) {
    if (filters_of_kind_[index_of(Kind::heads)] + filters_of_kind_[index_of(Kind::logs)] == 0) {
        ++heads_first_;
        return;
    }
    if (filters_of_kind_[index_of(Kind::logs)] == 0) logs = nullptr;
    if (logs != nullptr) logs_bytes_ += logs->bytes;
    heads_.push_back({.hash = head.hash, .removed = head.removed, .logs = std::move(logs)});
    while (heads_.size() > heads_max || (logs_bytes_ > logs_bytes_max && heads_.size() > 1)) {
        if (heads_.front().logs != nullptr) logs_bytes_ -= heads_.front().logs->bytes;
        heads_.pop_front();
        ++heads_first_;
    }
}

void Filters::on_head(const NewHead& head) {
    // The logs are taken apart before it is known who wants them: a filter made meanwhile begins
    // with the next block or finds them here.
    bool wanted = false;
    {
        const std::lock_guard lock{mutex_};
        wanted = filters_of_kind_[index_of(Kind::logs)] > 0 || !subscriptions_.empty();
    }
    std::shared_ptr<const BlockLogs> logs;
    if (wanted)
        logs = std::make_shared<const BlockLogs>(
            collect_logs(*head.block, head.hash, *head.receipts, head.removed));
    std::vector<SubscriptionPtr> listening;
    {
        const std::lock_guard lock{mutex_};
        keep_head(head, logs);
        listening = subscriptions_of(Kind::heads, Kind::logs);
    }
    std::string text;
    for (const SubscriptionPtr& subscription : listening) {
        if (subscription->kind == Kind::heads) {
            if (head.removed) continue;
            if (text.empty()) text = head_text(head);
            deliver(subscription, notification(subscription->id, text));
            continue;
        }
        if (logs == nullptr || !subscription->logs.includes(logs->number)) continue;
        for (const BlockLogs::Entry& entry : logs->entries) {
            if (!subscription->logs.matches(entry.log)) continue;
            if (!deliver(subscription, notification(subscription->id, log_text(entry)))) break;
        }
    }
}

}  // namespace millrace::node
