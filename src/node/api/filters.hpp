// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: what clients want to be told of, by asking (filters) or at once
// (subscriptions).

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/u256.hpp"
#include "node/api.hpp"
#include "node/api/encode.hpp"
#include "node/json_value.hpp"

namespace millrace::node {

struct Call;
struct RpcError;

/// Which logs, as eth_getLogs, eth_newFilter and eth_subscribe say it.
struct LogFilter {
    static constexpr std::size_t addresses_max = 1'000;
    static constexpr std::size_t topics_max = 4;
    static constexpr std::size_t alternatives_max = 1'000;  ///< in one place

    std::optional<Hash32> block;        ///< this one alone; `from` and `to` are absent then
    std::optional<std::uint64_t> from;  ///< absent: latest
    std::optional<std::uint64_t> to;    ///< absent: latest
    std::vector<Address> addresses;     ///< empty: any
    /// Place by place the alternatives; none: any.
    std::vector<std::vector<Hash32>> topics;

    [[nodiscard]] bool matches(const types::Log& log) const noexcept;
    /// Whether a block of that number is in the range, where a bound that says latest bounds
    /// nothing: for blocks that come after the filter.
    [[nodiscard]] bool includes(std::uint64_t number) const noexcept;
    /// False: certainly no log of that block matches.
    [[nodiscard]] bool may_match(const types::Bloom& bloom) const noexcept;
};
/// Argument `index` as an object; absent is an empty one.
Result<LogFilter, RpcError> read_log_filter(const Call& call, std::size_t index);

/// The logs of one block, in order.
struct BlockLogs {
    struct Entry {
        types::Log log;
        LogPlace place;
    };
    std::uint64_t number = 0;
    std::vector<Entry> entries;
    std::size_t bytes = 0;  ///< of memory, about
};
BlockLogs collect_logs(const types::Block& block, const Hash32& hash,
                       const std::vector<types::TransactionReceipt>& receipts, bool removed);

/// Filters and subscriptions of all clients. Any thread.
///
/// What happens is kept once for all filters, each has its place in it: a hundred filters cost no
/// more than one. Bounds: the numbers of Api::Limits, heads_max, pending_max and logs_bytes_max of
/// what is kept. A filter that falls behind them is gone, as one that nobody used for
/// unused_seconds_max is; its client makes a new one.
///
/// Filters belong to who knows the id, subscriptions to a session. Ids are 128 bits that nobody can
/// guess who does not know `secret`: the hash of it and a counter.
class Filters {
  public:
    using Id = U256;

    static constexpr std::uint64_t unused_seconds_max = 300;
    static constexpr std::size_t heads_max = 65'536;
    static constexpr std::size_t pending_max = 262'144;
    static constexpr std::size_t logs_bytes_max = 64u << 20;
    /// Notifications held for a subscription whose answer is not on its way yet.
    static constexpr std::size_t held_max = 4'096;

    enum class Kind : std::uint8_t { heads, pending, logs };

    /// The limits outlive it.
    Filters(const Api::Limits& limits, const Hash32& secret) : limits_{limits}, secret_{secret} {}
    Filters(const Filters&) = delete;
    Filters& operator=(const Filters&) = delete;

    // Seconds are Backend::steady_seconds().

    /// Null: filters_max reached. `full`: whole transactions, of a pending filter.
    std::optional<Id> add(Kind kind, LogFilter logs, bool full, std::uint64_t seconds);
    /// What happened since the last call.
    struct Changes {
        Kind kind = Kind::heads;
        bool full = false;
        std::vector<Hash32> hashes;                              ///< of blocks or transactions
        std::vector<std::shared_ptr<const BlockLogs>> blocks{};  ///< filter them
        LogFilter logs{};
    };
    std::optional<Changes> changes(const Id& id, std::uint64_t seconds);
    /// Null: none, or none of logs.
    std::optional<LogFilter> log_filter(const Id& id, std::uint64_t seconds);
    bool remove(const Id& id);

    /// Null: subscriptions_per_session_max reached. Nothing is pushed before start(); what happens
    /// between is pushed then.
    std::optional<Id> subscribe(const Api::Caller& caller, Kind kind, LogFilter logs);
    void start(const Id& id);
    bool unsubscribe(std::uint64_t session, const Id& id);
    void session_closed(std::uint64_t session);

    /// On one thread, in order.
    void on_event(const NodeEvent& event);

  private:
    struct Filter {
        Kind kind = Kind::heads;
        bool full = false;
        LogFilter logs;
        std::uint64_t next = 0;  ///< number of the first event not told yet
        std::uint64_t used = 0;  ///< seconds
    };
    /// What stands above `held` never changes.
    struct Subscription {
        Id id;
        std::uint64_t session = 0;
        Kind kind = Kind::heads;
        LogFilter logs;
        std::function<bool(std::string)> push;
        std::vector<std::string> held{};
        bool started = false;
        bool ended = false;
    };
    using SubscriptionPtr = std::shared_ptr<Subscription>;
    struct KeptHead {
        Hash32 hash;
        bool removed = false;
        std::shared_ptr<const BlockLogs> logs;  ///< null: nobody wanted them
    };

    Id next_id();
    void expire(std::uint64_t seconds);
    void erase_filter(std::map<Id, Filter>::iterator place);
    Filter* use(const Id& id, std::uint64_t seconds);
    void keep_head(const NewHead& head, std::shared_ptr<const BlockLogs> logs);
    void end(const SubscriptionPtr& subscription);
    void on_head(const NewHead& head);
    void on_pending(const NewPending& pending);
    std::vector<SubscriptionPtr> subscriptions_of(Kind kind, Kind other) const;
    bool deliver(const SubscriptionPtr& subscription, std::string message);

    const Api::Limits& limits_;
    const Hash32 secret_;
    mutable std::mutex mutex_;
    std::uint64_t ids_given_ = 0;
    std::map<Id, Filter> filters_;
    std::size_t filters_of_kind_[3]{};
    std::uint64_t expired_at_ = 0;

    // Events are numbered from 0 in each of the two; the first kept has number `…_first_`.
    std::deque<KeptHead> heads_;
    std::uint64_t heads_first_ = 0;
    std::size_t logs_bytes_ = 0;
    std::deque<Hash32> pending_;
    std::uint64_t pending_first_ = 0;

    std::map<Id, SubscriptionPtr> subscriptions_;
    std::unordered_map<std::uint64_t, std::size_t> sessions_;  ///< subscriptions each has
};

}  // namespace millrace::node
