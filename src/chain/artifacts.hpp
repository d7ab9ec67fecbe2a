// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace millrace::chain {

/// A compiled contract of contracts/artifacts, built into the program.
struct Artifact {
    std::string_view name;  ///< "Deposits"
    std::string_view json;  ///< the whole file: ABI, code, immutable references
};

/// Capabilities, Deposits, Jobs, Providers.
const std::vector<Artifact>& artifacts();
/// Asserts that it exists. The code a deployment sends, before the constructor's arguments.
Bytes creation_code(std::string_view name);

}  // namespace millrace::chain
