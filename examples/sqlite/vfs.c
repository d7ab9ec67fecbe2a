// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The system below SQLite, which is compiled with SQLITE_OS_OTHER: databases live in memory, so no
// file is ever opened; randomness is a constant and now is 1970-01-01, natively too, so that both
// builds say the same.
#include <stddef.h>
#include <string.h>

#include "sqlite3.h"

static int no_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    (void)vfs, (void)name, (void)flags, (void)out;
    file->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static int no_delete(sqlite3_vfs* vfs, const char* name, int sync) {
    (void)vfs, (void)name, (void)sync;
    return SQLITE_IOERR_DELETE_NOENT;
}

static int no_access(sqlite3_vfs* vfs, const char* name, int flags, int* found) {
    (void)vfs, (void)name, (void)flags;
    *found = 0;
    return SQLITE_OK;
}

static int same_path(sqlite3_vfs* vfs, const char* name, int size, char* out) {
    (void)vfs;
    sqlite3_snprintf(size, out, "%s", name);
    return SQLITE_OK;
}

static int constant_bytes(sqlite3_vfs* vfs, int size, char* out) {
    (void)vfs;
    memset(out, 0x4d, (size_t)size);
    return size;
}

static int no_sleep(sqlite3_vfs* vfs, int microseconds) {
    (void)vfs;
    return microseconds;
}

// Days since noon of 24 November 4714 BC.
static int first_day(sqlite3_vfs* vfs, double* days) {
    (void)vfs;
    *days = 2440587.5;
    return SQLITE_OK;
}

static sqlite3_vfs memory_only = {
    .iVersion = 1,
    .szOsFile = (int)sizeof(sqlite3_file),
    .mxPathname = 512,
    .zName = "memory-only",
    .xOpen = no_open,
    .xDelete = no_delete,
    .xAccess = no_access,
    .xFullPathname = same_path,
    .xRandomness = constant_bytes,
    .xSleep = no_sleep,
    .xCurrentTime = first_day,
};

int sqlite3_os_init(void) {
    return sqlite3_vfs_register(&memory_only, 1);
}
int sqlite3_os_end(void) {
    return SQLITE_OK;
}
