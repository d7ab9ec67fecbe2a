// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/json_depth.hpp"

namespace millrace::node {

bool json_nests_within(std::string_view text, std::size_t depth_max) noexcept {
    std::size_t depth = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char letter = text[at];
        if (letter == '"') {
            // Most of a request is inside strings: find their end without the rest of the loop.
            for (++at; at < text.size() && text[at] != '"'; ++at)
                if (text[at] == '\\') ++at;
        } else if (letter == '[' || letter == '{') {
            if (++depth > depth_max) return false;
        } else if ((letter == ']' || letter == '}') && depth > 0) {
            --depth;
        }
    }
    return true;
}

}  // namespace millrace::node
