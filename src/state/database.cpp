// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/database.hpp"

#include <utility>

#include "base/assert.hpp"
#include "state/database_state.hpp"
#include "trie/node.hpp"

namespace millrace::state {
namespace {

template <typename DatabaseState>
class WorkingView final : public StateView {
  public:
    explicit WorkingView(DatabaseState& state) : state_{state}, snapshot_{state.published()} {}

    [[nodiscard]] std::optional<Account> account(const Address& address) const override {
        const auto row = state_.head_rows.account(address);
        if (!row) return std::nullopt;
        return row->account;
    }
    [[nodiscard]] U256 storage(const Address& address, const U256& key) const override {
        return state_.head_rows.slot(address, key);
    }
    [[nodiscard]] bool has_storage(const Address& address) const override {
        const auto row = state_.head_rows.account(address);
        return row && row->storage_root != trie::empty_root;
    }
    [[nodiscard]] evm::CodePtr code(const Hash32& hash) const override {
        return snapshot_->code(hash);
    }

  private:
    DatabaseState& state_;
    std::shared_ptr<const StateSnapshot> snapshot_;
};

}  // namespace

StateDatabase::State::State(KeyValueStore& rows, Options options)
    : store{rows},
      codes{std::make_shared<CodeCache>(options.code_cache_size_max)},
      nodes{options.node_cache_size_max},
      head_rows{store},
      head{read_state_height(store, state_head_key())},
      pruned{read_state_height(store, state_pruned_key()).value_or(Height{})} {
    publish();
}

std::optional<Bytes> StateDatabase::State::node(const Bytes& key) {
    if (auto known = nodes.find(key)) return known;
    auto row = store.get(Table::nodes, key);
    if (row) nodes.put(key, *row);
    return row;
}

std::shared_ptr<const StateSnapshot> StateDatabase::State::published() const {
    const std::lock_guard lock{mutex_};
    return published_;
}

void StateDatabase::State::publish() {
    std::shared_ptr<const StateSnapshot> next =
        std::make_shared<StateSnapshot>(store.snapshot(), codes, head, pruned);
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

std::shared_ptr<const StateView> StateDatabase::working() const {
    return std::make_shared<WorkingView<State>>(*state_);
}

std::shared_ptr<const StateView> StateDatabase::at(Height height) const {
    return snapshot()->at(height);
}

std::optional<AccountProof> StateDatabase::prove(Height height, const Address& address,
                                                 const std::vector<U256>& keys) const {
    return snapshot()->prove(height, address, keys);
}

void StateDatabase::absorb() {
    MILLRACE_ASSERT(state_->pending.has_value());
    if (std::exchange(state_->pending->is_absorbed, true)) return;
    for (auto& [key, node] : state_->pending->nodes) {
        if (node) {
            state_->nodes.put(std::move(key), std::move(*node));
        } else {
            state_->nodes.erase(key);
        }
    }
    state_->head_rows.apply(state_->pending->head_rows);
}

void StateDatabase::abandoned() {
    state_->pending.reset();
    state_->nodes.clear();
    state_->head_rows.clear();
}

void StateDatabase::part_committed() {
    absorb();
    state_->pending.reset();
}

void StateDatabase::committed(Height height) {
    MILLRACE_ASSERT(state_->pending.has_value());
    MILLRACE_ASSERT(state_->pending->height == height);
    part_committed();
    state_->head = height;
    state_->publish();
}

void StateDatabase::rolled_back(Height height) {
    abandoned();
    state_->head = height;
    state_->publish();
}

}  // namespace millrace::state
