// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::evm {

/// The rules of the Ethereum Virtual Machine by upgrade, oldest first. Later upgrades contain the
/// earlier ones, so `revision >= Revision::berlin` asks for a rule. constantinople stands for the
/// short-lived rules with EIP-1283; petersburg is what test suites call ConstantinopleFix.
enum class Revision : std::uint8_t {
    frontier,
    homestead,
    tangerine_whistle,  ///< EIP-150
    spurious_dragon,    ///< EIP-158/161
    byzantium,
    constantinople,
    petersburg,
    istanbul,
    berlin,
    london,
    paris,
    shanghai,
    cancun,
    prague,
    osaka,
};
inline constexpr std::size_t revision_count = 15;

}  // namespace millrace::evm
