// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "base/failure.hpp"
#include "sandbox/isolation.hpp"

namespace millrace::sandbox {

/// What a task needs; computed by the parent.
struct LockdownLimits {
    std::uint64_t address_space = 0;  ///< bytes; 0: no limit (sanitizer builds)
    std::uint64_t data_bytes = 0;     ///< writable memory; 0: no limit beside address_space
    std::uint64_t cpu_seconds = 0;    ///< 0: no limit
};

/// Locks the calling process, for good, in two steps, so that the first can be taken before there
/// is a task. What the kernel does not allow is left out of the Isolation, except the filter,
/// without which close() fails.
///
///     MILLRACE_TRY(Lockdown lockdown, Lockdown::begin(parent));   // own namespaces, no privileges
///     ... read the limits, and take code that is to be executable: from the parent, not a task's
///     MILLRACE_TRY(const Isolation isolation, lockdown.close(limits));
///
/// After close() it can compute, read descriptor 0, write descriptors 1 and 2, and exit; any other
/// system call kills it. Nothing of a task may have been read before.
class Lockdown {
  public:
    /// `parent` must still live; 0: whoever it is.
    static Outcome<Lockdown> begin(pid_t parent);
    Lockdown(Lockdown&&) noexcept;
    Lockdown& operator=(Lockdown&&) = delete;
    ~Lockdown();
    /// No new descriptors from here on, as after close(). Before it the parent may hand over one.
    void refuse_descriptors();
    Outcome<Isolation> close(const LockdownLimits& limits);

  private:
    struct State;
    explicit Lockdown(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// The same for the compiler, which reads a hostile module from descriptor 0 and writes to 1 and 2:
/// own namespaces, no privileges, and a filter that leaves it memory, threads of its own, and these
/// three descriptors. Whatever names a file fails as if nothing were there; any other call kills
/// it. Its limits of memory and time it has set itself. Call it before there are other threads.
/// Left out in sanitizer builds, whose runtime reads files whenever it likes.
Outcome<void> enter_compiler_lockdown();

}  // namespace millrace::sandbox
