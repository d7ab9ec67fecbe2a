// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Who may speak to a node from a browser. A node on 127.0.0.1 is reachable from every page its
/// owner opens: such a page may send a request that needs no preflight, or point a name of its own
/// at 127.0.0.1 (DNS rebinding). So a request that carries an Origin must come from an allowed one,
/// and a Host must be a number, localhost, or a name its owner gave.
namespace millrace::rpc {

/// `host` as in the header, with or without port. Names compare without case; "*" allows any.
bool host_allowed(std::string_view host, const std::vector<std::string>& hosts);

/// What Access-Control-Allow-Origin answers to `origin`; empty: not allowed.
std::string allowed_origin(std::string_view origin, const std::vector<std::string>& origins);

}  // namespace millrace::rpc
