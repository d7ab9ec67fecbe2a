// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/clock.hpp"

#include <chrono>

namespace millrace::io {

Instant wall_now() noexcept {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Duration>(since_epoch).count()};
}

Instant steady_now() noexcept {
    const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Duration>(since_start).count()};
}

}  // namespace millrace::io
