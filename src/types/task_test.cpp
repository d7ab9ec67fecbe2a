// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/task.hpp"

#include <gtest/gtest.h>

#include "types/sample_messages.hpp"

namespace millrace::types {
namespace {

template <typename Change>
bool taken(Change change) {
    TaskSpec task = sample_task();
    change(task);
    const auto back = TaskSpec::decode(task.encode());
    if (back) {
        EXPECT_EQ(*back, task);
    }
    return back.has_value();
}

using Spec = TaskSpec;

TEST(TaskSpec, comes_back_as_it_was_and_keeps_its_id) {
    EXPECT_TRUE(taken([](Spec&) {}));
    EXPECT_EQ(TaskSpec::decode(sample_task().encode())->id(), sample_task().id());
    TaskSpec other = sample_task();
    ++other.index;
    EXPECT_NE(other.id(), sample_task().id());
}

TEST(TaskSpec, bounds_hold_at_the_border) {
    EXPECT_TRUE(taken([](Spec& t) { t.arguments.assign(arguments_max, "a"); }));
    EXPECT_FALSE(taken([](Spec& t) { t.arguments.assign(arguments_max + 1, "a"); }));
    EXPECT_TRUE(taken([](Spec& t) { t.arguments = {std::string(argument_size_max, 'a')}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.arguments = {std::string(argument_size_max + 1, 'a')}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.arguments = {std::string("a\0b", 3)}; }));
    EXPECT_FALSE(taken([](Spec& t) {
        t.arguments.assign(15, std::string(argument_size_max, 'a'));
    })) << "over task_spec_size_max";
    EXPECT_FALSE(taken([](Spec& t) { t.environment = {{"", "a"}}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.environment = {{"A=B", "a"}}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.environment = {{"B", ""}, {"A", ""}}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.environment = {{"A", ""}, {"A", ""}}; }));
    EXPECT_TRUE(taken([](Spec& t) { t.limits.fuel = Fuel{fuel_per_task_max}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.limits.fuel = Fuel{fuel_per_task_max + 1}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.limits.fuel = Fuel{0}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.limits.memory_bytes = memory_per_task_max + 1; }));
    EXPECT_FALSE(taken([](Spec& t) { t.limits.output_bytes = output_per_task_max + 1; }));
    EXPECT_FALSE(taken([](Spec& t) { t.module.plain.size = blob_size_max + 1; }));
}

TEST(TaskSpec, files_are_one_tree) {
    EXPECT_FALSE(taken([](Spec& t) { std::swap(t.files[0], t.files[1]); }));
    EXPECT_FALSE(taken([](Spec& t) { t.files = {{"a", {}}, {"a", {}}}; }));
    EXPECT_FALSE(taken([](Spec& t) { t.files = {{"a", {}}, {"a!", {}}, {"a/b", {}}}; }));
    EXPECT_TRUE(taken([](Spec& t) { t.files = {{"a!", {}}, {"a/b", {}}, {"a/c", {}}}; }));
    EXPECT_FALSE(taken([](Spec& t) {
        t.files.clear();
        for (std::size_t index = 0; index <= files_per_task_max; ++index)
            t.files.push_back({std::to_string(10'000 + index), {}});
    }));
}

TEST(Path, valid_and_not) {
    for (const char* path :
         {"a", "a/b", "..a", "a..", ".a/b", "ä/ö", "a b", "a\\b", "\xf0\x9f\x98\x80"})
        EXPECT_TRUE(is_valid_path(path)) << path;
    for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "./a", "\xff",
                             "a/\xc0\xaf", "\xed\xa0\x80"})
        EXPECT_FALSE(is_valid_path(path)) << path;
    EXPECT_FALSE(is_valid_path(std::string_view("a\0b", 3)));
    EXPECT_TRUE(is_valid_path(std::string(path_size_max, 'a')));
    EXPECT_FALSE(is_valid_path(std::string(path_size_max + 1, 'a')));
}

TEST(Utf8, takes_the_shortest_forms_only) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
    for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2", "\xe1\x80", "\xc2\x41"})
        EXPECT_FALSE(is_utf8(bad));
}

TEST(ResultSummary, each_field_is_part_of_the_result_id) {
    const ResultSummary base;
    const auto differs = [&](auto change) {
        ResultSummary other = base;
        change(other);
        return other.result_id() != base.result_id();
    };
    using Summary = ResultSummary;
    EXPECT_TRUE(differs([](Summary& s) { s.profile = "det-1/2"; }));
    EXPECT_TRUE(differs([](Summary& s) { s.exit = ExitKind::trapped; }));
    EXPECT_TRUE(differs([](Summary& s) { s.code = 1; }));
    EXPECT_TRUE(differs([](Summary& s) { s.output_root.bytes[0] = 1; }));
    EXPECT_TRUE(differs([](Summary& s) { s.stdout_root.bytes[0] = 1; }));
    EXPECT_TRUE(differs([](Summary& s) { s.fuel = Fuel{1}; }));
    EXPECT_TRUE(differs([](Summary& s) { s.memory_root.bytes[0] = 1; }));
    EXPECT_TRUE(differs([](Summary& s) { s.checkpoint_root.bytes[0] = 1; }));
}

TEST(OutputRoot, tells_deleted_from_empty_and_from_absent) {
    const OutputEntry empty{"a", {}, false};
    const OutputEntry deleted{"a", {}, true};
    EXPECT_NE(output_root({empty}), output_root({deleted}));
    EXPECT_NE(output_root({}), output_root({deleted}));
    // Keccak-256 of the empty RLP list (0xc0), as every Ethereum client knows it.
    EXPECT_EQ(to_hex(output_root({}).view()),
              "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
}

}  // namespace
}  // namespace millrace::types
