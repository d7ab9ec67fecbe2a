// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// A C library with no system below it, for a kernel that needs one: kernels have no imports. The
// functions here stand where wasi-libc would import those of WASI preview1: all answer "bad
// descriptor", the clock stands at 0, and the end of the program is a trap.
#pragma once

#ifdef __wasm__

#include <stdint.h>

#define WASI(name, ...) __imported_wasi_snapshot_preview1_##name(__VA_ARGS__)
#define ABSENT(name, ...)             \
    int32_t WASI(name, __VA_ARGS__) { \
        return 8;                     \
    }
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-parameter"
#pragma clang diagnostic ignored "-Wreserved-identifier"

ABSENT(fd_close, int32_t fd)
ABSENT(fd_fdstat_get, int32_t fd, int32_t stat)
ABSENT(fd_fdstat_set_flags, int32_t fd, int32_t flags)
ABSENT(fd_prestat_get, int32_t fd, int32_t stat)
ABSENT(fd_prestat_dir_name, int32_t fd, int32_t path, int32_t size)
ABSENT(fd_read, int32_t fd, int32_t to, int32_t count, int32_t size)
ABSENT(fd_renumber, int32_t fd, int32_t to)
ABSENT(fd_seek, int32_t fd, int64_t by, int32_t from, int32_t to)
ABSENT(fd_write, int32_t fd, int32_t from, int32_t count, int32_t size)
ABSENT(path_open, int32_t fd, int32_t lookup, int32_t path, int32_t size, int32_t open,
       int64_t rights, int64_t inheriting, int32_t flags, int32_t to)

int32_t WASI(clock_time_get, int32_t id, int64_t precision, int32_t time) {
    *(uint64_t*)(uintptr_t)time = 0;
    return 0;
}
_Noreturn void WASI(proc_exit, int32_t status) {
    __builtin_trap();
}

#pragma clang diagnostic pop
#undef ABSENT
#undef WASI

#endif
