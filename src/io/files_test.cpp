// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/files.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "io/child_testing.hpp"
#include "io/crash_point.hpp"
#include "io/entropy.hpp"
#include "io/home.hpp"
#include "io/log.hpp"
#include "io/node_key.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::io {
namespace {

TEST(Files, an_atomic_write_replaces_the_whole_file_with_its_mode) {
    const TemporaryFolder folder;
    ASSERT_TRUE(atomic_write_file(folder / "a", as_bytes("first, longer"), 0600));
    ASSERT_TRUE(atomic_write_file(folder / "a", as_bytes("second"), 0640));
    EXPECT_EQ(*read_text_file(folder / "a", 100), "second");
    struct stat status {};
    ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(Files, a_failed_write_leaves_the_old_content_and_no_temporary) {
    const TemporaryFolder folder;
    ASSERT_TRUE(atomic_write_file(folder / "a", as_bytes("old")));
    const int status = in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{.rlim_cur = 100, .rlim_max = 100};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const auto result = atomic_write_file(folder / "a", Bytes(1'000, 1));
        return !result && !result.error().remedy.empty() ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(*read_text_file(folder / "a", 100), "old");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder.path()}, {}), 1);
}

TEST(Files, reading_is_bounded_and_failures_name_path_and_remedy) {
    const TemporaryFolder folder;
    ASSERT_TRUE(atomic_write_file(folder / "a", as_bytes("12345")));
    EXPECT_TRUE(read_file(folder / "a", 5));
    const auto long_one = read_file(folder / "a", 4);
    ASSERT_FALSE(long_one);
    EXPECT_EQ(long_one.error().where, folder / "a");
    const auto missing = read_file(folder / "b", 4);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().where, folder / "b");
    EXPECT_NE(missing.error().what.find("No such file"), std::string::npos);
    EXPECT_FALSE(missing.error().remedy.empty());
}

TEST(Files, a_file_where_a_folder_is_needed_is_a_failure) {
    const TemporaryFolder folder;
    ASSERT_TRUE(atomic_write_file(folder / "a", as_bytes("x")));
    EXPECT_FALSE(make_folder(folder / "a"));
    EXPECT_FALSE(make_folder(folder / "a/b"));
    EXPECT_TRUE(make_folder(folder / "c/d/e", 0700));
    EXPECT_TRUE(make_folder(folder / "c/d/e", 0700));
}

TEST(Home, a_second_process_is_refused_with_the_first_ones_pid) {
    const TemporaryFolder folder;
    const auto home = RoleHome::open(folder.path(), "local", "agent-0");
    ASSERT_TRUE(home) << home.error().text();
    for (const char* part : {"/FORMAT", "/keys", "/db", "/blobs", "/run", "/log"}) {
        EXPECT_TRUE(file_exists(home->path() + part)) << part;
    }
    const int status = in_child([&] {
        const auto second = RoleHome::open(folder.path(), "local", "agent-0");
        const std::string pid = "pid " + std::to_string(::getppid());
        return !second && second.error().what.find(pid) != std::string::npos ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(RoleHome::open(folder.path(), "local", "agent-1"));
}

TEST(Home, the_lock_goes_with_the_process) {
    const TemporaryFolder folder;
    const int status = in_child([&] {
        const auto home = RoleHome::open(folder.path(), "local", "agent-0");
        ::kill(::getpid(), SIGKILL);
        return 0;
    });
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(RoleHome::open(folder.path(), "local", "agent-0"));
}

TEST(Home, a_newer_format_is_refused) {
    const TemporaryFolder folder;
    std::string path;
    {
        const auto home = RoleHome::open(folder.path(), "local", "agent-0");
        ASSERT_TRUE(home);
        path = home->path();
    }
    ASSERT_TRUE(atomic_write_file(path + "/FORMAT", as_bytes("2\n")));
    const auto newer = RoleHome::open(folder.path(), "local", "agent-0");
    ASSERT_FALSE(newer);
    EXPECT_NE(newer.error().what.find("newer millrace"), std::string::npos);
    ASSERT_TRUE(atomic_write_file(path + "/FORMAT", as_bytes("one\n")));
    EXPECT_FALSE(RoleHome::open(folder.path(), "local", "agent-0"));
}

TEST(Home, names_cannot_leave_the_root) {
    for (const char* name : {"", ".", "..", "a/b", "A", "a b", ".hidden"}) {
        EXPECT_FALSE(RoleHome::path_of("/tmp", name, "agent-0")) << name;
        EXPECT_FALSE(RoleHome::path_of("/tmp", "local", name)) << name;
    }
}

TEST(Home, an_endpoint_file_of_the_last_run_is_gone_after_a_start) {
    const TemporaryFolder folder;
    std::string path;
    {
        const auto home = RoleHome::open(folder.path(), "local", "agent-0");
        ASSERT_TRUE(home);
        path = home->path();
        ASSERT_TRUE(home->publish_endpoint("127.0.0.1:4711"));
        EXPECT_EQ(*read_endpoint(path), "127.0.0.1:4711");
    }
    const auto again = RoleHome::open(folder.path(), "local", "agent-0");
    EXPECT_FALSE(read_endpoint(path));
}

TEST(NodeKey, a_key_is_created_once_and_read_back) {
    const TemporaryFolder folder;
    const auto created = NodeKey::load_or_create(folder / "node.pem");
    ASSERT_TRUE(created);
    const auto loaded = NodeKey::load_or_create(folder / "node.pem");
    ASSERT_TRUE(loaded);
    EXPECT_EQ(created->public_key(), loaded->public_key());
    EXPECT_NE(created->public_key(), NodeKey::generate().public_key());
    struct stat status {};
    ASSERT_EQ(::stat((folder / "node.pem").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(NodeKey, the_first_test_vector_of_rfc_8032) {
    const auto seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    std::array<std::uint8_t, 32> bytes{};
    std::copy(seed->begin(), seed->end(), bytes.begin());
    EXPECT_EQ(to_hex(NodeKey::from_seed(bytes).public_key().view()),
              "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST(NodeKey, a_key_others_may_read_and_a_file_without_a_key_are_refused) {
    const TemporaryFolder folder;
    ASSERT_TRUE(NodeKey::load_or_create(folder / "node.pem"));
    ASSERT_EQ(::chmod((folder / "node.pem").c_str(), 0644), 0);
    EXPECT_FALSE(NodeKey::load_or_create(folder / "node.pem"));
    ASSERT_TRUE(atomic_write_file(folder / "bad.pem", as_bytes("nothing"), 0600));
    const auto bad = NodeKey::load_or_create(folder / "bad.pem");
    ASSERT_FALSE(bad);
    EXPECT_FALSE(bad.error().remedy.empty());
}

TEST(Entropy, no_two_draws_are_equal) {
    EXPECT_NE(random_hash(), random_hash());
    EXPECT_NE(random_u64(), random_u64());
    EXPECT_EQ(random_bytes(1'000).size(), 1'000u);
}

TEST(Log, values_cannot_forge_fields_or_lines) {
    const TemporaryFolder folder;
    ASSERT_TRUE(open_log({.role = "r", .file = folder / "log", .to_stderr = false}));
    log(LogLevel::info, "a \"b\"\nlevel=error", {{"peer", "x y=z\n"}, {"plain", "abc"}});
    log(LogLevel::debug, "left out");
    log(LogLevel::info, std::string(10'000, 'x'));
    ASSERT_TRUE(open_log({}));
    const auto text = read_text_file(folder / "log", 1u << 20);
    EXPECT_NE(text->find("msg=\"a \\\"b\\\"\\nlevel=error\" peer=\"x y=z\\n\" plain=abc\n"),
              std::string::npos)
        << *text;
    EXPECT_EQ(std::count(text->begin(), text->end(), '\n'), 2);
    EXPECT_LT(text->size(), 5'000u);
}

TEST(Log, a_peer_cannot_choose_how_much_is_logged) {
    const TemporaryFolder folder;
    ASSERT_TRUE(open_log({.file = folder / "log", .to_stderr = false}));
    for (int line = 0; line < 10'000; ++line) {
        log_limited("peer-" + std::to_string(line % 3), LogLevel::warn, "bad frame");
    }
    ASSERT_TRUE(open_log({}));
    const auto text = read_text_file(folder / "log", 1u << 20);
    EXPECT_EQ(std::count(text->begin(), text->end(), '\n'), 15);
}

TEST(CrashPoint, the_process_dies_right_after_the_nth_event_and_only_once) {
    const TemporaryFolder folder;
    // Counted from the start of the process, and a child has its parent's count.
    const std::string third = std::to_string(durable_event_count() + 3);
    const auto life = [&](bool development) {
        return in_child([&] {
            ::setenv("MILLRACE_CRASH_AFTER", third.c_str(), 1);
            ::setenv("MILLRACE_CRASH_ONCE", (folder / "died").c_str(), 1);
            if (!open_log({.to_stderr = false})) return 1;
            enable_crash_points(development);
            const std::uint64_t before = durable_event_count();
            for (std::uint64_t event = before; event < before + 5; ++event) {
                if (!atomic_write_file(folder / "count", as_bytes(std::to_string(event + 1)))) {
                    return 1;
                }
                durable_event("test");
            }
            return 0;
        });
    };
    EXPECT_EQ(life(false), 0);
    ::unlink((folder / "count").c_str());
    const int first = life(true);
    ASSERT_TRUE(WIFSIGNALED(first));
    EXPECT_EQ(WTERMSIG(first), SIGKILL);
    EXPECT_EQ(*read_text_file(folder / "count", 20), third);
    EXPECT_EQ(life(true), 0);
}

}  // namespace
}  // namespace millrace::io
