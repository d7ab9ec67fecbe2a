// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/database.hpp"

#include "base/assert.hpp"
#include "state/database_state.hpp"

namespace millrace::state {

StateDatabase::State::State(KeyValueStore& rows, Options options)
    : store{rows},
      codes{std::make_shared<CodeCache>(options.code_cache_size_max)},
      nodes{options.node_cache_size_max} {
    publish();
}

std::optional<Bytes> StateDatabase::State::node(const Bytes& key) {
    if (const Bytes* known = nodes.find(key)) return *known;
    auto row = store.get(Table::nodes, key);
    if (row) cache_node(key, *row);
    return row;
}

void StateDatabase::State::cache_node(const Bytes& key, const Bytes& node) {
    constexpr std::size_t overhead_size = 160;  // list, index and two vectors
    nodes.put(key, node, 2 * key.size() + node.size() + overhead_size);
}

std::shared_ptr<const StateSnapshot> StateDatabase::State::published() const {
    const std::lock_guard lock{mutex_};
    return published_;
}

void StateDatabase::State::publish() {
    std::shared_ptr<const StateSnapshot> next =
        std::make_shared<StateSnapshot>(store.snapshot(), codes);
    head = next->head();
    {
        const std::lock_guard lock{mutex_};
        published_.swap(next);
    }
    // The replaced snapshot ends here, outside the lock.
}

StateDatabase::StateDatabase(KeyValueStore& store, Options options)
    : state_{std::make_unique<State>(store, options)} {}

StateDatabase::~StateDatabase() = default;

std::shared_ptr<const StateSnapshot> StateDatabase::snapshot() const {
    return state_->published();
}

std::shared_ptr<const StateView> StateDatabase::latest() const {
    return snapshot()->latest();
}

std::shared_ptr<const StateView> StateDatabase::at(Height height) const {
    return snapshot()->at(height);
}

std::optional<AccountProof> StateDatabase::prove(Height height, const Address& address,
                                                 const std::vector<U256>& keys) const {
    return snapshot()->prove(height, address, keys);
}

void StateDatabase::committed(Height height) {
    MILLRACE_ASSERT(state_->pending.has_value());
    MILLRACE_ASSERT(state_->pending->height == height);
    for (const auto& [key, node] : state_->pending->nodes) {
        if (node) {
            state_->cache_node(key, *node);
        } else {
            state_->nodes.erase(key);
        }
    }
    state_->pending.reset();
    state_->publish();
    MILLRACE_ASSERT(state_->head == height);
}

void StateDatabase::rolled_back(Height height) {
    state_->pending.reset();
    state_->nodes.clear();
    state_->publish();
    MILLRACE_ASSERT(state_->head == height);
}

}  // namespace millrace::state
