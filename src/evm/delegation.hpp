// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <optional>

#include "base/bytes.hpp"

namespace millrace::evm {

/// EIP-7702: the account whose code runs instead, if this code is 0xef0100 and its address.
inline std::optional<Address> delegate_of(ByteView code) noexcept {
    constexpr std::size_t prefix_size = 3;
    if (code.size() != prefix_size + Address::size) return std::nullopt;
    if (code[0] != 0xef || code[1] != 0x01 || code[2] != 0x00) return std::nullopt;
    return Address::from(code.subspan(prefix_size));
}

}  // namespace millrace::evm
