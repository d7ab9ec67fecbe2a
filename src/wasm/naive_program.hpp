// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/prng.hpp"
#include "wasm/sample_modules.hpp"

/// For tests: makes valid random programs of integers, memory and control.
namespace millrace::wasm::twin {

/// Two functions (i32, i32) -> i32, of which the first may call the second.
struct Program {
    Bytes code[2];
    static constexpr std::uint32_t locals = 5;      ///< the two parameters and three more
    static constexpr std::uint32_t mask = 0x1ffff;  ///< half of the masked addresses trap

    [[nodiscard]] Bytes module() const {
        const FuncType type{{ValueType::i32, ValueType::i32}, {ValueType::i32}};
        // The second type is that of two-valued blocks.
        const FuncType pair{{ValueType::i32, ValueType::i32}, {ValueType::i32, ValueType::i32}};
        return ModuleWriter{}
            .memory(1, 1)
            .function("f", type, code[0], locals - 2)
            .function("g", type, code[1], locals - 2)
            .function("", pair, {0x20, 0, 0x20, 1, 0x0b})
            .bytes();
    }
    static constexpr std::uint8_t pair_type = 2;
};

class Generator {
  public:
    Generator(ByteView input, std::uint64_t seed) : input_{input}, prng_{seed} {}

    Program program() {
        Program made;
        for (unsigned index = 0; index < 2; ++index) {
            code_.clear();
            arities_.assign(1, 1);
            may_call_ = index == 0;
            budget_ = 120;
            statements(3);
            expression(4);
            code_.push_back(0x0b);
            made.code[index] = code_;
        }
        return made;
    }

  private:
    std::uint32_t pick(std::uint32_t bound) {
        if (at_ < input_.size()) return input_[at_++] % bound;
        return static_cast<std::uint32_t>(prng_.below(bound));
    }
    void put(std::initializer_list<std::uint8_t> bytes) {
        code_.insert(code_.end(), bytes.begin(), bytes.end());
    }
    void constant() {
        static constexpr std::uint32_t values[] = {0, 1, 2, 7, 0xffffffff, 0x80000000, 31, 65'000};
        std::int64_t value = static_cast<std::int32_t>(values[pick(8)]);
        code_.push_back(0x41);
        for (;;) {
            const auto low = static_cast<std::uint8_t>(value & 0x7f);
            value >>= 7;
            const bool last = (value == 0 && (low & 0x40U) == 0) || (value == -1 && (low & 0x40U));
            code_.push_back(last ? low : static_cast<std::uint8_t>(low | 0x80U));
            if (last) return;
        }
    }
    std::uint8_t local() { return static_cast<std::uint8_t>(pick(Program::locals)); }
    void enter(std::uint8_t opcode, std::uint8_t type, int arity) {
        put({opcode, type});
        arities_.push_back(arity);
    }
    void leave() {
        code_.push_back(0x0b);
        arities_.pop_back();
    }
    void address(int depth) {
        expression(depth - 1);
        put({0x41, 0xff, 0xff, 0x07, 0x71});  // & 0x1ffff
    }
    void operands(int arity, int depth) {
        for (int index = 0; index < arity; ++index)
            expression(depth - 1);
    }
    std::uint8_t label() {
        return static_cast<std::uint8_t>(pick(static_cast<std::uint32_t>(arities_.size())));
    }
    [[nodiscard]] int arity(std::uint8_t depth) const {
        return arities_[arities_.size() - 1 - depth];
    }

    void expression(int depth) {
        if (depth <= 0 || --budget_ < 0) {
            if (pick(2) == 0) return constant();
            return put({0x20, local()});
        }
        switch (pick(14)) {
            case 0:
                return constant();
            case 1:
            case 2:
                return put({0x20, local()});
            case 3:
                expression(depth - 1);
                return put({0x22, local()});
            case 4:
            case 5:
                expression(depth - 1);
                expression(depth - 1);
                return put({static_cast<std::uint8_t>(0x6a + pick(15))});
            case 6:
                expression(depth - 1);
                expression(depth - 1);
                return put({static_cast<std::uint8_t>(0x46 + pick(10))});
            case 7:
                expression(depth - 1);
                return put({static_cast<std::uint8_t>(pick(2) == 0 ? 0x45 : 0x67 + pick(3))});
            case 8:
                operands(3, depth);
                return put({0x1b});
            case 9:
                address(depth);
                return put({static_cast<std::uint8_t>(pick(2) == 0 ? 0x28 : 0x2d), 0,
                            static_cast<std::uint8_t>(pick(100))});
            case 10:
                enter(0x02, 0x7f, 1);
                statements(depth - 1);
                expression(depth - 1);
                if (pick(2) == 0) {
                    expression(depth - 1);
                    put({0x0d, 0});
                }
                return leave();
            case 11:
                expression(depth - 1);
                enter(0x04, 0x7f, 1);
                statements(depth - 1);
                expression(depth - 1);
                put({0x05});
                expression(depth - 1);
                return leave();
            case 12:
                operands(2, depth);
                enter(0x02, Program::pair_type, 2);
                if (pick(2) == 0) statements(depth - 1);
                if (pick(2) == 0) {
                    expression(depth - 1);
                    put({0x0d, 0});
                }
                leave();
                return put({static_cast<std::uint8_t>(0x6a + pick(3))});
            default:
                operands(2, depth);
                if (may_call_) return put({0x10, 1});
                // The same value by way of 64 bits.
                put({0xad, 0x42, 33, 0x89, 0xa7});
                return put({0x73});
        }
    }

    void statements(int depth) {
        for (std::uint32_t left = pick(4); left > 0; --left)
            statement(depth);
    }
    void statement(int depth) {
        if (depth <= 0 || --budget_ < 0) return put({0x01});
        switch (pick(12)) {
            case 0:
            case 1:
                expression(depth);
                return put({0x21, local()});
            case 2:
                address(depth);
                expression(depth - 1);
                return put({static_cast<std::uint8_t>(pick(2) == 0 ? 0x36 : 0x3a), 0,
                            static_cast<std::uint8_t>(pick(100))});
            case 3:
                expression(depth);
                return put({0x1a});
            case 4:
                enter(0x02, 0x40, 0);
                statements(depth - 1);
                return leave();
            case 5:
                enter(0x03, 0x40, 0);
                statements(depth - 1);
                expression(depth - 1);
                put({0x0d, 0});
                return leave();
            case 6:
                expression(depth - 1);
                enter(0x04, 0x40, 0);
                statements(depth - 1);
                if (pick(2) == 0) {
                    put({0x05});
                    statements(depth - 1);
                }
                return leave();
            case 7: {
                const std::uint8_t target = label();
                operands(arity(target), depth);
                expression(depth - 1);
                put({0x0d, target});
                for (int index = 0; index < arity(target); ++index)
                    put({0x1a});
                return;
            }
            case 8: {
                const std::uint8_t target = label();
                const std::uint8_t other = label();
                const bool same = arity(target) == arity(other);
                operands(arity(target), depth);
                expression(depth - 1);
                return put({0x0e, 2, target, same ? other : target, target});
            }
            case 9: {
                if (pick(3) != 0) return put({0x01});
                const std::uint8_t target = label();
                operands(arity(target), depth);
                return put({0x0c, target});
            }
            case 10:
                if (!may_call_ || pick(2) != 0) return put({0x01});
                operands(2, depth);
                return put({0x12, 1});
            default:
                expression(depth - 1);
                enter(0x04, 0x40, 0);
                expression(depth - 1);
                put({0x0f});
                return leave();
        }
    }

    ByteView input_;
    std::size_t at_ = 0;
    Prng prng_;
    Bytes code_;
    std::vector<int> arities_;
    bool may_call_ = false;
    int budget_ = 0;
};

}  // namespace millrace::wasm::twin
