// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/socket_address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>

namespace millrace::io {

Outcome<HostPort> parse_endpoint(const std::string& endpoint) {
    const Failure wrong{"'" + endpoint.substr(0, 300) + "' is no endpoint",
                        {},
                        "write HOST:PORT, for example 127.0.0.1:7000 or [::1]:7000"};
    const std::size_t colon = endpoint.rfind(':');
    if (colon == std::string::npos || endpoint.size() > 300) return Err{wrong};
    HostPort result{.host = endpoint.substr(0, colon), .port = endpoint.substr(colon + 1)};
    if (result.host.size() >= 2 && result.host.front() == '[' && result.host.back() == ']') {
        result.host = result.host.substr(1, result.host.size() - 2);
    } else if (result.host.find(':') != std::string::npos) {
        return Err{wrong};
    }
    std::uint16_t port = 0;
    const char* first = result.port.data();
    const char* last = first + result.port.size();
    const auto [end, error] = std::from_chars(first, last, port);
    if (result.host.empty() || error != std::errc{} || end != last) return Err{wrong};
    return result;
}

bool SocketAddress::is_loopback() const noexcept {
    if (storage.ss_family == AF_INET) {
        sockaddr_in address{};
        std::memcpy(&address, &storage, sizeof address);
        return ntohl(address.sin_addr.s_addr) >> 24 == 127;
    }
    sockaddr_in6 address{};
    std::memcpy(&address, &storage, sizeof address);
    return IN6_IS_ADDR_LOOPBACK(&address.sin6_addr) != 0;
}

std::string SocketAddress::host() const {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(get(), size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
        return {};
    }
    return text.data();
}

std::string SocketAddress::text() const {
    std::array<char, NI_MAXSERV> port{};
    if (::getnameinfo(get(), size, nullptr, 0, port.data(), port.size(), NI_NUMERICSERV) != 0) {
        return {};
    }
    const std::string name = host();
    const bool brackets = storage.ss_family == AF_INET6;
    return (brackets ? "[" + name + "]" : name) + ":" + port.data();
}

std::vector<SocketAddress> resolve(const HostPort& target, bool numeric_only) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : AI_ADDRCONFIG);
    addrinfo* found = nullptr;
    if (::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{found, ::freeaddrinfo};
    std::vector<SocketAddress> result;
    for (const addrinfo* entry = found; entry != nullptr && result.size() < 8;
         entry = entry->ai_next) {
        if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
        SocketAddress address;
        address.size = entry->ai_addrlen;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        result.push_back(address);
    }
    return result;
}

}  // namespace millrace::io
