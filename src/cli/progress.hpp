// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::cli {

/// A progress line on stderr: drawn over itself on a terminal, one line every two seconds
/// elsewhere.
class ProgressLine {
  public:
    explicit ProgressLine(bool enabled);
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// `note` is what is waited for; empty when things move. On a terminal one that does not fit
    /// into the line is told once, above it.
    void show(std::uint64_t done, std::uint64_t total, std::uint64_t running,
              std::int64_t elapsed_ms, const std::string& note);
    void finish();

  private:
    bool enabled_;
    bool terminal_;
    bool drawn_ = false;
    std::int64_t printed_ms_ = -10'000;
    std::uint64_t printed_done_ = 0;
    std::string told_;  ///< the last note that stood above the line
};

/// "1.2 s", "3 min 4 s".
std::string format_duration(std::int64_t milliseconds);

}  // namespace millrace::cli
