// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <set>

#include "mempool/pool.hpp"

// What a Pool holds; private to src/mempool. Ordered containers throughout: hashes and addresses
// are chosen by strangers, who could fill one bucket of an unordered one.

namespace millrace::mempool {

/// What a transaction offers for a unit of gas: at most `fee`, of which at most `tip` goes to the
/// producer. Ordered by what can be charged at all, then by the tip.
struct Price {
    U256 fee;
    U256 tip;
    auto operator<=>(const Price&) const = default;
};
[[nodiscard]] Price price_of(const types::Transaction& transaction) noexcept;
/// Gas at its highest price, and value; null: more than 2^256.
[[nodiscard]] std::optional<U256> cost_of(const types::Transaction& transaction) noexcept;

struct Waiting {
    PooledPtr transaction;
    Price price;
    U256 cost;
    std::uint64_t sequence = 0;  ///< order of arrival
};

/// How dear the last transaction of a sender is to the pool. It cannot be in a block before those
/// in front of it, so it counts as the cheapest of them; behind a gap it counts least.
struct Rank {
    bool reachable = false;
    Price cheapest;
    auto operator<=>(const Rank&) const = default;
};

struct Sender {
    SenderState state;
    std::map<std::uint64_t, Waiting> queue;  ///< by nonce, none below state.nonce
    std::map<Price, std::size_t> prices;     ///< how often each is in the queue
    U256 cost;                               ///< sum over the queue, ≤ state.balance
    std::uint64_t pending_end = 0;           ///< state.nonce … pending_end - 1 are pending
    std::uint64_t pending_counted = 0;       ///< as the pool's sum has it
    std::optional<Rank> ranked;              ///< as `ranks` has it
};

struct Pool::State {
    using Senders = std::map<Address, Sender>;
    struct Place {
        Address sender;
        std::uint64_t nonce = 0;
    };
    /// What a full pool gave up, to be put back should the newcomer not be worth it.
    struct Evicted {
        Address address;
        SenderState state;
        std::uint64_t nonce = 0;
        Waiting waiting;
    };

    Limits limits;
    Senders senders;
    std::map<Hash32, Place> places;
    std::set<std::pair<Rank, Address>> ranks;
    std::size_t bytes = 0;
    std::size_t pending = 0;
    std::uint64_t sequence = 0;

    /// Puts it into a queue where its nonce is free, or takes it out; settle() must follow.
    void put(Senders::iterator sender, std::uint64_t nonce, Waiting waiting);
    Waiting take(Senders::iterator sender, std::uint64_t nonce);
    /// Counts what is pending now and ranks the sender anew; forgets one without transactions.
    void settle(Senders::iterator sender);
    /// Takes the last one of a sender.
    Evicted evict_last(Senders::iterator sender);
    void restore(Evicted evicted);
    Senders::iterator sender_of(const Address& address, const SenderState& state);

    [[nodiscard]] bool over_limits() const noexcept {
        return places.size() > limits.count_max || bytes > limits.bytes_max;
    }
};

}  // namespace millrace::mempool
