// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/cgroup.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>

#include "sandbox/isolation.hpp"

namespace millrace::sandbox {
namespace {

constexpr std::string_view group_start = "millrace-worker-";

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
    std::string own = mount + (group == "/" ? "" : group);
    if (!group.empty() && stat(own.c_str(), &info) == 0) return own;
    return stat(mount.c_str(), &info) == 0 ? mount : std::string{};
}

/// Where this process may make groups; empty where it cannot.
struct Hierarchies {
    bool is_version_2 = false;
    std::string memory;
    std::string processes;  ///< version 1 only
};
Hierarchies hierarchies() {
    struct stat info {};
    if (stat("/sys/fs/cgroup/cgroup.controllers", &info) == 0)
        return {true, first_existing("/sys/fs/cgroup", own_group("")), {}};
    return {false, first_existing("/sys/fs/cgroup/memory", own_group("memory")),
            first_existing("/sys/fs/cgroup/pids", own_group("pids"))};
}

}  // namespace

Cgroup::Cgroup(pid_t pid) {
    const Hierarchies found = hierarchies();
    if (found.is_version_2) {
        if (enter(found.memory, pid, {{"memory.max", "max"}, {"pids.max", "1"}})) {
            walls_ = Isolation::process_cgroup;
            memory_file_ = folders_.back() + "/memory.max";
        }
        return;
    }
    if (enter(found.memory, pid, {})) memory_file_ = folders_.back() + "/memory.limit_in_bytes";
    if (enter(found.processes, pid, {{"pids.max", "1"}})) walls_ |= Isolation::process_cgroup;
}

void Cgroup::limit_memory(std::uint64_t bytes) {
    if (memory_file_.empty()) return;
    if (write_file(memory_file_, std::to_string(bytes))) walls_ |= Isolation::memory_cgroup;
}

void Cgroup::sweep() {
    const Hierarchies found = hierarchies();
    for (const std::string& parent : {found.memory, found.processes}) {
        DIR* directory = parent.empty() ? nullptr : opendir(parent.c_str());
        if (directory == nullptr) continue;
        while (const dirent* item = readdir(directory)) {
            const std::string_view name{item->d_name};
            if (!name.starts_with(group_start)) continue;
            const pid_t pid = std::atoi(item->d_name + group_start.size());
            const bool is_gone = pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
            if (is_gone) rmdir((parent + "/" + item->d_name).c_str());
        }
        closedir(directory);
    }
}

bool Cgroup::enter(const std::string& parent, pid_t pid,
                   const std::vector<std::pair<std::string, std::string>>& settings) {
    if (parent.empty()) return false;
    const std::string folder = parent + "/" + std::string{group_start} + std::to_string(pid);
    if (mkdir(folder.c_str(), 0755) != 0) return false;
    for (const auto& [name, value] : settings) {
        std::string path = folder;
        path.append("/").append(name);
        if (!write_file(path, value)) {
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
