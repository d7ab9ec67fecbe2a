// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>

#include "base/u256.hpp"
#include "ledger/chain_config.hpp"

namespace millrace::ledger {

/// EIP-4844: what one blob counts.
inline constexpr std::uint64_t gas_per_blob = 131'072;

/// EIP-1559, of the first block with a base fee.
inline constexpr U256 initial_base_fee{1'000'000'000};

/// factor * e^(numerator / denominator) by Taylor's series, rounded as EIP-4844 rounds it. The
/// largest number where the sum has no room in 256 bits: no fee can pay that.
U256 fake_exponential(const U256& factor, const U256& numerator, const U256& denominator) noexcept;

/// What one unit of blob gas costs.
U256 blob_base_fee(const Rules& rules, std::uint64_t excess_blob_gas) noexcept;

}  // namespace millrace::ledger
