// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "evm/revision.hpp"

/// A second machine, written for clearness alone: one step after the other, numbers as 64 digits to
/// base 2^8 with school arithmetic, prices written out again. It knows arithmetic, comparison,
/// stack, memory and jumps; a code that needs more is not its business.
namespace millrace::fuzz {

struct NaiveOutcome {
    bool is_success = false;
    bool is_revert = false;
    std::int64_t gas_left = 0;
    Bytes output;
};

namespace naive {

/// Least significant byte first; twice as wide as a word, so that products fit.
using Number = std::array<std::uint8_t, 64>;

inline Number number_of(std::uint64_t value) {
    Number result{};
    for (std::size_t index = 0; index < 8; ++index)
        result[index] = static_cast<std::uint8_t>(value >> (8 * index));
    return result;
}
inline Number cut(Number value) {
    for (std::size_t index = 32; index < 64; ++index)
        value[index] = 0;
    return value;
}
inline Number plus(const Number& left, const Number& right) {
    Number result{};
    unsigned carry = 0;
    for (std::size_t index = 0; index < 64; ++index) {
        carry += unsigned{left[index]} + right[index];
        result[index] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    return result;
}
inline Number invert(const Number& value) {
    Number result{};
    for (std::size_t index = 0; index < 64; ++index)
        result[index] = static_cast<std::uint8_t>(~value[index]);
    return result;
}
inline Number minus(const Number& left, const Number& right) {
    return plus(plus(left, invert(right)), number_of(1));
}
inline Number times(const Number& left, const Number& right) {
    Number result{};
    for (std::size_t row = 0; row < 64; ++row) {
        unsigned carry = 0;
        for (std::size_t column = 0; row + column < 64; ++column) {
            carry += unsigned{left[row]} * right[column] + result[row + column];
            result[row + column] = static_cast<std::uint8_t>(carry);
            carry >>= 8;
        }
    }
    return result;
}
inline bool is_zero(const Number& value) {
    return value == Number{};
}
inline bool is_less(const Number& left, const Number& right) {
    for (std::size_t index = 64; index-- > 0;)
        if (left[index] != right[index]) return left[index] < right[index];
    return false;
}
inline bool bit(const Number& value, std::size_t index) {
    return ((value[index / 8] >> (index % 8)) & 1) != 0;
}
inline Number doubled(const Number& value) {
    return plus(value, value);
}
struct Quotient {
    Number quotient{};
    Number remainder{};
};
/// Bit by bit; nothing by zero is zero.
inline Quotient divide(const Number& dividend, const Number& divisor) {
    Quotient result;
    if (is_zero(divisor)) return result;
    for (std::size_t index = 512; index-- > 0;) {
        result.remainder = doubled(result.remainder);
        if (bit(dividend, index)) result.remainder[0] |= 1;
        result.quotient = doubled(result.quotient);
        if (!is_less(result.remainder, divisor)) {
            result.remainder = minus(result.remainder, divisor);
            result.quotient[0] |= 1;
        }
    }
    return result;
}
inline bool is_negative(const Number& value) {
    return bit(value, 255);
}
inline Number negate(const Number& value) {
    return cut(minus(Number{}, value));
}
inline Number magnitude(const Number& value) {
    return is_negative(value) ? negate(value) : value;
}
/// 64-bit value; null when larger.
inline std::optional<std::uint64_t> small(const Number& value) {
    std::uint64_t result = 0;
    for (std::size_t index = 0; index < 64; ++index) {
        if (index >= 8 && value[index] != 0) return std::nullopt;
        if (index < 8) result |= std::uint64_t{value[index]} << (8 * index);
    }
    return result;
}
/// Bit i of the result is bit `from(i)` of the value, or `filling` outside.
template <typename From>
Number rearranged(const Number& value, bool filling, From from) {
    Number result{};
    for (std::int64_t index = 0; index < 256; ++index) {
        const std::int64_t source = from(index);
        const bool is_set =
            source < 0 || source > 255 ? filling : bit(value, static_cast<std::size_t>(source));
        if (is_set)
            result[static_cast<std::size_t>(index / 8)] |=
                static_cast<std::uint8_t>(1U << (index % 8));
    }
    return result;
}

}  // namespace naive

/// Null when the code meets an instruction that this machine does not know.
inline std::optional<NaiveOutcome> run_naively(evm::Revision revision, ByteView code,
                                               std::int64_t gas) {
    using namespace naive;
    using evm::Revision;
    std::vector<bool> targets(code.size());
    for (std::size_t at = 0; at < code.size(); ++at) {
        targets[at] = code[at] == 0x5b;
        if (code[at] >= 0x60 && code[at] <= 0x7f) at += code[at] - 0x5fU;
    }
    std::vector<Number> stack;
    Bytes memory;
    const NaiveOutcome failed;
    const auto pop = [&stack] {
        const Number top = stack.back();
        stack.pop_back();
        return top;
    };
    const auto truth = [](bool value) { return number_of(value ? 1 : 0); };
    // Memory up to offset + size, paid.
    const auto touch = [&](const Number& offset, std::uint64_t size) {
        if (size == 0) return true;
        const auto start = small(offset);
        if (!start || *start > 0xffffffff || size > 0xffffffff) return false;
        const auto price = [](std::uint64_t words) { return 3 * words + words * words / 512; };
        const std::uint64_t words = (*start + size + 31) / 32;
        if (32 * words <= memory.size()) return true;
        gas -= static_cast<std::int64_t>(price(words) - price(memory.size() / 32));
        if (gas < 0) return false;
        memory.resize(32 * words);
        return true;
    };
    for (std::size_t pc = 0;; ++pc) {
        const std::uint8_t opcode = pc < code.size() ? code[pc] : 0;
        std::size_t inputs = 0;
        std::size_t outputs = 1;
        std::int64_t price = 3;
        if (opcode == 0x00) {
            inputs = outputs = 0, price = 0;
        } else if (opcode <= 0x07) {
            inputs = 2, price = opcode == 0x01 || opcode == 0x03 ? 3 : 5;
        } else if (opcode <= 0x09) {
            inputs = 3, price = 8;
        } else if (opcode <= 0x0b) {
            inputs = 2, price = opcode == 0x0a ? 10 : 5;
        } else if (opcode >= 0x10 && opcode <= 0x1a) {
            inputs = opcode == 0x15 || opcode == 0x19 ? 1 : 2;
        } else if (opcode >= 0x1b && opcode <= 0x1d) {
            if (revision < Revision::constantinople) return failed;
            inputs = 2;
        } else if (opcode == 0x1e) {
            if (revision < Revision::osaka) return failed;
            inputs = 1, price = 5;
        } else if (opcode == 0x50) {
            inputs = 1, outputs = 0, price = 2;
        } else if (opcode == 0x51) {
            inputs = 1;
        } else if (opcode == 0x52 || opcode == 0x53) {
            inputs = 2, outputs = 0;
        } else if (opcode == 0x56) {
            inputs = 1, outputs = 0, price = 8;
        } else if (opcode == 0x57) {
            inputs = 2, outputs = 0, price = 10;
        } else if (opcode >= 0x58 && opcode <= 0x5a) {
            price = 2;
        } else if (opcode == 0x5b) {
            outputs = 0, price = 1;
        } else if (opcode == 0x5e) {
            if (revision < Revision::cancun) return failed;
            inputs = 3, outputs = 0;
        } else if (opcode == 0x5f) {
            if (revision < Revision::shanghai) return failed;
            price = 2;
        } else if (opcode >= 0x60 && opcode <= 0x7f) {
            // PUSH1 to PUSH32: as above
        } else if (opcode >= 0x80 && opcode <= 0x8f) {
            inputs = opcode - 0x7fU, outputs = inputs + 1;
        } else if (opcode >= 0x90 && opcode <= 0x9f) {
            inputs = outputs = opcode - 0x8eU;
        } else if (opcode == 0xf3 || (opcode == 0xfd && revision >= Revision::byzantium)) {
            inputs = 2, outputs = 0, price = 0;
        } else if (opcode == 0xfe) {
            return failed;
        } else {
            return std::nullopt;
        }
        if (stack.size() < inputs || stack.size() - inputs + outputs > 1024) return failed;
        gas -= price;
        if (gas < 0) return failed;

        if (opcode == 0x00) return NaiveOutcome{true, false, gas, {}};
        if (opcode >= 0x60 && opcode <= 0x7f) {
            const std::size_t size = opcode - 0x5fU;
            Number value{};
            for (std::size_t index = 0; index < size; ++index)
                value[size - 1 - index] = pc + 1 + index < code.size() ? code[pc + 1 + index] : 0;
            stack.push_back(value);
            pc += size;
            continue;
        }
        if (opcode >= 0x80 && opcode <= 0x8f) {
            stack.push_back(stack[stack.size() - inputs]);
            continue;
        }
        if (opcode >= 0x90 && opcode <= 0x9f) {
            std::swap(stack.back(), stack[stack.size() - inputs]);
            continue;
        }
        const Number a = inputs > 0 ? pop() : Number{};
        const Number b = inputs > 1 ? pop() : Number{};
        const Number c = inputs > 2 ? pop() : Number{};
        const std::optional<std::uint64_t> amount = small(a);
        const std::int64_t distance =
            amount && *amount < 256 ? static_cast<std::int64_t>(*amount) : 256;
        Number result{};
        switch (opcode) {
            case 0x01:
                result = cut(plus(a, b));
                break;
            case 0x02:
                result = cut(times(a, b));
                break;
            case 0x03:
                result = cut(minus(a, b));
                break;
            case 0x04:
                result = divide(a, b).quotient;
                break;
            case 0x05:
                result = divide(magnitude(a), magnitude(b)).quotient;
                if (is_negative(a) != is_negative(b)) result = negate(result);
                break;
            case 0x06:
                result = divide(a, b).remainder;
                break;
            case 0x07:
                result = divide(magnitude(a), magnitude(b)).remainder;
                if (is_negative(a)) result = negate(result);
                break;
            case 0x08:
                result = divide(plus(a, b), c).remainder;
                break;
            case 0x09:
                result = divide(times(a, b), c).remainder;
                break;
            case 0x0a: {
                std::size_t size = 32;
                while (size > 0 && b[size - 1] == 0)
                    --size;
                gas -= static_cast<std::int64_t>(size) *
                       (revision >= Revision::spurious_dragon ? 50 : 10);
                if (gas < 0) return failed;
                result = number_of(1);
                for (std::size_t index = 8 * size; index-- > 0;) {
                    result = cut(times(result, result));
                    if (bit(b, index)) result = cut(times(result, a));
                }
                break;
            }
            case 0x0b: {
                const std::int64_t sign = amount && *amount < 31 ? 8 * distance + 7 : 255;
                result = rearranged(
                    b, false, [sign](std::int64_t index) { return index < sign ? index : sign; });
                break;
            }
            case 0x10:
                result = truth(is_less(a, b));
                break;
            case 0x11:
                result = truth(is_less(b, a));
                break;
            case 0x12:
            case 0x13: {
                const Number& first = opcode == 0x12 ? a : b;
                const Number& second = opcode == 0x12 ? b : a;
                result = truth(is_negative(first) != is_negative(second) ? is_negative(first)
                                                                         : is_less(first, second));
                break;
            }
            case 0x14:
                result = truth(a == b);
                break;
            case 0x15:
                result = truth(is_zero(a));
                break;
            case 0x16:
            case 0x17:
            case 0x18:
                for (std::size_t index = 0; index < 32; ++index) {
                    const unsigned x = a[index];
                    const unsigned y = b[index];
                    result[index] = static_cast<std::uint8_t>(opcode == 0x16   ? x & y
                                                              : opcode == 0x17 ? x | y
                                                                               : x ^ y);
                }
                break;
            case 0x19:
                result = cut(invert(a));
                break;
            case 0x1a:
                result = number_of(
                    amount && *amount < 32 ? b[31 - static_cast<std::size_t>(*amount)] : 0);
                break;
            case 0x1b:
                result = rearranged(b, false,
                                    [distance](std::int64_t index) { return index - distance; });
                break;
            case 0x1c:
            case 0x1d:
                result = rearranged(b, opcode == 0x1d && is_negative(b),
                                    [distance](std::int64_t index) { return index + distance; });
                break;
            case 0x1e: {
                std::size_t zeros = 0;
                while (zeros < 256 && !bit(a, 255 - zeros))
                    ++zeros;
                result = number_of(zeros);
                break;
            }
            case 0x51:
            case 0x52:
                if (!touch(a, 32)) return failed;
                for (std::size_t index = 0; index < 32; ++index) {
                    std::uint8_t& cell = memory[*amount + index];
                    if (opcode == 0x52) cell = b[31 - index];
                    result[31 - index] = cell;
                }
                break;
            case 0x53:
                if (!touch(a, 1)) return failed;
                memory[*amount] = b[0];
                break;
            case 0x56:
            case 0x57:
                if (opcode == 0x57 && is_zero(b)) break;
                if (!amount || *amount >= code.size() || !targets[*amount]) return failed;
                pc = *amount - 1;  // wraps for 0 and comes back
                break;
            case 0x58:
                result = number_of(pc);
                break;
            case 0x59:
                result = number_of(memory.size());
                break;
            case 0x5a:
                result = number_of(static_cast<std::uint64_t>(gas));
                break;
            case 0x5e: {
                const auto size = small(c);
                if (!size || !touch(a, *size) || !touch(b, *size)) return failed;
                gas -= 3 * static_cast<std::int64_t>((*size + 31) / 32);
                if (gas < 0) return failed;
                if (*size == 0) break;
                const std::uint64_t source = *small(b);
                const Bytes copy(memory.begin() + static_cast<std::ptrdiff_t>(source),
                                 memory.begin() + static_cast<std::ptrdiff_t>(source + *size));
                for (std::size_t index = 0; index < copy.size(); ++index)
                    memory[*amount + index] = copy[index];
                break;
            }
            case 0xf3:
            case 0xfd: {
                const auto size = small(b);
                if (!size || !touch(a, *size)) return failed;
                NaiveOutcome outcome{opcode == 0xf3, opcode == 0xfd, gas, {}};
                for (std::uint64_t index = 0; index < *size; ++index)
                    outcome.output.push_back(memory[*amount + index]);
                return outcome;
            }
            default:
                break;
        }
        if (outputs == 1) stack.push_back(result);
    }
}

}  // namespace millrace::fuzz
