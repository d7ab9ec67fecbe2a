// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

/// Landlock: a process takes away from itself, for good, what names a file. Unlike a system-call
/// filter it looks at what a call is about to do, so it also stands where a call comes in by
/// another door. Linux 5.13 and newer, where the kernel was built with it.
namespace millrace::sandbox {

/// What the kernel offers: 0 nothing; 1 files; 2 moving them between folders; 3 truncation; 4 TCP;
/// 5 devices; 6 signals to, and abstract sockets of, processes outside.
int landlock_version() noexcept;

/// From now on this thread, and threads and processes it starts, can open no file or folder, make,
/// remove, rename or execute none, mount nothing, trace nobody outside, and, by version, bind or
/// connect no TCP port and signal nobody outside. What is open already stays usable; asking for a
/// file's properties and making a socket are not its business. Needs a free descriptor for a
/// moment, and PR_SET_NO_NEW_PRIVS. False: it is not available, and nothing has changed.
bool renounce_files() noexcept;

}  // namespace millrace::sandbox
