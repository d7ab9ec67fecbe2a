// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/failure.hpp"

// Private to io/: shared by control_server.cpp and control_client.cpp.
namespace millrace::io {

/// Longest socket path that we put into run/ itself (the kernel takes 107).
inline constexpr std::size_t control_path_max = 100;

/// Where the socket of this run/ folder is to lie. Makes the short folder when one is needed and
/// checks that it is ours alone.
Outcome<std::string> choose_control_path(const std::string& run_directory);
/// Where a client finds it: run/control.path's content, or run/control.sock.
Outcome<std::string> find_control_path(const std::string& run_directory);
sockaddr_un control_address(const std::string& path);

}  // namespace millrace::io
