// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/landlock.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace millrace::sandbox {
namespace {

// The kernel's interface (Documentation/userspace-api/landlock.rst), written out because Debian
// 12's header ends at version 2 while newer kernels offer more.
struct Ruleset {
    std::uint64_t files = 0;
    std::uint64_t network = 0;
    std::uint64_t scopes = 0;
};
constexpr std::uint32_t ask_version = 1;

constexpr std::uint64_t bits(int count) {
    return (std::uint64_t{1} << count) - 1;
}

/// Everything that this version can take away; no rule gives any of it back.
Ruleset everything(int version) {
    Ruleset rules;
    rules.files = bits(13);                     // execute, read, write, list, remove, make
    if (version >= 2) rules.files = bits(14);   // link or move to another folder
    if (version >= 3) rules.files = bits(15);   // truncate
    if (version >= 4) rules.network = bits(2);  // bind, connect TCP
    if (version >= 5) rules.files = bits(16);   // ioctl on devices
    if (version >= 6) rules.scopes = bits(2);   // abstract sockets, signals
    return rules;
}

/// An older kernel refuses a structure whose unknown part is not zero; it need not be shown one.
std::size_t size_of(int version) {
    if (version >= 6) return sizeof(Ruleset);
    return version >= 4 ? offsetof(Ruleset, scopes) : offsetof(Ruleset, network);
}

}  // namespace

int landlock_version() noexcept {
    const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_version);
    return version > 0 ? static_cast<int>(version) : 0;
}

bool renounce_files() noexcept {
    const int version = landlock_version();
    if (version == 0) return false;
    const Ruleset rules = everything(version);
    const long ruleset = syscall(SYS_landlock_create_ruleset, &rules, size_of(version), 0);
    if (ruleset < 0) return false;
    const bool good = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    (void)close(static_cast<int>(ruleset));
    return good;
}

}  // namespace millrace::sandbox
