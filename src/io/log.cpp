// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <mutex>

#include "io/clock.hpp"
#include "io/files.hpp"

namespace millrace::io {
namespace {

constexpr std::size_t line_size_max = 4'096;
constexpr std::size_t limit_keys_max = 1'024;
constexpr std::uint32_t limited_lines_max = 5;
constexpr Duration limited_window{10'000};

struct Window {
    Instant begin;
    std::uint32_t lines = 0;
    std::uint64_t left_out = 0;
};

/// The process's one log. Guarded by its mutex, which is held over the write so that lines of
/// several threads never mix; nothing is called out to while it is held.
struct Log {
    std::mutex mutex;
    LogSettings settings;
    int file = -1;
    std::map<std::string, Window, std::less<>> windows;
};

Log& the_log() {
    static Log* log = new Log;  // lives until the very end: other statics may log while dying
    return *log;
}

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warn:
            return "warn";
        case LogLevel::error:
            return "error";
    }
    return "info";
}

void append_value(std::string& line, std::string_view value, bool always_quoted) {
    bool plain = !value.empty() && !always_quoted;
    for (const char letter : value) {
        const auto code = static_cast<unsigned char>(letter);
        if (code <= ' ' || code == '"' || code == '=' || code == '\\' || code == 0x7f)
            plain = false;
    }
    if (plain) {
        line += value;
        return;
    }
    line += '"';
    for (const char letter : value) {
        const auto code = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\') {
            line += '\\';
            line += letter;
        } else if (letter == '\n') {
            line += "\\n";
        } else if (code < ' ' || code == 0x7f) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", code);
            line += escaped;
        } else {
            line += letter;
        }
    }
    line += '"';
}

std::string time_text() {
    const Instant now = wall_now();
    const std::time_t seconds = now.ms / 1'000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[40];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(now.ms % 1'000));
    return text;
}

void write_line(int fd, const std::string& line) {
    // A log that cannot be written must not stop the program; a short write loses the rest.
    [[maybe_unused]] const ssize_t written = ::write(fd, line.data(), line.size());
}

void emit(LogLevel level, std::string_view message, std::initializer_list<LogField> fields,
          std::uint64_t left_out) {
    Log& log = the_log();
    const std::lock_guard lock{log.mutex};
    if (level < log.settings.level) return;
    std::string line = "time=" + time_text() + " level=";
    line += level_name(level);
    if (!log.settings.role.empty()) {
        line += " role=";
        append_value(line, log.settings.role, false);
    }
    line += " msg=";
    append_value(line, message, true);
    for (const LogField& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value, false);
    }
    if (left_out != 0) line += " left_out=" + std::to_string(left_out);
    if (line.size() >= line_size_max) {
        line.resize(line_size_max - 4);
        line += "…";
    }
    line += '\n';
    if (log.settings.to_stderr) write_line(STDERR_FILENO, line);
    if (log.file >= 0) write_line(log.file, line);
}

}  // namespace

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    emit(level, message, fields, 0);
}

void log_failure(std::string_view message, const Failure& failure) {
    emit(LogLevel::error, message,
         {{"what", failure.what}, {"where", failure.where}, {"remedy", failure.remedy}}, 0);
}

void log_limited(std::string_view limit_key, LogLevel level, std::string_view message,
                 std::initializer_list<LogField> fields) {
    Log& log = the_log();
    std::uint64_t left_out = 0;
    {
        const std::lock_guard lock{log.mutex};
        auto found = log.windows.find(limit_key);
        if (found == log.windows.end()) {
            const bool full = log.windows.size() >= limit_keys_max;
            found = log.windows.try_emplace(full ? std::string{} : std::string{limit_key}).first;
        }
        Window& window = found->second;
        const Instant now = steady_now();
        if (now - window.begin >= limited_window) {
            left_out = window.left_out;
            window = Window{.begin = now};
        }
        if (window.lines == limited_lines_max) {
            ++window.left_out;
            return;
        }
        ++window.lines;
    }
    emit(level, message, fields, left_out);
}

Outcome<void> open_log(LogSettings settings) {
    Log& log = the_log();
    {
        const std::lock_guard lock{log.mutex};
        log.settings = std::move(settings);
    }
    return reopen_log();
}

Outcome<void> reopen_log() {
    Log& log = the_log();
    const std::lock_guard lock{log.mutex};
    int opened = -1;
    if (!log.settings.file.empty()) {
        opened = ::open(log.settings.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (opened < 0) {
            return Err{system_failure("cannot open the log file", log.settings.file, errno)};
        }
    }
    if (log.file >= 0) ::close(log.file);
    log.file = opened;
    return {};
}

Outcome<LogLevel> parse_log_level(std::string_view text) {
    for (const LogLevel level :
         {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
        if (text == level_name(level)) return level;
    }
    return Err{Failure{
        "'" + std::string{text} + "' is no log level", {}, "use debug, info, warn or error"}};
}

}  // namespace millrace::io
