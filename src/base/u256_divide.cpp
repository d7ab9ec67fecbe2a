// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Division of up to 512 by up to 256 bits. School division (Knuth, The Art of Computer Programming
// 2, 4.3.1, algorithm D) whose quotient words come from multiplications with a reciprocal of the
// divisor's top two words: Möller and Granlund, "Improved division by invariant integers", 2011.
// The arrangement with separate paths for divisors of one, two and more words is that of intx.

#include <algorithm>

#include "base/u256.hpp"

namespace millrace {
namespace {

using detail::high_word;
using detail::low_word;
using detail::multiply;
using detail::Wide;

/// Section 3.1: the first 11 bits of a reciprocal by the divisor's top 9 bits.
constexpr std::array<std::uint16_t, 256> make_reciprocal_table() noexcept {
    std::array<std::uint16_t, 256> table{};
    for (std::size_t index = 0; index < table.size(); ++index) {
        table[index] = static_cast<std::uint16_t>(0x7fd00 / (0x100 + index));
    }
    return table;
}
constexpr std::array<std::uint16_t, 256> reciprocal_table = make_reciprocal_table();

/// floor((2^128 - 1) / divisor) - 2^64; the divisor's top bit is set. Algorithm 3.
std::uint64_t reciprocal_of_word(std::uint64_t divisor) noexcept {
    const std::uint64_t v0 = reciprocal_table[(divisor >> 55) & 0xff];
    const std::uint64_t d40 = (divisor >> 24) + 1;
    const std::uint64_t v1 = (v0 << 11) - ((v0 * v0 * d40) >> 40) - 1;
    const std::uint64_t v2 = (v1 << 13) + ((v1 * ((std::uint64_t{1} << 60) - v1 * d40)) >> 47);
    const std::uint64_t is_odd = divisor & 1;
    const std::uint64_t d63 = (divisor >> 1) + is_odd;
    const std::uint64_t error = ((v2 >> 1) & (0 - is_odd)) - v2 * d63;
    const std::uint64_t v3 = (high_word(multiply(v2, error)) >> 1) + (v2 << 31);
    return v3 - high_word(multiply(v3, divisor) + divisor) - divisor;
}

/// The same for a divisor of two words. Algorithm 6.
std::uint64_t reciprocal_of_pair(std::uint64_t high, std::uint64_t low) noexcept {
    std::uint64_t reciprocal = reciprocal_of_word(high);
    std::uint64_t product = high * reciprocal + low;
    if (product < low) {
        --reciprocal;
        if (product >= high) {
            --reciprocal;
            product -= high;
        }
        product -= high;
    }
    const Wide cross = multiply(reciprocal, low);
    product += high_word(cross);
    if (product < high_word(cross)) {
        --reciprocal;
        if (product > high || (product == high && low_word(cross) >= low)) --reciprocal;
    }
    return reciprocal;
}

struct WordDivision {
    std::uint64_t quotient;
    std::uint64_t remainder;
};

/// (high:low) / divisor, high < divisor, which has its top bit set. Algorithm 4.
WordDivision divide_pair(std::uint64_t high, std::uint64_t low, std::uint64_t divisor,
                         std::uint64_t reciprocal) noexcept {
    const Wide estimate = multiply(reciprocal, high) + ((Wide{high} << 64) | low);
    std::uint64_t quotient = high_word(estimate) + 1;
    std::uint64_t remainder = low - quotient * divisor;
    if (remainder > low_word(estimate)) {
        --quotient;
        remainder += divisor;
    }
    if (remainder >= divisor) {
        ++quotient;
        remainder -= divisor;
    }
    return {quotient, remainder};
}

struct PairDivision {
    std::uint64_t quotient;
    Wide remainder;
};

/// (high:middle:low) / divisor, (high:middle) < divisor, which has its top bit set. Algorithm 5.
PairDivision divide_triple(std::uint64_t high, std::uint64_t middle, std::uint64_t low,
                           Wide divisor, std::uint64_t reciprocal) noexcept {
    const Wide estimate = multiply(reciprocal, high) + ((Wide{high} << 64) | middle);
    std::uint64_t quotient = high_word(estimate);
    const std::uint64_t rest = middle - quotient * high_word(divisor);
    Wide remainder = ((Wide{rest} << 64) | low) - multiply(low_word(divisor), quotient) - divisor;
    ++quotient;
    if (high_word(remainder) >= low_word(estimate)) {
        --quotient;
        remainder += divisor;
    }
    if (remainder >= divisor) {
        ++quotient;
        remainder -= divisor;
    }
    return {quotient, remainder};
}

/// rest -= factor * divisor over `count` words; returns the borrow out of them.
std::uint64_t subtract_product(std::uint64_t* rest, const std::uint64_t* divisor, std::size_t count,
                               std::uint64_t factor) noexcept {
    std::uint64_t borrow = 0;
    for (std::size_t index = 0; index < count; ++index) {
        const Wide product = multiply(factor, divisor[index]) + borrow;
        const std::uint64_t before = rest[index];
        rest[index] = before - low_word(product);
        borrow = high_word(product) + (before < low_word(product) ? 1 : 0);
    }
    return borrow;
}

std::uint64_t add_words(std::uint64_t* rest, const std::uint64_t* divisor,
                        std::size_t count) noexcept {
    unsigned char carry = 0;
    for (std::size_t index = 0; index < count; ++index)
        rest[index] = detail::add_column(carry, rest[index], divisor[index]);
    return carry;
}

/// `rest` holds count + divisor_count words (the top one below the divisor's) and is left with the
/// remainder in its lowest divisor_count words; `quotient` gets count words. The divisor has three
/// words or four and its top bit set.
void divide_long(std::uint64_t* rest, std::size_t count, const std::uint64_t* divisor,
                 std::size_t divisor_count, std::uint64_t* quotient) noexcept {
    const std::uint64_t top = divisor[divisor_count - 1];
    const std::uint64_t second = divisor[divisor_count - 2];
    const Wide pair = (Wide{top} << 64) | second;
    const std::uint64_t reciprocal = reciprocal_of_pair(top, second);
    for (std::size_t position = count; position-- > 0;) {
        std::uint64_t* const part = rest + position;
        const std::uint64_t high = part[divisor_count];
        const std::uint64_t middle = part[divisor_count - 1];
        std::uint64_t word = 0;
        if (high == top && middle == second) {
            // The quotient of the top words does not fit a word.
            word = ~std::uint64_t{0};
            const std::uint64_t borrow = subtract_product(part, divisor, divisor_count, word);
            if (high < borrow) {
                --word;
                add_words(part, divisor, divisor_count);
            }
        } else {
            const PairDivision step =
                divide_triple(high, middle, part[divisor_count - 2], pair, reciprocal);
            word = step.quotient;
            const std::uint64_t borrow = subtract_product(part, divisor, divisor_count - 2, word);
            unsigned char is_short = 0;
            part[divisor_count - 2] =
                detail::sub_column(is_short, low_word(step.remainder), borrow);
            part[divisor_count - 1] = detail::sub_column(is_short, high_word(step.remainder), 0);
            if (is_short != 0) {
                // One too large: add the divisor back (step D6).
                --word;
                part[divisor_count - 1] += top + add_words(part, divisor, divisor_count - 1);
            }
        }
        part[divisor_count] = 0;
        quotient[position] = word;
    }
}

std::size_t significant(const std::uint64_t* words, std::size_t count) noexcept {
    while (count > 0 && words[count - 1] == 0)
        --count;
    return count;
}

/// The words of `source` shifted left by less than 64 bits; returns what leaves the top.
std::uint64_t scale_up(const std::uint64_t* source, std::size_t count, unsigned shift,
                       std::uint64_t* target) noexcept {
    std::uint64_t below = 0;
    for (std::size_t index = 0; index < count; ++index) {
        const std::uint64_t word = source[index];
        target[index] = (word << shift) | ((below >> 1) >> (63 - shift));
        below = word;
    }
    return (below >> 1) >> (63 - shift);
}

/// Divides `dividend_count` (1 to 8) words; `quotient` has room for as many, all zero. The divisor
/// has 1 to 4 significant words and is not larger than the dividend.
template <std::size_t dividend_count>
U256 divide_words(const std::uint64_t* dividend, const U256& divisor,
                  std::array<std::uint64_t, dividend_count>& quotient) noexcept {
    const std::size_t divisor_count = significant(divisor.words.data(), 4);
    const std::size_t count = significant(dividend, dividend_count);
    if (count == 1) {
        quotient[0] = dividend[0] / divisor.words[0];
        return U256{dividend[0] % divisor.words[0]};
    }
    const auto shift = static_cast<unsigned>(std::countl_zero(divisor.words[divisor_count - 1]));
    std::uint64_t scaled[4];
    std::uint64_t rest[dividend_count + 1];
    scale_up(divisor.words.data(), divisor_count, shift, scaled);
    rest[count] = scale_up(dividend, count, shift, rest);
    U256 remainder;
    if (divisor_count == 1) {
        const std::uint64_t reciprocal = reciprocal_of_word(scaled[0]);
        std::uint64_t left = rest[count];
        for (std::size_t index = count; index-- > 0;) {
            const WordDivision step = divide_pair(left, rest[index], scaled[0], reciprocal);
            quotient[index] = step.quotient;
            left = step.remainder;
        }
        remainder.words[0] = left >> shift;
        return remainder;
    }
    if (divisor_count == 2) {
        const Wide pair = (Wide{scaled[1]} << 64) | scaled[0];
        const std::uint64_t reciprocal = reciprocal_of_pair(scaled[1], scaled[0]);
        Wide left = (Wide{rest[count]} << 64) | rest[count - 1];
        for (std::size_t index = count - 1; index-- > 0;) {
            const PairDivision step =
                divide_triple(high_word(left), low_word(left), rest[index], pair, reciprocal);
            quotient[index] = step.quotient;
            left = step.remainder;
        }
        left >>= shift;
        remainder.words[0] = low_word(left);
        remainder.words[1] = high_word(left);
        return remainder;
    }
    divide_long(rest, count + 1 - divisor_count, scaled, divisor_count, quotient.data());
    for (std::size_t index = 0; index < divisor_count; ++index) {
        const std::uint64_t above = index + 1 < divisor_count ? rest[index + 1] : 0;
        remainder.words[index] = (rest[index] >> shift) | ((above << 1) << (63 - shift));
    }
    return remainder;
}

/// words mod modulus, which is not 0.
template <std::size_t count>
U256 remainder_of(const std::array<std::uint64_t, count>& words, const U256& modulus) noexcept {
    std::array<std::uint64_t, count> quotient{};
    return divide_words<count>(words.data(), modulus, quotient);
}

std::array<std::uint64_t, 8> full_product(const U256& left, const U256& right) noexcept {
    std::array<std::uint64_t, 8> product{};
    const auto add_row = [&](std::uint64_t factor, std::uint64_t* target) {
        Wide cell = multiply(factor, right.words[0]) + target[0];
        target[0] = low_word(cell);
        cell = multiply(factor, right.words[1]) + target[1] + high_word(cell);
        target[1] = low_word(cell);
        cell = multiply(factor, right.words[2]) + target[2] + high_word(cell);
        target[2] = low_word(cell);
        cell = multiply(factor, right.words[3]) + target[3] + high_word(cell);
        target[3] = low_word(cell);
        target[4] = high_word(cell);
    };
    add_row(left.words[0], product.data());
    add_row(left.words[1], product.data() + 1);
    add_row(left.words[2], product.data() + 2);
    add_row(left.words[3], product.data() + 3);
    return product;
}

bool is_power_of_two(const U256& value) noexcept {
    unsigned char borrow = 0;
    const U256 below = detail::subtract(value, U256{1}, borrow);
    return borrow == 0 && (value & below).is_zero();
}

U256 magnitude(const U256& value) noexcept {
    return value.is_negative() ? wrapping_negate(value) : value;
}

}  // namespace

U256Division divide_or_zero(const U256& dividend, const U256& divisor) noexcept {
    if (divisor.is_zero()) return {};
    if (dividend < divisor) return {.quotient = {}, .remainder = dividend};
    if (is_power_of_two(divisor)) {  // how code from before SHR shifts
        const U256 rest = dividend & wrapping_sub(divisor, U256{1});
        return {.quotient = shift_right(dividend, bit_length(divisor) - 1), .remainder = rest};
    }
    U256Division result;
    result.remainder = divide_words<4>(dividend.words.data(), divisor, result.quotient.words);
    return result;
}

std::optional<U256Division> checked_div(const U256& dividend, const U256& divisor) noexcept {
    if (divisor.is_zero()) return std::nullopt;
    return divide_or_zero(dividend, divisor);
}

std::optional<U256> checked_mul(const U256& left, const U256& right) noexcept {
    const auto product = full_product(left, right);
    if ((product[4] | product[5] | product[6] | product[7]) != 0) return std::nullopt;
    return detail::make(product[0], product[1], product[2], product[3]);
}

U256 div_or_zero(const U256& dividend, const U256& divisor) noexcept {
    return divide_or_zero(dividend, divisor).quotient;
}

U256 mod_or_zero(const U256& dividend, const U256& divisor) noexcept {
    return divide_or_zero(dividend, divisor).remainder;
}

U256 signed_div_or_zero(const U256& dividend, const U256& divisor) noexcept {
    const U256 quotient = div_or_zero(magnitude(dividend), magnitude(divisor));
    return dividend.is_negative() == divisor.is_negative() ? quotient : wrapping_negate(quotient);
}

U256 signed_mod_or_zero(const U256& dividend, const U256& divisor) noexcept {
    const U256 remainder = mod_or_zero(magnitude(dividend), magnitude(divisor));
    return dividend.is_negative() ? wrapping_negate(remainder) : remainder;
}

U256 add_mod(const U256& left, const U256& right, const U256& modulus) noexcept {
    if (modulus.is_zero()) return {};
    // With both below the modulus, as is usual for a large one, the sum is reduced by at most one
    // subtraction.
    const U256 first = left < modulus ? left : mod_or_zero(left, modulus);
    const U256 second = right < modulus ? right : mod_or_zero(right, modulus);
    unsigned char carry = 0;
    unsigned char borrow = 0;
    const U256 sum = detail::add(first, second, carry);
    const U256 reduced = detail::subtract(sum, modulus, borrow);
    return carry != 0 || borrow == 0 ? reduced : sum;
}

U256 mul_mod(const U256& left, const U256& right, const U256& modulus) noexcept {
    if (modulus.is_zero()) return {};
    const auto product = full_product(left, right);
    if ((product[4] | product[5] | product[6] | product[7]) == 0) {
        return mod_or_zero(detail::make(product[0], product[1], product[2], product[3]), modulus);
    }
    if ((~modulus).is_zero()) {  // how contracts get the upper half of a product
        unsigned char carry = 0;
        const U256 sum =
            detail::add(detail::make(product[0], product[1], product[2], product[3]),
                        detail::make(product[4], product[5], product[6], product[7]), carry);
        // 2^256 is 1 here; a sum that carried is far from the modulus.
        return carry != 0 ? wrapping_add(sum, U256{1}) : (~sum).is_zero() ? U256{} : sum;
    }
    return remainder_of<8>(product, modulus);
}

void RepeatedModulus::prepare() noexcept {
    shift_ = leading_zeros(modulus_);
    scaled_ = shift_left(modulus_, shift_);
    // 2^512 - 1 less scaled_ * 2^256.
    std::array<std::uint64_t, 8> dividend;
    dividend.fill(~std::uint64_t{0});
    for (std::size_t index = 0; index < 4; ++index)
        dividend[4 + index] = ~scaled_.words[index];
    std::array<std::uint64_t, 8> quotient{};
    divide_words<8>(dividend.data(), scaled_, quotient);
    reciprocal_ = detail::make(quotient[0], quotient[1], quotient[2], quotient[3]);
}

/// Algorithm 4 with digits of 256 bits.
U256 RepeatedModulus::reduced_product(const U256& left, const U256& right) const noexcept {
    const auto product = full_product(left, right);
    // The upper digit must be below the divisor; it nearly always is.
    U256 high = detail::make(product[4], product[5], product[6], product[7]);
    if (!(high < modulus_)) high = mod_or_zero(high, modulus_);
    U256 low = detail::make(product[0], product[1], product[2], product[3]);
    if (shift_ != 0) {
        high = shift_left(high, shift_) | shift_right(low, 256 - shift_);
        low = shift_left(low, shift_);
    }
    const auto estimate = full_product(reciprocal_, high);
    unsigned char carry = 0;
    const U256 fraction =
        detail::add(detail::make(estimate[0], estimate[1], estimate[2], estimate[3]), low, carry);
    U256 quotient =
        wrapping_add(detail::make(estimate[4], estimate[5], estimate[6], estimate[7]), high);
    quotient = wrapping_add(quotient, U256{std::uint64_t{carry} + 1});
    U256 remainder = wrapping_sub(low, wrapping_mul(quotient, scaled_));
    if (fraction < remainder) remainder = wrapping_add(remainder, scaled_);
    unsigned char borrow = 0;
    const U256 less = detail::subtract(remainder, scaled_, borrow);
    return shift_right(borrow != 0 ? remainder : less, shift_);
}

U256 RepeatedModulus::mul_mod(const U256& left, const U256& right, const U256& modulus) noexcept {
    if (modulus.words[3] == 0) return millrace::mul_mod(left, right, modulus);
    if (modulus != modulus_) {
        modulus_ = modulus;
        uses_ = 0;
    }
    if (uses_ <= uses_before) {
        if (uses_++ < uses_before) return millrace::mul_mod(left, right, modulus);
        prepare();
    }
    return reduced_product(left, right);
}

U256 wrapping_pow(const U256& base, const U256& exponent) noexcept {
    if (base == U256{2}) return shift_left(U256{1}, exponent);
    U256 result{1};
    for (unsigned bit = bit_length(exponent); bit-- > 0;) {
        result = wrapping_mul(result, result);
        if (((exponent.words[bit / 64] >> (bit % 64)) & 1) != 0) {
            result = wrapping_mul(result, base);
        }
    }
    return result;
}

}  // namespace millrace
