// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/time.hpp"

namespace millrace::io {

/// Wall-clock time of this machine. For programs that have no EventLoop; with one, ask it.
Instant wall_now() noexcept;

/// Milliseconds of a clock that never goes back and has no meaning outside this process.
Instant steady_now() noexcept;

}  // namespace millrace::io
