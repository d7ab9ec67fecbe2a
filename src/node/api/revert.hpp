// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: how execution that failed is told, in geth's words, which clients read.

#include <string_view>

#include "evm/machine.hpp"
#include "node/api/method.hpp"

namespace millrace::node {

/// Code 3, the data, and "execution reverted: REASON" where the data is Error(string) or
/// Panic(uint256). The text comes from foreign code: made valid UTF-8 here.
RpcError revert_error(ByteView data);

/// "out of gas", "invalid jump destination", …
std::string_view status_text(evm::Status status) noexcept;

}  // namespace millrace::node
