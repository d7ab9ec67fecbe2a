// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// How transactions come into a node: from its own log when it starts, from JSON-RPC's threads by
// way of the inbox, and from there into the pool and its log.

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "daemon/node_daemon.hpp"
#include "node/admission.hpp"

namespace millrace::daemon {

Outcome<void> NodeDaemon::restore_pool() {
    const auto cursor = store_->cursor(state::Table::pool);
    std::vector<types::SignedTransaction> waiting;
    for (cursor->seek({}); cursor->valid(); cursor->next()) {
        auto transaction = types::decode_transaction(cursor->value());
        if (!transaction) {
            return Err{Failure{"the pool's log holds something that is no transaction",
                               home_.db() + "/chain", "run: millrace node verify"}};
        }
        waiting.push_back(std::move(*transaction));
    }
    // In order of nonce, so that none is refused for a gap that the next one fills.
    std::ranges::sort(waiting, {}, [](const auto& each) { return each.transaction.nonce; });
    state::WriteBatch gone;
    for (auto& transaction : waiting) {
        const Hash32 hash = transaction.hash();
        const auto sender = transaction.sender();
        const auto size = static_cast<std::uint32_t>(transaction.encode().size());
        const bool added = sender && pool_
                                         .add({.transaction = std::move(transaction),
                                               .hash = hash,
                                               .sender = *sender,
                                               .size = size},
                                              sender_state(*sender))
                                         .has_value();
        if (!added) gone.erase(state::Table::pool, hash.view());
    }
    if (!gone.empty() && !store_->write(std::move(gone), state::Durability::logged)) {
        return Err{Failure{store_->why(), home_.db() + "/chain", "free space on the disk"}};
    }
    return {};
}

mempool::SenderState NodeDaemon::sender_state(const Address& sender) const {
    const auto state = view()->state(Height{chain_->head().header.number});
    MILLRACE_ASSERT(state != nullptr);
    const auto account = state->account(sender).value_or(state::Account{});
    return {.nonce = account.nonce, .balance = account.balance};
}

void NodeDaemon::submit(types::SignedTransaction transaction, Address sender, SubmitReply reply) {
    const auto chain = view();
    const types::Header& head = chain->head().header;
    const auto rules =
        ledger::rules_at(chain->config(), head.number + 1, std::max(head.timestamp, now()));
    Bytes encoded = transaction.encode();
    const auto checked = node::check_admission(rules, head.gas_limit, transaction, encoded.size());
    if (!checked) return reply(Err{checked.error()});
    const Hash32 hash = crypto::keccak256(encoded);
    const auto size = static_cast<std::uint32_t>(encoded.size());
    std::unique_lock lock{inbox_mutex_};
    if (submissions_.size() >= inbox_count_max) {
        lock.unlock();
        return reply(
            Err{node::SubmitError{"the node has too many transactions to look at; try again"}});
    }
    submissions_.push_back({.transaction = {.transaction = std::move(transaction),
                                            .hash = hash,
                                            .sender = sender,
                                            .size = size},
                            .encoded = std::move(encoded),
                            .reply = std::move(reply)});
    const bool wakes = !woken_;
    woken_ = true;
    lock.unlock();
    if (wakes) wake();
}

void NodeDaemon::admit(std::vector<Submission> submissions) {
    const auto state = chain_->working_state();
    struct Answer {
        SubmitReply reply;
        Result<Hash32, node::SubmitError> result;
        bool pending = false;
    };
    std::vector<Answer> answers;
    answers.reserve(submissions.size());
    std::vector<Address> recipients;
    state::WriteBatch log;
    {
        const std::lock_guard lock{pool_mutex_};
        for (auto& submission : submissions) {
            const Hash32 hash = submission.transaction.hash;
            const Address sender = submission.transaction.sender;
            const std::optional<Address> to = submission.transaction.transaction.transaction.to;
            const auto account = state->account(sender).value_or(state::Account{});
            const mempool::SenderState known{.nonce = account.nonce, .balance = account.balance};
            // The pool keeps the transaction; the message of a refusal needs only its nonce.
            types::Transaction refused;
            refused.nonce = submission.transaction.transaction.transaction.nonce;
            auto added = pool_.add(std::move(submission.transaction), known);
            if (!added) {
                answers.push_back({std::move(submission.reply),
                                   Err{node::submit_error(added.error(), refused, known)}});
                continue;
            }
            for (const auto& evicted : added->evicted) {
                log.erase(state::Table::pool, evicted->hash.view());
            }
            log.put(state::Table::pool, hash.view(), submission.encoded);
            if (to) recipients.push_back(*to);
            answers.push_back({std::move(submission.reply), hash, added->pending});
        }
    }
    if (!log.empty() && !store_->write(std::move(log), state::Durability::logged)) {
        return stop_for({store_->why(), home_.db() + "/chain", "free space on the disk"});
    }
    const bool instant = source_->options().mode == node::SoleProducer::Mode::instant;
    bool any_pending = false;
    for (auto& answer : answers) {
        if (answer.result) tell(node::NewPending{*answer.result});
        any_pending |= answer.pending;
        if (instant && answer.pending) {
            hashes_after_block_.push_back(*answer.result);
            replies_after_block_.push_back(std::move(answer.reply));
        } else {
            answer.reply(std::move(answer.result));
        }
    }
    // Nobody waits for this any more; the block that takes them finds these accounts in memory.
    for (const Address& recipient : recipients)
        static_cast<void>(state->account(recipient));
    if (any_pending) step(node::BlockSource::TransactionsWait{});
}

}  // namespace millrace::daemon
