// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "mempool/pool_state.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace millrace::mempool {

Price price_of(const types::Transaction& transaction) noexcept {
    const U256& fee = transaction.max_fee_per_gas;
    const bool one_price = transaction.kind == types::TransactionKind::legacy ||
                           transaction.kind == types::TransactionKind::access_list;
    if (one_price) return {fee, fee};
    return {fee, std::min(fee, transaction.max_priority_fee_per_gas)};
}

std::optional<U256> cost_of(const types::Transaction& transaction) noexcept {
    const auto gas = checked_mul(transaction.max_fee_per_gas, U256{transaction.gas_limit});
    if (!gas) return std::nullopt;
    return checked_add(*gas, transaction.value.wei);
}

void Pool::State::put(Senders::iterator sender, std::uint64_t nonce, Waiting waiting) {
    Sender& owner = sender->second;
    const auto sum = checked_add(owner.cost, waiting.cost);
    MILLRACE_ASSERT(sum.has_value());
    owner.cost = *sum;
    ++owner.prices[waiting.price];
    bytes += waiting.transaction->size;
    const bool new_hash =
        places.emplace(waiting.transaction->hash, Place{sender->first, nonce}).second;
    const bool new_nonce = owner.queue.emplace(nonce, std::move(waiting)).second;
    MILLRACE_ASSERT(new_hash);
    MILLRACE_ASSERT(new_nonce);
}

Waiting Pool::State::take(Senders::iterator sender, std::uint64_t nonce) {
    Sender& owner = sender->second;
    auto node = owner.queue.extract(nonce);
    MILLRACE_ASSERT(!node.empty());
    Waiting waiting = std::move(node.mapped());
    owner.cost = wrapping_sub(owner.cost, waiting.cost);
    const auto price = owner.prices.find(waiting.price);
    if (--price->second == 0) owner.prices.erase(price);
    owner.pending_end = std::min(owner.pending_end, std::max(nonce, owner.state.nonce));
    bytes -= waiting.transaction->size;
    places.erase(waiting.transaction->hash);
    return waiting;
}

void Pool::State::settle(Senders::iterator sender) {
    Sender& owner = sender->second;
    for (auto next = owner.queue.find(owner.pending_end);
         next != owner.queue.end() && next->first == owner.pending_end; ++next)
        ++owner.pending_end;
    const std::uint64_t count = owner.pending_end - owner.state.nonce;
    MILLRACE_ASSERT(count <= owner.queue.size());
    pending = pending - owner.pending_counted + count;
    owner.pending_counted = count;

    if (owner.ranked) ranks.erase({*owner.ranked, sender->first});
    if (owner.queue.empty()) {
        senders.erase(sender);
        return;
    }
    owner.ranked = Rank{count == owner.queue.size(), owner.prices.begin()->first};
    ranks.emplace(*owner.ranked, sender->first);
}

Pool::State::Evicted Pool::State::evict_last(Senders::iterator sender) {
    const std::uint64_t nonce = sender->second.queue.rbegin()->first;
    Evicted evicted{sender->first, sender->second.state, nonce, take(sender, nonce)};
    settle(sender);
    return evicted;
}

void Pool::State::restore(Evicted evicted) {
    const auto sender = sender_of(evicted.address, evicted.state);
    put(sender, evicted.nonce, std::move(evicted.waiting));
    settle(sender);
}

Pool::State::Senders::iterator Pool::State::sender_of(const Address& address,
                                                      const SenderState& state) {
    const auto [sender, fresh] = senders.try_emplace(address);
    if (fresh) {
        sender->second.state = state;
        sender->second.pending_end = state.nonce;
    }
    return sender;
}

}  // namespace millrace::mempool
