// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "wasm/naive_program.hpp"
#include "wasm/trap.hpp"

/// For tests: runs a program's bytes as the specification words it, one instruction at a time on an
/// operand stack.
namespace millrace::wasm::twin {

struct Ended {
    enum class Kind : std::uint8_t { returned, trapped, out_of_fuel };
    Kind kind = Kind::returned;
    TrapKind trap = TrapKind::unreachable;
    std::uint32_t result = 0;
    std::uint64_t fuel = 0;  ///< of the instructions that ran
};

class Naive {
  public:
    Naive(const Program& program, std::uint64_t limit)
        : program_{program}, limit_{limit}, memory_(page_size) {}

    Ended run(std::uint32_t left, std::uint32_t right) {
        ended_.result = call(0, left, right).value_or(0);
        ended_.fuel = fuel_;
        return ended_;
    }
    [[nodiscard]] const Bytes& memory() const noexcept { return memory_; }

  private:
    struct Label {
        bool is_loop;
        std::size_t arity;
        std::size_t height;
        std::size_t start;  ///< of the body
    };

    std::nullopt_t stop(TrapKind trap) {
        ended_ = {.kind = Ended::Kind::trapped, .trap = trap};
        return std::nullopt;
    }
    static std::uint64_t leb(const Bytes& code, std::size_t& at, bool is_signed) {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const std::uint8_t byte = code[at++];
            value |= std::uint64_t{byte & 0x7fU} << shift;
            if ((byte & 0x80U) != 0) continue;
            if (is_signed && (byte & 0x40U) != 0 && shift + 7 < 64) value |= ~0ULL << (shift + 7);
            return value;
        }
    }
    static void skip_immediates(const Bytes& code, std::uint8_t opcode, std::size_t& at) {
        switch (opcode) {
            case 0x02:
            case 0x03:
            case 0x04:
            case 0x0c:
            case 0x0d:
            case 0x10:
            case 0x12:
            case 0x20:
            case 0x21:
            case 0x22:
                ++at;
                return;
            case 0x28:
            case 0x2d:
            case 0x36:
            case 0x3a:
                at += 2;
                return;
            case 0x41:
            case 0x42:
                leb(code, at, true);
                return;
            case 0x0e:
                at += 4;
                return;
            default:
                return;
        }
    }
    /// The position of the else (if wanted) or end of the block whose body starts at `at`.
    static std::size_t find(const Bytes& code, std::size_t at, bool wants_else) {
        for (int depth = 0;;) {
            const std::uint8_t opcode = code[at];
            if (depth == 0 && (opcode == 0x0b || (opcode == 0x05 && wants_else))) return at;
            ++at;
            if (opcode == 0x02 || opcode == 0x03 || opcode == 0x04) ++depth;
            if (opcode == 0x0b) --depth;
            skip_immediates(code, opcode, at);
        }
    }

    std::optional<std::uint32_t> call(unsigned index, std::uint32_t left, std::uint32_t right) {
        const Bytes& code = program_.code[index];
        std::uint32_t locals[Program::locals] = {left, right};
        std::vector<std::uint64_t> stack;
        std::vector<Label> labels{{false, 1, 0, 0}};
        const auto pop = [&stack] {
            const std::uint64_t value = stack.back();
            stack.pop_back();
            return value;
        };
        const auto pop32 = [&pop] { return static_cast<std::uint32_t>(pop()); };
        std::size_t at = 0;
        const auto branch = [&](std::size_t depth) {
            labels.resize(labels.size() - depth);
            const Label label = labels.back();
            const std::size_t arity = label.is_loop ? 0 : label.arity;
            stack.erase(stack.begin() + static_cast<std::ptrdiff_t>(label.height),
                        stack.end() - static_cast<std::ptrdiff_t>(arity));
            if (label.is_loop) {
                at = label.start;
            } else {
                at = find(code, label.start, false) + 1;
                labels.pop_back();
            }
        };
        while (!labels.empty()) {
            const std::uint8_t opcode = code[at++];
            if (opcode != 0x01 && opcode != 0x02 && opcode != 0x03 && opcode != 0x05 &&
                opcode != 0x0b && ++fuel_ > limit_) {
                ended_ = {.kind = Ended::Kind::out_of_fuel};
                return std::nullopt;
            }
            switch (opcode) {
                case 0x01:
                    break;
                case 0x02:
                case 0x03:
                case 0x04: {
                    const std::uint8_t type = code[at++];
                    const bool is_taken = opcode != 0x04 || pop32() != 0;
                    const bool is_pair = type == Program::pair_type;
                    labels.push_back({opcode == 0x03, is_pair ? 2U : (type == 0x40 ? 0U : 1U),
                                      stack.size() - (is_pair ? 2U : 0U), at});
                    if (is_taken) break;
                    at = find(code, at, true);
                    if (code[at] == 0x05) ++at;
                    break;
                }
                case 0x05:
                    at = find(code, at, false);
                    break;
                case 0x0b:
                    labels.pop_back();
                    break;
                case 0x0c:
                    branch(code[at]);
                    break;
                case 0x0d: {
                    const std::uint8_t depth = code[at++];
                    if (pop32() != 0) branch(depth);
                    break;
                }
                case 0x0e:
                    branch(code[at + 1 + std::min(pop32(), 2U)]);
                    break;
                case 0x0f:
                    branch(labels.size() - 1);
                    break;
                case 0x10:
                case 0x12: {
                    ++at;
                    const std::uint32_t second = pop32();
                    const std::uint32_t first = pop32();
                    const auto result = call(1, first, second);
                    if (!result || opcode == 0x12) return result;
                    stack.push_back(*result);
                    break;
                }
                case 0x1a:
                    pop();
                    break;
                case 0x1b: {
                    const bool chosen = pop32() != 0;
                    const std::uint64_t other = pop();
                    if (!chosen) stack.back() = other;
                    break;
                }
                case 0x20:
                    stack.push_back(locals[code[at++]]);
                    break;
                case 0x21:
                    locals[code[at++]] = pop32();
                    break;
                case 0x22:
                    locals[code[at++]] = static_cast<std::uint32_t>(stack.back());
                    break;
                case 0x28:
                case 0x2d:
                case 0x36:
                case 0x3a: {
                    const bool is_store = opcode >= 0x36;
                    const std::uint32_t value = is_store ? pop32() : 0;
                    const std::uint64_t address = std::uint64_t{pop32()} + code[at + 1];
                    at += 2;
                    const std::size_t size = opcode == 0x28 || opcode == 0x36 ? 4 : 1;
                    if (address + size > memory_.size())
                        return stop(TrapKind::memory_out_of_bounds);
                    std::uint32_t loaded = 0;
                    if (is_store) {
                        std::memcpy(memory_.data() + address, &value, size);
                    } else {
                        std::memcpy(&loaded, memory_.data() + address, size);
                        stack.push_back(loaded);
                    }
                    break;
                }
                case 0x41:
                    stack.push_back(static_cast<std::uint32_t>(leb(code, at, true)));
                    break;
                case 0x42:
                    stack.push_back(leb(code, at, true));
                    break;
                case 0x45:
                    stack.push_back(pop32() == 0);
                    break;
                case 0x67:
                    stack.push_back(static_cast<std::uint64_t>(std::countl_zero(pop32())));
                    break;
                case 0x68:
                    stack.push_back(static_cast<std::uint64_t>(std::countr_zero(pop32())));
                    break;
                case 0x69:
                    stack.push_back(static_cast<std::uint64_t>(std::popcount(pop32())));
                    break;
                case 0x89: {
                    const std::uint64_t by = pop();
                    stack.push_back(std::rotl(pop(), static_cast<int>(by & 63U)));
                    break;
                }
                case 0xa7:
                    stack.push_back(pop32());
                    break;
                case 0xad:
                    break;
                default: {
                    const std::uint32_t y = pop32();
                    const auto result = binary(opcode, pop32(), y);
                    if (!result) return std::nullopt;
                    stack.push_back(*result);
                }
            }
        }
        return static_cast<std::uint32_t>(stack.back());
    }

    std::optional<std::uint32_t> binary(std::uint8_t opcode, std::uint32_t x, std::uint32_t y) {
        const auto sx = static_cast<std::int32_t>(x);
        const auto sy = static_cast<std::int32_t>(y);
        switch (opcode) {
            case 0x46:
                return x == y;
            case 0x47:
                return x != y;
            case 0x48:
                return sx < sy;
            case 0x49:
                return x < y;
            case 0x4a:
                return sx > sy;
            case 0x4b:
                return x > y;
            case 0x4c:
                return sx <= sy;
            case 0x4d:
                return x <= y;
            case 0x4e:
                return sx >= sy;
            case 0x4f:
                return x >= y;
            case 0x6a:
                return x + y;
            case 0x6b:
                return x - y;
            case 0x6c:
                return x * y;
            case 0x6d:
            case 0x6e:
            case 0x6f:
            case 0x70: {
                if (y == 0) return stop(TrapKind::integer_divide_by_zero);
                if (opcode == 0x6e) return x / y;
                if (opcode == 0x70) return x % y;
                const std::int64_t wide =
                    opcode == 0x6d ? std::int64_t{sx} / sy : std::int64_t{sx} % sy;
                if (wide > 0x7fffffff) return stop(TrapKind::integer_overflow);
                return static_cast<std::uint32_t>(wide);
            }
            case 0x71:
                return x & y;
            case 0x72:
                return x | y;
            case 0x73:
                return x ^ y;
            case 0x74:
                return x << (y & 31U);
            case 0x75:
                return static_cast<std::uint32_t>(sx >> (y & 31U));
            case 0x76:
                return x >> (y & 31U);
            case 0x77:
                return std::rotl(x, static_cast<int>(y & 31U));
            default:
                return std::rotr(x, static_cast<int>(y & 31U));
        }
    }

    const Program& program_;
    std::uint64_t limit_;
    std::uint64_t fuel_ = 0;
    Bytes memory_;
    Ended ended_;
};

}  // namespace millrace::wasm::twin
