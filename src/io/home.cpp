// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/home.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "io/files.hpp"

namespace millrace::io {
namespace {

bool is_folder_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && name.front() != '.' &&
           std::ranges::all_of(name, [](char letter) {
               return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
                      letter == '.' || letter == '_' || letter == '-';
           });
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.remove_suffix(1);
    return text;
}

Outcome<void> check_format(const std::string& path) {
    const std::string file = path + "/FORMAT";
    if (!file_exists(file)) {
        return atomic_write_file(file, as_bytes(std::to_string(home_format) + "\n"));
    }
    MILLRACE_TRY(const std::string text, read_text_file(file, 64));
    const std::string_view digits = trimmed(text);
    std::uint32_t format = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), format);
    if (error != std::errc{} || end != digits.data() + digits.size() || format == 0) {
        return Err{Failure{"the FORMAT file holds no number", file,
                           "restore the folder from a backup or start with an empty one"}};
    }
    if (format > home_format) {
        return Err{Failure{"this folder was written by a newer millrace (format " +
                               std::to_string(format) + ", this program knows " +
                               std::to_string(home_format) + ")",
                           path, "use the newer program, or a backup made before the upgrade"}};
    }
    return {};
}

}  // namespace

Outcome<std::string> home_root(std::string_view given) {
    if (!given.empty()) return std::string{given};
    if (const char* named = std::getenv("MILLRACE_HOME"); named != nullptr && *named != '\0') {
        return std::string{named};
    }
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') {
        const passwd* user = ::getpwuid(::getuid());
        home = user != nullptr ? user->pw_dir : nullptr;
    }
    if (home == nullptr || *home == '\0') {
        return Err{Failure{"there is no home folder", "HOME is not set", "set MILLRACE_HOME"}};
    }
    return std::string{home} + "/.millrace";
}

Outcome<std::string> RoleHome::path_of(const std::string& root, const std::string& network,
                                       const std::string& role) {
    for (const std::string& name : {network, role}) {
        if (!is_folder_name(name)) {
            return Err{
                Failure{"'" + name + "' cannot be the name of a network or role", root,
                        "use 1 to 64 of a-z, 0-9, '.', '_' and '-', not beginning with '.'"}};
        }
    }
    return root + "/" + network + "/" + role;
}

Outcome<RoleHome> RoleHome::open(const std::string& root, const std::string& network,
                                 const std::string& role) {
    RoleHome home;
    MILLRACE_TRY(home.path_, path_of(root, network, role));
    MILLRACE_TRY_VOID(make_folder(home.path_, 0700));
    MILLRACE_TRY_VOID(make_folder(home.run(), 0700));

    const std::string lock_file = home.run() + "/lock";
    home.lock_fd_ = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (home.lock_fd_ < 0) return Err{system_failure("cannot lock the folder", lock_file, errno)};
    if (::flock(home.lock_fd_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return Err{system_failure("cannot lock the folder", lock_file, errno)};
        }
        std::array<char, 32> holder{};
        const ssize_t count = ::pread(home.lock_fd_, holder.data(), holder.size(), 0);
        const std::string pid{
            trimmed({holder.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))})};
        return Err{Failure{"another millrace process (pid " + (pid.empty() ? "unknown" : pid) +
                               ") uses this folder",
                           home.path_, "stop it, or choose another --home or role"}};
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(home.lock_fd_, 0) != 0 ||
        ::pwrite(home.lock_fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return Err{system_failure("cannot write the lock file", lock_file, errno)};
    }
    MILLRACE_TRY_VOID(check_format(home.path_));
    MILLRACE_TRY_VOID(make_folder(home.keys(), 0700));
    for (const std::string& folder : {home.db(), home.blobs(), home.log()}) {
        MILLRACE_TRY_VOID(make_folder(folder, 0700));
    }
    MILLRACE_TRY_VOID(remove_file(home.run() + "/endpoint"));
    return home;
}

RoleHome::RoleHome(RoleHome&& other) noexcept
    : path_{std::move(other.path_)}, lock_fd_{std::exchange(other.lock_fd_, -1)} {}

RoleHome& RoleHome::operator=(RoleHome&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_fd_, other.lock_fd_);
    return *this;
}

RoleHome::~RoleHome() {
    if (lock_fd_ >= 0) ::close(lock_fd_);
}

Outcome<void> RoleHome::publish_endpoint(const std::string& endpoint) const {
    return atomic_write_file(run() + "/endpoint", as_bytes(endpoint + "\n"));
}

Outcome<std::string> read_endpoint(const std::string& role_path) {
    const std::string file = role_path + "/run/endpoint";
    if (!file_exists(file)) {
        return Err{Failure{"nothing listens for this role", file, "start it first"}};
    }
    MILLRACE_TRY(const std::string text, read_text_file(file, 512));
    return std::string{trimmed(text)};
}

}  // namespace millrace::io
