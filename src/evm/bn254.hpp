// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>

#include "base/bytes.hpp"

namespace millrace::evm::bn254 {

// The precompiled contracts 06, 07 and 08 (EIP-196, EIP-197) without their prices. Points are their
// coordinates, 32 bytes big-endian each, (0, 0) for infinity; of Fp2 the imaginary part comes
// first. Null: a coordinate is not below p, a point is not on its curve or not in its group.

/// The sum of two points; what the input lacks is 0, what it has beyond is ignored.
std::optional<Bytes> add(ByteView input);
/// A point times a number of 32 bytes; likewise.
std::optional<Bytes> multiply(ByteView input);
/// Whether the product of the pairings is 1. Null also when the size is no multiple of pair_size.
std::optional<bool> check_pairing(ByteView input);

inline constexpr std::size_t pair_size = 192;

}  // namespace millrace::evm::bn254
