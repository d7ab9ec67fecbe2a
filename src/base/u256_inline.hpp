// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// The short operations of base/u256.hpp, which includes this file: they are inlined into the
// interpreter and can be evaluated by the compiler. Division and the like are in u256_divide.cpp.

#include <bit>
#include <type_traits>

#include "base/u256.hpp"

namespace millrace {
namespace detail {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t low_word(Wide value) noexcept {
    return static_cast<std::uint64_t>(value);
}
constexpr std::uint64_t high_word(Wide value) noexcept {
    return static_cast<std::uint64_t>(value >> 64);
}
constexpr Wide multiply(std::uint64_t left, std::uint64_t right) noexcept {
    return Wide{left} * right;
}

// One column of a sum or a difference; `carry` is 0 or 1 before and after. g++ 12 does not make a
// chain of adc from 128-bit sums (one addition of 256 bits: 25 instructions instead of 12), so on
// x86-64 it is asked for by name.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
inline constexpr bool has_carry_chain = true;
inline std::uint64_t add_chain(unsigned char& carry, std::uint64_t left,
                               std::uint64_t right) noexcept {
    unsigned long long sum = 0;
    carry = __builtin_ia32_addcarryx_u64(carry, left, right, &sum);
    return sum;
}
inline std::uint64_t sub_chain(unsigned char& borrow, std::uint64_t left,
                               std::uint64_t right) noexcept {
    unsigned long long difference = 0;
    borrow = __builtin_ia32_sbb_u64(borrow, left, right, &difference);
    return difference;
}
#else
inline constexpr bool has_carry_chain = false;
constexpr std::uint64_t add_chain(unsigned char&, std::uint64_t, std::uint64_t) noexcept {
    return 0;
}
constexpr std::uint64_t sub_chain(unsigned char&, std::uint64_t, std::uint64_t) noexcept {
    return 0;
}
#endif

constexpr std::uint64_t add_column(unsigned char& carry, std::uint64_t left,
                                   std::uint64_t right) noexcept {
    if (has_carry_chain && !std::is_constant_evaluated()) return add_chain(carry, left, right);
    const Wide sum = Wide{left} + right + carry;
    carry = static_cast<unsigned char>(high_word(sum));
    return low_word(sum);
}
constexpr std::uint64_t sub_column(unsigned char& borrow, std::uint64_t left,
                                   std::uint64_t right) noexcept {
    if (has_carry_chain && !std::is_constant_evaluated()) return sub_chain(borrow, left, right);
    const Wide difference = Wide{left} - right - borrow;
    borrow = high_word(difference) != 0 ? 1 : 0;
    return low_word(difference);
}

constexpr U256 make(std::uint64_t word0, std::uint64_t word1, std::uint64_t word2,
                    std::uint64_t word3) noexcept {
    U256 result;
    result.words = {word0, word1, word2, word3};
    return result;
}

/// The sum mod 2^256; `carry` becomes what left it.
constexpr U256 add(const U256& left, const U256& right, unsigned char& carry) noexcept {
    carry = 0;
    const std::uint64_t word0 = add_column(carry, left.words[0], right.words[0]);
    const std::uint64_t word1 = add_column(carry, left.words[1], right.words[1]);
    const std::uint64_t word2 = add_column(carry, left.words[2], right.words[2]);
    const std::uint64_t word3 = add_column(carry, left.words[3], right.words[3]);
    return make(word0, word1, word2, word3);
}

/// The difference mod 2^256; `borrow` tells whether left < right.
constexpr U256 subtract(const U256& left, const U256& right, unsigned char& borrow) noexcept {
    borrow = 0;
    const std::uint64_t word0 = sub_column(borrow, left.words[0], right.words[0]);
    const std::uint64_t word1 = sub_column(borrow, left.words[1], right.words[1]);
    const std::uint64_t word2 = sub_column(borrow, left.words[2], right.words[2]);
    const std::uint64_t word3 = sub_column(borrow, left.words[3], right.words[3]);
    return make(word0, word1, word2, word3);
}

}  // namespace detail

constexpr bool U256::operator<(const U256& right) const noexcept {
    unsigned char borrow = 0;
    detail::subtract(*this, right, borrow);
    return borrow != 0;
}
constexpr U256 U256::operator&(const U256& right) const noexcept {
    return detail::make(words[0] & right.words[0], words[1] & right.words[1],
                        words[2] & right.words[2], words[3] & right.words[3]);
}
constexpr U256 U256::operator|(const U256& right) const noexcept {
    return detail::make(words[0] | right.words[0], words[1] | right.words[1],
                        words[2] | right.words[2], words[3] | right.words[3]);
}
constexpr U256 U256::operator^(const U256& right) const noexcept {
    return detail::make(words[0] ^ right.words[0], words[1] ^ right.words[1],
                        words[2] ^ right.words[2], words[3] ^ right.words[3]);
}
constexpr U256 U256::operator~() const noexcept {
    return detail::make(~words[0], ~words[1], ~words[2], ~words[3]);
}

constexpr U256 wrapping_add(const U256& left, const U256& right) noexcept {
    unsigned char carry = 0;
    return detail::add(left, right, carry);
}

constexpr U256 wrapping_sub(const U256& left, const U256& right) noexcept {
    unsigned char borrow = 0;
    return detail::subtract(left, right, borrow);
}

constexpr U256 wrapping_negate(const U256& value) noexcept {
    return wrapping_sub(U256{}, value);
}

constexpr U256 wrapping_mul(const U256& left, const U256& right) noexcept {
    using namespace detail;
    const auto& a = left.words;
    const auto& b = right.words;
    // Row by row; the columns above the fourth word are never made.
    Wide cell = multiply(a[0], b[0]);
    const std::uint64_t word0 = low_word(cell);
    cell = multiply(a[0], b[1]) + high_word(cell);
    std::uint64_t word1 = low_word(cell);
    cell = multiply(a[0], b[2]) + high_word(cell);
    std::uint64_t word2 = low_word(cell);
    std::uint64_t word3 = a[0] * b[3] + high_word(cell);

    cell = multiply(a[1], b[0]) + word1;
    word1 = low_word(cell);
    cell = multiply(a[1], b[1]) + word2 + high_word(cell);
    word2 = low_word(cell);
    word3 += a[1] * b[2] + high_word(cell);

    cell = multiply(a[2], b[0]) + word2;
    word2 = low_word(cell);
    word3 += a[2] * b[1] + high_word(cell);

    word3 += a[3] * b[0];
    return make(word0, word1, word2, word3);
}

constexpr bool signed_less(const U256& left, const U256& right) noexcept {
    return left.is_negative() == right.is_negative() ? left < right : left.is_negative();
}

constexpr U256 shift_left(const U256& value, std::uint64_t amount) noexcept {
    if (amount >= 256) return U256{};
    U256 moved = value;
    if ((amount & 128) != 0) moved = detail::make(0, 0, moved.words[0], moved.words[1]);
    if ((amount & 64) != 0) {
        moved = detail::make(0, moved.words[0], moved.words[1], moved.words[2]);
    }
    const unsigned bits = static_cast<unsigned>(amount % 64);
    // In two steps, because a shift by 64 is not defined.
    const auto joined = [bits](std::uint64_t high, std::uint64_t low) {
        return (high << bits) | ((low >> 1) >> (63 - bits));
    };
    return detail::make(moved.words[0] << bits, joined(moved.words[1], moved.words[0]),
                        joined(moved.words[2], moved.words[1]),
                        joined(moved.words[3], moved.words[2]));
}

namespace detail {
/// Shifted right, with words of `filling` moving in from above. amount < 256.
constexpr U256 shift_right_filled(const U256& value, unsigned amount,
                                  std::uint64_t filling) noexcept {
    U256 moved = value;
    if ((amount & 128) != 0) moved = make(moved.words[2], moved.words[3], filling, filling);
    if ((amount & 64) != 0) {
        moved = make(moved.words[1], moved.words[2], moved.words[3], filling);
    }
    const unsigned bits = amount % 64;
    const auto joined = [bits](std::uint64_t high, std::uint64_t low) {
        return (low >> bits) | ((high << 1) << (63 - bits));
    };
    return make(joined(moved.words[1], moved.words[0]), joined(moved.words[2], moved.words[1]),
                joined(moved.words[3], moved.words[2]), joined(filling, moved.words[3]));
}
}  // namespace detail

constexpr U256 shift_right(const U256& value, std::uint64_t amount) noexcept {
    if (amount >= 256) return U256{};
    return detail::shift_right_filled(value, static_cast<unsigned>(amount), 0);
}

constexpr U256 shift_right_signed(const U256& value, std::uint64_t amount) noexcept {
    const std::uint64_t filling = value.is_negative() ? ~std::uint64_t{0} : 0;
    if (amount >= 256) return detail::make(filling, filling, filling, filling);
    return detail::shift_right_filled(value, static_cast<unsigned>(amount), filling);
}

constexpr U256 shift_left(const U256& value, const U256& amount) noexcept {
    return shift_left(value, amount.fits_u64() ? amount.words[0] : 256);
}
constexpr U256 shift_right(const U256& value, const U256& amount) noexcept {
    return shift_right(value, amount.fits_u64() ? amount.words[0] : 256);
}
constexpr U256 shift_right_signed(const U256& value, const U256& amount) noexcept {
    return shift_right_signed(value, amount.fits_u64() ? amount.words[0] : 256);
}

constexpr U256 sign_extend(const U256& index, const U256& value) noexcept {
    if (!index.fits_u64() || index.words[0] >= 31) return value;
    const std::uint64_t above = 248 - 8 * index.words[0];
    return shift_right_signed(shift_left(value, above), above);
}

constexpr U256 byte_at(const U256& index, const U256& value) noexcept {
    if (!index.fits_u64() || index.words[0] >= 32) return U256{};
    const std::uint64_t from_low = 31 - index.words[0];
    return U256{(value.words[from_low / 8] >> (8 * (from_low % 8))) & 0xff};
}

constexpr unsigned leading_zeros(const U256& value) noexcept {
    if (value.words[3] != 0) return static_cast<unsigned>(std::countl_zero(value.words[3]));
    if (value.words[2] != 0) return 64 + static_cast<unsigned>(std::countl_zero(value.words[2]));
    if (value.words[1] != 0) return 128 + static_cast<unsigned>(std::countl_zero(value.words[1]));
    return 192 + static_cast<unsigned>(std::countl_zero(value.words[0]));
}
constexpr unsigned bit_length(const U256& value) noexcept {
    return 256 - leading_zeros(value);
}
constexpr unsigned byte_length(const U256& value) noexcept {
    return (bit_length(value) + 7) / 8;
}

static_assert(std::endian::native == std::endian::little, "words are stored by reversing bytes");

constexpr Hash32 to_word(const U256& number) noexcept {
    const std::array<std::uint64_t, 4> reversed = {
        __builtin_bswap64(number.words[3]), __builtin_bswap64(number.words[2]),
        __builtin_bswap64(number.words[1]), __builtin_bswap64(number.words[0])};
    return Hash32{std::bit_cast<std::array<std::uint8_t, 32>>(reversed)};
}

constexpr U256 from_word(const Hash32& word) noexcept {
    const auto reversed = std::bit_cast<std::array<std::uint64_t, 4>>(word.bytes);
    return detail::make(__builtin_bswap64(reversed[3]), __builtin_bswap64(reversed[2]),
                        __builtin_bswap64(reversed[1]), __builtin_bswap64(reversed[0]));
}

inline U256 load_word(const std::uint8_t* source) noexcept {
    Hash32 word;
    std::memcpy(word.bytes.data(), source, 32);
    return from_word(word);
}

inline void store_word(const U256& number, std::uint8_t* target) noexcept {
    const Hash32 word = to_word(number);
    std::memcpy(target, word.bytes.data(), 32);
}

}  // namespace millrace
