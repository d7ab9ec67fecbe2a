// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"

namespace millrace::io {

enum class ConfigType : std::uint8_t { text, integer, number, boolean };

/// One declared setting. `name` is "provider.slots": in TOML the key slots of table [provider], in
/// the environment MILLRACE_PROVIDER_SLOTS ('.' and '-' become '_'), on the command line whatever
/// flag the program binds to it with set_flag.
struct ConfigKey {
    std::string name;
    ConfigType type = ConfigType::text;
    std::string default_value;  ///< in TOML's spelling without quotes; may be empty for text
    std::string help;
};

/// Layered settings: flag > MILLRACE_* environment > TOML file > default. Layers may be loaded in
/// any order. An unknown key is an error with file:line and the nearest known name.
class Config {
  public:
    static constexpr std::size_t file_size_max = 1u << 20;

    /// Asserts that names are distinct and defaults fit their types.
    explicit Config(std::vector<ConfigKey> keys);

    /// A missing file is an error only when `required`.
    Outcome<void> load_file(const std::string& path, bool required);
    Outcome<void> load_text(std::string_view toml, const std::string& origin);
    /// All MILLRACE_* of this process. `others`: names that are fine though not declared here
    /// (settings of other roles); MILLRACE_HOME and MILLRACE_CRASH_* are always fine.
    Outcome<void> load_environment(const std::vector<std::string>& others = {});
    /// For tests and for load_environment(): "NAME=value" lines.
    Outcome<void> load_environment_from(const std::vector<std::string>& lines,
                                        const std::vector<std::string>& others = {});
    Outcome<void> set_flag(std::string_view name, std::string_view value);

    /// Asserts that the key is declared with that type.
    [[nodiscard]] std::string text(std::string_view name) const;
    [[nodiscard]] std::int64_t integer(std::string_view name) const;
    [[nodiscard]] double number(std::string_view name) const;
    [[nodiscard]] bool boolean(std::string_view name) const;
    /// "default", "MILLRACE_PROVIDER_SLOTS", "flag", "millrace.toml:12".
    [[nodiscard]] std::string origin(std::string_view name) const;
    /// A commented TOML file of all keys, with their values now.
    [[nodiscard]] std::string describe() const;

  private:
    struct Setting {
        ConfigKey key;
        std::string value;
        std::string origin = "default";
        int rank = 0;  ///< 0 default, 1 file, 2 environment, 3 flag
    };
    Outcome<void> assign(std::string_view name, std::string_view value, int rank,
                         const std::string& origin);
    [[nodiscard]] const Setting& find(std::string_view name, ConfigType type) const;
    std::map<std::string, Setting, std::less<>> settings_;
};

/// The known name with the smallest edit distance; empty when none is near.
std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known);

}  // namespace millrace::io
