// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/failure.hpp"
#include "io/process.hpp"

// Private to io/: the part of process.hpp between deciding to start a child and its first line.
namespace millrace::io {

struct Spawned {
    pid_t pid = -1;
    int ready_fd = -1;   ///< read end, non-blocking; -1 unless ReadyBy::descriptor
    int output_fd = -1;  ///< read end of stdout, non-blocking; -1 unless ReadyBy::output_line
};

/// Forks and execs, and returns once the exec has succeeded or failed. The child leads its own
/// process group, gets SIGKILL when the calling thread ends, has stdin from /dev/null, default
/// signals, and no descriptor of ours but the ready one.
Outcome<Spawned> spawn(const ChildSpec& spec);

/// Direct children of this process by /proc, zombies excepted.
std::vector<pid_t> children_of_this_process();
/// The last line that is not empty, at most 300 bytes; empty when there is none.
std::string last_line_of(const std::string& path);

}  // namespace millrace::io
