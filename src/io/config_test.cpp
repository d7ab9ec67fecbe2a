// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/config.hpp"

#include <gtest/gtest.h>

#include "io/files.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::io {
namespace {

Config sample() {
    return Config{{
        {"listen", ConfigType::text, "127.0.0.1:0", "where to listen"},
        {"provider.slots", ConfigType::integer, "2", "tasks at a time"},
        {"provider.price", ConfigType::number, "1.5", "price"},
        {"provider.on-battery", ConfigType::boolean, "false", "work on battery"},
    }};
}

TEST(Config, flag_beats_environment_beats_file_beats_default_in_any_order) {
    Config config = sample();
    EXPECT_EQ(config.integer("provider.slots"), 2);
    EXPECT_EQ(config.origin("provider.slots"), "default");
    ASSERT_TRUE(config.set_flag("provider.slots", "9"));
    ASSERT_TRUE(config.load_environment_from(
        {"MILLRACE_PROVIDER_SLOTS=7", "MILLRACE_LISTEN=[::1]:1", "PATH=/bin", "MILLRACE_HOME=/x"}));
    ASSERT_TRUE(
        config.load_text("listen = \"0.0.0.0:5\"\n[provider]\nslots = 5\nprice = 3\n"
                         "on-battery = true\n",
                         "a.toml"));
    EXPECT_EQ(config.integer("provider.slots"), 9);
    EXPECT_EQ(config.text("listen"), "[::1]:1");
    EXPECT_EQ(config.number("provider.price"), 3.0);
    EXPECT_TRUE(config.boolean("provider.on-battery"));
    EXPECT_EQ(config.origin("provider.slots"), "flag");
    EXPECT_EQ(config.origin("listen"), "MILLRACE_LISTEN");
    EXPECT_EQ(config.origin("provider.price"), "a.toml:4");
}

TEST(Config, an_unknown_key_names_its_line_and_the_nearest_known_one) {
    Config config = sample();
    const auto wrong = config.load_text("[provider]\n\nslot = 5\n", "a.toml");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().where, "a.toml:3");
    EXPECT_NE(wrong.error().what.find("provider.slot"), std::string::npos);
    EXPECT_NE(wrong.error().remedy.find("provider.slots"), std::string::npos);
    const auto variable = config.load_environment_from({"MILLRACE_PROVIDER_SLOT=1"});
    ASSERT_FALSE(variable);
    EXPECT_NE(variable.error().remedy.find("MILLRACE_PROVIDER_SLOTS"), std::string::npos);
    const auto far = config.set_flag("zzzzzzzzzzzz", "1");
    ASSERT_FALSE(far);
    EXPECT_EQ(far.error().remedy.find("did you mean"), std::string::npos);
}

TEST(Config, settings_of_other_roles_may_stand_in_the_environment) {
    Config config = sample();
    EXPECT_FALSE(config.load_environment_from({"MILLRACE_CHAIN_PORT=1"}));
    EXPECT_TRUE(config.load_environment_from({"MILLRACE_CHAIN_PORT=1"}, {"chain.port"}));
}

TEST(Config, values_of_the_wrong_type_are_refused_with_their_place) {
    for (const char* text : {"[provider]\nslots = \"5\"\n", "[provider]\nslots = 1.5\n",
                             "[provider]\nslots = [5]\n", "listen = 5\n", "provider = 1\n",
                             "[provider]\non-battery = 1\n", "listen = 1979-05-27\n"}) {
        Config config = sample();
        const auto wrong = config.load_text(text, "a.toml");
        ASSERT_FALSE(wrong) << text;
        EXPECT_TRUE(wrong.error().where.starts_with("a.toml:")) << wrong.error().text();
    }
    Config config = sample();
    EXPECT_FALSE(config.set_flag("provider.slots", "5x"));
    EXPECT_FALSE(config.set_flag("provider.slots", ""));
    EXPECT_FALSE(config.set_flag("provider.on-battery", "yes"));
}

TEST(Config, broken_toml_names_the_line) {
    Config config = sample();
    const auto wrong = config.load_text("listen = \"a\"\nlisten = = 3\n", "a.toml");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().where, "a.toml:2");
    EXPECT_FALSE(config.load_text("[[[[", "a.toml"));  // on which toml++ 3.3 asserts
    EXPECT_FALSE(config.load_text("l\u0317 = 1\n", "a.toml"));
}

TEST(Config, letters_beyond_ascii_stand_in_strings_and_comments) {
    Config config = sample();
    ASSERT_TRUE(
        config.load_text("# \u00e9\u0317\nlisten = \"\"\"a\\\n  \u00e9\u0317\"\"\"\n", "a.toml"));
    EXPECT_EQ(config.text("listen"), "a\u00e9\u0317");
}

TEST(Config, a_missing_file_matters_only_when_it_is_required) {
    const TemporaryFolder folder;
    Config config = sample();
    EXPECT_TRUE(config.load_file(folder / "a.toml", false));
    EXPECT_FALSE(config.load_file(folder / "a.toml", true));
}

TEST(Config, what_describe_writes_can_be_read_back) {
    Config config = sample();
    ASSERT_TRUE(config.set_flag("listen", "a \"quoted\"\nname"));
    ASSERT_TRUE(config.set_flag("provider.slots", "4"));
    Config again = sample();
    const auto read = again.load_text(config.describe(), "described");
    ASSERT_TRUE(read) << read.error().text() << "\n" << config.describe();
    EXPECT_EQ(again.text("listen"), config.text("listen"));
    EXPECT_EQ(again.integer("provider.slots"), 4);
}

TEST(Config, nearest_name_is_by_edit_distance) {
    const std::vector<std::string> known{"listen", "slots", "price"};
    EXPECT_EQ(nearest_name("lisen", known), "listen");
    EXPECT_EQ(nearest_name("pirce", known), "price");
    EXPECT_EQ(nearest_name("completely-else", known), "");
}

}  // namespace
}  // namespace millrace::io
