// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>

#include "evm/opcodes.hpp"

// Sequences of instructions that compilers write again and again and that the interpreter runs as
// one. In the code it runs (Code::program) the first opcode of such a sequence is replaced by a
// token; what follows stays, so that every offset keeps its meaning, and a jump into the middle
// finds what it should. A token checks for the whole sequence; where that fails for any reason the
// loop goes on with the instruction that stood there, so that gas, status and order of failures are
// those of single steps.

/// X(token, opcodes...): the longest that fits is taken. A PUSH2 before a JUMP or JUMPI only fits
/// when it names a jump target.
#define MILLRACE_EVM_FUSIONS(X)                                           \
    X(push2_jump, push2, jump)                                            \
    X(push2_jumpi, push2, jumpi)                                          \
    X(iszero_push2_jumpi, iszero, push2, jumpi)                           \
    X(eq_push2_jumpi, eq, push2, jumpi)                                   \
    X(lt_push2_jumpi, lt, push2, jumpi)                                   \
    X(gt_push2_jumpi, gt, push2, jumpi)                                   \
    X(lt_iszero_push2_jumpi, lt, iszero, push2, jumpi)                    \
    X(gt_iszero_push2_jumpi, gt, iszero, push2, jumpi)                    \
    X(slt_iszero_push2_jumpi, slt, iszero, push2, jumpi)                  \
    X(sgt_iszero_push2_jumpi, sgt, iszero, push2, jumpi)                  \
    X(dup1_push2_jumpi, dup1, push2, jumpi)                               \
    X(dup2_push2_jumpi, dup2, push2, jumpi)                               \
    X(dup1_push4_eq_push2_jumpi, dup1, push4, eq, push2, jumpi)           \
    X(pop_jump, pop, jump)                                                \
    X(push1_add, push1, add)                                              \
    X(push1_shl, push1, shl)                                              \
    X(push1_shr, push1, shr)                                              \
    X(push1_and, push1, and_)                                             \
    X(push2_and, push2, and_)                                             \
    X(push4_and, push4, and_)                                             \
    X(push20_and, push20, and_)                                           \
    X(push1_mload, push1, mload)                                          \
    X(push2_mload, push2, mload)                                          \
    X(push1_mstore, push1, mstore)                                        \
    X(push2_mstore, push2, mstore)                                        \
    X(push1_dup2_mstore, push1, dup2, mstore)                             \
    X(push1_push1, push1, push1)                                          \
    X(push1_push1_push1_shl_sub, push1, push1, push1, shl, sub)           \
    X(push1_push1_push1_shl_sub_and, push1, push1, push1, shl, sub, and_) \
    X(dup2_mstore, dup2, mstore)                                          \
    X(dup2_lt, dup2, lt)                                                  \
    X(dup2_gt, dup2, gt)                                                  \
    X(dup2_eq, dup2, eq)                                                  \
    X(dup1_add, dup1, add)                                                \
    X(dup2_add, dup2, add)                                                \
    X(dup3_add, dup3, add)                                                \
    X(dup4_add, dup4, add)                                                \
    X(dup5_add, dup5, add)                                                \
    X(dup6_add, dup6, add)                                                \
    X(dup2_and, dup2, and_)                                               \
    X(dup3_and, dup3, and_)                                               \
    X(dup4_and, dup4, and_)                                               \
    X(dup5_and, dup5, and_)                                               \
    X(dup6_and, dup6, and_)                                               \
    X(dup7_and, dup7, and_)                                               \
    X(dup8_and, dup8, and_)                                               \
    X(add_add, add, add)                                                  \
    X(add_mload, add, mload)                                              \
    X(add_swap1_pop, add, swap1, pop)                                     \
    X(and_or, and_, or_)                                                  \
    X(iszero_iszero, iszero, iszero)                                      \
    X(pop_pop, pop, pop)                                                  \
    X(pop_dup1, pop, dup1)                                                \
    X(swap1_pop, swap1, pop)                                              \
    X(swap2_pop, swap2, pop)                                              \
    X(swap3_pop, swap3, pop)                                              \
    X(swap4_pop, swap4, pop)                                              \
    X(swap5_pop, swap5, pop)

namespace millrace::evm {

/// Bytes that no revision uses as opcodes; in a program that is run they are tokens.
enum class Fusion : std::uint8_t {
    none = 0xa4,
#define MILLRACE_FUSION(name, ...) name,
    MILLRACE_EVM_FUSIONS(MILLRACE_FUSION)
#undef MILLRACE_FUSION
        behind_last,
};
inline constexpr std::uint8_t fusion_first = 0xa5;
inline constexpr std::uint8_t fusion_last = 0xef;
static_assert(static_cast<unsigned>(Fusion::behind_last) <= fusion_last + 1U);
/// No revision has it, and it is no token: what stands for an unknown opcode in a program.
inline constexpr std::uint8_t unknown_opcode = 0x0c;

constexpr bool is_fusion(std::uint8_t byte) noexcept {
    return byte >= fusion_first && byte <= fusion_last;
}

constexpr unsigned push_size(std::uint8_t opcode) noexcept {
    return opcode >= 0x60 && opcode <= 0x7f ? opcode - 0x5fU : 0;
}

struct FusedSequence {
    static constexpr std::size_t length_max = 6;
    Fusion token = Fusion::none;
    std::array<Opcode, length_max> opcodes{};
    std::uint8_t length = 0;
    std::uint8_t inputs = 0;  ///< items that must be on the stack
    std::uint8_t growth = 0;  ///< items it is higher in between, at most
    std::uint16_t gas = 0;    ///< of all, none of which depends on the revision
    std::uint16_t size = 0;   ///< bytes of code
    Revision since = Revision::frontier;

    consteval FusedSequence(Fusion its_token, std::initializer_list<Opcode> its_opcodes)
        : token{its_token}, length{static_cast<std::uint8_t>(its_opcodes.size())} {
        int height = 0;
        int lowest = 0;
        int highest = 0;
        std::size_t index = 0;
        for (const Opcode opcode : its_opcodes) {
            const Instruction& it = instructions[static_cast<std::uint8_t>(opcode)];
            opcodes[index++] = opcode;
            lowest = std::max(lowest, it.inputs - height);
            height += it.outputs - it.inputs;
            highest = std::max(highest, height);
            gas = static_cast<std::uint16_t>(gas + it.gas);
            size =
                static_cast<std::uint16_t>(size + 1 + push_size(static_cast<std::uint8_t>(opcode)));
            since = std::max(since, it.since);
        }
        inputs = static_cast<std::uint8_t>(lowest);
        growth = static_cast<std::uint8_t>(highest);
    }
};

namespace fused {
using enum Opcode;
#define MILLRACE_FUSION(name, ...) inline constexpr FusedSequence name{Fusion::name, {__VA_ARGS__}};
MILLRACE_EVM_FUSIONS(MILLRACE_FUSION)
#undef MILLRACE_FUSION
}  // namespace fused

}  // namespace millrace::evm
