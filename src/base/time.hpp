// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace millrace {

/// Time as a value: milliseconds. Machines are given it; only io/ and sim/ know how late it is.
using Duration = std::chrono::milliseconds;

/// A point in time, in milliseconds since the Unix epoch (virtual time starts anywhere).
struct Instant {
    std::int64_t ms = 0;

    auto operator<=>(const Instant&) const = default;
    constexpr Instant operator+(Duration span) const noexcept { return {ms + span.count()}; }
    constexpr Duration operator-(Instant earlier) const noexcept {
        return Duration{ms - earlier.ms};
    }
};

}  // namespace millrace
