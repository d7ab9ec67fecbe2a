// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "mempool/pool_state.hpp"

namespace millrace::mempool {
namespace {

/// The first transaction of a sender that has not been given yet.
struct First {
    U256 tip;
    std::uint64_t sequence = 0;
    PooledPtr transaction;
};

/// The heap's top is the best tip; of equal ones what came first.
bool comes_later(const First& left, const First& right) noexcept {
    if (left.tip != right.tip) return left.tip < right.tip;
    return left.sequence > right.sequence;
}

std::optional<First> first_of(const Waiting& waiting, const U256& base_fee) {
    const auto left = checked_sub(waiting.price.fee, base_fee);
    if (!left) return std::nullopt;
    return First{std::min(waiting.price.tip, *left), waiting.sequence, waiting.transaction};
}

}  // namespace

/// One transaction per sender is on the heap; its successor follows when it has been given. The
/// pool is looked up anew each time, so that it may change meanwhile.
struct Pool::Selection::State {
    const Pool::State& pool;
    U256 base_fee;
    std::vector<First> heap;
    PooledPtr last;  ///< its successor is not on the heap yet

    void push_successor() {
        const PooledPtr given = std::exchange(last, nullptr);
        if (!given) return;
        const auto sender = pool.senders.find(given->sender);
        if (sender == pool.senders.end()) return;
        const auto next = sender->second.queue.find(given->transaction.transaction.nonce + 1);
        if (next == sender->second.queue.end() || next->first >= sender->second.pending_end) return;
        auto first = first_of(next->second, base_fee);
        if (!first) return;
        heap.push_back(std::move(*first));
        std::ranges::push_heap(heap, comes_later);
    }
};

Pool::Selection::Selection() = default;
Pool::Selection::~Selection() = default;
Pool::Selection::Selection(Selection&&) noexcept = default;

PooledPtr Pool::Selection::next() {
    state_->push_successor();
    while (!state_->heap.empty()) {
        std::ranges::pop_heap(state_->heap, comes_later);
        PooledPtr best = std::move(state_->heap.back().transaction);
        state_->heap.pop_back();
        if (!state_->pool.places.contains(best->hash)) continue;
        state_->last = best;
        return best;
    }
    return nullptr;
}

void Pool::Selection::skip_sender() {
    state_->last = nullptr;
}

Pool::Selection Pool::select(const U256& base_fee) const {
    Selection selection;
    selection.state_ =
        std::make_unique<Selection::State>(Selection::State{*state_, base_fee, {}, nullptr});
    std::vector<First>& heap = selection.state_->heap;
    for (const auto& [address, sender] : state_->senders) {
        const auto head = sender.queue.begin();
        if (head->first >= sender.pending_end) continue;
        if (auto first = first_of(head->second, base_fee)) heap.push_back(std::move(*first));
    }
    std::ranges::make_heap(heap, comes_later);
    return selection;
}

}  // namespace millrace::mempool
