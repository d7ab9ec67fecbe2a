// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/http_rules.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace millrace::rpc {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view left, std::string_view right) {
    return std::ranges::equal(left, right, {}, lower, lower);
}

bool is_number(int family, std::string_view host) {
    in6_addr parsed{};
    return inet_pton(family, std::string{host}.c_str(), &parsed) == 1;
}

bool is_port(std::string_view text) {
    return text.size() <= 5 &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool host_allowed(std::string_view host, const std::vector<std::string>& hosts) {
    if (host.size() > 255) return false;
    if (host.starts_with('[')) {
        const std::size_t end = host.find(']');
        if (end == std::string_view::npos) return false;
        const std::string_view rest = host.substr(end + 1);
        return is_number(AF_INET6, host.substr(1, end - 1)) &&
               (rest.empty() || (rest.front() == ':' && is_port(rest.substr(1))));
    }
    const std::size_t colon = host.find(':');
    const std::string_view name = host.substr(0, colon);
    if (colon != std::string_view::npos && !is_port(host.substr(colon + 1))) return false;
    if (name.empty()) return false;
    if (is_number(AF_INET, name) || same_name(name, "localhost")) return true;
    return std::ranges::any_of(hosts, [&](const std::string& allowed) {
        return allowed == "*" || same_name(allowed, name);
    });
}

std::string allowed_origin(std::string_view origin, const std::vector<std::string>& origins) {
    for (const std::string& allowed : origins) {
        if (allowed == "*") return allowed;
        if (same_name(allowed, origin)) return std::string{origin};
    }
    return {};
}

}  // namespace millrace::rpc
