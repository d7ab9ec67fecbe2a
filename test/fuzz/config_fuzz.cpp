// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// Settings from a hostile or broken file and environment: no crash, every refusal names its place,
// and what was accepted survives being written out and read back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/config.hpp"

namespace {

using millrace::io::Config;
using millrace::io::ConfigType;

Config declared() {
    return Config{{
        {"listen", ConfigType::text, "127.0.0.1:0", "where to listen"},
        {"provider.slots", ConfigType::integer, "2", "tasks at a time"},
        {"provider.price", ConfigType::number, "1.5", "price"},
        {"provider.on-battery", ConfigType::boolean, "false", "work on battery"},
    }};
}

void check(bool condition) {
    if (!condition) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    Config config = declared();
    const auto loaded = config.load_text(text, "file");
    if (!loaded) {
        check(!loaded.error().what.empty());
        check(loaded.error().where.starts_with("file"));
    }
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size() && lines.size() < 64;) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    const auto environment = config.load_environment_from(lines);
    if (!environment) check(!environment.error().what.empty());
    if (!loaded || !environment) return 0;

    Config again = declared();
    check(again.load_text(config.describe(), "again").has_value());
    check(again.text("listen") == config.text("listen"));
    check(again.integer("provider.slots") == config.integer("provider.slots"));
    check(again.boolean("provider.on-battery") == config.boolean("provider.on-battery"));
    return 0;
}
