// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/tree.hpp"

#include <gtest/gtest.h>

namespace millrace::wasi {
namespace {

constexpr std::uint64_t later = 7;

SharedBytes text(std::string_view content) {
    return std::make_shared<const Bytes>(to_bytes(as_bytes(content)));
}

class Tree : public ::testing::Test {
  protected:
    FileTree tree{{.output_bytes = 1000, .nodes = 40, .changes = 8, .path_size = 64}, 1};
    std::uint64_t steps = 0;

    Errno error_of(std::string_view path, Lookup lookup = {}) {
        const auto place = tree.resolve(FileTree::root, path, lookup, steps);
        return place ? (place->node == 0 ? Errno::noent : Errno::success) : place.error();
    }
    Place place(std::string_view path, Lookup lookup = {}) {
        const auto found = tree.resolve(FileTree::root, path, lookup, steps);
        EXPECT_TRUE(found.has_value()) << path;
        return found ? *found : Place{};
    }
    Inode make(std::string_view path, std::string_view content) {
        const auto made = tree.create_file(place(path), later);
        EXPECT_TRUE(made.has_value()) << path;
        EXPECT_EQ(tree.write(*made, 0, as_bytes(content), later), Errno::success);
        return *made;
    }
};

TEST_F(Tree, paths_never_leave_the_directory_they_start_from) {
    ASSERT_TRUE(tree.add_input("a/b/file", text("x")));
    const Inode inner = place("a/b").node;
    EXPECT_EQ(error_of("a/../a/./b//file"), Errno::success);
    EXPECT_EQ(error_of(".."), Errno::perm);
    EXPECT_EQ(error_of("a/../../a"), Errno::perm);
    EXPECT_EQ(error_of("/a"), Errno::perm);
    EXPECT_EQ(tree.resolve(inner, "../b", {}, steps).error(), Errno::perm);
    ASSERT_EQ(tree.create_symlink("../../..", place("a/b/up"), later), Errno::success);
    EXPECT_EQ(error_of("a/b/up/a"), Errno::perm);
    EXPECT_EQ(tree.create_symlink("/etc", place("etc"), later), Errno::perm);
}

TEST_F(Tree, symbolic_links_are_followed_a_bounded_number_of_times) {
    ASSERT_EQ(tree.create_symlink("loop", place("loop"), later), Errno::success);
    EXPECT_EQ(error_of("loop", {.follow = true}), Errno::loop);
    EXPECT_EQ(error_of("loop/x"), Errno::loop);
    EXPECT_EQ(error_of("loop"), Errno::success);
    ASSERT_EQ(tree.create_symlink("missing", place("dangling"), later), Errno::success);
    EXPECT_EQ(error_of("dangling", {.follow = true}), Errno::noent);
    EXPECT_EQ(place("dangling", {.follow = true}).name, "missing");
}

TEST_F(Tree, hostile_names_are_refused) {
    EXPECT_EQ(error_of(""), Errno::noent);
    EXPECT_EQ(error_of(std::string_view{"a\0b", 3}), Errno::ilseq);
    EXPECT_EQ(error_of("\xff"), Errno::ilseq);
    EXPECT_EQ(error_of("\xc0\xaf"), Errno::ilseq);
    EXPECT_EQ(error_of("\xed\xa0\x80"), Errno::ilseq);
    EXPECT_EQ(error_of(std::string(256, 'a')), Errno::nametoolong);
    EXPECT_EQ(error_of(std::string(5000, 'a')), Errno::nametoolong);
    for (const char* path : {"", "/a", "a/", "a//b", "./a", "a/..", "\xff"}) {
        EXPECT_FALSE(tree.add_input(path, text("x"))) << path;
    }
}

TEST_F(Tree, inputs_are_copied_only_when_they_change) {
    const SharedBytes content = text("hello");
    ASSERT_TRUE(tree.add_input("in", content));
    const Inode inode = place("in").node;
    EXPECT_EQ(tree.node(inode).content().data(), content->data());
    EXPECT_EQ(tree.hidden_work(inode, 5), 5u);
    ASSERT_EQ(tree.write(inode, 1, as_bytes("u"), later), Errno::success);
    EXPECT_EQ(as_text(tree.node(inode).content()), "hullo");
    EXPECT_EQ(as_text(*content), "hello");
}

TEST_F(Tree, output_is_what_differs_from_the_input_sorted_by_path) {
    ASSERT_TRUE(tree.add_input("same", text("same")));
    ASSERT_TRUE(tree.add_input("rewritten", text("equal")));
    ASSERT_TRUE(tree.add_input("gone", text("gone")));
    ASSERT_TRUE(tree.add_input("moved/from", text("moved")));
    ASSERT_EQ(tree.write(place("rewritten").node, 0, as_bytes("equal"), later), Errno::success);
    ASSERT_EQ(tree.unlink_file(place("gone"), later), Errno::success);
    ASSERT_EQ(tree.rename(place("moved/from"), place("moved/to"), later), Errno::success);
    make("new", "n");
    ASSERT_EQ(tree.link(place("new"), place("again"), later), Errno::success);
    ASSERT_EQ(tree.create_symlink("new", place("link"), later), Errno::success);
    const auto changes = tree.take_changes();
    std::vector<std::string> lines;
    lines.reserve(changes.size());
    for (const auto& change : changes) {
        lines.push_back(change.path + "=" +
                        (change.content ? std::string{as_text(*change.content)} : "deleted"));
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"again=n", "gone=deleted", "moved/from=deleted",
                                               "moved/to=moved", "new=n"}));
    EXPECT_EQ(tree.limit_hit(), LimitHit::none);
}

TEST_F(Tree, renaming_keeps_the_tree_a_tree) {
    ASSERT_TRUE(tree.add_input("dir/sub/file", text("x")));
    ASSERT_TRUE(tree.add_input("file", text("y")));
    ASSERT_TRUE(tree.add_input_directory("empty"));
    EXPECT_EQ(tree.rename(place("dir"), place("dir/sub/dir"), later), Errno::inval);
    EXPECT_EQ(tree.rename(place("dir"), place("dir/self"), later), Errno::inval);
    EXPECT_EQ(tree.rename(place("file"), place("dir"), later), Errno::isdir);
    EXPECT_EQ(tree.rename(place("dir"), place("file"), later), Errno::notdir);
    EXPECT_EQ(tree.rename(place("empty"), place("dir"), later), Errno::notempty);
    EXPECT_EQ(tree.rename(place("file/"), place("other"), later), Errno::notdir);
    EXPECT_EQ(tree.rename(place("dir/sub"), place("empty"), later), Errno::success);
    EXPECT_EQ(error_of("empty/file"), Errno::success);
    EXPECT_EQ(error_of("dir/sub"), Errno::noent);
    EXPECT_EQ(tree.rename(place("."), place("x"), later), Errno::busy);
}

TEST_F(Tree, an_unlinked_file_lives_while_it_is_open) {
    const Inode inode = make("file", "content");
    tree.open(inode);
    ASSERT_EQ(tree.unlink_file(place("file"), later), Errno::success);
    EXPECT_EQ(as_text(tree.node(inode).content()), "content");
    tree.close(inode);
    EXPECT_TRUE(tree.charge_stream(1000)) << "its bytes are free again";
}

TEST_F(Tree, a_removed_directory_takes_no_new_entries) {
    ASSERT_TRUE(tree.add_input_directory("dir"));
    const Inode inode = place("dir").node;
    tree.open(inode);
    ASSERT_EQ(tree.remove_directory(place("dir"), later), Errno::success);
    const auto inside = tree.resolve(inode, "x", {}, steps);
    ASSERT_TRUE(inside.has_value());
    EXPECT_EQ(tree.create_directory(*inside, later), Errno::noent);
    tree.close(inode);
}

TEST_F(Tree, output_over_its_limit_is_noticed_before_it_is_held) {
    const Inode inode = make("file", "");
    EXPECT_EQ(tree.resize(inode, 1001, later), Errno::nospc);
    EXPECT_EQ(tree.limit_hit(), LimitHit::output);
    EXPECT_EQ(tree.node(inode).size(), 0u);
    EXPECT_EQ(tree.write(inode, ~0ull, as_bytes("xy"), later), Errno::fbig);
}

TEST_F(Tree, a_file_counts_under_each_name_it_is_delivered_under) {
    make("file", std::string(400, 'x'));
    ASSERT_EQ(tree.link(place("file"), place("again"), later), Errno::success);
    ASSERT_TRUE(tree.charge_stream(200));
    EXPECT_EQ(tree.take_changes().size(), 2u);
    EXPECT_EQ(tree.limit_hit(), LimitHit::none);

    FileTree moved{{.output_bytes = 3}, 1};
    ASSERT_TRUE(moved.add_input("in", text("four")));
    ASSERT_EQ(moved.rename(*moved.resolve(FileTree::root, "in", {}, steps),
                           *moved.resolve(FileTree::root, "out", {}, steps), later),
              Errno::success);
    (void)moved.take_changes();
    EXPECT_EQ(moved.limit_hit(), LimitHit::output);
}

TEST_F(Tree, nodes_names_and_delivered_files_are_bounded) {
    Errno error = Errno::success;
    for (int index = 0; index < 50 && error == Errno::success; ++index) {
        error = tree.create_directory(place("d" + std::to_string(index)), later);
    }
    EXPECT_EQ(error, Errno::nospc);
    EXPECT_EQ(tree.limit_hit(), LimitHit::files);

    FileTree links{{.nodes = 10}, 1};
    const auto first = links.create_file(*links.resolve(FileTree::root, "f", {}, steps), 1);
    ASSERT_TRUE(first.has_value());
    for (int index = 0; index < 20; ++index) {
        (void)links.link(*links.resolve(FileTree::root, "f", {}, steps),
                         *links.resolve(FileTree::root, std::to_string(index), {}, steps), 1);
    }
    EXPECT_EQ(links.limit_hit(), LimitHit::files);

    FileTree deep{{.path_size = 8}, 1};
    ASSERT_TRUE(deep.add_input_directory("1234/56789"));
    (void)deep.take_changes();
    EXPECT_EQ(deep.limit_hit(), LimitHit::files);
}

}  // namespace
}  // namespace millrace::wasi
