// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#include "aot/abi.hpp"
#include "aot/image.hpp"
#include "crypto/hash.hpp"
#include "wasm/fuel.hpp"

namespace millrace::aot {
namespace {

constexpr std::string_view entry_ending = ".mlr";
constexpr std::string_view unfinished_start = "unfinished-";
constexpr std::string_view eviction_lock = "eviction.lock";
/// What a process that died left half written; none takes this long over one file.
constexpr std::time_t unfinished_seconds_max = 3'600;

class File {
  public:
    explicit File(int number) noexcept : number_{number} {}
    File(File&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    File& operator=(File&&) = delete;
    ~File() {
        if (number_ >= 0) close(number_);
    }
    [[nodiscard]] int get() const noexcept { return number_; }
    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    int release() noexcept { return std::exchange(number_, -1); }

  private:
    int number_;
};

std::string name_of(const Hash32& module) {
    std::string target{target_name};
    std::ranges::replace(target, '/', '+');
    return to_hex(module.view()) + "-e" + std::to_string(engine_version) + "-f" +
           std::to_string(wasm::fuel::table_version) + "-" + target + std::string{entry_ending};
}

/// Empty when nobody but this user can have put something there.
std::string foreign_hand(const struct stat& info) {
    if (info.st_uid != geteuid()) return "it belongs to another user";
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write to it";
    return {};
}

/// All of a file of `size` bytes; empty and errno when it cannot be read.
std::optional<Bytes> read_whole(int file, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t done = 0; done < size;) {
        const ssize_t count = read(file, bytes.data() + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::nullopt;
        if (count == 0) {
            bytes.resize(done);
            break;
        }
        done += static_cast<std::size_t>(count);
    }
    return bytes;
}

bool write_whole(int file, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t count = write(file, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
}

bool lock_file(int file, bool may_wait) {
    int result = 0;
    do {
        result = flock(file, LOCK_EX | (may_wait ? 0 : LOCK_NB));
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

Failure system_failure(std::string what, const std::string& where) {
    return {std::move(what) + ": " + std::strerror(errno), where,
            "check the folder, or choose another with --cache"};
}

struct Entry {
    std::string name;
    std::uint64_t size = 0;
    std::int64_t used_ns = 0;
};

/// The entries of a folder; unfinished files of the dead are deleted on the way.
std::vector<Entry> list(int folder) {
    std::vector<Entry> entries;
    const int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* directory = again < 0 ? nullptr : fdopendir(again);
    if (directory == nullptr) {
        if (again >= 0) close(again);
        return entries;
    }
    const std::time_t now = std::time(nullptr);
    while (const dirent* item = readdir(directory)) {
        const std::string name{item->d_name};
        struct stat info {};
        if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (name.starts_with(unfinished_start)) {
            if (now - info.st_mtim.tv_sec > unfinished_seconds_max)
                (void)unlinkat(folder, name.c_str(), 0);
        } else if (name.ends_with(entry_ending)) {
            entries.push_back(
                {name, static_cast<std::uint64_t>(std::max<off_t>(info.st_size, 0)),
                 std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec});
        }
    }
    closedir(directory);
    return entries;
}

}  // namespace

ImageCache::ImageCache(int folder, std::string path, std::uint64_t bytes_max) noexcept
    : folder_{folder}, path_{std::move(path)}, bytes_max_{bytes_max} {}
ImageCache::ImageCache(ImageCache&& other) noexcept
    : folder_{std::exchange(other.folder_, -1)},
      path_{std::move(other.path_)},
      bytes_max_{other.bytes_max_} {}
ImageCache& ImageCache::operator=(ImageCache&& other) noexcept {
    std::swap(folder_, other.folder_);
    std::swap(path_, other.path_);
    std::swap(bytes_max_, other.bytes_max_);
    return *this;
}
ImageCache::~ImageCache() {
    if (folder_ >= 0) close(folder_);
}

Outcome<ImageCache> ImageCache::open(const std::string& folder, std::uint64_t bytes_max) {
    const auto unusable = [&](std::string why) {
        return Failure{"compiled modules cannot be kept: " + std::move(why), folder,
                       "give a folder of your own that only you can write to (chmod 700)"};
    };
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return Err{unusable(std::strerror(errno))};
    File opened{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!opened.is_open()) return Err{unusable(std::strerror(errno))};
    struct stat info {};
    if (fstat(opened.get(), &info) != 0) return Err{unusable(std::strerror(errno))};
    if (std::string why = foreign_hand(info); !why.empty()) return Err{unusable(std::move(why))};
    return ImageCache{opened.release(), folder, bytes_max};
}

std::string ImageCache::discard(const std::string& name, const std::string& why) const {
    const bool is_gone = unlinkat(folder_, name.c_str(), 0) == 0 || errno == ENOENT;
    return "a compiled module is discarded: " + why + " (" + path_ + "/" + name + ")" +
           (is_gone ? "" : "; it cannot be deleted: " + std::string{std::strerror(errno)});
}

ImageCache::Lookup ImageCache::find(const Hash32& module) const {
    const std::string name = name_of(module);
    const File file{openat(folder_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!file.is_open()) {
        if (errno == ENOENT) return {};
        return {nullptr, discard(name, std::strerror(errno))};
    }
    struct stat info {};
    if (fstat(file.get(), &info) != 0) return {nullptr, discard(name, std::strerror(errno))};
    if (!S_ISREG(info.st_mode)) return {nullptr, discard(name, "it is no plain file")};
    if (const std::string why = foreign_hand(info); !why.empty())
        return {nullptr, discard(name, why)};
    if (static_cast<std::uint64_t>(info.st_size) > bytes_max_)
        return {nullptr, discard(name, "it is too large")};
    auto bytes = read_whole(file.get(), static_cast<std::size_t>(info.st_size));
    if (!bytes) return {nullptr, discard(name, std::strerror(errno))};
    if (const auto good = check_image(*bytes, module); !good)
        return {nullptr, discard(name, good.error().what)};
    const std::array<timespec, 2> now{timespec{0, UTIME_NOW}, timespec{0, UTIME_NOW}};
    (void)futimens(file.get(), now.data());
    return {std::make_shared<const Bytes>(std::move(*bytes)), {}};
}

Outcome<void> ImageCache::keep(const Hash32& module, ByteView image) const {
    if (image.size() > bytes_max_) return {};
    const std::string name = name_of(module);
    std::array<std::uint8_t, 8> number{};
    if (getrandom(number.data(), number.size(), 0) != ssize_t{number.size()})
        return Err{system_failure("a compiled module cannot be kept", path_)};
    const std::string unfinished = std::string{unfinished_start} + to_hex(number);
    {
        const File file{openat(folder_, unfinished.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
        if (!file.is_open() || !write_whole(file.get(), image)) {
            const Failure failure = system_failure("a compiled module cannot be kept", path_);
            (void)unlinkat(folder_, unfinished.c_str(), 0);
            return Err{failure};
        }
    }
    if (renameat(folder_, unfinished.c_str(), folder_, name.c_str()) != 0) {
        const Failure failure = system_failure("a compiled module cannot be kept", path_);
        (void)unlinkat(folder_, unfinished.c_str(), 0);
        return Err{failure};
    }
    evict(name);
    return {};
}

void ImageCache::evict(const std::string& newest) const {
    // One at a time, or two processes would each delete enough for both.
    const File lock{openat(folder_, std::string{eviction_lock}.c_str(),
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (lock.is_open()) (void)lock_file(lock.get(), true);
    std::vector<Entry> entries = list(folder_);
    std::ranges::sort(entries, {}, &Entry::used_ns);
    std::uint64_t total = 0;
    for (const Entry& entry : entries)
        total += entry.size;
    std::size_t count = entries.size();
    for (const Entry& entry : entries) {
        if (total <= bytes_max_ && count <= entries_max) return;
        if (entry.name == newest) continue;
        if (unlinkat(folder_, entry.name.c_str(), 0) != 0 && errno != ENOENT) continue;
        total -= entry.size;
        --count;
    }
}

ImageCache::Claim::Claim(int folder, std::string name, int file) noexcept
    : folder_{folder}, name_{std::move(name)}, file_{file} {}
ImageCache::Claim::Claim(Claim&& other) noexcept
    : folder_{other.folder_},
      name_{std::move(other.name_)},
      file_{std::exchange(other.file_, -1)} {}
ImageCache::Claim::~Claim() {
    if (file_ < 0) return;
    // While the lock is held: who waits for it sees that the name is gone, and asks again.
    (void)unlinkat(folder_, name_.c_str(), 0);
    close(file_);
}

std::optional<ImageCache::Claim> ImageCache::claim(const Hash32& module, bool may_wait) const {
    const std::string name = to_hex(module.view()) + ".claim";
    for (;;) {
        File file{openat(folder_, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)};
        if (!file.is_open() || !lock_file(file.get(), may_wait)) return std::nullopt;
        struct stat info {};
        if (fstat(file.get(), &info) != 0) return std::nullopt;
        if (info.st_nlink > 0) return Claim{folder_, name, file.release()};
    }
}

Outcome<std::shared_ptr<const Bytes>> compile_cached(
    const ImageCache& cache, ByteView module, const CompileJob& job,
    const std::function<void(const std::string&)>& note) {
    const auto tell = [&](const std::string& text) {
        if (note && !text.empty()) note(text);
    };
    const Hash32 hash = crypto::sha256(module);
    ImageCache::Lookup found = cache.find(hash);
    tell(found.discarded);
    if (found.image) return found.image;
    const auto claim = cache.claim(hash, true);
    found = cache.find(hash);  // whoever held the claim before may have made it
    tell(found.discarded);
    if (found.image) return found.image;
    MILLRACE_TRY(Bytes image, compile_elsewhere(module, job));
    MILLRACE_TRY_VOID(check_image(image, hash));
    if (const auto kept = cache.keep(hash, image); !kept) tell(kept.error().text());
    return std::make_shared<const Bytes>(std::move(image));
}

}  // namespace millrace::aot
