// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/control_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "crypto/hash.hpp"
#include "io/files.hpp"

namespace millrace::io {
namespace {

Outcome<std::string> short_folder() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    std::string folder = runtime != nullptr && *runtime == '/'
                             ? std::string{runtime} + "/millrace"
                             : "/tmp/millrace-" + std::to_string(::getuid());
    // Room for '/', 32 digits and ".sock".
    if (folder.size() + 38 > control_path_max) {
        folder = "/tmp/millrace-" + std::to_string(::getuid());
    }
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return Err{system_failure("cannot make the folder of the control socket", folder, errno)};
    }
    struct stat status {};
    if (::lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) ||
        status.st_uid != ::getuid() || (status.st_mode & 077) != 0) {
        return Err{Failure{"the folder of the control socket belongs to somebody else", folder,
                           "remove it, or set XDG_RUNTIME_DIR to a folder of your own"}};
    }
    return folder;
}

}  // namespace

Outcome<std::string> choose_control_path(const std::string& run_directory) {
    const std::string own = run_directory + "/control.sock";
    const std::string pointer = run_directory + "/control.path";
    if (own.size() <= control_path_max) {
        MILLRACE_TRY_VOID(remove_file(pointer));
        return own;
    }
    std::error_code error;
    const std::string full = std::filesystem::absolute(run_directory, error).string();
    MILLRACE_TRY(const std::string folder, short_folder());
    const Hash32 hash = crypto::sha256(as_bytes(full));
    const std::string path = folder + "/" + to_hex(hash.view().first(16)) + ".sock";
    MILLRACE_TRY_VOID(atomic_write_file(pointer, as_bytes(path + "\n"), 0600));
    return path;
}

Outcome<std::string> find_control_path(const std::string& run_directory) {
    const std::string own = run_directory + "/control.sock";
    if (own.size() <= control_path_max) return own;
    MILLRACE_TRY(std::string path, read_text_file(run_directory + "/control.path", 256));
    if (!path.empty() && path.back() == '\n') path.pop_back();
    return path;
}

sockaddr_un control_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    MILLRACE_ASSERT(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

}  // namespace millrace::io
