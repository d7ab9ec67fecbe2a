// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/failure.hpp"

namespace millrace::io {

/// Small files, whole. Paths are UTF-8 text; every Failure names the path, the system's reason and
/// what to do ("No space left on device"; free space and start again).

/// Whole or not at all, also through a crash: temporary file, fsync, rename, fsync of the folder.
Outcome<void> atomic_write_file(const std::string& path, ByteView content,
                                std::uint32_t mode = 0644);
/// Failure when it is longer than `size_max`.
Outcome<Bytes> read_file(const std::string& path, std::uint64_t size_max);
Outcome<std::string> read_text_file(const std::string& path, std::uint64_t size_max);
[[nodiscard]] bool file_exists(const std::string& path) noexcept;
/// Also parents; the folder itself gets `mode` when it is created.
Outcome<void> make_folder(const std::string& path, std::uint32_t mode = 0755);
/// fsync of a folder: makes renames and removals in it durable.
Outcome<void> sync_folder(const std::string& path);
/// No error when it does not exist.
Outcome<void> remove_file(const std::string& path);
/// The Failure for errno: `what` and the system's reason, with a remedy for the usual ones.
Failure system_failure(std::string what, std::string where, int error_number);

}  // namespace millrace::io
