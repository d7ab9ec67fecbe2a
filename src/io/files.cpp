// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace millrace::io {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) noexcept : fd_{fd} {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

int write_all(int fd, ByteView content) noexcept {
    std::size_t written = 0;
    while (written < content.size()) {
        const ssize_t count = ::write(fd, content.data() + written, content.size() - written);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        written += static_cast<std::size_t>(count);
    }
    return 0;
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name(const std::string& path) {
    static std::atomic<std::uint64_t> counter{0};
    return path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(++counter);
}

std::string remedy_for(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
            return "free space on that disk, then try again";
        case EFBIG:
            return "raise the file size limit (ulimit -f), then try again";
        case EACCES:
        case EPERM:
            return "check the owner and mode of the file and its folders";
        case EROFS:
            return "the file system is read-only: choose another place or remount it";
        case ENOENT:
            return "check the path";
        case EMFILE:
        case ENFILE:
            return "raise the limit of open files (ulimit -n)";
        case EIO:
            return "the disk reports an error: check it before going on";
        case EADDRINUSE:
            return "stop what listens there or choose port 0";
        default:
            return {};
    }
}

}  // namespace

Failure system_failure(std::string what, std::string where, int error_number) {
    std::string text = std::move(what);
    text += ": ";
    text += ::strerrordesc_np(error_number) != nullptr ? ::strerrordesc_np(error_number)
                                                       : "unknown error";
    return {std::move(text), std::move(where), remedy_for(error_number)};
}

Outcome<void> sync_folder(const std::string& path) {
    const Descriptor folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder.get() < 0) return Err{system_failure("cannot open the folder", path, errno)};
    if (::fsync(folder.get()) != 0) {
        return Err{system_failure("cannot make the folder durable", path, errno)};
    }
    return {};
}

Outcome<void> atomic_write_file(const std::string& path, ByteView content, std::uint32_t mode) {
    const std::string temporary = temporary_name(path);
    {
        const Descriptor file{
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
        if (file.get() < 0) return Err{system_failure("cannot write the file", path, errno)};
        int error = write_all(file.get(), content);
        if (error == 0 && ::fchmod(file.get(), mode) != 0) error = errno;
        if (error == 0 && ::fsync(file.get()) != 0) error = errno;
        if (error != 0) {
            ::unlink(temporary.c_str());
            return Err{system_failure("cannot write the file", path, error)};
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return Err{system_failure("cannot put the file in place", path, error)};
    }
    return sync_folder(parent_of(path));
}

Outcome<Bytes> read_file(const std::string& path, std::uint64_t size_max) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return Err{system_failure("cannot read the file", path, errno)};
    Bytes content;
    constexpr std::size_t step = 1u << 20;
    for (;;) {
        const std::size_t had = content.size();
        content.resize(had +
                       static_cast<std::size_t>(std::min<std::uint64_t>(step, size_max - had + 1)));
        const ssize_t count = ::read(file.get(), content.data() + had, content.size() - had);
        if (count < 0 && errno == EINTR) {
            content.resize(had);
            continue;
        }
        if (count < 0) return Err{system_failure("cannot read the file", path, errno)};
        content.resize(had + static_cast<std::size_t>(count));
        if (count == 0) return content;
        if (content.size() > size_max) {
            return Err{Failure{"the file is longer than " + std::to_string(size_max) + " bytes",
                               path, "check that it is the right file"}};
        }
    }
}

Outcome<std::string> read_text_file(const std::string& path, std::uint64_t size_max) {
    MILLRACE_TRY(const Bytes content, read_file(path, size_max));
    return std::string{as_text(content)};
}

bool file_exists(const std::string& path) noexcept {
    return ::access(path.c_str(), F_OK) == 0;
}

Outcome<void> make_folder(const std::string& path, std::uint32_t mode) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const bool last = end == std::string::npos;
        const std::string part = path.substr(0, end);
        if (!part.empty() && ::mkdir(part.c_str(), last ? mode : 0755) != 0 && errno != EEXIST) {
            return Err{system_failure("cannot make the folder", part, errno)};
        }
        if (last) break;
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return Err{system_failure("cannot use the folder", path, errno)};
    }
    if (!S_ISDIR(status.st_mode)) {
        return Err{Failure{"a file stands where a folder is needed", path, "move it away"}};
    }
    return {};
}

Outcome<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return Err{system_failure("cannot remove the file", path, errno)};
    }
    return {};
}

}  // namespace millrace::io
