// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// A chain on a store in memory, for tests.

#include <gtest/gtest.h>

#include <map>

#include "node/sample_chain.hpp"

namespace millrace::node {

using state::MemoryStore;
using state::Table;

using Rows = std::map<std::pair<std::size_t, Bytes>, Bytes>;

inline Rows all_rows(const state::KeyValueView& view) {
    Rows rows;
    for (std::size_t table = 0; table < state::table_count; ++table) {
        const auto cursor = view.cursor(static_cast<Table>(table));
        for (cursor->seek({}); cursor->valid(); cursor->next())
            rows[{table, to_bytes(cursor->key())}] = to_bytes(cursor->value());
    }
    return rows;
}

inline Address recipient(std::uint8_t number) {
    return *sample_transfer(1, 0, number, 0).transaction.to;
}

/// A store whose disk is full after some writes.
class FullStore final : public state::KeyValueStore {
  public:
    std::size_t writes_left = SIZE_MAX;
    std::size_t logged_writes = 0;  ///< that a loss of power may take back
    bool last_was_synced = false;

    [[nodiscard]] std::optional<Bytes> get(Table table, ByteView key) const override {
        return rows_.get(table, key);
    }
    [[nodiscard]] std::unique_ptr<Cursor> cursor(Table table) const override {
        return rows_.cursor(table);
    }
    [[nodiscard]] std::shared_ptr<const KeyValueView> snapshot() const override {
        return rows_.snapshot();
    }
    [[nodiscard]] bool write(state::WriteBatch batch, state::Durability durability) override {
        if (writes_left == 0) return false;
        --writes_left;
        last_was_synced = durability == state::Durability::synced;
        if (!last_was_synced) ++logged_writes;
        return rows_.write(std::move(batch), durability);
    }
    [[nodiscard]] std::string why() const override { return writes_left == 0 ? "no space" : ""; }

  private:
    MemoryStore rows_;
};

/// A chain on a store of its own, all of whose writes are synced.
struct Node {
    FullStore store;
    std::unique_ptr<Chain> chain;

    explicit Node(Chain::Options options = {}) { open(options); }
    ~Node() { EXPECT_EQ(store.logged_writes, 0u); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    void open(Chain::Options options = {}) {
        chain.reset();
        auto opened = Chain::open(store, sample_genesis(), options);
        ASSERT_TRUE(opened.has_value()) << opened.error().text();
        chain = std::move(opened).value();
    }

    ledger::BlockBuilder::Built build(const std::vector<types::SignedTransaction>& transactions) {
        auto builder = chain->begin_block(chain->head().header.timestamp + 1, Address{}, Hash32{});
        for (const auto& transaction : transactions) {
            const auto added = builder->add(transaction, *transaction.sender());
            EXPECT_TRUE(added.has_value()) << ledger::to_text(added.error());
        }
        auto built = std::move(*builder).finish(std::vector<types::Withdrawal>{});
        EXPECT_TRUE(built.has_value()) << ledger::to_text(built.error().error);
        return std::move(built).value();
    }

    Chain::Sealed seal(const std::vector<types::SignedTransaction>& transactions) {
        std::string why;
        auto sealed = chain->seal(build(transactions), why);
        EXPECT_TRUE(sealed.has_value()) << why;
        return std::move(*sealed);
    }

    /// Blocks 1 to count, one transfer each.
    void seal_many(std::uint64_t count) {
        for (std::uint64_t index = 0; index < count; ++index) {
            const auto account = chain->view()
                                     ->state(Height{chain->head().header.number})
                                     ->account(crypto::address_of(sample_key(1)));
            const std::uint64_t nonce = account->nonce;
            seal(
                {sample_transfer(1, nonce, static_cast<std::uint8_t>(10 + nonce % 50), nonce + 1)});
        }
    }

    [[nodiscard]] std::uint64_t balance(std::uint8_t to) const {
        const auto view = chain->view();
        const auto account =
            view->state(Height{view->head().header.number})->account(recipient(to));
        return account ? account->balance.words[0] : 0;
    }
};

}  // namespace millrace::node
