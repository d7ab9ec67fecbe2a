// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/machine.hpp"

#include <gtest/gtest.h>

#include "evm/arena.hpp"
#include "evm/create_address.hpp"
#include "evm/machine_sample.hpp"
#include "evm/opcodes.hpp"

namespace millrace::evm {
namespace {

constexpr std::string_view return_top = "600052 60206000f3";

std::string push32(const U256& value) {
    return "7f" + to_hex(to_word(value).view());
}

/// What an operation makes of operands, the first on top.
U256 evaluate(std::string_view opcode, std::initializer_list<U256> operands) {
    std::string code;
    for (auto operand = operands.end(); operand != operands.begin();)
        code += push32(*--operand);
    Sample sample;
    return word_of(sample.run(code + std::string{opcode} + std::string{return_top}));
}

const U256 minus_one = ~U256{};
const U256 lowest = shift_left(U256{1}, 255);

TEST(Machine, pays_for_each_instruction_and_for_memory) {
    Sample sample;
    const CallResult result = sample.run("6002600301 60005260206000f3");
    EXPECT_EQ(result.status, Status::success);
    EXPECT_EQ(word_of(result), U256{5});
    EXPECT_EQ(Sample::gas_used(result), 7 * 3 + 3);
}

TEST(Machine, arithmetic_wraps_and_division_by_zero_is_zero) {
    EXPECT_EQ(evaluate("01", {minus_one, U256{2}}), U256{1});
    EXPECT_EQ(evaluate("03", {U256{1}, U256{2}}), minus_one);
    EXPECT_EQ(evaluate("02", {minus_one, minus_one}), U256{1});
    for (const std::string_view opcode : {"04", "05", "06", "07"})
        EXPECT_TRUE(evaluate(opcode, {U256{9}, U256{0}}).is_zero()) << opcode;
    for (const std::string_view opcode : {"08", "09"})
        EXPECT_TRUE(evaluate(opcode, {U256{9}, U256{9}, U256{0}}).is_zero()) << opcode;
    EXPECT_EQ(evaluate("08", {minus_one, minus_one, U256{7}}),
              add_mod(minus_one, minus_one, U256{7}));
    EXPECT_EQ(evaluate("09", {minus_one, minus_one, U256{12}}), U256{9});
    EXPECT_EQ(evaluate("0a", {U256{3}, U256{5}}), U256{243});
    EXPECT_EQ(evaluate("0a", {U256{0}, U256{0}}), U256{1});
}

TEST(Machine, signed_division_rounds_to_zero) {
    EXPECT_EQ(evaluate("05", {lowest, minus_one}), lowest);
    EXPECT_EQ(evaluate("05", {wrapping_negate(U256{7}), U256{2}}), wrapping_negate(U256{3}));
    EXPECT_EQ(evaluate("07", {wrapping_negate(U256{7}), U256{2}}), minus_one);
    EXPECT_EQ(evaluate("07", {U256{7}, wrapping_negate(U256{2})}), U256{1});
}

TEST(Machine, division_by_the_processor_equals_division_by_words) {
    const U256 two_words = shift_left(U256{0xfedcba9876543210}, 60);
    for (const U256& dividend : {two_words, U256{~std::uint64_t{0}}, shift_left(two_words, 4)}) {
        for (const U256& divisor : {U256{1}, U256{3}, U256{~std::uint64_t{0}}, two_words}) {
            const U256Division expected = divide_or_zero(dividend, divisor);
            EXPECT_EQ(evaluate("04", {dividend, divisor}), expected.quotient);
            EXPECT_EQ(evaluate("06", {dividend, divisor}), expected.remainder);
            const U256 negative = wrapping_negate(dividend);
            EXPECT_EQ(evaluate("05", {negative, divisor}), wrapping_negate(expected.quotient));
            EXPECT_EQ(evaluate("07", {negative, divisor}), wrapping_negate(expected.remainder));
        }
    }
}

TEST(Machine, comparisons_are_of_all_words) {
    const U256 high = shift_left(U256{1}, 192);
    EXPECT_EQ(evaluate("10", {U256{5}, high}), U256{1});
    EXPECT_EQ(evaluate("11", {U256{5}, high}), U256{0});
    EXPECT_EQ(evaluate("12", {minus_one, U256{0}}), U256{1});
    EXPECT_EQ(evaluate("13", {minus_one, U256{0}}), U256{0});
    EXPECT_EQ(evaluate("14", {high, U256{0}}), U256{0});
    EXPECT_EQ(evaluate("15", {high}), U256{0});
}

TEST(Machine, shifts_reach_every_distance) {
    const U256 value = millrace::detail::make(0x0123456789abcdef, 0xfedcba9876543210,
                                              0xdeadbeefcafebabe, 0x8badf00d0d15ea5e);
    for (std::uint64_t distance = 0; distance < 260; ++distance) {
        const U256 amount{distance};
        EXPECT_EQ(evaluate("1b", {amount, value}), shift_left(value, distance));
        EXPECT_EQ(evaluate("1c", {amount, value}), shift_right(value, distance));
        EXPECT_EQ(evaluate("1d", {amount, value}), shift_right_signed(value, distance));
        EXPECT_EQ(evaluate("0b", {amount, value}), sign_extend(amount, value));
        EXPECT_EQ(evaluate("1a", {amount, value}), byte_at(amount, value));
    }
    EXPECT_TRUE(evaluate("1b", {lowest, value}).is_zero());
}

TEST(Machine, leading_zeros_are_counted_from_osaka) {
    EXPECT_EQ(evaluate("1e", {U256{0}}), U256{256});
    EXPECT_EQ(evaluate("1e", {lowest}), U256{0});
    Sample before{Revision::prague};
    EXPECT_EQ(before.run("60011e00").status, Status::undefined_instruction);
}

TEST(Machine, pushes_any_size_also_cut_off_by_the_end) {
    for (unsigned size = 1; size <= 32; ++size) {
        std::string code = to_hex(Bytes{static_cast<std::uint8_t>(0x5f + size)});
        Bytes bytes;
        for (unsigned index = 0; index < size; ++index)
            bytes.push_back(static_cast<std::uint8_t>(index + 1));
        Sample sample;
        EXPECT_EQ(word_of(sample.run(code + to_hex(bytes) + std::string{return_top})),
                  *u256_from_big_endian(bytes));
    }
    Sample sample;
    EXPECT_EQ(sample.run("7f01").status, Status::success);
}

TEST(Machine, an_instruction_exists_from_its_revision_on) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const Instruction& instruction = instructions[byte];
        for (std::size_t number = 0; number < revision_count; ++number) {
            const auto revision = static_cast<Revision>(number);
            std::string code;
            for (unsigned count = 0; count < instruction.inputs; ++count)
                code += "6000";
            Sample sample{revision};
            const Status status =
                sample.run(code + to_hex(Bytes{static_cast<std::uint8_t>(byte)})).status;
            const bool exists = instruction.is_defined() && revision >= instruction.since;
            EXPECT_EQ(status != Status::undefined_instruction, exists)
                << byte << " at revision " << number;
        }
    }
}

TEST(Machine, stack_bounds_hold_for_every_instruction) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const Instruction& instruction = instructions[byte];
        if (!instruction.is_defined()) continue;
        const Bytes opcode{static_cast<std::uint8_t>(byte)};
        if (instruction.inputs > 0) {
            std::string code;
            for (unsigned count = 1; count < instruction.inputs; ++count)
                code += "6000";
            Sample sample;
            EXPECT_EQ(sample.run(code + to_hex(opcode)).status, Status::stack_underflow) << byte;
        }
        if (instruction.outputs > instruction.inputs) {
            std::string code;
            for (unsigned count = 0; count < stack_items_max; ++count)
                code += "5f";
            Sample sample;
            EXPECT_EQ(sample.run(code + to_hex(opcode)).status, Status::stack_overflow) << byte;
        }
    }
}

TEST(Machine, jumps_only_to_jumpdests_outside_pushes) {
    Sample sample;
    EXPECT_EQ(sample.run("6003565b00").status, Status::success);
    EXPECT_EQ(sample.run("600456605b00").status, Status::bad_jump);  // in the data of a push
    EXPECT_EQ(sample.run("600256").status, Status::bad_jump);
    EXPECT_EQ(sample.run("68010000000000000003 56").status, Status::bad_jump);  // over 64 bits
    EXPECT_EQ(sample.run("6000 60ff 57 00").status, Status::success);           // not taken
    const Code code{assemble("5b605b5b7f5b")};
    EXPECT_TRUE(code.is_jump_target(0));
    EXPECT_FALSE(code.is_jump_target(2));
    EXPECT_TRUE(code.is_jump_target(3));
    EXPECT_FALSE(code.is_jump_target(5));
    EXPECT_FALSE(code.is_jump_target(6));
}

TEST(Machine, memory_beyond_what_gas_buys_is_out_of_gas) {
    Sample sample;
    EXPECT_EQ(sample.run("64ffffffffff51").status, Status::out_of_gas);
    EXPECT_EQ(sample.run(push32(minus_one) + "51").status, Status::out_of_gas);
    EXPECT_EQ(sample.run("6000" + push32(minus_one) + "20").status, Status::success);  // empty
    EXPECT_EQ(sample.run("6001" + push32(minus_one) + "20").status, Status::out_of_gas);
    // 1,024 words: 3 * 1024 + 1024^2 / 512.
    EXPECT_EQ(Sample::gas_used(sample.run("617fe05100")), 3 + 3 + 3 * 1024 + 2048);
}

TEST(Machine, copies_fill_with_zeros_except_return_data) {
    Sample sample;
    const Bytes input = assemble("0102");
    const CallResult result =
        sample.run_code(assemble("60206001600037 60206000f3"), Sample::gas, input);
    EXPECT_EQ(result.output[0], 2);
    EXPECT_EQ(result.output[1], 0);
    EXPECT_EQ(sample.run("600160006000 3e").status, Status::return_data_out_of_bounds);
    EXPECT_EQ(sample.run("600060006000 3e").status, Status::success);
}

TEST(Machine, mcopy_moves_overlapping_ranges) {
    Sample sample;
    // Memory 00..1f holds 1..32; copied by one byte to the right.
    const CallResult result = sample.run(
        "7f0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20 600052"
        "6020 6000 6001 5e 60216000f3");
    ASSERT_EQ(result.output.size(), 33U);
    EXPECT_EQ(result.output[0], 1);
    for (std::size_t index = 1; index < 33; ++index)
        EXPECT_EQ(result.output[index], index);
}

TEST(Machine, block_hashes_of_the_last_256_blocks_only) {
    for (const auto& [number, known] :
         {std::pair{999, true}, {744, true}, {743, false}, {1000, false}}) {
        Sample sample;
        const U256 hash =
            word_of(sample.run("61" +
                               to_hex(Bytes{static_cast<std::uint8_t>(number >> 8),
                                            static_cast<std::uint8_t>(number & 0xff)}) +
                               "40" + std::string{return_top}));
        EXPECT_EQ(!hash.is_zero(), known) << number;
    }
}

TEST(Machine, deterministic_addresses_of_eip1014) {
    struct Vector {
        std::string_view creator, salt, init_code, expected;
    };
    constexpr Vector vectors[] = {
        {"0000000000000000000000000000000000000000",
         "0000000000000000000000000000000000000000000000000000000000000000", "00",
         "4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"},
        {"deadbeef00000000000000000000000000000000",
         "0000000000000000000000000000000000000000000000000000000000000000", "00",
         "B928f69Bb1D91Cd65274e3c79d8986362984fDA3"},
        {"deadbeef00000000000000000000000000000000",
         "000000000000000000000000feed000000000000000000000000000000000000", "00",
         "D04116cDd17beBE565EB2422F2497E06cC1C9833"},
        {"0000000000000000000000000000000000000000",
         "0000000000000000000000000000000000000000000000000000000000000000", "deadbeef",
         "70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"},
        {"00000000000000000000000000000000deadbeef",
         "00000000000000000000000000000000000000000000000000000000cafebabe", "deadbeef",
         "60f3f640a8508fC6a86d45DF051962668E1e8AC7"},
        {"0000000000000000000000000000000000000000",
         "0000000000000000000000000000000000000000000000000000000000000000", "",
         "E33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"},
    };
    for (const Vector& vector : vectors) {
        EXPECT_EQ(create2_address(*fixed_from_hex<Address>(vector.creator),
                                  *fixed_from_hex<Hash32>(vector.salt),
                                  crypto::keccak256(*from_hex(vector.init_code))),
                  *fixed_from_hex<Address>(vector.expected));
    }
}

TEST(Machine, tracer_sees_every_instruction_and_changes_nothing) {
    struct Counter final : Tracer {
        std::vector<std::uint8_t> opcodes;
        int entered = 0;
        int left = 0;
        void on_enter(const Message&) override { ++entered; }
        void on_step(const Step& step) override { opcodes.push_back(step.opcode); }
        void on_leave(const CallResult&) override { ++left; }
    };
    Sample sample;
    const CallResult plain = sample.run("6002600301 60005260206000f3");
    Counter counter;
    Machine machine{Revision::osaka, sample.block,  sample.transaction,
                    sample.host,     *sample.arena, &counter};
    const CallResult traced = machine.call(Sample::message());
    EXPECT_EQ(counter.opcodes, (Bytes{0x60, 0x60, 0x01, 0x60, 0x52, 0x60, 0x60, 0xf3}));
    EXPECT_EQ(counter.entered, 1);
    EXPECT_EQ(counter.left, 1);
    EXPECT_EQ(traced.output, plain.output);
    EXPECT_EQ(traced.gas_left, plain.gas_left);
}

}  // namespace
}  // namespace millrace::evm
