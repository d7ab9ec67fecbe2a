// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace millrace::cli {

namespace {

std::size_t terminal_width() {
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressLine::ProgressLine(bool enabled)
    : enabled_{enabled}, terminal_{isatty(STDERR_FILENO) == 1} {}

ProgressLine::~ProgressLine() {
    finish();
}

void ProgressLine::show(std::uint64_t done, std::uint64_t total, std::uint64_t running,
                        std::int64_t elapsed_ms, const std::string& note) {
    if (!enabled_) return;
    if (!terminal_ && elapsed_ms - printed_ms_ < 2000 &&
        !(done == total && printed_done_ != done)) {
        return;
    }
    const double seconds = static_cast<double>(elapsed_ms) / 1000.0;
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    std::string left = "-";
    if (done == total) {
        left = "0 s";
    } else if (rate > 0) {
        left = format_duration(
            static_cast<std::int64_t>(static_cast<double>(total - done) / rate * 1000.0));
    }
    constexpr std::uint64_t width = 28;
    const std::uint64_t filled = total == 0 ? 0 : done * width / total;
    std::string bar(static_cast<std::size_t>(filled), '#');
    bar.resize(width, '.');
    std::string line =
        fmt::format("[{}] {}/{} tasks  {} running  {:.1f}/s  {} elapsed  {} left", bar, done, total,
                    running, rate, format_duration(elapsed_ms), left);
    if (!note.empty()) {
        // A line that is drawn over itself must not wrap: a long reason is told once, above it.
        const std::string full = line + "  (" + note + ")";
        if (!terminal_ || full.size() < terminal_width()) {
            line = full;
        } else {
            if (note != told_) std::fprintf(stderr, "\r\033[Kwaits: %s\n", note.c_str());
            told_ = note;
            line += "  (waits)";
        }
    }
    std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
    std::fflush(stderr);
    drawn_ = true;
    printed_ms_ = elapsed_ms;
    printed_done_ = done;
}

void ProgressLine::finish() {
    if (drawn_ && terminal_) std::fputc('\n', stderr);
    drawn_ = false;
}

std::string format_duration(std::int64_t milliseconds) {
    if (milliseconds < 60'000) {
        return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000.0);
    }
    return fmt::format("{} min {} s", milliseconds / 60'000, milliseconds % 60'000 / 1000);
}

}  // namespace millrace::cli
