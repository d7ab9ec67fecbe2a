// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/prng.hpp"
#include "wasm/code_writer.hpp"
#include "wasm/sample_modules.hpp"

/// For tests: random programs that care about the bits of floats. Every instruction that makes,
/// keeps, changes or shows a NaN occurs, in loops and on ways that join, with constants that are
/// NaNs of many kinds. "f" takes and gives one value of each type's bits as i64.
namespace millrace::aot::twin {

class FloatProgram {
  public:
    explicit FloatProgram(std::uint64_t seed) : prng_{seed} {}

    Bytes module() {
        using wasm::ValueType;
        const wasm::FuncType outer{{ValueType::i64, ValueType::i64}, {ValueType::i64}};
        const wasm::FuncType inner{{ValueType::f32, ValueType::f64}, {ValueType::f64}};
        const Bytes helper = body(false);
        const Bytes main = body(true);
        return wasm::ModuleWriter{}
            .memory(1, 1)
            .whole_function("f", outer, main)
            .whole_function("g", inner, helper)
            .bytes();
    }

  private:
    enum Type : std::uint8_t { i32 = 0, i64 = 1, f32 = 2, f64 = 3 };
    // Locals: two parameters, then two of each type.
    static Bytes extra_locals() { return {4, 2, 0x7f, 2, 0x7e, 2, 0x7d, 2, 0x7c}; }

    std::uint32_t pick(std::uint32_t bound) {
        return static_cast<std::uint32_t>(prng_.below(bound));
    }
    void put(std::initializer_list<std::uint8_t> bytes) { code_.put(bytes); }
    std::uint8_t local(Type type) {
        return static_cast<std::uint8_t>(2U + 2U * static_cast<unsigned>(type) + pick(2));
    }

    Bytes body(bool is_main) {
        code_ = {};
        code_.put(extra_locals());
        is_main_ = is_main;
        budget_ = 90;
        if (is_main) {
            put({0x20, 0, 0xbf, 0x21, 8, 0x20, 1, 0xbf, 0x21, 9});              // f64 locals
            put({0x20, 0, 0xa7, 0xbe, 0x21, 6, 0x20, 1, 0xa7, 0xbe, 0x21, 7});  // f32 locals
        } else {
            put({0x20, 0, 0x21, 6, 0x20, 1, 0x21, 8});
        }
        statements(3);
        if (is_main) {
            // Everything that locals hold is part of the result.
            expression(i64, 3);
            for (const std::uint8_t index : Bytes{8, 9})
                put({0x20, index, 0xbd, 0x85});
            for (const std::uint8_t index : Bytes{6, 7})
                put({0x20, index, 0xbc, 0xad, 0x42, 31, 0x89, 0x85});
            for (const std::uint8_t index : Bytes{4, 5})
                put({0x20, index, 0x85});
        } else {
            expression(f64, 3);
        }
        put({0x0b});
        return code_.take();
    }

    void float_constant(Type type) {
        if (type == f32) {
            put({0x43});
            code_.word(wasm::odd_singles[pick(12)], 4);
        } else {
            put({0x44});
            code_.word(wasm::odd_doubles[pick(12)], 8);
        }
    }
    void leaf(Type type) {
        if (pick(2) == 0) return put({0x20, local(type)});
        if (type == f32 || type == f64) return float_constant(type);
        put({static_cast<std::uint8_t>(type == i32 ? 0x41 : 0x42),
             static_cast<std::uint8_t>(pick(64))});
    }
    void address() {
        expression(i32, 1);
        put({0x41, 0xf8, 0xff, 0x03, 0x71});  // & 0xfff8: with the offset some trap
    }
    std::uint8_t offset() { return static_cast<std::uint8_t>(pick(12)); }

    void expression(Type type, int depth) {
        if (depth <= 0 || --budget_ < 0) return leaf(type);
        switch (pick(10)) {
            case 0:
                return leaf(type);
            case 1:
                expression(type, depth - 1);
                return put({0x22, local(type)});
            case 2: {
                address();
                static constexpr std::uint8_t loads[] = {0x28, 0x29, 0x2a, 0x2b};
                return put({loads[type], 0, offset()});
            }
            case 3: {
                expression(i32, depth - 1);
                static constexpr std::uint8_t types[] = {0x7f, 0x7e, 0x7d, 0x7c};
                put({0x04, types[type]});
                expression(type, depth - 1);
                put({0x05});
                expression(type, depth - 1);
                return put({0x0b});
            }
            case 4:
                expression(type, depth - 1);
                expression(type, depth - 1);
                expression(i32, depth - 1);
                return put({0x1b});
            default:
                break;
        }
        if (type == i32) return integer(depth);
        if (type == i64) return wide(depth);
        real(type, depth);
    }
    void integer(int depth) {
        switch (pick(5)) {
            case 0:
                expression(f32, depth - 1);
                return put({0xbc});  // reinterpret
            case 1:
                expression(f64, depth - 1);
                expression(f64, depth - 1);
                return put({static_cast<std::uint8_t>(0x61 + pick(6))});
            case 2:
                expression(f32, depth - 1);
                expression(f32, depth - 1);
                return put({static_cast<std::uint8_t>(0x5b + pick(6))});
            case 3:
                expression(f64, depth - 1);
                if (pick(3) == 0) return put({0xaa});  // may trap
                return put({0xfc, static_cast<std::uint8_t>(2 + pick(2))});
            default:
                expression(i64, depth - 1);
                return put({0xa7});
        }
    }
    void wide(int depth) {
        switch (pick(3)) {
            case 0:
                expression(f64, depth - 1);
                return put({0xbd});  // reinterpret
            case 1:
                expression(f32, depth - 1);
                return put({0xfc, static_cast<std::uint8_t>(4 + pick(2))});
            default:
                expression(i64, depth - 1);
                expression(i64, depth - 1);
                static constexpr std::uint8_t operations[] = {0x7c, 0x85, 0x7e, 0x89};
                return put({operations[pick(4)]});
        }
    }
    void real(Type type, int depth) {
        const bool is_single = type == f32;
        const auto opcode = [&](unsigned single, unsigned distance) {
            return static_cast<std::uint8_t>(is_single ? single : single + distance);
        };
        switch (pick(7)) {
            case 0:
                expression(type, depth - 1);
                return put({static_cast<std::uint8_t>(opcode(0x8b, 14) + pick(7))});  // abs … sqrt
            case 1:
            case 2:
            case 3:
                expression(type, depth - 1);
                expression(type, depth - 1);
                return put({static_cast<std::uint8_t>(opcode(0x92, 14) + pick(7))});
            case 4:
                expression(is_single ? i32 : i64, depth - 1);
                return put({static_cast<std::uint8_t>(is_single ? 0xbe : 0xbf)});
            case 5:
                expression(is_single ? f64 : f32, depth - 1);
                return put({static_cast<std::uint8_t>(is_single ? 0xb6 : 0xbb)});
            default:
                expression(type, depth - 1);
                return put({static_cast<std::uint8_t>(opcode(0x8b, 14) + pick(2))});  // abs, neg
        }
    }

    void statements(int depth) {
        for (std::uint32_t left = 1 + pick(4); left > 0; --left)
            statement(depth);
    }
    void statement(int depth) {
        if (depth <= 0 || --budget_ < 0) return put({0x01});
        const auto type = static_cast<Type>(pick(4));
        switch (pick(7)) {
            case 0:
            case 1:
                expression(type, depth);
                return put({0x21, local(type)});
            case 2: {
                address();
                expression(type, depth - 1);
                static constexpr std::uint8_t stores[] = {0x36, 0x37, 0x38, 0x39};
                return put({stores[type], 0, offset()});
            }
            case 3:
                put({0x03, 0x40});
                statements(depth - 1);
                expression(i32, depth - 1);
                return put({0x0d, 0, 0x0b});
            case 4:
                expression(i32, depth - 1);
                put({0x04, 0x40});
                statements(depth - 1);
                put({0x05});
                statements(depth - 1);
                return put({0x0b});
            case 5:
                put({0x02, 0x40});
                statements(depth - 1);
                expression(i32, depth - 1);
                put({0x0d, 0});
                statements(depth - 1);
                return put({0x0b});
            default:
                if (!is_main_) return put({0x01});
                expression(f32, depth - 1);
                expression(f64, depth - 1);
                return put({0x10, 1, 0x21, local(f64)});
        }
    }

    Prng prng_;
    wasm::CodeWriter code_;
    bool is_main_ = false;
    int budget_ = 0;
};

}  // namespace millrace::aot::twin
