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
    // By the borrow of a subtraction: one chain, no branches.
    constexpr bool operator<(const U256& right) const noexcept;
    constexpr bool operator>(const U256& right) const noexcept { return right < *this; }
    constexpr bool operator<=(const U256& right) const noexcept { return !(right < *this); }
    constexpr bool operator>=(const U256& right) const noexcept { return !(*this < right); }

    // Bit by bit.
    constexpr U256 operator&(const U256& right) const noexcept;
    constexpr U256 operator|(const U256& right) const noexcept;
    constexpr U256 operator^(const U256& right) const noexcept;
    constexpr U256 operator~() const noexcept;

    /// The two's complement sign: the number is taken as negative.
    [[nodiscard]] constexpr bool is_negative() const noexcept { return (words[3] >> 63) != 0; }
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
constexpr U256 wrapping_add(const U256& left, const U256& right) noexcept;
constexpr U256 wrapping_sub(const U256& left, const U256& right) noexcept;
constexpr U256 wrapping_mul(const U256& left, const U256& right) noexcept;
/// 0 - value, mod 2^256.
constexpr U256 wrapping_negate(const U256& value) noexcept;
/// base^exponent mod 2^256; 0^0 is 1.
U256 wrapping_pow(const U256& base, const U256& exponent) noexcept;

struct U256Division {
    U256 quotient;
    U256 remainder;
};
/// The EVM's division: a divisor of 0 gives quotient 0 and remainder 0.
U256Division divide_or_zero(const U256& dividend, const U256& divisor) noexcept;
/// Null when the divisor is 0.
std::optional<U256Division> checked_div(const U256& dividend, const U256& divisor) noexcept;

// What the EVM's instructions do with one, two or three words (Yellow Paper, appendix H.2): never
// an error, a division by 0 is 0. Signed means two's complement.

/// DIV, MOD.
U256 div_or_zero(const U256& dividend, const U256& divisor) noexcept;
U256 mod_or_zero(const U256& dividend, const U256& divisor) noexcept;
/// SDIV, rounded toward 0; -2^255 / -1 is -2^255.
U256 signed_div_or_zero(const U256& dividend, const U256& divisor) noexcept;
/// SMOD: the sign is the dividend's.
U256 signed_mod_or_zero(const U256& dividend, const U256& divisor) noexcept;
/// ADDMOD and MULMOD: the sum and the product are not cut to 256 bits; a modulus of 0 gives 0.
U256 add_mod(const U256& left, const U256& right, const U256& modulus) noexcept;
U256 mul_mod(const U256& left, const U256& right, const U256& modulus) noexcept;

/// mul_mod() for moduli that come again and again, as in a contract that computes on a curve: when
/// one of more than 192 bits comes for the third time in a row, its reciprocal is made (about the
/// price of one product) and serves until another one comes.
class RepeatedModulus {
  public:
    /// What the function of the same name gives.
    U256 mul_mod(const U256& left, const U256& right, const U256& modulus) noexcept;

  private:
    void prepare() noexcept;
    [[nodiscard]] U256 reduced_product(const U256& left, const U256& right) const noexcept;

    static constexpr unsigned uses_before = 2;
    unsigned uses_ = 0;   ///< of modulus_ in a row, up to uses_before + 1: prepared
    unsigned shift_ = 0;  ///< to the left: the scaled modulus has its top bit set
    U256 modulus_;
    U256 scaled_;
    U256 reciprocal_;  ///< floor((2^512 - 1) / scaled_) - 2^256
};
/// SLT (SGT with the operands exchanged).
constexpr bool signed_less(const U256& left, const U256& right) noexcept;
/// SHL, SHR, SAR; an amount of 256 or more shifts everything out.
constexpr U256 shift_left(const U256& value, std::uint64_t amount) noexcept;
constexpr U256 shift_right(const U256& value, std::uint64_t amount) noexcept;
constexpr U256 shift_right_signed(const U256& value, std::uint64_t amount) noexcept;
constexpr U256 shift_left(const U256& value, const U256& amount) noexcept;
constexpr U256 shift_right(const U256& value, const U256& amount) noexcept;
constexpr U256 shift_right_signed(const U256& value, const U256& amount) noexcept;
/// SIGNEXTEND: the byte `index` (0 is the lowest) is the value's highest, its top bit the sign.
constexpr U256 sign_extend(const U256& index, const U256& value) noexcept;
/// BYTE: the byte at `index` (0 is the highest) as a number; 0 beyond 31.
constexpr U256 byte_at(const U256& index, const U256& value) noexcept;
/// CLZ (EIP-7939): 0 to 256.
constexpr unsigned leading_zeros(const U256& value) noexcept;
/// Digits to base 2 and 256; 0 has none.
constexpr unsigned bit_length(const U256& value) noexcept;
constexpr unsigned byte_length(const U256& value) noexcept;

/// Big-endian, 32 bytes.
constexpr Hash32 to_word(const U256& number) noexcept;
constexpr U256 from_word(const Hash32& word) noexcept;
/// The same from and to 32 bytes in memory, at any alignment.
inline U256 load_word(const std::uint8_t* source) noexcept;
inline void store_word(const U256& number, std::uint8_t* target) noexcept;
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

#include "base/u256_inline.hpp"
