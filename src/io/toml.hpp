// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "base/failure.hpp"

// Only .cpp files include this, and nobody includes toml++ in another way. toml++ 3.3 (Debian 12)
// asserts on some malformed input ("[[["), which would end the process, or be undefined behaviour
// with NDEBUG; here its assertions throw, and parse_toml makes a Failure of it. Definitions that
// differ between files would break the one-definition rule, therefore this single door.
namespace millrace::io {
struct TomlAssertion : std::logic_error {
    TomlAssertion() : std::logic_error{"malformed TOML"} {}
};
[[noreturn]] inline void toml_assertion_failed() {
    throw TomlAssertion{};
}
}  // namespace millrace::io

#ifdef TOML_VERSION_MAJOR
#error "include io/toml.hpp instead of toml++"
#endif
#undef NDEBUG
#define TOML_HEADER_ONLY 1
#define TOML_ASSERT(expression) \
    ((expression) ? static_cast<void>(0) : ::millrace::io::toml_assertion_failed())
#include <toml++/toml.h>

namespace millrace::io {

/// "file.toml:12".
inline std::string toml_position(const std::string& origin, const toml::source_region& region) {
    return origin + ":" + std::to_string(region.begin.line);
}

/// The caller bounds the size. The Failure names `origin` and, where known, the line.
inline Outcome<toml::table> parse_toml(std::string_view text, const std::string& origin) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        return Err{Failure{"this is not TOML: " + std::string{error.description()},
                           toml_position(origin, error.source()), "correct that line"}};
    } catch (const TomlAssertion&) {
        return Err{Failure{"this is not TOML: a key or a table header is malformed", origin,
                           "check the brackets of its table headers"}};
    }
}

}  // namespace millrace::io
