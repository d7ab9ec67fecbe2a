// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace millrace {

/// Ends the process after printing where our own reasoning failed. For bugs only, never for input:
/// what comes from outside is answered with a Result.
[[noreturn]] inline void assertion_failed(const char* condition, const char* file,
                                          int line) noexcept {
    std::fprintf(stderr, "level=fatal msg=\"assertion failed\" condition=\"%s\" at=%s:%d\n",
                 condition, file, line);
    std::abort();
}

}  // namespace millrace

/// On in release too: it stops the process loudly before harm is done.
#define MILLRACE_ASSERT(condition)      \
    ((condition) ? static_cast<void>(0) \
                 : ::millrace::assertion_failed(#condition, __FILE__, __LINE__))
