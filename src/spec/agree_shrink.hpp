// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.hpp"

/// Makes a module on which something goes wrong smaller, for the one who has to find out why.
namespace millrace::spec {

struct Shrunk {
    Bytes module;
    std::uint32_t functions = 0;   ///< that still do something
    std::uint64_t code_bytes = 0;  ///< of all bodies
    std::uint64_t tries = 0;       ///< calls of `is_bad`
};

/// `is_bad` tells whether a valid module still shows the difference; it is asked at most
/// `tries_max` times. First whole functions become `unreachable`; then any piece of a body is left
/// out, or becomes a constant, as long as the result is a valid module.
Shrunk shrink(const Bytes& module, const std::function<bool(const Bytes&)>& is_bad,
              std::uint64_t tries_max);

}  // namespace millrace::spec
