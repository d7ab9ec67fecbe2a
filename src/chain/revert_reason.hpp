// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>

#include "base/bytes.hpp"

namespace millrace::chain {

/// Revert data in words: Error(string) as its text, Panic(uint256) by its meaning, an error of our
/// contracts with its arguments ("OverCap(12, 10)", by the ABI of the built-in artefacts), anything
/// else as "error 0x01020304"; "without a reason" when empty. At most 400 characters, printable:
/// the data comes from foreign contracts.
std::string revert_reason(ByteView data);

}  // namespace millrace::chain
