// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "sandbox/isolation.hpp"

namespace millrace::sandbox {
namespace {

bool write_file(const std::string& path, const std::string& text) {
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    const ssize_t written = write(file, text.data(), text.size());
    close(file);
    return written == static_cast<ssize_t>(text.size());
}

/// This process's group of a hierarchy, as /proc/self/cgroup has it: "4:memory:/some/path", or
/// "0::/some/path" for version 2 (`controller` empty). Empty: not in one.
std::string own_group(const std::string& controller) {
    std::ifstream file{"/proc/self/cgroup"};
    for (std::string line; std::getline(file, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
        if (controller.empty() ? names == ",,"
                               : names.find("," + controller + ",") != std::string::npos) {
            return line.substr(second + 1);
        }
    }
    return {};
}

std::string first_existing(const std::string& mount, const std::string& group) {
    struct stat info {};
    const std::string own = mount + (group == "/" ? "" : group);
    if (!group.empty() && stat(own.c_str(), &info) == 0) return own;
    return stat(mount.c_str(), &info) == 0 ? mount : std::string{};
}

}  // namespace

Cgroup::Cgroup(pid_t pid, std::uint64_t memory_bytes) {
    const std::string memory = std::to_string(memory_bytes);
    struct stat info {};
    if (stat("/sys/fs/cgroup/cgroup.controllers", &info) == 0) {
        const std::string parent = first_existing("/sys/fs/cgroup", own_group(""));
        if (enter(parent, pid, {{"memory.max", memory}, {"pids.max", "1"}})) {
            walls_ = Isolation::memory_cgroup | Isolation::process_cgroup;
        }
        return;
    }
    if (enter(first_existing("/sys/fs/cgroup/memory", own_group("memory")), pid,
              {{"memory.limit_in_bytes", memory}})) {
        walls_ |= Isolation::memory_cgroup;
    }
    if (enter(first_existing("/sys/fs/cgroup/pids", own_group("pids")), pid, {{"pids.max", "1"}})) {
        walls_ |= Isolation::process_cgroup;
    }
}

bool Cgroup::enter(const std::string& parent, pid_t pid,
                   const std::vector<std::pair<std::string, std::string>>& settings) {
    if (parent.empty()) return false;
    const std::string folder = parent + "/millrace-worker-" + std::to_string(pid);
    if (mkdir(folder.c_str(), 0755) != 0) return false;
    for (const auto& [name, value] : settings) {
        if (!write_file(folder + "/" + name, value)) {
            rmdir(folder.c_str());
            return false;
        }
    }
    if (!write_file(folder + "/cgroup.procs", std::to_string(pid))) {
        rmdir(folder.c_str());
        return false;
    }
    folders_.push_back(folder);
    return true;
}

Cgroup::~Cgroup() {
    for (const std::string& folder : folders_)
        rmdir(folder.c_str());
}

}  // namespace millrace::sandbox
