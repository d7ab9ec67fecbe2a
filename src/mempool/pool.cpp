// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "mempool/pool.hpp"

#include <limits>
#include <utility>

#include "mempool/pool_state.hpp"

namespace millrace::mempool {
namespace {

/// Whether `after` outbids `before` by the percentage, exactly and by 1 wei at least. Fees whose
/// hundredfold does not fit in 256 bits outbid nothing.
bool outbids(const U256& after, const U256& before, std::uint32_t percent) noexcept {
    const auto offered = checked_mul(after, U256{100});
    const auto wanted = checked_mul(before, U256{std::uint64_t{100} + percent});
    return after > before && offered && wanted && *offered >= *wanted;
}

/// What can be said of a transaction without looking at what waits.
std::optional<PoolError> refusal_alone(const PooledTransaction& pooled, const SenderState& sender,
                                       const Pool::Limits& limits) noexcept {
    const types::Transaction& transaction = pooled.transaction.transaction;
    if (pooled.size > types::transaction_size_max || pooled.size > limits.bytes_max)
        return PoolError::too_large;
    if (transaction.gas_limit > limits.gas_limit_max) return PoolError::gas_limit_too_high;
    if (price_of(transaction).tip < limits.tip_floor) return PoolError::underpriced;
    if (transaction.nonce < sender.nonce) return PoolError::nonce_too_low;
    // EIP-2681: the highest nonce can never be used.
    if (transaction.nonce - sender.nonce > limits.nonce_gap_max ||
        transaction.nonce == std::numeric_limits<std::uint64_t>::max())
        return PoolError::nonce_too_high;
    const auto cost = cost_of(transaction);
    if (!cost || *cost > sender.balance) return PoolError::insufficient_funds;
    return std::nullopt;
}

}  // namespace

std::string_view to_text(PoolError error) noexcept {
    switch (error) {
        case PoolError::already_known:
            return "already known";
        case PoolError::nonce_too_low:
            return "nonce too low";
        case PoolError::nonce_too_high:
            return "nonce too high";
        case PoolError::insufficient_funds:
            return "insufficient funds for gas * price + value";
        case PoolError::underpriced:
            return "transaction underpriced";
        case PoolError::replacement_underpriced:
            return "replacement transaction underpriced";
        case PoolError::sender_full:
            return "too many transactions of this account wait";
        case PoolError::too_large:
            return "oversized data";
        case PoolError::gas_limit_too_high:
            return "exceeds block gas limit";
    }
    return "unknown";
}

Pool::Pool(Limits limits) : state_{std::make_unique<State>()} {
    state_->limits = std::move(limits);
}

Pool::~Pool() = default;

Result<Pool::Added, PoolError> Pool::add(PooledTransaction pooled, const SenderState& state) {
    State& pool = *state_;
    if (pool.places.contains(pooled.hash)) return Err{PoolError::already_known};
    if (const auto refusal = refusal_alone(pooled, state, pool.limits)) return Err{*refusal};

    const Address address = pooled.sender;
    const std::uint64_t nonce = pooled.transaction.transaction.nonce;
    const Price price = price_of(pooled.transaction.transaction);
    const U256 cost = *cost_of(pooled.transaction.transaction);
    Added added{.pending = false, .evicted = update(address, state)};

    // What waits under the same nonce gives way only to a better offer.
    const Waiting* replaced = nullptr;
    if (const auto known = pool.senders.find(address); known != pool.senders.end()) {
        const Sender& owner = known->second;
        const auto same = owner.queue.find(nonce);
        replaced = same == owner.queue.end() ? nullptr : &same->second;
        const U256 others = replaced ? wrapping_sub(owner.cost, replaced->cost) : owner.cost;
        const auto sum = checked_add(others, cost);
        if (!sum || *sum > state.balance) return Err{PoolError::insufficient_funds};
        if (!replaced && owner.queue.size() >= pool.limits.sender_count_max)
            return Err{PoolError::sender_full};
    }
    if (replaced && !(outbids(price.fee, replaced->price.fee, pool.limits.price_bump_percent) &&
                      outbids(price.tip, replaced->price.tip, pool.limits.price_bump_percent)))
        return Err{PoolError::replacement_underpriced};

    const auto sender = pool.sender_of(address, state);
    std::optional<Waiting> old;
    if (replaced) old = pool.take(sender, nonce);
    pool.put(sender, nonce,
             {std::make_shared<const PooledTransaction>(std::move(pooled)), price, cost,
              pool.sequence++});
    pool.settle(sender);

    // A full pool lets the last of the least worthy sender go, until all fits; at the same rank the
    // newcomer's own sender. Should that be the newcomer itself, nothing has happened.
    std::vector<State::Evicted> evicted;
    while (pool.over_limits()) {
        auto victim = pool.senders.find(pool.ranks.begin()->second);
        if (victim->second.ranked == sender->second.ranked) victim = sender;
        if (victim == sender && sender->second.queue.rbegin()->first == nonce) {
            pool.take(sender, nonce);
            if (old) pool.put(sender, nonce, std::move(*old));
            pool.settle(sender);
            while (!evicted.empty()) {
                pool.restore(std::move(evicted.back()));
                evicted.pop_back();
            }
            return Err{PoolError::underpriced};
        }
        evicted.push_back(pool.evict_last(victim));
    }
    if (old) added.evicted.push_back(std::move(old->transaction));
    for (State::Evicted& one : evicted)
        added.evicted.push_back(std::move(one.waiting.transaction));
    added.pending = nonce < sender->second.pending_end;
    return added;
}

std::vector<PooledPtr> Pool::update(const Address& address, const SenderState& state) {
    State& pool = *state_;
    std::vector<PooledPtr> gone;
    const auto sender = pool.senders.find(address);
    if (sender == pool.senders.end()) return gone;
    Sender& owner = sender->second;
    if (owner.state.nonce == state.nonce && owner.state.balance == state.balance) return gone;

    const bool run_stands = state.nonce >= owner.state.nonce && state.nonce <= owner.pending_end;
    owner.state = state;
    if (!run_stands) owner.pending_end = state.nonce;
    while (!owner.queue.empty() && owner.queue.begin()->first < state.nonce)
        gone.push_back(pool.take(sender, owner.queue.begin()->first).transaction);
    while (owner.cost > state.balance)
        gone.push_back(pool.take(sender, owner.queue.rbegin()->first).transaction);
    pool.settle(sender);
    return gone;
}

bool Pool::remove(const Hash32& hash) {
    State& pool = *state_;
    const auto place = pool.places.find(hash);
    if (place == pool.places.end()) return false;
    const auto sender = pool.senders.find(place->second.sender);
    pool.take(sender, place->second.nonce);
    pool.settle(sender);
    return true;
}

PooledPtr Pool::find(const Hash32& hash) const {
    const auto place = state_->places.find(hash);
    if (place == state_->places.end()) return nullptr;
    return state_->senders.at(place->second.sender).queue.at(place->second.nonce).transaction;
}

std::optional<std::uint64_t> Pool::next_nonce(const Address& address) const {
    const auto sender = state_->senders.find(address);
    if (sender == state_->senders.end()) return std::nullopt;
    return sender->second.pending_end;
}

Pool::Status Pool::status() const noexcept {
    return {.pending = state_->pending,
            .queued = state_->places.size() - state_->pending,
            .bytes = state_->bytes};
}

std::vector<Pool::Entry> Pool::content() const {
    std::vector<Entry> all;
    all.reserve(state_->places.size());
    for (const auto& [address, sender] : state_->senders)
        for (const auto& [nonce, waiting] : sender.queue)
            all.push_back({waiting.transaction, nonce < sender.pending_end});
    return all;
}

}  // namespace millrace::mempool
