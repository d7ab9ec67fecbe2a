// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "base/u256.hpp"

// The hot instructions, word by word in their place on the stack. base/u256.hpp has the same
// operations by value; inside a loop of computed gotos g++ 12 keeps a copy of every such value in
// the frame, and its writes cost a third of the time (measured on evm-benchmarks).

namespace millrace::evm::in_place {

__extension__ using Wide = unsigned __int128;
using Word = std::uint64_t;

inline void assign(U256& target, Word word0, Word word1, Word word2, Word word3) noexcept {
    target.words[0] = word0;
    target.words[1] = word1;
    target.words[2] = word2;
    target.words[3] = word3;
}
inline void assign(U256& target, Word word0) noexcept {
    assign(target, word0, 0, 0, 0);
}
inline void copy(U256& target, const U256& source) noexcept {
    assign(target, source.words[0], source.words[1], source.words[2], source.words[3]);
}
inline void exchange(U256& left, U256& right) noexcept {
    const Word word0 = left.words[0];
    const Word word1 = left.words[1];
    const Word word2 = left.words[2];
    const Word word3 = left.words[3];
    copy(left, right);
    assign(right, word0, word1, word2, word3);
}

/// The last 20 bytes.
inline void assign(U256& target, const Address& address) noexcept {
    const std::uint8_t* const bytes = address.bytes.data();
    Word low = 0;
    Word middle = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, bytes + 12, 8);
    std::memcpy(&middle, bytes + 4, 8);
    std::memcpy(&high, bytes, 4);
    assign(target, __builtin_bswap64(low), __builtin_bswap64(middle), __builtin_bswap32(high), 0);
}

inline Word load_u64(const std::uint8_t* source) noexcept {
    Word value = 0;
    std::memcpy(&value, source, sizeof value);
    return __builtin_bswap64(value);
}
inline void store_u64(std::uint8_t* target, Word value) noexcept {
    value = __builtin_bswap64(value);
    std::memcpy(target, &value, sizeof value);
}
inline Word load_u32(const std::uint8_t* source) noexcept {
    std::uint32_t value = 0;
    std::memcpy(&value, source, sizeof value);
    return __builtin_bswap32(value);
}
inline Word load_u16(const std::uint8_t* source) noexcept {
    return Word{source[0]} << 8 | source[1];
}
inline void load(U256& target, const std::uint8_t* source) noexcept {
    assign(target, load_u64(source + 24), load_u64(source + 16), load_u64(source + 8),
           load_u64(source));
}
inline void store(const U256& value, std::uint8_t* target) noexcept {
    store_u64(target, value.words[3]);
    store_u64(target + 8, value.words[2]);
    store_u64(target + 16, value.words[1]);
    store_u64(target + 24, value.words[0]);
}

inline void store(Word value, std::uint8_t* target) noexcept {
    store_u64(target, 0);
    store_u64(target + 8, 0);
    store_u64(target + 16, 0);
    store_u64(target + 24, value);
}

/// The `count` bytes after PUSHn. Reads up to 7 bytes past them, which the code's padding allows.
template <unsigned count>
inline void push(U256& target, const std::uint8_t* bytes) noexcept {
    constexpr unsigned whole = count / 8;
    constexpr unsigned part = count % 8;
    const auto word = [bytes](unsigned index) -> Word {
        if (index < whole) return load_u64(bytes + part + 8 * (whole - 1 - index));
        if (index == whole && part != 0) return load_u64(bytes) >> (64 - 8 * (part | (part == 0)));
        return 0;
    };
    assign(target, word(0), word(1), word(2), word(3));
}

// Results replace the second operand, b; a is the top of the stack.

#if defined(__x86_64__)
// g++ 12 makes no chain of adc from 128-bit sums.
inline void add(const U256& a, U256& b) noexcept {
    Word word0 = a.words[0];
    Word word1 = a.words[1];
    Word word2 = a.words[2];
    Word word3 = a.words[3];
    __asm__("addq %4, %0\n\tadcq %5, %1\n\tadcq %6, %2\n\tadcq %7, %3"
            : "+&r"(word0), "+&r"(word1), "+&r"(word2), "+&r"(word3)
            : "m"(b.words[0]), "m"(b.words[1]), "m"(b.words[2]), "m"(b.words[3])
            : "cc");
    assign(b, word0, word1, word2, word3);
}
/// a - b.
inline void sub(const U256& a, U256& b) noexcept {
    Word word0 = a.words[0];
    Word word1 = a.words[1];
    Word word2 = a.words[2];
    Word word3 = a.words[3];
    __asm__("subq %4, %0\n\tsbbq %5, %1\n\tsbbq %6, %2\n\tsbbq %7, %3"
            : "+&r"(word0), "+&r"(word1), "+&r"(word2), "+&r"(word3)
            : "m"(b.words[0]), "m"(b.words[1]), "m"(b.words[2]), "m"(b.words[3])
            : "cc");
    assign(b, word0, word1, word2, word3);
}
inline bool less(const U256& a, const U256& b) noexcept {
    Word word0 = a.words[0];
    Word word1 = a.words[1];
    Word word2 = a.words[2];
    Word word3 = a.words[3];
    bool borrow = false;
    __asm__("subq %5, %0\n\tsbbq %6, %1\n\tsbbq %7, %2\n\tsbbq %8, %3"
            : "+&r"(word0), "+&r"(word1), "+&r"(word2), "+&r"(word3), "=@ccc"(borrow)
            : "m"(b.words[0]), "m"(b.words[1]), "m"(b.words[2]), "m"(b.words[3]));
    return borrow;
}
#else
inline void add(const U256& a, U256& b) noexcept {
    b = wrapping_add(a, b);
}
inline void sub(const U256& a, U256& b) noexcept {
    b = wrapping_sub(a, b);
}
inline bool less(const U256& a, const U256& b) noexcept {
    return a < b;
}
#endif

/// value + addend.
inline void add_word(U256& value, Word addend) noexcept {
    if (__builtin_add_overflow(value.words[0], addend, &value.words[0]) && ++value.words[1] == 0 &&
        ++value.words[2] == 0)
        ++value.words[3];
}

/// value - less.
inline void subtract_word(U256& value, Word less) noexcept {
    if (__builtin_sub_overflow(value.words[0], less, &value.words[0]) && value.words[1]-- == 0 &&
        value.words[2]-- == 0)
        --value.words[3];
}
inline void bit_and(const U256& a, U256& b) noexcept {
    assign(b, a.words[0] & b.words[0], a.words[1] & b.words[1], a.words[2] & b.words[2],
           a.words[3] & b.words[3]);
}
inline void bit_or(const U256& a, U256& b) noexcept {
    assign(b, a.words[0] | b.words[0], a.words[1] | b.words[1], a.words[2] | b.words[2],
           a.words[3] | b.words[3]);
}

/// 0 - value.
inline void negate(U256& value) noexcept {
    const U256 zero;
    sub(zero, value);
}

inline bool signed_less(const U256& a, const U256& b) noexcept {
    return a.is_negative() == b.is_negative() ? less(a, b) : a.is_negative();
}
inline bool equal(const U256& a, const U256& b) noexcept {
    return ((a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1]) | (a.words[2] ^ b.words[2]) |
            (a.words[3] ^ b.words[3])) == 0;
}

inline void mul(const U256& a, U256& b) noexcept {
    const auto& x = a.words;
    const auto& y = b.words;
    const auto wide = [](Word left, Word right) { return Wide{left} * right; };
    const auto high = [](Wide value) { return static_cast<Word>(value >> 64); };
    if ((x[1] | x[2] | x[3] | y[1] | y[2] | y[3]) == 0) {  // as most are
        const Wide product = wide(x[0], y[0]);
        assign(b, static_cast<Word>(product), high(product), 0, 0);
        return;
    }
    Wide cell = wide(x[0], y[0]);
    const Word word0 = static_cast<Word>(cell);
    cell = wide(x[0], y[1]) + high(cell);
    Word word1 = static_cast<Word>(cell);
    cell = wide(x[0], y[2]) + high(cell);
    Word word2 = static_cast<Word>(cell);
    Word word3 = x[0] * y[3] + high(cell);
    cell = wide(x[1], y[0]) + word1;
    word1 = static_cast<Word>(cell);
    cell = wide(x[1], y[1]) + word2 + high(cell);
    word2 = static_cast<Word>(cell);
    word3 += x[1] * y[2] + high(cell);
    cell = wide(x[2], y[0]) + word2;
    word2 = static_cast<Word>(cell);
    word3 += x[2] * y[1] + high(cell) + x[3] * y[0];
    assign(b, word0, word1, word2, word3);
}

/// Shifts b left by less than 256.
inline void shift_left(unsigned amount, U256& b) noexcept {
    Word word0 = b.words[0];
    Word word1 = b.words[1];
    Word word2 = b.words[2];
    Word word3 = b.words[3];
    if ((amount & 128) != 0) {
        word3 = word1;
        word2 = word0;
        word1 = word0 = 0;
    }
    if ((amount & 64) != 0) {
        word3 = word2;
        word2 = word1;
        word1 = word0;
        word0 = 0;
    }
    const unsigned bits = amount % 64;
    const auto joined = [bits](Word above, Word below) {
        return static_cast<Word>(((Wide{above} << 64 | below) << bits) >> 64);
    };
    assign(b, word0 << bits, joined(word1, word0), joined(word2, word1), joined(word3, word2));
}

/// Shifts b left by a.
inline void shift_left(const U256& a, U256& b) noexcept {
    if (!a.fits_u64() || a.words[0] >= 256) return assign(b, 0);
    shift_left(static_cast<unsigned>(a.words[0]), b);
}

/// Shifts b right by less than 256; words of `filling` move in from above.
inline void shift_right(unsigned amount, U256& b, Word filling) noexcept {
    Word word0 = b.words[0];
    Word word1 = b.words[1];
    Word word2 = b.words[2];
    Word word3 = b.words[3];
    if ((amount & 128) != 0) {
        word0 = word2;
        word1 = word3;
        word2 = word3 = filling;
    }
    if ((amount & 64) != 0) {
        word0 = word1;
        word1 = word2;
        word2 = word3;
        word3 = filling;
    }
    const unsigned bits = amount % 64;
    const auto joined = [bits](Word above, Word below) {
        return static_cast<Word>((Wide{above} << 64 | below) >> bits);
    };
    assign(b, joined(word1, word0), joined(word2, word1), joined(word3, word2),
           joined(filling, word3));
}

/// Shifts b right by a.
inline void shift_right(const U256& a, U256& b, Word filling) noexcept {
    if (!a.fits_u64() || a.words[0] >= 256) return assign(b, filling, filling, filling, filling);
    shift_right(static_cast<unsigned>(a.words[0]), b, filling);
}

inline void byte(const U256& a, U256& b) noexcept {
    if (!a.fits_u64() || a.words[0] >= 32) return assign(b, 0);
    const Word from_low = 31 - a.words[0];
    assign(b, (b.words.data()[from_low / 8] >> (8 * (from_low % 8))) & 0xff);
}

/// SIGNEXTEND: the byte `a` of b is its highest.
inline void sign_extend(const U256& a, U256& b) noexcept {
    if (!a.fits_u64() || a.words[0] >= 31) return;
    const auto index = static_cast<unsigned>(a.words[0]);
    const unsigned at = index / 8;
    const unsigned shift = 56 - 8 * (index % 8);
    Word* const words = b.words.data();
    const auto extended = static_cast<std::int64_t>(words[at] << shift) >> shift;
    const auto filling = static_cast<Word>(extended >> 63);
    words[at] = static_cast<Word>(extended);
    for (unsigned above = at + 1; above < 4; ++above)
        words[above] = filling;
}

/// The quotient of high:low, which has the divisor's number of digits at most: high < divisor.
struct Division {
    Word quotient;
    Word remainder;
};
inline Division divide(Word high, Word low, Word divisor) noexcept {
#if defined(__x86_64__)
    __asm__("divq %2" : "+a"(low), "+d"(high) : "r"(divisor) : "cc");
    return {low, high};
#else
    const Wide dividend = Wide{high} << 64 | low;
    return {static_cast<Word>(dividend / divisor), static_cast<Word>(dividend % divisor)};
#endif
}

/// A quotient of two words and a remainder of one.
struct SmallDivision {
    Word low;
    Word high;
    Word remainder;
};
/// a / b where a has two words at most and b one, which is not 0; a division instruction of today's
/// processors is faster than a reciprocal there.
inline SmallDivision divide_small(Word low, Word high, Word divisor) noexcept {
    if (high == 0) return {low / divisor, 0, low % divisor};
    const Word top = high / divisor;
    const Division rest = divide(high % divisor, low, divisor);
    return {rest.quotient, top, rest.remainder};
}
inline bool is_small_division(const U256& a, const U256& b) noexcept {
    return (a.words[2] | a.words[3] | b.words[1] | b.words[2] | b.words[3]) == 0 && b.words[0] != 0;
}

/// Division and remainder of small numbers; false: not done, the numbers are large.
inline bool div(const U256& a, U256& b) noexcept {
    if (!is_small_division(a, b)) return false;
    const SmallDivision result = divide_small(a.words[0], a.words[1], b.words[0]);
    assign(b, result.low, result.high, 0, 0);
    return true;
}
inline bool mod(const U256& a, U256& b) noexcept {
    if (!is_small_division(a, b)) return false;
    assign(b, divide_small(a.words[0], a.words[1], b.words[0]).remainder);
    return true;
}

}  // namespace millrace::evm::in_place
