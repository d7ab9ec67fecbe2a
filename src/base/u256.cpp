// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/u256.hpp"

#include <algorithm>

namespace millrace {
namespace {

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
    unsigned char carry = 0;
    const U256 sum = detail::add(left, right, carry);
    if (carry != 0) return std::nullopt;
    return sum;
}

std::optional<U256> checked_sub(const U256& left, const U256& right) noexcept {
    unsigned char borrow = 0;
    const U256 difference = detail::subtract(left, right, borrow);
    if (borrow != 0) return std::nullopt;
    return difference;
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
        const U256Division part = divide_or_zero(rest, U256{chunk});
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
            value = static_cast<std::uint64_t>(digit - 'a') + 10;
        } else if (digit >= 'A' && digit <= 'F') {
            value = static_cast<std::uint64_t>(digit - 'A') + 10;
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
