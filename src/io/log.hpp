// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/failure.hpp"

namespace millrace::io {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

/// One key=value of a line. Values with spaces, quotes or control characters are quoted and
/// escaped.
struct LogField {
    std::string_view key;
    std::string value;

    LogField(std::string_view name, std::string_view text) : key{name}, value{text} {}
    LogField(std::string_view name, const char* text) : key{name}, value{text} {}
    LogField(std::string_view name, const std::string& text) : key{name}, value{text} {}
    LogField(std::string_view name, bool flag) : key{name}, value{flag ? "true" : "false"} {}
    template <typename Number>
    requires std::integral<Number> &&
        (!std::same_as<Number, bool>)LogField(std::string_view name, Number number)
        : key{name}, value{std::to_string(number)} {}
};

/// One line per fact: `time=2026-01-02T03:04:05.678Z level=info role=agent-0 msg="…" key=value`.
/// Any thread; one write per line; at most 4 KiB (cut with "…"). Never give it a secret: keys,
/// passwords, job keys, contents of tasks.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
void log_failure(std::string_view message, const Failure& failure);

/// For lines a peer can cause: at most 5 in 10 s for each `limit_key`; the next line that passes
/// says how many were left out. At most 1,024 keys are remembered, the rest share one.
void log_limited(std::string_view limit_key, LogLevel level, std::string_view message,
                 std::initializer_list<LogField> fields = {});

struct LogSettings {
    std::string role{};  ///< printed on each line when not empty
    std::string file{};  ///< also appended to when not empty
    LogLevel level = LogLevel::info;
    bool to_stderr = true;
};
/// Before it, lines of level info and above go to stderr.
Outcome<void> open_log(LogSettings settings);
/// Opens the file anew, for SIGHUP after it was moved away.
Outcome<void> reopen_log();
/// "debug", "info", "warn", "error".
Outcome<LogLevel> parse_log_level(std::string_view text);

}  // namespace millrace::io
