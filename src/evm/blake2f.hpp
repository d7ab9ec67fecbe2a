// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::evm {

/// The arguments of BLAKE2b's compression function F (RFC 7693, 3.2).
struct Blake2fBlock {
    std::uint32_t round_count = 0;
    std::array<std::uint64_t, 8> state{};     ///< h
    std::array<std::uint64_t, 16> message{};  ///< m
    std::array<std::uint64_t, 2> offset{};    ///< t, low word first
    bool is_final = false;                    ///< f
};

/// The new state. Takes time in proportion to round_count, for which the caller has been paid.
std::array<std::uint64_t, 8> blake2f(const Blake2fBlock& block) noexcept;

}  // namespace millrace::evm
