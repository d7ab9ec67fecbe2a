// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/chain.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "node/chain_rows.hpp"
#include "node/chain_state.hpp"
#include "state/rows.hpp"

namespace millrace::node {
namespace {

using state::Table;

constexpr std::size_t block_hashes_max = 256;  // what BLOCKHASH can ask for

/// History rows that a block takes away, so that pruning keeps pace with any block and catches up.
std::size_t prune_rows_max(std::size_t block_rows) noexcept {
    return 1'024 + 2 * block_rows;
}

}  // namespace

std::string ImportFailure::text() const {
    if (!disk.empty()) return disk;
    std::string line{ledger::to_text(error)};
    if (transaction)
        line += ", transaction " + std::to_string(index) + ": " +
                std::string{ledger::to_text(*transaction)};
    return line;
}

Chain::State::State(state::KeyValueStore& rows, const ledger::Genesis& genesis,
                    const Options& given)
    : store{rows},
      config{std::make_shared<const ledger::ChainConfig>(genesis.config)},
      options{given},
      development{genesis.development},
      database{rows, given.state},
      arena{evm::make_arena()} {}

void Chain::State::load_head(const Head& newest) {
    head = newest;
    recent.clear();
    recent.push_front(head.hash);
    Hash32 parent = head.header.parent_hash;
    std::uint64_t number = head.header.number;
    while (number > 0 && recent.size() < block_hashes_max) {
        recent.push_front(parent);
        const Bytes key = state::height_key(Height{--number});
        const auto row = store.get(Table::headers, key);
        const auto header = row ? decode_header_row(*row) : std::nullopt;
        if (!header) state::stop_on_damage(Table::headers, key, "a header is missing");
        parent = header->parent_hash;
    }
    publish();
}

void Chain::State::publish() {
    view = std::make_shared<const StoredView>(StoredView::Parts{.config = config,
                                                                .genesis_hash = genesis_hash,
                                                                .head = head,
                                                                .state = database.snapshot(),
                                                                .overrides = overrides});
}

Hash32 Chain::State::hash_of(std::uint64_t number) const {
    if (number > head.header.number) return {};
    const std::uint64_t depth = head.header.number - number;
    if (depth >= recent.size()) return {};
    return recent[recent.size() - 1 - depth];
}

std::shared_ptr<const state::StateView> Chain::State::working_state() const {
    return make_overlay(database.working(), overrides);
}

void Chain::State::stand_on_head() {
    parent_state = working_state();
    block_hashes = [this](std::uint64_t number) { return hash_of(number); };
}

state::StateDiff Chain::State::with_overrides(state::StateDiff diff) const {
    if (!overrides) return diff;
    state::StateDiff both = *overrides;
    both.merge(std::move(diff));
    return both;
}

bool Chain::State::write(state::WriteBatch batch, const types::Block& block, const Hash32& hash,
                         const std::vector<types::TransactionReceipt>& receipts,
                         const ledger::EncodedBody& encoded) {
    const Height height{block.header.number};
    put_block(batch, block, hash, receipts, encoded);
    if (options.history && height.value > *options.history) {
        // Whether all is done does not matter: the next block goes on.
        static_cast<void>(database.stage_prune(Height{height.value - *options.history},
                                               prune_rows_max(batch.size()), batch));
    }
    bool is_written = false;
    for_each_index(parallel_for, 2, [&](std::size_t which) {
        if (which == 0) {
            is_written = store.write(std::move(batch), state::Durability::synced);
        } else {
            database.absorb();
        }
    });
    if (!is_written) {
        database.abandoned();
        return false;
    }
    database.committed(height);
    overrides.reset();
    head = {.header = block.header, .hash = hash};
    recent.push_back(hash);
    if (recent.size() > block_hashes_max) recent.pop_front();
    publish();
    return true;
}

Chain::Chain(std::unique_ptr<State> state) : state_{std::move(state)} {}
Chain::~Chain() = default;

const Head& Chain::head() const noexcept {
    return state_->head;
}

std::shared_ptr<const ChainView> Chain::view() const {
    return state_->view;
}

const ledger::ChainConfig& Chain::config() const noexcept {
    return *state_->config;
}

Result<void, ImportFailure> Chain::import(const types::Block& block,
                                          const ledger::ParallelFor& parallel_for) {
    State& chain = *state_;
    const auto refused = [](const ledger::BlockFailure& failure) {
        return Err{ImportFailure{failure, {}}};
    };
    const auto header = ledger::check_header(*chain.config, block.header, chain.head.header, false);
    if (!header) return refused(header.error());
    chain.stand_on_head();
    const Height height{block.header.number};
    const auto root_after = [&](const state::StateDiff& diff) {
        state::WriteBatch unused;
        return chain.database.stage(height, chain.with_overrides(diff), unused);
    };
    const evm::Revision revision =
        ledger::rules_at(*chain.config, height.value, block.header.timestamp).revision;
    const auto senders = ledger::recover_senders(block.transactions, revision, parallel_for);
    auto result = ledger::execute_block(*chain.config, block, senders, *chain.parent_state,
                                        chain.block_hashes, *chain.arena, root_after);
    if (!result) return refused(result.error());
    if (const auto checked = ledger::check_result(block, *result); !checked)
        return refused(checked.error());

    state::WriteBatch batch;
    const Hash32 root = chain.database.stage(height, chain.with_overrides(std::move(result->diff)),
                                             batch, parallel_for);
    if (root != block.header.state_root)
        return refused({.error = ledger::BlockError::bad_state_root, .transaction = {}});
    const auto encoded = ledger::encode_body(block.transactions, result->receipts, parallel_for);
    if (!chain.write(std::move(batch), block, block.header.hash(), result->receipts, encoded))
        return Err{ImportFailure{{}, chain.store.why()}};
    return {};
}

std::unique_ptr<ledger::BlockBuilder> Chain::begin_block(std::uint64_t timestamp,
                                                         const Address& coinbase,
                                                         const Hash32& prev_randao) {
    State& chain = *state_;
    const types::Header& parent = chain.head.header;
    MILLRACE_ASSERT(timestamp >= parent.timestamp);
    types::Header header;
    header.parent_hash = chain.head.hash;
    header.number = parent.number + 1;
    header.timestamp = timestamp;
    header.coinbase = coinbase;
    header.mix_hash = prev_randao;
    header.gas_limit = parent.gas_limit;
    const ledger::Rules rules = ledger::rules_at(*chain.config, header.number, timestamp);
    if (rules.revision < evm::Revision::paris) header.difficulty = parent.difficulty;
    if (rules.revision >= evm::Revision::london)
        header.base_fee = ledger::next_base_fee(*chain.config, parent);
    if (rules.revision >= evm::Revision::cancun) {
        header.blob_gas_used = 0;
        header.excess_blob_gas = ledger::next_excess_blob_gas(rules, parent);
        header.parent_beacon_block_root = Hash32{};
    }
    chain.stand_on_head();
    return std::make_unique<ledger::BlockBuilder>(*chain.config, std::move(header),
                                                  *chain.parent_state, chain.block_hashes,
                                                  *chain.arena, chain.parallel_for);
}

std::shared_ptr<const state::StateView> Chain::working_state() const {
    return state_->working_state();
}

void Chain::run_parallel(ParallelFor parallel_for) {
    state_->parallel_for = std::move(parallel_for);
}

std::optional<Chain::Sealed> Chain::seal(ledger::BlockBuilder::Built built, std::string& why,
                                         state::WriteBatch beside) {
    State& chain = *state_;
    Sealed sealed{
        .block = std::move(built.block), .hash = {}, .receipts = std::move(built.result.receipts)};
    types::Header& header = sealed.block.header;
    MILLRACE_ASSERT(header.parent_hash == chain.head.hash);
    MILLRACE_ASSERT(header.number == chain.head.header.number + 1);
    state::WriteBatch batch = std::move(beside);
    header.state_root = chain.database.stage(Height{header.number},
                                             chain.with_overrides(std::move(built.result.diff)),
                                             batch, chain.parallel_for);
    // What others would refuse is not written.
    MILLRACE_ASSERT(ledger::check_header(*chain.config, header, chain.head.header, false));
    sealed.hash = header.hash();
    if (!chain.write(std::move(batch), sealed.block, sealed.hash, sealed.receipts, built.encoded)) {
        why = chain.store.why();
        return std::nullopt;
    }
    return sealed;
}

bool Chain::rollback(Height height) {
    State& chain = *state_;
    MILLRACE_ASSERT(chain.development);
    if (height.value > chain.head.header.number) return false;
    state::WriteBatch batch;
    if (!chain.database.stage_rollback(height, batch)) return false;
    for (std::uint64_t undone = chain.head.header.number; undone > height.value; --undone)
        erase_block(batch, *chain.view->block(Height{undone}),
                    *chain.view->hash_at(Height{undone}));
    const Head head{.header = *chain.view->header(height), .hash = *chain.view->hash_at(height)};
    batch.put(Table::meta, as_bytes(head_key),
              encode_head_row({.height = height, .hash = head.hash}));
    if (!chain.store.write(std::move(batch), state::Durability::synced)) return false;
    chain.database.rolled_back(height);
    chain.overrides.reset();
    chain.load_head(head);
    return true;
}

void Chain::override_state(state::StateDiff diff) {
    State& chain = *state_;
    MILLRACE_ASSERT(chain.development);
    state::StateDiff all = chain.with_overrides(std::move(diff));
    chain.overrides = std::make_shared<const state::StateDiff>(std::move(all));
    chain.publish();
}

}  // namespace millrace::node
