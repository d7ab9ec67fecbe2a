// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::sandbox {

/// A control group of its own for one worker: one process, and its memory once that is known.
/// Version 2 where it is mounted with the controllers, version 1 otherwise, nothing where neither
/// lets us make a group; walls() says which of the two limits stand. Emptied groups are removed on
/// destruction. Moving a process takes the kernel tens of milliseconds on a busy machine: do it
/// before there is a task.
class Cgroup {
  public:
    /// Moves `pid` into a new group named after it.
    explicit Cgroup(pid_t pid);
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup();

    void limit_memory(std::uint64_t bytes);

    /// Removes groups whose process is gone: what a parent that was killed has left.
    static void sweep();

    /// Isolation::memory_cgroup and Isolation::process_cgroup, as far as they stand.
    [[nodiscard]] std::uint32_t walls() const noexcept { return walls_; }

    /// One for each hierarchy it is in; none where no group could be made.
    [[nodiscard]] const std::vector<std::string>& folders() const noexcept { return folders_; }

  private:
    bool enter(const std::string& parent, pid_t pid,
               const std::vector<std::pair<std::string, std::string>>& settings);

    std::vector<std::string> folders_;
    std::string memory_file_;
    std::uint32_t walls_ = 0;
};

}  // namespace millrace::sandbox
