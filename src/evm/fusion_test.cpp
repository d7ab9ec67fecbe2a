// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/fusion.hpp"

#include <gtest/gtest.h>

#include <random>

#include "evm/code.hpp"
#include "evm/machine_sample.hpp"

namespace millrace::evm {
namespace {

constexpr FusedSequence sequences[] = {
#define MILLRACE_FUSION(name, ...) fused::name,
    MILLRACE_EVM_FUSIONS(MILLRACE_FUSION)
#undef MILLRACE_FUSION
};

struct NoTracer final : Tracer {
    void on_enter(const Message&) override {}
    void on_step(const Step&) override {}
    void on_leave(const CallResult&) override {}
};

/// Fills the stack, runs the sequence, and returns what the stack then holds. Its jumps go behind
/// instructions that cost gas when they are not jumped over.
struct Trial {
    Bytes code;
    std::size_t at = 0;

    Trial(const FusedSequence& sequence, std::size_t height, std::mt19937_64& random) {
        const std::size_t target = 35 * std::min<std::size_t>(height, operand_count) +
                                   (height - std::min<std::size_t>(height, operand_count)) +
                                   sequence.size + 2;
        for (std::size_t index = 0; index < height; ++index) {
            if (index >= operand_count) {
                code.insert(code.begin(), 0x58);  // PC, below the operands
            } else {
                push(operand(target, random));
            }
        }
        at = code.size();
        for (std::size_t index = 0; index < sequence.length; ++index) {
            const auto opcode = static_cast<std::uint8_t>(sequence.opcodes[index]);
            code.push_back(opcode);
            const bool jumps =
                index + 1 < sequence.length && (sequence.opcodes[index + 1] == Opcode::jump ||
                                                sequence.opcodes[index + 1] == Opcode::jumpi);
            for (unsigned left = push_size(opcode); left-- > 0;)
                code.push_back(static_cast<std::uint8_t>(jumps ? target >> (8 * left) : random()));
        }
        append({0x5a, 0x50, 0x5b});
        for (int count = 0; count < 4; ++count)
            append({0x59, 0x52});
        append({0x59, 0x60, 0x00, 0xf3});
    }

  private:
    static constexpr std::size_t operand_count = 9;

    static U256 operand(std::size_t target, std::mt19937_64& random) {
        const U256 wide = millrace::detail::make(random(), random(), random(), random());
        switch (random() % 8) {
            case 0:
                return U256{};
            case 1:
                return U256{target};
            case 2:
                return shift_right(wide, random() % 256);
            case 3:
                return ~shift_right(wide, random() % 256);
            case 4:
                return ~U256{};
            default:
                return U256{random() % 300};
        }
    }
    /// In 35 bytes.
    void push(const U256& value) {
        const Hash32 word = to_word(value);
        code.push_back(0x7f);
        code.insert(code.end(), word.bytes.begin(), word.bytes.end());
        append({0x5b, 0x5b});
    }
    void append(std::initializer_list<std::uint8_t> bytes) {
        code.insert(code.end(), bytes.begin(), bytes.end());
    }
};

struct Bench {
    Sample sample;
    NoTracer tracer;

    explicit Bench(Revision revision) : sample{revision} {}

    void put(const Bytes& code) {
        sample.host.put_code(sample_address(2), code);
        sample.host.begin_transaction();
    }
    CallResult run(std::int64_t gas, Tracer* watched_by) {
        Machine machine{sample.revision, sample.block,  sample.transaction,
                        sample.host,     *sample.arena, watched_by};
        return machine.call(Sample::message(gas));
    }
    /// The gas used.
    std::int64_t expect_same(std::int64_t gas) {
        const CallResult fused = run(gas, nullptr);
        const CallResult single = run(gas, &tracer);
        EXPECT_EQ(fused.status, single.status);
        EXPECT_EQ(fused.gas_left, single.gas_left);
        EXPECT_EQ(fused.output, single.output);
        return gas - single.gas_left;
    }
};

TEST(Fusion, sequence_gives_costs_and_fails_as_its_instructions_do) {
    std::mt19937_64 random{1};
    for (const Revision revision : {Revision::homestead, Revision::osaka}) {
        Bench bench{revision};
        for (const FusedSequence& sequence : sequences) {
            SCOPED_TRACE(static_cast<unsigned>(sequence.token));
            for (std::size_t height = 0; height <= 12; ++height) {
                for (int round = 0; round < 4; ++round) {
                    const Trial trial{sequence, height, random};
                    EXPECT_EQ(Code{trial.code}.program()[trial.at],
                              static_cast<std::uint8_t>(sequence.token));
                    bench.put(trial.code);
                    const std::int64_t used =
                        std::min(bench.expect_same(100'000), std::int64_t{500});
                    for (std::int64_t gas = used; gas >= 0; gas -= gas > used - 90 ? 1 : 17)
                        bench.expect_same(gas);
                }
            }
            for (std::size_t height = 1024 - sequence.growth - 1U; height <= 1024; ++height) {
                bench.put(Trial{sequence, height, random}.code);
                bench.expect_same(100'000);
            }
        }
    }
}

TEST(Fusion, jump_that_leads_nowhere_stays_as_it_was) {
    Sample sample;
    EXPECT_EQ(sample.run("610004565b00").status, Status::success);
    EXPECT_EQ(sample.run("610003565b00").status, Status::bad_jump);
    EXPECT_EQ(sample.run("6001610009576000605b").status, Status::bad_jump);
    EXPECT_EQ(sample.run("6000610009576000605b").status, Status::success);
}

TEST(Fusion, token_in_foreign_code_is_an_unknown_instruction) {
    for (unsigned byte = fusion_first; byte <= fusion_last; ++byte) {
        Sample sample;
        const auto opcode = static_cast<std::uint8_t>(byte);
        EXPECT_EQ(sample.run_code(Bytes{opcode}).status, Status::undefined_instruction);
        EXPECT_EQ(sample.run_code(Bytes{0x60, opcode, 0x50}).status, Status::success);
        // The same as init code, which is run without tokens.
        Message message = Sample::message();
        message.kind = CallKind::create;
        const Bytes init{0x60, opcode, opcode};
        message.input = init;
        EXPECT_EQ(sample.call(message).status, Status::undefined_instruction);
    }
}

}  // namespace
}  // namespace millrace::evm
