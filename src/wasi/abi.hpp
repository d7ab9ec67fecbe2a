// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>

/// Numbers and layouts of wasi_snapshot_preview1, as its interface description (witx) fixes them.
/// Structures are written field by field at the offsets given here, little-endian.
namespace millrace::wasi {

enum class Errno : std::uint16_t {
    success = 0,
    access = 2,
    again = 6,
    badf = 8,
    busy = 10,
    exist = 20,
    fault = 21,
    fbig = 22,
    ilseq = 25,
    inval = 28,
    io = 29,
    isdir = 31,
    loop = 32,
    mfile = 33,
    nametoolong = 37,
    noent = 44,
    nospc = 51,
    nosys = 52,
    notdir = 54,
    notempty = 55,
    notsock = 57,
    notsup = 58,
    overflow = 61,
    perm = 63,
    spipe = 70,
    notcapable = 76,
};

enum class FileType : std::uint8_t {
    unknown = 0,
    directory = 3,
    regular_file = 4,
    symbolic_link = 7,
};

using Rights = std::uint64_t;
namespace right {
constexpr Rights fd_datasync = 1u << 0;
constexpr Rights fd_read = 1u << 1;
constexpr Rights fd_seek = 1u << 2;
constexpr Rights fd_fdstat_set_flags = 1u << 3;
constexpr Rights fd_sync = 1u << 4;
constexpr Rights fd_tell = 1u << 5;
constexpr Rights fd_write = 1u << 6;
constexpr Rights fd_advise = 1u << 7;
constexpr Rights fd_allocate = 1u << 8;
constexpr Rights path_create_directory = 1u << 9;
constexpr Rights path_create_file = 1u << 10;
constexpr Rights path_link_source = 1u << 11;
constexpr Rights path_link_target = 1u << 12;
constexpr Rights path_open = 1u << 13;
constexpr Rights fd_readdir = 1u << 14;
constexpr Rights path_readlink = 1u << 15;
constexpr Rights path_rename_source = 1u << 16;
constexpr Rights path_rename_target = 1u << 17;
constexpr Rights path_filestat_get = 1u << 18;
constexpr Rights path_filestat_set_size = 1u << 19;
constexpr Rights path_filestat_set_times = 1u << 20;
constexpr Rights fd_filestat_get = 1u << 21;
constexpr Rights fd_filestat_set_size = 1u << 22;
constexpr Rights fd_filestat_set_times = 1u << 23;
constexpr Rights path_symlink = 1u << 24;
constexpr Rights path_remove_directory = 1u << 25;
constexpr Rights path_unlink_file = 1u << 26;
constexpr Rights poll_fd_readwrite = 1u << 27;
constexpr Rights sock_shutdown = 1u << 28;
constexpr Rights sock_accept = 1u << 29;

constexpr Rights of_regular_file = fd_datasync | fd_read | fd_seek | fd_fdstat_set_flags | fd_sync |
                                   fd_tell | fd_write | fd_advise | fd_allocate | fd_filestat_get |
                                   fd_filestat_set_size | fd_filestat_set_times | poll_fd_readwrite;
constexpr Rights of_directory =
    fd_fdstat_set_flags | fd_sync | fd_advise | path_create_directory | path_create_file |
    path_link_source | path_link_target | path_open | fd_readdir | path_readlink |
    path_rename_source | path_rename_target | path_filestat_get | path_filestat_set_size |
    path_filestat_set_times | fd_filestat_get | fd_filestat_set_times | path_symlink |
    path_remove_directory | path_unlink_file | poll_fd_readwrite;
constexpr Rights all = (1u << 30) - 1;
}  // namespace right

namespace fdflag {
constexpr std::uint16_t append = 1, dsync = 2, nonblock = 4, rsync = 8, sync = 16, all = 31;
}
namespace oflag {
constexpr std::uint16_t creat = 1, directory = 2, excl = 4, trunc = 8, all = 15;
}
namespace fstflag {
constexpr std::uint16_t atim = 1, atim_now = 2, mtim = 4, mtim_now = 8, all = 15;
}
namespace lookupflag {
constexpr std::uint32_t symlink_follow = 1;
}

enum class Whence : std::uint8_t { set = 0, current = 1, end = 2 };

namespace clock_id {
constexpr std::uint32_t realtime = 0, monotonic = 1, process_cputime = 2, thread_cputime = 3;
}

/// struct sizes in bytes
constexpr std::uint32_t iovec_size = 8;
constexpr std::uint32_t filestat_size = 64;
constexpr std::uint32_t fdstat_size = 24;
constexpr std::uint32_t dirent_size = 24;
constexpr std::uint32_t subscription_size = 48;
constexpr std::uint32_t event_size = 32;

}  // namespace millrace::wasi
