// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/isolation.hpp"

#include <string_view>

namespace millrace::sandbox {
namespace {

struct Wall {
    std::uint32_t bit;
    std::string_view name;
};
constexpr Wall walls_named[] = {
    {Isolation::syscall_filter, "system-call filter"},
    {Isolation::landlock, "Landlock"},
    {Isolation::resource_limits, "resource limits"},
    {Isolation::no_new_privileges, "no new privileges"},
    {Isolation::unprivileged_user, "unprivileged user"},
    {Isolation::user_namespace, "user namespace"},
    {Isolation::network_namespace, "network namespace"},
    {Isolation::ipc_namespace, "ipc namespace"},
    {Isolation::mount_namespace, "mount namespace"},
    {Isolation::dies_with_parent, "dies with parent"},
    {Isolation::memory_cgroup, "memory cgroup"},
    {Isolation::process_cgroup, "process cgroup"},
};

std::string names_where(std::uint32_t walls, bool present) {
    std::string names;
    for (const Wall& wall : walls_named) {
        if (((walls & wall.bit) != 0) != present) continue;
        if (!names.empty()) names += ", ";
        names += wall.name;
    }
    return names.empty() ? "nothing" : names;
}

}  // namespace

std::string Isolation::text() const {
    return "active: " + names_where(walls, true) +
           "; not used or not available here: " + names_where(walls, false);
}

}  // namespace millrace::sandbox
