// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "node/admission.hpp"
#include "node/backend.hpp"

namespace millrace::node {

/// A node without a loop, for tests, suites and fuzzing: one thread, a clock that stands until it
/// is moved, and a block for every transaction that can be in one. The chain outlives it.
class StillBackend final : public Backend {
  public:
    explicit StillBackend(Chain& chain, bool development = true)
        : chain_{chain}, pool_{mempool::Pool::Limits{}}, development_{development} {}

    std::uint64_t clock = 0;
    std::vector<crypto::SecretKey> keys{};
    bool makes_blocks = true;  ///< false: transactions wait

    [[nodiscard]] std::shared_ptr<const ChainView> view() const override { return chain_.view(); }
    [[nodiscard]] bool development() const override { return development_; }
    [[nodiscard]] std::uint64_t now() const override { return clock; }

    void submit(types::SignedTransaction transaction, Address sender, SubmitReply reply) override {
        const auto& head = chain_.head().header;
        const auto rules = ledger::rules_at(chain_.config(), head.number + 1, head.timestamp);
        const Bytes encoded = transaction.encode();
        const auto checked = check_admission(rules, head.gas_limit, transaction, encoded.size());
        if (!checked) return reply(Err{checked.error()});
        const Hash32 hash = transaction.hash();
        const types::Transaction copy = transaction.transaction;
        const mempool::SenderState known = sender_state(sender);
        const auto added = pool_.add({.transaction = std::move(transaction),
                                      .hash = hash,
                                      .sender = sender,
                                      .size = static_cast<std::uint32_t>(encoded.size())},
                                     known);
        if (!added) return reply(Err{submit_error(added.error(), copy, known)});
        tell(NewPending{hash});
        if (added->pending && makes_blocks) make_block();
        reply(hash);
    }

    [[nodiscard]] mempool::PooledPtr pending(const Hash32& hash) const override {
        return pool_.find(hash);
    }
    [[nodiscard]] std::optional<std::uint64_t> pending_nonce(const Address& sender) const override {
        return pool_.next_nonce(sender);
    }
    [[nodiscard]] mempool::Pool::Status pool_status() const override { return pool_.status(); }
    [[nodiscard]] std::vector<mempool::Pool::Entry> pool_content() const override {
        return pool_.content();
    }
    [[nodiscard]] types::Block pending_block() const override {
        types::Block block;
        const Head& head = chain_.head();
        block.header.parent_hash = head.hash;
        block.header.number = head.header.number + 1;
        block.header.timestamp = head.header.timestamp;
        block.header.gas_limit = head.header.gas_limit;
        block.header.base_fee = ledger::next_base_fee(chain_.config(), head.header);
        block.withdrawals.emplace();
        return block;
    }

    std::uint64_t listen(std::function<void(const NodeEvent&)> call) override {
        listeners_.emplace(listener_next_, std::move(call));
        return listener_next_++;
    }
    void unlisten(std::uint64_t id) override { listeners_.erase(id); }

    /// Blocks can be asked for; of the other controls there is none.
    void control(Control control, Done done) override {
        const auto* mine = std::get_if<Mine>(&control);
        if (mine == nullptr) return done(Err{SubmitError{"not here"}});
        for (std::uint64_t index = 0; index < mine->count && index < 1'000; ++index)
            make_block();
        done(U256{});
    }
    [[nodiscard]] const std::vector<crypto::SecretKey>& development_keys() const override {
        return keys;
    }

    void make_block() {
        const Head parent = chain_.head();
        auto builder = chain_.begin_block(parent.header.timestamp + 1, Address{}, Hash32{});
        auto selection = pool_.select(ledger::next_base_fee(chain_.config(), parent.header));
        while (const auto next = selection.next()) {
            if (!builder->add(next->transaction, next->sender)) selection.skip_sender();
        }
        auto built = std::move(*builder).finish(std::vector<types::Withdrawal>{});
        MILLRACE_ASSERT(built.has_value());
        std::string why;
        const auto sealed = chain_.seal(std::move(*built), why);
        MILLRACE_ASSERT(sealed.has_value());
        for (const auto& transaction : sealed->block.transactions) {
            const Address sender = *transaction.sender();
            pool_.update(sender, sender_state(sender));
        }
        tell(NewHead{.block = std::make_shared<const types::Block>(sealed->block),
                     .hash = sealed->hash,
                     .receipts = std::make_shared<const std::vector<types::TransactionReceipt>>(
                         sealed->receipts),
                     .removed = false});
    }

  private:
    [[nodiscard]] mempool::SenderState sender_state(const Address& sender) const {
        const auto state = chain_.view()->state(Height{chain_.head().header.number});
        const auto account = state->account(sender).value_or(state::Account{});
        return {.nonce = account.nonce, .balance = account.balance};
    }
    void tell(const NodeEvent& event) {
        for (const auto& [id, call] : listeners_)
            call(event);
    }

    Chain& chain_;
    mempool::Pool pool_;
    bool development_;
    std::map<std::uint64_t, std::function<void(const NodeEvent&)>> listeners_;
    std::uint64_t listener_next_ = 1;
};

}  // namespace millrace::node
