// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace millrace::io {

/// Runs `body` in a child process, where it may die, and returns waitpid's status.
template <typename Body>
int in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace millrace::io
