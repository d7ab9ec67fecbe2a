// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::io {

/// Crashes on purpose, for tests: a process dies by SIGKILL right after its n-th durable event (a
/// committed transaction, a blob completed). Off unless the program was told that its network is a
/// development one.
///
///   MILLRACE_CRASH_AFTER=n     the n-th event of this process, counted from 1
///   MILLRACE_CRASH_ONCE=path   only if `path` does not exist; it is created before dying, so that
///                              the restarted process lives
void enable_crash_points(bool development_network);

/// To be called right after something became durable. Any thread.
void durable_event(std::string_view what) noexcept;

/// How many there were since the process began.
std::uint64_t durable_event_count() noexcept;

}  // namespace millrace::io
