// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// What only a development network's node does: blocks on demand, snapshots, clocks, changed
// accounts.

#include <algorithm>

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "daemon/node_daemon.hpp"

namespace millrace::daemon {

namespace {
constexpr std::size_t snapshots_max = 1'024;
}

void NodeDaemon::perform(Request request) {
    Result<U256, node::SubmitError> answer = U256{};
    const Instant now = loop_.now();
    const auto refuse = [&answer](std::string message) {
        answer = Err{node::SubmitError{std::move(message)}};
    };
    bool later = false;
    std::visit(
        Overload{[&](const Mine& mine) {
                     if (mine.count == 0) return;
                     if (mine.count > node::mine_count_max) {
                         return refuse("at most " + std::to_string(node::mine_count_max) +
                                       " blocks at once");
                     }
                     if (mine.timestamp && *mine.timestamp < chain_->head().header.timestamp) {
                         return refuse("timestamp is before the newest block's");
                     }
                     later = true;
                     mine_replies_.push_back({mine.count, std::move(request.done)});
                     step(node::BlockSource::MineNow{mine.count, mine.timestamp, mine.interval_s});
                 },
                 [&](const Snapshot&) {
                     if (snapshots_.size() == snapshots_max) snapshots_.erase(snapshots_.begin());
                     Kept kept{chain_->head().header.number, source_->time_offset_s(), {}};
                     for (const auto& entry : pool_.content())
                         kept.pool.push_back(entry.transaction);
                     snapshots_.emplace(snapshot_next_, std::move(kept));
                     answer = U256{snapshot_next_++};
                 },
                 [&](const Revert& revert) { answer = revert_to(revert.snapshot); },
                 [&](const IncreaseTime& increase) {
                     if (!source_->increase_time(increase.seconds)) {
                         return refuse("out of range");
                     }
                     const std::int64_t sum = source_->time_offset_s();
                     answer = U256{static_cast<std::uint64_t>(std::max<std::int64_t>(sum, 0))};
                 },
                 [&](const SetNextTimestamp& next) {
                     if (!source_->set_next_timestamp(next.timestamp, now)) {
                         refuse("timestamp is before the newest block's");
                     }
                 },
                 [&](const SetAutomine& automine) {
                     auto options = source_->options();
                     options.mode = automine.on ? node::SoleProducer::Mode::instant
                                                : node::SoleProducer::Mode::manual;
                     source_->change_mode(options, now);
                 },
                 [&](const SetInterval& interval) {
                     if (interval.milliseconds > 86'400'000) return refuse("at most one day");
                     node::SoleProducer::Options options{
                         interval.milliseconds == 0 ? node::SoleProducer::Mode::manual
                                                    : node::SoleProducer::Mode::periodic,
                         Duration{static_cast<std::int64_t>(interval.milliseconds)}};
                     source_->change_mode(options, now);
                 },
                 [&](const SetCoinbase& set) { options_.coinbase = set.address; },
                 [&](const SetPrevRandao& set) { prev_randao_override_ = set.value; },
                 [&](const SetAccount& change) { override_account(change); },
                 [&](const DropTransaction& drop) {
                     bool dropped = false;
                     {
                         const std::lock_guard lock{pool_mutex_};
                         dropped = pool_.remove(drop.hash);
                     }
                     if (!dropped) return refuse("no such transaction waits");
                     state::WriteBatch gone;
                     gone.erase(state::Table::pool, drop.hash.view());
                     if (!store_->write(std::move(gone), state::Durability::logged)) {
                         stop_for({store_->why(), home_.db() + "/chain", "free space on the disk"});
                     }
                 }},
        request.control);
    time_offset_s_.store(source_->time_offset_s(), std::memory_order_relaxed);
    if (!later) request.done(std::move(answer));
}

Result<U256, node::SubmitError> NodeDaemon::revert_to(const U256& snapshot) {
    const auto found = snapshot.fits_u64() ? snapshots_.find(snapshot.words[0]) : snapshots_.end();
    if (found == snapshots_.end()) return U256{0};
    const Kept kept = found->second;
    snapshots_.erase(found, snapshots_.end());
    const std::uint64_t from = chain_->head().header.number;
    const auto before = view();
    if (!chain_->rollback(Height{kept.height})) {
        return Err{node::SubmitError{"the history that the snapshot needs is pruned"}};
    }
    publish_view();
    source_->set_parent_timestamp(chain_->head().header.timestamp);
    source_->set_time_offset_s(kept.time_offset_s);
    state::WriteBatch log;
    {
        const std::lock_guard lock{pool_mutex_};
        for (const auto& entry : pool_.content()) {
            pool_.remove(entry.transaction->hash);
            log.erase(state::Table::pool, entry.transaction->hash.view());
        }
        for (const auto& transaction : kept.pool) {
            if (!pool_.add(*transaction, sender_state(transaction->sender))) continue;
            log.put(state::Table::pool, transaction->hash.view(),
                    transaction->transaction.encode());
        }
    }
    if (!log.empty() && !store_->write(std::move(log), state::Durability::logged)) {
        stop_for({store_->why(), home_.db() + "/chain", "free space on the disk"});
    }
    for (std::uint64_t height = from; height > kept.height; --height) {
        const auto block = before->block(Height{height});
        const auto receipts = before->receipts(Height{height});
        if (!block || !receipts) continue;
        tell(node::NewHead{
            .block = std::make_shared<const types::Block>(*block),
            .hash = block->header.hash(),
            .receipts = std::make_shared<const std::vector<types::TransactionReceipt>>(*receipts),
            .removed = true});
    }
    return U256{1};
}

void NodeDaemon::override_account(const SetAccount& change) {
    const auto state = view()->state(Height{chain_->head().header.number});
    MILLRACE_ASSERT(state != nullptr);
    state::StateDiff diff;
    state::AccountDiff& account = diff.accounts[change.address];
    state::Account values = state->account(change.address).value_or(state::Account{});
    if (change.balance) values.balance = *change.balance;
    if (change.nonce) values.nonce = *change.nonce;
    if (change.code) {
        const auto code = evm::Code::make(*change.code);
        values.code_hash = code->hash();
        diff.codes[code->hash()] = code;
    }
    account.account = values;
    for (const auto& [key, value] : change.slots)
        account.storage[key] = value;
    chain_->override_state(std::move(diff));
    publish_view();
    // What waits of this sender may be payable now, or no longer.
    state::WriteBatch gone;
    bool any_wait = false;
    {
        const std::lock_guard lock{pool_mutex_};
        for (const auto& left :
             pool_.update(change.address, {.nonce = values.nonce, .balance = values.balance}))
            gone.erase(state::Table::pool, left->hash.view());
        any_wait = pool_.status().pending > 0;
    }
    if (!gone.empty() && !store_->write(std::move(gone), state::Durability::logged))
        return stop_for({store_->why(), home_.db() + "/chain", "free space on the disk"});
    if (any_wait) step(node::BlockSource::TransactionsWait{});
}

}  // namespace millrace::daemon
