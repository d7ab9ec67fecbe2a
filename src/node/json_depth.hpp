// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <string_view>

namespace millrace::node {

/// Whether no array or object of a JSON text stands inside more than `depth_max` others, itself
/// counted: "[[]]" has depth 2. Looks only at brackets outside strings, so that a text from a
/// stranger can be refused before a parser keeps a frame for each; a text that is no JSON may give
/// either answer.
[[nodiscard]] bool json_nests_within(std::string_view text, std::size_t depth_max) noexcept;

}  // namespace millrace::node
