// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A chain store whose batches wait in the journal answers as one that has them in its tables.

#include <gtest/gtest.h>

#include <random>

#include "io/files.hpp"
#include "io/temporary_folder.hpp"
#include "store/sample_rows.hpp"

namespace millrace::store {
namespace {

using io::TemporaryFolder;
using state::Durability;
using state::KeyValueView;
using state::Table;
using state::WriteBatch;

/// Layers stay until somebody wants them applied.
constexpr ChainStore::Options lazy{.apply_lazily = true};

void put(ChainStore& store, std::string_view key, std::string_view value) {
    put(store, Table::accounts, key, value);
}

void erase(ChainStore& store, std::string_view key) {
    WriteBatch batch;
    batch.erase(Table::accounts, text(key));
    ASSERT_TRUE(store.write(batch, Durability::logged)) << store.why();
}

TEST(ChainJournal, what_waits_hides_what_is_older) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain", lazy);
    put(*store, "a", "1");
    put(*store, "b", "1");
    put(*store, "c", "1");
    ASSERT_TRUE(store->settle());
    erase(*store, "b");
    put(*store, "c", "2");
    put(*store, "d", "2");
    erase(*store, "d");
    put(*store, "bb", "2");
    const std::vector<Row> expected{
        {text("a"), text("1")}, {text("bb"), text("2")}, {text("c"), text("2")}};
    EXPECT_EQ(rows_of(*store, Table::accounts), expected);
    EXPECT_EQ(store->get(Table::accounts, as_bytes("b")), std::nullopt);
    EXPECT_EQ(store->get(Table::accounts, as_bytes("c")), text("2"));
    EXPECT_EQ(store->get(Table::accounts, as_bytes("d")), std::nullopt);
    const auto cursor = store->cursor(Table::accounts);
    cursor->seek(as_bytes("b"));
    ASSERT_TRUE(cursor->valid());
    EXPECT_EQ(to_bytes(cursor->key()), text("bb"));
    cursor->seek(as_bytes("d"));
    EXPECT_FALSE(cursor->valid());
    cursor->seek({});
    EXPECT_EQ(to_bytes(cursor->key()), text("a"));

    ASSERT_TRUE(store->settle());
    EXPECT_EQ(rows_of(*store, Table::accounts), expected);
}

TEST(ChainJournal, a_snapshot_stays_as_it_was_while_layers_come_and_are_applied) {
    const TemporaryFolder folder;
    std::vector<std::shared_ptr<const KeyValueView>> moments;
    std::unique_ptr<KeyValueView::Cursor> cursor;
    {
        const auto store = opened(folder / "chain", lazy);
        moments.push_back(store->snapshot());
        for (int count = 1; count <= 40; ++count) {  // more than the layers that may wait
            put(*store, "k", std::to_string(count));
            put(*store, std::to_string(count), "x");
            if (count == 20) cursor = store->cursor(Table::accounts);
            moments.push_back(store->snapshot());
        }
        erase(*store, "k");
        EXPECT_EQ(store->snapshot(), store->snapshot());
    }
    for (std::size_t count = 0; count < moments.size(); ++count) {
        EXPECT_EQ(moments[count]->get(Table::accounts, as_bytes("k")),
                  count == 0 ? std::nullopt : std::optional{text(std::to_string(count))});
        EXPECT_EQ(rows_of(*moments[count], Table::accounts).size(), count == 0 ? 0 : count + 1);
    }
    moments.clear();
    cursor->seek(as_bytes("k"));
    ASSERT_TRUE(cursor->valid());
    EXPECT_EQ(to_bytes(cursor->value()), text("20"));
    cursor->next();
    EXPECT_FALSE(cursor->valid());
    cursor.reset();  // the last to hold the folder
    EXPECT_EQ(rows_of(*opened(folder / "chain", {}), Table::accounts).size(), 40u);
}

TEST(ChainJournal, a_batch_larger_than_layers_may_be_goes_into_the_tables_behind_those_that_wait) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain", {.memory_max = 6u << 20, .apply_lazily = true});
    put(*store, "k", "small");
    WriteBatch large;
    large.put(Table::accounts, text("k"), Bytes(2u << 20, 'x'));
    ASSERT_TRUE(store->write(large, Durability::synced));
    EXPECT_EQ(store->get(Table::accounts, as_bytes("k"))->size(), 2u << 20);
    const auto of_then = store->snapshot();
    put(*store, "k", "again");
    EXPECT_EQ(store->get(Table::accounts, as_bytes("k")), text("again"));
    EXPECT_EQ(of_then->get(Table::accounts, as_bytes("k"))->size(), 2u << 20);
}

TEST(ChainJournal, a_folder_of_an_older_format_opens_and_is_of_the_newest_from_then_on) {
    const TemporaryFolder folder;
    const std::string format = folder / "chain/FORMAT";
    { put(*opened(folder / "chain", {}), "a", "1"); }
    for (const std::string_view older : {"1\n", "2\n"}) {
        ASSERT_TRUE(io::atomic_write_file(format, as_bytes(older)).has_value());
        EXPECT_EQ(opened(folder / "chain", {})->get(Table::accounts, as_bytes("a")), text("1"));
        EXPECT_EQ(*io::read_text_file(format, 8), "3\n");
    }
}

/// A chain store and the naive one with the same history, through restarts.
class Twins {
  public:
    Twins(std::string path, std::uint32_t seed) : path_{std::move(path)}, random_{seed} { open(); }

    void step() {
        const std::uint32_t kind = pick(20);
        if (kind < 12) {
            write();
        } else if (kind < 15) {
            EXPECT_TRUE(store_->settle());
        } else if (kind < 16) {
            moments_.clear();
            store_.reset();
            open();
        } else {
            moments_.push_back({store_->snapshot(), naive_.snapshot()});
            if (moments_.size() > 4) moments_.erase(moments_.begin() + pick(4));
        }
        compare(*store_, naive_);
        for (const auto& [view, naive] : moments_)
            compare(*view, *naive);
    }

  private:
    std::uint32_t pick(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

    void open() {
        // Lazily or at once, with room for any batch or not for the largest.
        store_ = opened(path_, {.memory_max = pick(2) == 0 ? 96u << 20 : 3u << 20,
                                .apply_lazily = pick(3) != 0});
    }

    Bytes key() {
        Bytes key(1 + pick(10), 'k');
        key.back() = static_cast<std::uint8_t>(pick(6));
        return key;
    }

    void write() {
        WriteBatch batch;
        const std::uint32_t count = pick(4) == 0 ? 300 + pick(600) : pick(10);
        for (std::uint32_t row = 0; row < count; ++row) {
            const Table table = pick(2) == 0 ? Table::accounts : Table::storage;
            if (pick(3) == 0) {
                batch.erase(table, key());
            } else {
                batch.put(table, key(), Bytes(pick(30), static_cast<std::uint8_t>(row)));
            }
        }
        if (pick(20) == 0) batch.put(Table::accounts, key(), Bytes(600u << 10, 'x'));
        const auto durability = pick(2) == 0 ? Durability::logged : Durability::synced;
        ASSERT_TRUE(store_->write(batch, durability)) << store_->why();
        ASSERT_TRUE(naive_.write(batch, durability));
    }

    void compare(const KeyValueView& view, const KeyValueView& naive) {
        for (const Table table : {Table::accounts, Table::storage}) {
            EXPECT_EQ(rows_of(view, table), rows_of(naive, table));
            const Bytes wanted = key();
            EXPECT_EQ(view.get(table, wanted), naive.get(table, wanted));
            const auto left = view.cursor(table);
            const auto right = naive.cursor(table);
            left->seek(wanted);
            right->seek(wanted);
            ASSERT_EQ(left->valid(), right->valid());
            if (left->valid()) {
                EXPECT_EQ(to_bytes(left->key()), to_bytes(right->key()));
            }
        }
    }

    std::string path_;
    std::mt19937 random_;
    std::unique_ptr<ChainStore> store_;
    state::MemoryStore naive_;
    using Pair =
        std::pair<std::shared_ptr<const KeyValueView>, std::shared_ptr<const KeyValueView>>;
    std::vector<Pair> moments_;
};

TEST(ChainJournal, any_history_reads_as_that_of_the_naive_store) {
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
        const TemporaryFolder folder;
        Twins twins{folder / "chain", seed};
        for (int step = 0; step < 100 && !testing::Test::HasFailure(); ++step)
            twins.step();
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace millrace::store
