// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/record_store.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "io/child_testing.hpp"
#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::store {
namespace {

using io::TemporaryFolder;
using types::Record;

Bytes text(std::string_view content) {
    return to_bytes(as_bytes(content));
}
Change put(std::string table, std::string_view key, std::string_view value) {
    return {.table = std::move(table), .key = text(key), .value = text(value)};
}
Change erase(std::string table, std::string_view key) {
    return {.table = std::move(table), .key = text(key), .value = std::nullopt};
}

void run_sql(const std::string& path, const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
}

TEST(RecordStore, what_is_committed_is_there_after_a_restart_sorted_by_key) {
    const TemporaryFolder folder;
    {
        auto store = RecordStore::open(folder / "a.db");
        ASSERT_TRUE(store) << store.error().text();
        ASSERT_TRUE((*store)->commit({put("jobs", "b", "2"), put("jobs", "a", "1"),
                                      put("tasks", "x", ""), put("jobs", "", "0")}));
        ASSERT_TRUE(
            (*store)->commit({put("jobs", "a", "3"), erase("jobs", "b"), erase("jobs", "never")}));
    }
    auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE(store);
    EXPECT_EQ(*(*store)->load("jobs"),
              (std::vector<Record>{{"jobs", {}, text("0")}, {"jobs", text("a"), text("3")}}));
    EXPECT_EQ((*store)->load_all()->size(), 3u);
    EXPECT_TRUE((*store)->load("none")->empty());
    EXPECT_EQ(**(*store)->get("jobs", text("a")), text("3"));
    EXPECT_FALSE((*store)->get("jobs", text("b"))->has_value());
    EXPECT_EQ(**(*store)->get("tasks", text("x")), Bytes{});
    EXPECT_TRUE((*store)->verify());
}

TEST(RecordStore, changes_of_a_batch_apply_in_their_order) {
    const TemporaryFolder folder;
    auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE((*store)->commit({put("a", "k", "1"), erase("a", "k"), put("a", "k", "2")}));
    EXPECT_EQ(**(*store)->get("a", text("k")), text("2"));
}

TEST(RecordStore, a_batch_with_one_bad_change_stores_nothing) {
    const TemporaryFolder folder;
    auto store = RecordStore::open(folder / "a.db");
    for (const char* table : {"", "Jobs", "a b", "a;drop", "sqlite_x", "a1"}) {
        EXPECT_FALSE((*store)->commit({put("good", "k", "1"), put(table, "k", "1")})) << table;
    }
    Change large = put("good", "k", "1");
    large.value->resize(RecordStore::value_size_max + 1);
    EXPECT_FALSE((*store)->commit({put("good", "k", "1"), large}));
    EXPECT_TRUE((*store)->load_all()->empty());
    EXPECT_TRUE((*store)->commit({put("good", "k", "1")}));
}

TEST(RecordStore, a_process_killed_after_commit_has_lost_nothing_and_before_it_everything) {
    const TemporaryFolder folder;
    const int status = io::in_child([&] {
        auto store = RecordStore::open(folder / "a.db");
        for (int batch = 0; batch < 10; ++batch) {
            const std::string key = std::to_string(batch);
            if (!(*store)->commit({put("a", key, "1"), put("b", key, "1")})) return 1;
            if (batch == 6) ::kill(::getpid(), SIGKILL);
        }
        return 0;
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->load("a")->size(), 7u);
    EXPECT_EQ((*store)->load("b")->size(), 7u);
    EXPECT_TRUE((*store)->verify());
}

TEST(RecordStore, each_commit_is_one_durable_event) {
    const TemporaryFolder folder;
    auto store = RecordStore::open(folder / "a.db");
    const std::uint64_t before = io::durable_event_count();
    ASSERT_TRUE((*store)->commit({put("a", "1", "1"), put("a", "2", "1")}));
    ASSERT_TRUE((*store)->commit({}));
    EXPECT_EQ(io::durable_event_count(), before + 1);
}

TEST(RecordStore, a_full_disk_is_a_failure_and_the_store_goes_on_afterwards) {
    const TemporaryFolder folder;
    const int status = io::in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        auto store = RecordStore::open(folder / "a.db");
        if (!store || !(*store)->commit({put("a", "before", "1")})) return 1;
        rlimit limit{.rlim_cur = 64 * 1024, .rlim_max = RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        Change large = put("a", "large", "");
        large.value->resize(1u << 20);
        const auto full = (*store)->commit({put("a", "with", "1"), large});
        if (full || full.error().remedy.empty()) return 2;
        limit.rlim_cur = RLIM_INFINITY;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        if (!(*store)->commit({put("a", "after", "1")})) return 3;
        return (*store)->load("a")->size() == 2 ? 0 : 4;
    });
    EXPECT_EQ(status, 0);
    auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->load("a")->size(), 2u);
}

TEST(RecordStore, newer_foreign_and_broken_files_are_refused_by_name) {
    const TemporaryFolder folder;
    ASSERT_TRUE(RecordStore::open(folder / "newer.db"));
    run_sql(folder / "newer.db", "PRAGMA user_version=2");
    const auto newer = RecordStore::open(folder / "newer.db");
    ASSERT_FALSE(newer);
    EXPECT_NE(newer.error().what.find("newer millrace"), std::string::npos);

    run_sql(folder / "foreign.db", "CREATE TABLE t (a)");
    const auto foreign = RecordStore::open(folder / "foreign.db");
    ASSERT_FALSE(foreign);
    EXPECT_NE(foreign.error().what.find("not a Millrace store"), std::string::npos);

    ASSERT_TRUE(io::atomic_write_file(folder / "broken.db", Bytes(8'192, 0x55)));
    const auto broken = RecordStore::open(folder / "broken.db");
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().where, folder / "broken.db");
    EXPECT_NE(broken.error().remedy.find("backup"), std::string::npos);

    EXPECT_FALSE(RecordStore::open(folder / "no-such-folder/a.db"));
}

TEST(RecordStore, verify_finds_damage) {
    const TemporaryFolder folder;
    {
        auto store = RecordStore::open(folder / "a.db");
        for (int key = 0; key < 50; ++key) {
            ASSERT_TRUE((*store)->commit({put("a", std::to_string(key), std::string(500, 'x'))}));
        }
    }
    const int fd = ::open((folder / "a.db").c_str(), O_RDWR | O_CLOEXEC);
    const Bytes junk(2'000, 0xff);
    ASSERT_EQ(::pwrite(fd, junk.data(), junk.size(), 8'192), 2'000);
    ::close(fd);
    const auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE(store);
    EXPECT_FALSE((*store)->verify());
}

TEST(RecordStore, a_backup_is_a_store_of_its_own) {
    const TemporaryFolder folder;
    auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE((*store)->commit({put("a", "k", "1")}));
    ASSERT_TRUE((*store)->backup(folder / "copy.db"));
    ASSERT_TRUE((*store)->commit({put("a", "k", "2")}));
    EXPECT_FALSE((*store)->backup(folder / "copy.db"));
    auto copy = RecordStore::open(folder / "copy.db");
    ASSERT_TRUE(copy) << copy.error().text();
    EXPECT_EQ(**(*copy)->get("a", text("k")), text("1"));
    EXPECT_FALSE((*store)->backup(folder / "no/such/folder.db"));
}

TEST(RecordStore, its_files_are_for_their_user_alone) {
    const TemporaryFolder folder;
    auto store = RecordStore::open(folder / "a.db");
    ASSERT_TRUE((*store)->commit({put("a", "k", "1")}));
    for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) {
        struct stat status {};
        ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u) << entry.path();
    }
}

}  // namespace
}  // namespace millrace::store
