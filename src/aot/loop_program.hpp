// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/prng.hpp"
#include "wasm/code_writer.hpp"
#include "wasm/sample_modules.hpp"

/// For tests: random programs of counted loops that go through memory at even steps, near its end
/// and around 2^32 as well, over ranges that may meet, with floats that may be NaNs. "f" takes two
/// values of i64, of which the low bits of the second move every address, and gives one.
namespace millrace::aot::twin {

class LoopProgram {
  public:
    explicit LoopProgram(std::uint64_t seed) : prng_{seed} {}

    Bytes module() {
        using wasm::ValueType;
        const wasm::FuncType type{{ValueType::i64, ValueType::i64}, {ValueType::i64}};
        code_ = {};
        put({4, 8, 0x7f, 1, 0x7e, 1, 0x7d, 3, 0x7c});
        fill(0);
        fill(65'536 - 2'048);
        for (std::uint32_t left = 1 + pick(3); left > 0; --left) {
            if (pick(8) == 0) put({0x41, 1, 0x40, 0, 0x1a});  // memory.grow
            const bool is_nested = pick(3) == 0;
            if (is_nested) {
                constant(0);
                put({0x21, outer, 0x03, 0x40});
            }
            loop();
            if (!is_nested) continue;
            put({0x20, outer, 0x41, 1, 0x6a, 0x22, outer, 0x41, 3, 0x47, 0x0d, 0, 0x0b});
        }
        put({0x20, wide});
        for (const std::uint8_t index : Bytes{counter, counter + 1, counter + 2, counter + 3, sum})
            put({0x42, 7, 0x89, 0x20, index, 0xad, 0x85});
        for (const std::uint8_t index : Bytes{real, real + 1, real + 2})
            put({0x42, 9, 0x89, 0x20, index, 0xbd, 0x85});
        put({0x20, single, 0xbc, 0xad, 0x85, 0x0b});
        return wasm::ModuleWriter{}.memory(1, 3).whole_function("f", type, code_.bytes()).bytes();
    }

  private:
    // Locals. Three pointers follow the counter.
    static constexpr std::uint8_t counter = 2;
    static constexpr std::uint8_t limit = 6;
    static constexpr std::uint8_t sum = 7;
    static constexpr std::uint8_t outer = 8;
    static constexpr std::uint8_t trips = 9;
    static constexpr std::uint8_t wide = 10;
    static constexpr std::uint8_t single = 11;
    static constexpr std::uint8_t real = 12;

    std::uint32_t pick(std::uint32_t bound) {
        return static_cast<std::uint32_t>(prng_.below(bound));
    }
    template <typename... Numbers>
    std::int64_t one_of(Numbers... numbers) {
        const std::int64_t list[] = {static_cast<std::int64_t>(numbers)...};
        return list[pick(sizeof...(numbers))];
    }
    void put(std::initializer_list<std::uint8_t> bytes) { code_.put(bytes); }
    void constant(std::int64_t value) {
        put({0x41});
        code_.signed_number(value);
    }
    void double_constant() {
        static constexpr std::uint64_t doubles[] = {
            0,
            0x8000000000000000,
            0x3ff8000000000000,
            0x7ff0000000000000,
            0x7ff4000000000001,
            0xfff8123456789abc,
            0xc024000000000000,
        };
        const std::uint64_t bits = doubles[pick(7)];
        put({0x44});
        code_.word(bits, 8);
    }

    /// 256 doubles, some of them NaNs.
    void fill(std::uint32_t at) {
        constant(0);
        put({0x21, counter, 0x03, 0x40, 0x20, counter});
        constant(static_cast<std::int64_t>(at));
        put({0x6a, 0x20, counter, 0xb7, 0xbd, 0x20, 0, 0x20, counter});
        constant(one_of(8, 0x78, 0x1f8));
        put({0x71, 0x1b, 0x37, 0, 0, 0x20, counter, 0x41, 8, 0x6a, 0x22, counter});
        constant(2'048);
        put({0x47, 0x0d, 0, 0x0b});
    }

    void loop() {
        has_way_out_ = pick(5) == 0;
        const std::int64_t step = one_of(1, 1, 1, 2, 8, 24, -1, -8);
        const std::int64_t rounds = one_of(1, 2, 3, 4, 5, 7, 8, 16, 33, 64);
        const std::int64_t start = one_of(0, 0, 1, 8, 1'000);
        constant(start);
        put({0x21, counter});
        // Known to the compiler, or not.
        if (pick(2) == 0) {
            constant(start + step * rounds);
        } else {
            put({0x20, 1, 0x42, 32, 0x88, 0xa7});
            constant(step);
            put({0x6c});
            constant(start + step * rounds);
            put({0x6a});
        }
        put({0x21, limit});
        for (std::uint8_t index = 0; index < 3; ++index) {
            put({0x20, 1, 0xa7});
            if (pick(5) == 0) {
                // Accesses that end within a few bytes of the memory's end.
                const std::int64_t far = one_of(8 * rounds, 8 * (start + step * rounds));
                constant(65'536 - far + one_of(-16, -8, -4, 0, 4, 8));
            } else {
                constant(one_of(0, 8, 64, 300, 1'024, 1'500, 65'536 - 1'024, 65'536 - 512,
                                65'536 - 64, -16, -4'096));
            }
            put({0x6a, 0x21, static_cast<std::uint8_t>(counter + 1 + index)});
        }
        if (has_way_out_) put({0x02, 0x40});
        put({0x03, 0x40});
        for (std::uint32_t left = 1 + pick(5); left > 0; --left)
            statement();
        for (std::uint8_t index = 0; index < 3; ++index) {
            if (pick(2) == 0) continue;
            const auto local = static_cast<std::uint8_t>(counter + 1 + index);
            put({0x20, local});
            constant(one_of(8, 8, 16, 24, 4, 1, -8));
            put({0x6a, 0x21, local});
        }
        put({0x20, counter});
        constant(step);
        put({0x6a, 0x22, counter, 0x20, limit});
        // Not equal; or less or greater, as the counter goes.
        const bool is_up = step > 0;
        put({static_cast<std::uint8_t>(pick(2) == 0 ? 0x47 : (is_up ? 0x48 : 0x4a)), 0x0d, 0,
             0x0b});
        if (has_way_out_) put({0x0b});
    }
    void address() {
        put({0x20, static_cast<std::uint8_t>(counter + 1 + pick(3))});
        if (pick(2) == 0) {
            put({0x20, counter});
            constant(one_of(1, 8, 4));
            put({0x6c, 0x6a});
        }
        if (pick(3) == 0) {
            constant(one_of(8, 16, -8));
            put({0x6a});
        }
    }
    void place() {
        put({0});
        const std::int64_t offset = one_of(0, 0, 8, 16, 32);
        put({static_cast<std::uint8_t>(offset)});
    }
    void access(std::uint8_t opcode) {
        put({opcode});
        place();
    }
    void load(std::uint8_t opcode) {
        address();
        access(opcode);
    }

    void statement() {
        switch (pick(12)) {
            case 0:
            case 1:
            case 2:
                address();
                number(2);
                return access(0x39);
            case 3:
                address();
                number(2);
                put({0xb6});
                return access(0x38);
            case 4:  // a copy, whose bits stay
                address();
                load(0x2b);
                return access(0x39);
            case 5:
                address();
                load(0x29);
                put({0x20, 0, 0x7c});
                return access(0x37);
            case 6:
                address();
                load(0x2d);
                put({0x20, counter, 0x6a});
                return access(0x3a);
            case 7:
                number(2);
                return put({0x21, static_cast<std::uint8_t>(real + pick(3))});
            case 8:
                load(0x28);
                return put({0x20, sum, 0x6a, 0x21, sum});
            case 9:
                load(0x2a);
                put({0x20, single, 0x92, 0x21, single});
                return;
            case 10:
                if (has_way_out_) {
                    load(0x29);
                    return put({0x42, 3, 0x51, 0x0d, 1});
                }
                number(1);
                return put({0xbd, 0x20, wide, 0x85, 0x21, wide});
            default:
                if (pick(4) == 0) {  // may trap
                    load(0x2b);
                    return put({0xaa, 0x21, sum});
                }
                load(0x2d);
                put({0x04, 0x40});
                address();
                number(1);
                access(0x39);
                return put({0x0b});
        }
    }
    /// A double.
    void number(int depth) {
        if (depth == 0) {
            switch (pick(5)) {
                case 0:
                    return double_constant();
                case 1:
                    return put({0x20, static_cast<std::uint8_t>(real + pick(3))});
                case 2:
                    return put({0x20, counter, 0xb7});
                default:
                    return load(0x2b);
            }
        }
        switch (pick(8)) {
            case 0:
                number(depth - 1);
                return put({static_cast<std::uint8_t>(one_of(0x99, 0x9a, 0x9f))});
            case 1:
                load(0x2a);
                return put({0xbb});
            case 2:
                return number(depth - 1);
            default:
                number(depth - 1);
                number(depth - 1);
                return put({static_cast<std::uint8_t>(0xa0 + pick(7))});
        }
    }

    Prng prng_;
    wasm::CodeWriter code_;
    bool has_way_out_ = false;
};

}  // namespace millrace::aot::twin
