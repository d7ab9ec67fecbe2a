// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "io/files.hpp"
#include "io/toml.hpp"

namespace millrace::io {
namespace {

constexpr int rank_file = 1;
constexpr int rank_environment = 2;
constexpr int rank_flag = 3;
constexpr std::size_t names_length_max = 256;

std::string environment_name(std::string_view name) {
    std::string result = "MILLRACE_";
    for (const char letter : name) {
        const bool separator = letter == '.' || letter == '-';
        result += separator                        ? '_'
                  : letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A')
                                                   : letter;
    }
    return result;
}

std::size_t edit_distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t column = 0; column <= right.size(); ++column)
        row[column] = column;
    for (std::size_t line = 1; line <= left.size(); ++line) {
        std::size_t diagonal = row[0];
        row[0] = line;
        for (std::size_t column = 1; column <= right.size(); ++column) {
            const std::size_t replaced = diagonal + (left[line - 1] == right[column - 1] ? 0 : 1);
            diagonal = row[column];
            row[column] = std::min({replaced, row[column] + 1, row[column - 1] + 1});
        }
    }
    return row[right.size()];
}

bool fits(ConfigType type, std::string_view value) {
    const char* last = value.data() + value.size();
    switch (type) {
        case ConfigType::text:
            return true;
        case ConfigType::boolean:
            return value == "true" || value == "false";
        case ConfigType::integer: {
            std::int64_t number = 0;
            const auto [end, error] = std::from_chars(value.data(), last, number);
            return error == std::errc{} && end == last;
        }
        case ConfigType::number: {
            double number = 0;
            const auto [end, error] = std::from_chars(value.data(), last, number);
            return error == std::errc{} && end == last;
        }
    }
    return false;
}

std::string_view type_name(ConfigType type) {
    switch (type) {
        case ConfigType::text:
            return "a text";
        case ConfigType::boolean:
            return "true or false";
        case ConfigType::integer:
            return "a whole number";
        case ConfigType::number:
            return "a number";
    }
    return "a value";
}

Failure unknown_key(std::string_view name, const std::string& where,
                    const std::vector<std::string>& known) {
    const std::string near = nearest_name(name, known);
    return {
        "unknown setting '" + std::string{name.substr(0, names_length_max)} + "'", where,
        near.empty() ? "see `millrace --help` for the settings" : "did you mean '" + near + "'?"};
}

/// One value of the file, flattened.
struct Entry {
    std::string name;
    std::string value;
    ConfigType type;
    std::string where;
};

std::string shortest(double number) {
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    return {text, end};
}

Outcome<void> flatten(const toml::table& table, const std::string& prefix, int depth,
                      const std::string& origin, std::vector<Entry>& entries) {
    for (const auto& [key, node] : table) {
        const std::string name = prefix + std::string{key.str()};
        const std::string where = toml_position(origin, node.source());
        if (const auto* nested = node.as_table()) {
            if (depth == 4) return Err{Failure{"tables are nested too deep", where, {}}};
            MILLRACE_TRY_VOID(flatten(*nested, name + ".", depth + 1, origin, entries));
        } else if (const auto text = node.value_exact<std::string>()) {
            entries.push_back({name, *text, ConfigType::text, where});
        } else if (const auto whole = node.value_exact<std::int64_t>()) {
            entries.push_back({name, std::to_string(*whole), ConfigType::integer, where});
        } else if (const auto number = node.value_exact<double>()) {
            entries.push_back({name, shortest(*number), ConfigType::number, where});
        } else if (const auto flag = node.value_exact<bool>()) {
            entries.push_back({name, *flag ? "true" : "false", ConfigType::boolean, where});
        } else {
            return Err{Failure{"'" + name + "' is a list or a date, which no setting is", where,
                               "write a text, a number, true or false"}};
        }
    }
    return {};
}

}  // namespace

std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known) {
    std::string nearest;
    std::size_t distance_min = std::max<std::size_t>(2, wrong.size() / 3) + 1;
    for (const std::string& name : known) {
        const std::size_t distance = edit_distance(wrong.substr(0, names_length_max), name);
        if (distance < distance_min) {
            distance_min = distance;
            nearest = name;
        }
    }
    return nearest;
}

Config::Config(std::vector<ConfigKey> keys) {
    for (ConfigKey& key : keys) {
        MILLRACE_ASSERT(fits(key.type, key.default_value));
        const std::string name = key.name;
        Setting setting;
        setting.value = key.default_value;
        setting.key = std::move(key);
        const bool added = settings_.emplace(name, std::move(setting)).second;
        MILLRACE_ASSERT(added);
    }
}

Outcome<void> Config::assign(std::string_view name, std::string_view value, int rank,
                             const std::string& origin) {
    const auto found = settings_.find(name);
    if (found == settings_.end()) {
        std::vector<std::string> known;
        for (const auto& [key, setting] : settings_)
            known.push_back(key);
        return Err{unknown_key(name, origin, known)};
    }
    Setting& setting = found->second;
    if (!fits(setting.key.type, value)) {
        return Err{Failure{"the setting '" + std::string{name} + "' must be " +
                               std::string{type_name(setting.key.type)} + ", not '" +
                               std::string{value.substr(0, names_length_max)} + "'",
                           origin, setting.key.help}};
    }
    if (rank < setting.rank) return {};
    setting.value = value;
    setting.origin = origin;
    setting.rank = rank;
    return {};
}

Outcome<void> Config::load_file(const std::string& path, bool required) {
    if (!required && !file_exists(path)) return {};
    MILLRACE_TRY(const std::string text, read_text_file(path, file_size_max));
    return load_text(text, path);
}

Outcome<void> Config::load_text(std::string_view toml, const std::string& origin) {
    if (toml.size() > file_size_max) {
        return Err{Failure{"the settings are longer than 1 MiB", origin, {}}};
    }
    MILLRACE_TRY(const toml::table table, parse_toml(toml, origin));
    std::vector<Entry> entries;
    MILLRACE_TRY_VOID(flatten(table, {}, 0, origin, entries));
    for (const Entry& entry : entries) {
        const auto found = settings_.find(entry.name);
        if (found != settings_.end() && found->second.key.type != entry.type &&
            !(found->second.key.type == ConfigType::number && entry.type == ConfigType::integer)) {
            return Err{Failure{"the setting '" + entry.name + "' must be " +
                                   std::string{type_name(found->second.key.type)},
                               entry.where, found->second.key.help}};
        }
        MILLRACE_TRY_VOID(assign(entry.name, entry.value, rank_file, entry.where));
    }
    return {};
}

Outcome<void> Config::load_environment(const std::vector<std::string>& others) {
    std::vector<std::string> lines;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        lines.emplace_back(*entry);
    }
    return load_environment_from(lines, others);
}

Outcome<void> Config::load_environment_from(const std::vector<std::string>& lines,
                                            const std::vector<std::string>& others) {
    std::map<std::string, std::string, std::less<>> by_variable;
    std::vector<std::string> known{"MILLRACE_HOME", "MILLRACE_CRASH_AFTER", "MILLRACE_CRASH_ONCE"};
    for (const std::string& name : others)
        known.push_back(environment_name(name));
    for (const auto& [name, setting] : settings_) {
        by_variable[environment_name(name)] = name;
        known.push_back(environment_name(name));
    }
    for (const std::string& line : lines) {
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos || !line.starts_with("MILLRACE_")) continue;
        const std::string variable = line.substr(0, equals);
        if (const auto found = by_variable.find(variable); found != by_variable.end()) {
            MILLRACE_TRY_VOID(
                assign(found->second, line.substr(equals + 1), rank_environment, variable));
        } else if (std::ranges::find(known, variable) == known.end()) {
            return Err{unknown_key(variable, "environment", known)};
        }
    }
    return {};
}

Outcome<void> Config::set_flag(std::string_view name, std::string_view value) {
    return assign(name, value, rank_flag, "flag");
}

const Config::Setting& Config::find(std::string_view name, ConfigType type) const {
    const auto found = settings_.find(name);
    MILLRACE_ASSERT(found != settings_.end());
    MILLRACE_ASSERT(found->second.key.type == type);
    return found->second;
}

std::string Config::text(std::string_view name) const {
    return find(name, ConfigType::text).value;
}

std::int64_t Config::integer(std::string_view name) const {
    const std::string& value = find(name, ConfigType::integer).value;
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

double Config::number(std::string_view name) const {
    const std::string& value = find(name, ConfigType::number).value;
    double number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

bool Config::boolean(std::string_view name) const {
    return find(name, ConfigType::boolean).value == "true";
}

std::string Config::origin(std::string_view name) const {
    const auto found = settings_.find(name);
    MILLRACE_ASSERT(found != settings_.end());
    return found->second.origin;
}

std::string Config::describe() const {
    std::ostringstream out;
    for (const auto& [name, setting] : settings_) {
        out << "# " << setting.key.help << " (from: " << setting.origin << ")\n" << name << " = ";
        if (setting.key.type == ConfigType::text) {
            out << toml::value<std::string>{setting.value};
        } else {
            out << setting.value;
        }
        out << "\n\n";
    }
    return out.str();
}

}  // namespace millrace::io
