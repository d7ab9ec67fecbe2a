// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::sandbox {

/// Which walls stand around a worker. The system-call filter always does: without it no task runs.
struct Isolation {
    static constexpr std::uint32_t syscall_filter = 1u << 0;
    static constexpr std::uint32_t resource_limits = 1u << 1;
    static constexpr std::uint32_t no_new_privileges = 1u << 2;
    static constexpr std::uint32_t unprivileged_user = 1u << 3;  ///< root became user 65534
    static constexpr std::uint32_t user_namespace = 1u << 4;
    static constexpr std::uint32_t network_namespace = 1u << 5;
    static constexpr std::uint32_t ipc_namespace = 1u << 6;
    static constexpr std::uint32_t mount_namespace = 1u << 7;
    static constexpr std::uint32_t dies_with_parent = 1u << 8;
    static constexpr std::uint32_t memory_cgroup = 1u << 9;
    static constexpr std::uint32_t process_cgroup = 1u << 10;
    static constexpr std::uint32_t landlock = 1u << 11;

    std::uint32_t walls = 0;

    [[nodiscard]] bool has(std::uint32_t wall) const noexcept { return (walls & wall) == wall; }
    /// "active: system-call filter, …; not available here: memory cgroup, …"
    [[nodiscard]] std::string text() const;
    bool operator==(const Isolation&) const = default;
};

}  // namespace millrace::sandbox
