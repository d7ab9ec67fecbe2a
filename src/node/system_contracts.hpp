// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace millrace::node {

struct SystemContract {
    std::string_view name;
    Address address;
    Bytes code;  ///< as deployed; published in the EIP
};

/// The contracts that Ethereum's own rules call at the beginning and end of a block from cancun and
/// prague on. A genesis of those rules holds them, each with nonce 1.
const std::vector<SystemContract>& system_contracts();

}  // namespace millrace::node
