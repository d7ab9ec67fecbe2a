// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/chain_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "io/temporary_folder.hpp"
#include "store/chain_store_victim.hpp"
#include "store/sample_rows.hpp"

namespace millrace::store {
namespace {

using io::TemporaryFolder;
using state::Durability;
using state::KeyValueView;
using state::Table;
using state::WriteBatch;

std::uint32_t newest_row(const ChainStore& store) {
    const auto key = store.get(Table::meta, as_bytes("h"));
    if (!key) return 0;
    std::uint32_t row = 0;
    for (const std::uint8_t byte : *key)
        row = row << 8 | byte;
    return row;
}

TEST(ChainStore, what_is_written_is_there_after_a_restart_in_order_of_bytes) {
    const TemporaryFolder folder;
    {
        const auto store = opened(folder / "chain");
        WriteBatch batch;
        batch.put(Table::accounts, text("\xff"), text("3"));
        batch.put(Table::accounts, text("a"), text("1"));
        batch.put(Table::accounts, text("a2"), text("2"));
        batch.put(Table::storage, text("a"), text("other"));
        batch.put(Table::accounts, text("gone"), text("x"));
        batch.erase(Table::accounts, text("gone"));
        batch.erase(Table::accounts, text("never"));
        batch.put(Table::accounts, text("a"), text("0"));
        ASSERT_TRUE(store->write(batch, Durability::synced));
    }
    const auto store = opened(folder / "chain");
    EXPECT_EQ(rows_of(*store, Table::accounts),
              (std::vector<Row>{
                  {text("a"), text("0")}, {text("a2"), text("2")}, {text("\xff"), text("3")}}));
    EXPECT_EQ(rows_of(*store, Table::accounts, "a1").size(), 2u);
    EXPECT_EQ(store->get(Table::storage, as_bytes("a")), text("other"));
    EXPECT_EQ(store->get(Table::accounts, as_bytes("gone")), std::nullopt);
    EXPECT_TRUE(store->verify().has_value());
    struct stat info {};
    ASSERT_EQ(::stat((folder / "chain").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0700u);
}

TEST(ChainStore, every_table_has_a_place_of_its_own) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain");
    for (std::size_t index = 0; index < state::table_count; ++index)
        put(*store, static_cast<Table>(index), "k", table_name(static_cast<Table>(index)));
    for (std::size_t index = 0; index < state::table_count; ++index)
        EXPECT_EQ(store->get(static_cast<Table>(index), as_bytes("k")),
                  text(table_name(static_cast<Table>(index))));
}

TEST(ChainStore, a_snapshot_stays_as_it_was_and_outlives_the_store) {
    const TemporaryFolder folder;
    std::shared_ptr<const KeyValueView> snapshot;
    std::unique_ptr<KeyValueView::Cursor> cursor;
    {
        const auto store = opened(folder / "chain");
        put(*store, Table::accounts, "a", "old");
        put(*store, Table::accounts, "b", "old");
        snapshot = store->snapshot();
        cursor = snapshot->cursor(Table::accounts);
        put(*store, Table::accounts, "a", "new");
        put(*store, Table::accounts, "c", "new");
        EXPECT_EQ(rows_of(*store, Table::accounts).size(), 3u);
    }
    EXPECT_EQ(snapshot->get(Table::accounts, as_bytes("a")), text("old"));
    EXPECT_EQ(rows_of(*snapshot, Table::accounts).size(), 2u);
    snapshot.reset();
    cursor->seek(as_bytes("b"));
    ASSERT_TRUE(cursor->valid());
    EXPECT_EQ(to_bytes(cursor->value()), text("old"));
    cursor->next();
    EXPECT_FALSE(cursor->valid());
}

TEST(ChainStore, a_cursor_of_the_store_sees_one_moment) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain");
    put(*store, Table::nodes, "a", "1");
    const auto cursor = store->cursor(Table::nodes);
    put(*store, Table::nodes, "b", "2");
    cursor->seek(as_bytes("b"));
    EXPECT_FALSE(cursor->valid());
}

TEST(ChainStore, a_newer_or_foreign_folder_is_refused) {
    const TemporaryFolder folder;
    { opened(folder / "chain"); }
    const auto refusal = [&] { return ChainStore::open(folder / "chain").error().text(); };
    const std::string format = folder / "chain/FORMAT";
    ASSERT_TRUE(io::atomic_write_file(format, as_bytes("4\n")).has_value());
    EXPECT_NE(refusal().find("written by a newer millrace (format 4, this program knows 3)"),
              std::string::npos);
    ASSERT_TRUE(io::atomic_write_file(format, as_bytes("one\n")).has_value());
    EXPECT_NE(refusal().find("the FORMAT file holds no number"), std::string::npos);
    ASSERT_TRUE(io::remove_file(format).has_value());
    EXPECT_NE(refusal().find("not a chain store"), std::string::npos);
}

TEST(ChainStore, a_folder_in_use_is_refused) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain");
    const auto second = ChainStore::open(folder / "chain");
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().text().find("another program uses the folder"), std::string::npos)
        << second.error().text();
}

TEST(ChainStore, only_synced_writes_are_durable_events) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain");
    const std::uint64_t before = io::durable_event_count();
    WriteBatch batch;
    batch.put(Table::pool, text("k"), text("v"));
    ASSERT_TRUE(store->write(batch, Durability::logged));
    EXPECT_EQ(io::durable_event_count(), before);
    ASSERT_TRUE(store->write(batch, Durability::synced));
    EXPECT_EQ(io::durable_event_count(), before + 1);
}

TEST(ChainStore, logged_writes_survive_the_process_and_synced_ones_the_power) {
    for (const std::uint32_t count : {2u, 3u, 8u, 1'000u}) {
        const TemporaryFolder folder;
        const std::string number = std::to_string(count);
        const Ended killed = run_victim("die " + (folder / "a") + " 0 " + number);
        ASSERT_TRUE(WIFSIGNALED(killed.status)) << killed.output;
        EXPECT_EQ(newest_row(*opened(folder / "a")), count - 1);

        const Ended lost = run_victim("die " + (folder / "b") + " 1 " + number);
        ASSERT_TRUE(WIFSIGNALED(lost.status)) << lost.output;
        const auto store = opened(folder / "b");
        const std::uint32_t synced = count / 3 * 3;  // every third write
        EXPECT_EQ(newest_row(*store), synced == 0 ? 0 : synced - 1);
        EXPECT_EQ(rows_of(*store, Table::headers).size(), synced);
    }
}

class FullDisk : public testing::TestWithParam<std::string> {};

TEST_P(FullDisk, writes_are_refused_and_none_that_was_acknowledged_is_lost) {
    const TemporaryFolder folder;
    const Ended ended = run_victim("fill " + (folder / "chain") + " 0 0 " + GetParam());
    ASSERT_TRUE(WIFSIGNALED(ended.status)) << ended.output;
    EXPECT_NE(ended.output.find("cannot be written"), std::string::npos) << ended.output;
    const auto acknowledged = static_cast<std::uint32_t>(std::stoul(ended.output));
    const auto store = opened(folder / "chain");
    const std::uint32_t newest = newest_row(*store);
    EXPECT_GE(newest + 1, acknowledged);
    EXPECT_LE(newest, acknowledged);
    EXPECT_EQ(rows_of(*store, Table::headers).size(), newest + 1);
    put(*store, Table::meta, "goes", "on");
}

INSTANTIATE_TEST_SUITE_P(ChainStore, FullDisk, testing::Values("direct", "lazy", "applying"));

TEST(ChainStore, a_damaged_file_ends_the_process_with_a_message) {
    const TemporaryFolder folder;
    {
        const auto store = opened(folder / "chain");
        for (int row = 0; row < 100; ++row)
            put(*store, Table::headers, std::to_string(row), std::string(1'000, 'x'));
    }
    { opened(folder / "chain"); }  // recovery puts the rows into table files
    for (const auto& entry : std::filesystem::directory_iterator{folder / "chain"}) {
        if (entry.path().extension() != ".sst") continue;
        std::fstream file{entry.path(), std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(20);
        file.write("damage", 6);
    }
    const Ended ended = run_victim("damage " + (folder / "chain"));
    ASSERT_TRUE(WIFEXITED(ended.status));
    EXPECT_EQ(WEXITSTATUS(ended.status), 1) << ended.output;
    EXPECT_NE(ended.output.find("cannot be read"), std::string::npos) << ended.output;
}

TEST(ChainStore, a_backup_is_a_store_of_its_own) {
    const TemporaryFolder folder;
    const auto store = opened(folder / "chain");
    put(*store, Table::meta, "h", "then");
    const auto made = store->backup(folder / "copy");
    ASSERT_TRUE(made.has_value()) << made.error().text();
    put(*store, Table::meta, "h", "now");
    EXPECT_EQ(opened(folder / "copy")->get(Table::meta, as_bytes("h")), text("then"));
    EXPECT_FALSE(store->backup(folder / "copy").has_value());
}

}  // namespace
}  // namespace millrace::store
