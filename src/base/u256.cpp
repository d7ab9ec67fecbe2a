// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/u256.hpp"

#include <algorithm>
#include <bit>

namespace millrace {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t low_word(Wide value) noexcept {
    return static_cast<std::uint64_t>(value);
}
constexpr std::uint64_t high_word(Wide value) noexcept {
    return static_cast<std::uint64_t>(value >> 64);
}

/// Sum mod 2^256 and the carry out of it.
std::pair<U256, std::uint64_t> add_with_carry(const U256& left, const U256& right) noexcept {
    U256 sum;
    std::uint64_t carry = 0;
    for (std::size_t index = 0; index < 4; ++index) {
        const Wide column = Wide{left.words[index]} + right.words[index] + carry;
        sum.words[index] = low_word(column);
        carry = high_word(column);
    }
    return {sum, carry};
}

std::array<std::uint64_t, 8> full_product(const U256& left, const U256& right) noexcept {
    std::array<std::uint64_t, 8> product{};
    for (std::size_t row = 0; row < 4; ++row) {
        std::uint64_t carry = 0;
        for (std::size_t column = 0; column < 4; ++column) {
            const Wide cell =
                Wide{left.words[row]} * right.words[column] + product[row + column] + carry;
            product[row + column] = low_word(cell);
            carry = high_word(cell);
        }
        product[row + 4] = carry;
    }
    return product;
}

std::size_t significant_words(const U256& number) noexcept {
    std::size_t count = 4;
    while (count > 0 && number.words[count - 1] == 0)
        --count;
    return count;
}

/// Division by one word: school division from the top.
U256Division divide_by_word(const U256& dividend, std::uint64_t divisor) noexcept {
    U256Division result;
    std::uint64_t remainder = 0;
    for (std::size_t index = 4; index-- > 0;) {
        const Wide part = (Wide{remainder} << 64) | dividend.words[index];
        result.quotient.words[index] = low_word(part / divisor);
        remainder = low_word(part % divisor);
    }
    result.remainder = U256{remainder};
    return result;
}

/// Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D, base 2^64. The divisor has
/// `count` >= 2 significant words.
U256Division divide_by_words(const U256& dividend, const U256& divisor,
                             std::size_t count) noexcept {
    const int shift = std::countl_zero(divisor.words[count - 1]);
    const auto shifted = [shift](std::uint64_t high, std::uint64_t low) {
        return shift == 0 ? high : (high << shift) | (low >> (64 - shift));
    };
    std::array<std::uint64_t, 4> scaled_divisor{};
    std::array<std::uint64_t, 5> rest{};
    for (std::size_t index = 0; index < count; ++index) {
        scaled_divisor[index] =
            shifted(divisor.words[index], index == 0 ? 0 : divisor.words[index - 1]);
    }
    rest[4] = shifted(0, dividend.words[3]);
    for (std::size_t index = 0; index < 4; ++index) {
        rest[index] = shifted(dividend.words[index], index == 0 ? 0 : dividend.words[index - 1]);
    }
    U256Division result;
    const std::uint64_t top = scaled_divisor[count - 1];
    const std::uint64_t second = scaled_divisor[count - 2];
    for (std::size_t position = 4 - count + 1; position-- > 0;) {
        const Wide numerator = (Wide{rest[position + count]} << 64) | rest[position + count - 1];
        Wide estimate = numerator / top;
        Wide remainder = numerator % top;
        while (high_word(estimate) != 0 ||
               estimate * second > ((remainder << 64) | rest[position + count - 2])) {
            --estimate;
            remainder += top;
            if (high_word(remainder) != 0) break;
        }
        std::uint64_t borrow = 0;
        std::uint64_t carry = 0;
        for (std::size_t index = 0; index < count; ++index) {
            const Wide product = estimate * scaled_divisor[index] + carry;
            carry = high_word(product);
            const Wide difference = Wide{rest[position + index]} - low_word(product) - borrow;
            rest[position + index] = low_word(difference);
            borrow = high_word(difference) != 0 ? 1 : 0;
        }
        const Wide difference = Wide{rest[position + count]} - carry - borrow;
        rest[position + count] = low_word(difference);
        if (high_word(difference) != 0) {
            // The estimate was one too large: add the divisor back (step D6).
            --estimate;
            std::uint64_t back = 0;
            for (std::size_t index = 0; index < count; ++index) {
                const Wide sum = Wide{rest[position + index]} + scaled_divisor[index] + back;
                rest[position + index] = low_word(sum);
                back = high_word(sum);
            }
            rest[position + count] += back;
        }
        result.quotient.words[position] = low_word(estimate);
    }
    for (std::size_t index = 0; index < count; ++index) {
        const std::uint64_t above = index + 1 < 5 ? rest[index + 1] : 0;
        result.remainder.words[index] =
            shift == 0 ? rest[index] : (rest[index] >> shift) | (above << (64 - shift));
    }
    return result;
}

/// `text` as digits times 10^scale; null on a foreign character or overflow.
std::optional<U256> scaled_decimal(std::string_view whole, std::string_view fraction,
                                   std::size_t scale) noexcept {
    if (fraction.size() > scale) return std::nullopt;
    U256 number;
    const auto push = [&number](std::uint64_t digit) {
        const auto shifted = checked_mul(number, U256{10});
        if (!shifted) return false;
        const auto sum = checked_add(*shifted, U256{digit});
        if (!sum) return false;
        number = *sum;
        return true;
    };
    for (const std::string_view part : {whole, fraction}) {
        for (const char digit : part) {
            if (digit < '0' || digit > '9') return std::nullopt;
            if (!push(static_cast<std::uint64_t>(digit - '0'))) return std::nullopt;
        }
    }
    for (std::size_t index = fraction.size(); index < scale; ++index) {
        if (!push(0)) return std::nullopt;
    }
    return number;
}

}  // namespace

std::optional<U256> checked_add(const U256& left, const U256& right) noexcept {
    const auto [sum, carry] = add_with_carry(left, right);
    if (carry != 0) return std::nullopt;
    return sum;
}

std::optional<U256> checked_sub(const U256& left, const U256& right) noexcept {
    if (left < right) return std::nullopt;
    return wrapping_sub(left, right);
}

std::optional<U256> checked_mul(const U256& left, const U256& right) noexcept {
    const auto product = full_product(left, right);
    if ((product[4] | product[5] | product[6] | product[7]) != 0) return std::nullopt;
    U256 result;
    std::copy_n(product.begin(), 4, result.words.begin());
    return result;
}

U256 wrapping_add(const U256& left, const U256& right) noexcept {
    return add_with_carry(left, right).first;
}

U256 wrapping_sub(const U256& left, const U256& right) noexcept {
    U256 difference;
    std::uint64_t borrow = 0;
    for (std::size_t index = 0; index < 4; ++index) {
        const Wide column = Wide{left.words[index]} - right.words[index] - borrow;
        difference.words[index] = low_word(column);
        borrow = high_word(column) != 0 ? 1 : 0;
    }
    return difference;
}

U256 wrapping_mul(const U256& left, const U256& right) noexcept {
    const auto product = full_product(left, right);
    U256 result;
    std::copy_n(product.begin(), 4, result.words.begin());
    return result;
}

std::optional<U256Division> checked_div(const U256& dividend, const U256& divisor) noexcept {
    const std::size_t count = significant_words(divisor);
    if (count == 0) return std::nullopt;
    if (dividend < divisor) return U256Division{.quotient = {}, .remainder = dividend};
    if (count == 1) return divide_by_word(dividend, divisor.words[0]);
    return divide_by_words(dividend, divisor, count);
}

Hash32 to_word(const U256& number) noexcept {
    Hash32 word;
    for (std::size_t index = 0; index < 32; ++index) {
        word.bytes[31 - index] =
            static_cast<std::uint8_t>(number.words[index / 8] >> (8 * (index % 8)));
    }
    return word;
}

U256 from_word(const Hash32& word) noexcept {
    return *u256_from_big_endian(word.view());
}

std::optional<U256> u256_from_big_endian(ByteView bytes) noexcept {
    if (bytes.size() > 32) return std::nullopt;
    U256 number;
    for (std::size_t index = 0; index < bytes.size(); ++index) {
        const std::uint64_t byte = bytes[bytes.size() - 1 - index];
        number.words[index / 8] |= byte << (8 * (index % 8));
    }
    return number;
}

std::string to_decimal(const U256& number) {
    // 19 digits at a time: the largest power of ten in a word.
    constexpr std::uint64_t chunk = 10'000'000'000'000'000'000ULL;
    std::string digits;
    U256 rest = number;
    do {
        const U256Division part = divide_by_word(rest, chunk);
        std::uint64_t value = part.remainder.words[0];
        rest = part.quotient;
        for (int index = 0; index < 19 && (value != 0 || !rest.is_zero()); ++index) {
            digits.push_back(static_cast<char>('0' + value % 10));
            value /= 10;
        }
    } while (!rest.is_zero());
    if (digits.empty()) digits.push_back('0');
    std::ranges::reverse(digits);
    return digits;
}

std::optional<U256> u256_from_decimal(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    return scaled_decimal(text, {}, 0);
}

std::string to_rpc_quantity(const U256& number) {
    const std::string digits = to_hex(to_word(number).view());
    const std::size_t first = digits.find_first_not_of('0');
    return "0x" + (first == std::string::npos ? std::string{"0"} : digits.substr(first));
}

std::optional<U256> u256_from_rpc_quantity(std::string_view text) noexcept {
    if (!text.starts_with("0x") && !text.starts_with("0X")) return std::nullopt;
    text.remove_prefix(2);
    if (text.empty() || text.size() > 64) return std::nullopt;
    U256 number;
    for (std::size_t index = 0; index < text.size(); ++index) {
        const char digit = text[text.size() - 1 - index];
        std::uint64_t value = 0;
        if (digit >= '0' && digit <= '9') {
            value = static_cast<std::uint64_t>(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            value = static_cast<std::uint64_t>(digit - 'a' + 10);
        } else if (digit >= 'A' && digit <= 'F') {
            value = static_cast<std::uint64_t>(digit - 'A' + 10);
        } else {
            return std::nullopt;
        }
        number.words[index / 16] |= value << (4 * (index % 16));
    }
    return number;
}

std::optional<Amount> checked_add(const Amount& left, const Amount& right) noexcept {
    const auto sum = checked_add(left.wei, right.wei);
    return sum ? std::optional{Amount{*sum}} : std::nullopt;
}

std::optional<Amount> checked_sub(const Amount& left, const Amount& right) noexcept {
    const auto difference = checked_sub(left.wei, right.wei);
    return difference ? std::optional{Amount{*difference}} : std::nullopt;
}

std::optional<Amount> parse_amount(std::string_view text) noexcept {
    std::size_t scale = 18;
    if (text.ends_with(" gwei")) {
        scale = 9;
        text.remove_suffix(5);
    } else if (text.ends_with(" wei")) {
        scale = 0;
        text.remove_suffix(4);
    }
    const std::size_t point = scale == 18 ? text.find('.') : std::string_view::npos;
    const std::string_view whole = text.substr(0, point);
    if (whole.empty()) return std::nullopt;
    std::string_view fraction;
    if (point != std::string_view::npos) {
        fraction = text.substr(point + 1);
        if (fraction.empty()) return std::nullopt;
    }
    const auto wei = scaled_decimal(whole, fraction, scale);
    return wei ? std::optional{Amount{*wei}} : std::nullopt;
}

std::string format_amount(const Amount& amount) {
    std::string digits = to_decimal(amount.wei);
    if (digits.size() <= 18) digits.insert(0, 19 - digits.size(), '0');
    std::string fraction = digits.substr(digits.size() - 18);
    digits.resize(digits.size() - 18);
    const std::size_t last = fraction.find_last_not_of('0');
    if (last == std::string::npos) return digits;
    fraction.resize(last + 1);
    return digits + "." + fraction;
}

}  // namespace millrace
