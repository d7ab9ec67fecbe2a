// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/failure.hpp"

namespace millrace::io {

/// A host and a port as written by people: "192.0.2.1:80", "[::1]:7000", "example.org:7000".
struct HostPort {
    std::string host;
    std::string port;
};
Outcome<HostPort> parse_endpoint(const std::string& endpoint);

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] bool is_loopback() const noexcept;
    /// Without the port.
    [[nodiscard]] std::string host() const;
    /// "192.0.2.1:80", "[::1]:7000".
    [[nodiscard]] std::string text() const;
};

/// At most 8 addresses. With `numeric_only` it never blocks and is empty for a name; otherwise it
/// may block for as long as the system's resolver likes.
std::vector<SocketAddress> resolve(const HostPort& target, bool numeric_only);

}  // namespace millrace::io
