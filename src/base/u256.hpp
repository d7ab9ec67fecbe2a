// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace millrace {

/// An unsigned 256-bit integer, four 64-bit words, least significant first. Plain arithmetic is by
/// named functions: checked_* for money and lengths, wrapping_* for the EVM (mod 2^256).
struct U256 {
    std::array<std::uint64_t, 4> words{};

    constexpr U256() = default;
    constexpr explicit U256(std::uint64_t low) noexcept : words{low, 0, 0, 0} {}

    constexpr bool operator==(const U256&) const = default;
    constexpr std::strong_ordering operator<=>(const U256& right) const noexcept {
        for (std::size_t index = 4; index-- > 0;) {
            if (words[index] != right.words[index]) return words[index] <=> right.words[index];
        }
        return std::strong_ordering::equal;
    }
    [[nodiscard]] constexpr bool is_zero() const noexcept {
        return (words[0] | words[1] | words[2] | words[3]) == 0;
    }
    [[nodiscard]] constexpr bool fits_u64() const noexcept {
        return (words[1] | words[2] | words[3]) == 0;
    }
};

std::optional<U256> checked_add(const U256& left, const U256& right) noexcept;
std::optional<U256> checked_sub(const U256& left, const U256& right) noexcept;
std::optional<U256> checked_mul(const U256& left, const U256& right) noexcept;
U256 wrapping_add(const U256& left, const U256& right) noexcept;
U256 wrapping_sub(const U256& left, const U256& right) noexcept;
U256 wrapping_mul(const U256& left, const U256& right) noexcept;

struct U256Division {
    U256 quotient;
    U256 remainder;
};
/// Null when the divisor is 0.
std::optional<U256Division> checked_div(const U256& dividend, const U256& divisor) noexcept;

/// Big-endian, 32 bytes.
Hash32 to_word(const U256& number) noexcept;
U256 from_word(const Hash32& word) noexcept;
/// Big-endian of at most 32 bytes, leading zeros allowed; null when longer.
std::optional<U256> u256_from_big_endian(ByteView bytes) noexcept;

std::string to_decimal(const U256& number);
/// Digits only, no sign, no spaces; null on overflow or a foreign character.
std::optional<U256> u256_from_decimal(std::string_view text) noexcept;
/// "0x" and minimal digits as JSON-RPC writes quantities: 0 is "0x0".
std::string to_rpc_quantity(const U256& number);
/// Reads "0x…" with 1 to 64 digits; null otherwise.
std::optional<U256> u256_from_rpc_quantity(std::string_view text) noexcept;

/// Money in wei. A type of its own: it does not mix with other numbers.
struct Amount {
    U256 wei;
    auto operator<=>(const Amount&) const = default;
};
std::optional<Amount> checked_add(const Amount& left, const Amount& right) noexcept;
std::optional<Amount> checked_sub(const Amount& left, const Amount& right) noexcept;
/// Decimal coins with up to 18 fraction digits ("1.25"), or a whole number followed by " wei" or
/// " gwei"; null on anything else.
std::optional<Amount> parse_amount(std::string_view text) noexcept;
/// Decimal coins without trailing zeros: "1.25", "0.000000000000000001", "0".
std::string format_amount(const Amount& amount);

}  // namespace millrace
