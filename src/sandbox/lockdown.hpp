// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/failure.hpp"
#include "sandbox/isolation.hpp"

namespace millrace::sandbox {

/// Computed by the parent, handed over as arguments, since it must hold before the task is read.
struct LockdownPlan {
    pid_t parent = 0;                 ///< who must still live when the lockdown begins
    std::uint64_t address_space = 0;  ///< bytes; 0: no limit (sanitizer builds)
    std::uint64_t data_bytes = 0;     ///< writable memory; 0: no limit beside address_space
    std::uint64_t cpu_seconds = 0;    ///< 0: no limit
};

/// Locks the calling process, for good: own namespaces, no privileges, resource limits, and a
/// system-call filter under which it can compute, read descriptor 0, write descriptors 1 and 2, and
/// exit; any other call kills it. Nothing of a task may have been read before. What the kernel does
/// not allow is left out of the returned Isolation, except the filter, without which it fails.
Outcome<Isolation> enter_lockdown(const LockdownPlan& plan);

/// The same for the compiler, which reads a hostile module from descriptor 0 and writes to 1 and 2:
/// own namespaces, no privileges, and a filter that leaves it memory, threads of its own, and these
/// three descriptors. Whatever names a file fails as if nothing were there; any other call kills
/// it. Its limits of memory and time it has set itself. Call it before there are other threads.
/// Left out in sanitizer builds, whose runtime reads files whenever it likes.
Outcome<void> enter_compiler_lockdown();

}  // namespace millrace::sandbox
