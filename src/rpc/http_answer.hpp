// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::rpc {

/// What an HTTP/1 answer says before its body.
struct AnswerHead {
    std::uint16_t status = 200;
    std::string_view type;   ///< printable ASCII; its caller has looked
    std::size_t size = 0;    ///< of the body; a 204 has none and says neither
    std::string_view extra;  ///< whole lines
    bool keep_alive = true;
    bool old = false;  ///< to HTTP/1.0, which must be told that the connection stays
};

/// Status line, headers, empty line.
std::string write_head(const AnswerHead& head);

}  // namespace millrace::rpc
