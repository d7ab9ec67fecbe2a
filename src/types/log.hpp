// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <vector>

#include "base/bytes.hpp"

namespace millrace::types {

/// One record that a contract left (Yellow Paper section 6.1, the log series).
struct Log {
    Address address;
    std::vector<Hash32> topics;  ///< at most 4
    Bytes data;
    bool operator==(const Log&) const = default;
};

}  // namespace millrace::types
