// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "evm/revision.hpp"

// The instructions of every revision (Yellow Paper, appendix H, and the EIPs named here): one table
// from which opcodes, names, stack effects, prices and dispatch are made.

/// X(byte, name, text, inputs, outputs, gas, since): `gas` is what the instruction costs before
/// anything that depends on its operands; where it changed by revision it is the first price, and
/// base_gas() knows the later ones.
#define MILLRACE_EVM_PLAIN_OPCODES(X)                              \
    X(0x00, stop, "STOP", 0, 0, 0, frontier)                       \
    X(0x01, add, "ADD", 2, 1, 3, frontier)                         \
    X(0x02, mul, "MUL", 2, 1, 5, frontier)                         \
    X(0x03, sub, "SUB", 2, 1, 3, frontier)                         \
    X(0x04, div, "DIV", 2, 1, 5, frontier)                         \
    X(0x05, sdiv, "SDIV", 2, 1, 5, frontier)                       \
    X(0x06, mod, "MOD", 2, 1, 5, frontier)                         \
    X(0x07, smod, "SMOD", 2, 1, 5, frontier)                       \
    X(0x08, addmod, "ADDMOD", 3, 1, 8, frontier)                   \
    X(0x09, mulmod, "MULMOD", 3, 1, 8, frontier)                   \
    X(0x0a, exp, "EXP", 2, 1, 10, frontier)                        \
    X(0x0b, signextend, "SIGNEXTEND", 2, 1, 5, frontier)           \
    X(0x10, lt, "LT", 2, 1, 3, frontier)                           \
    X(0x11, gt, "GT", 2, 1, 3, frontier)                           \
    X(0x12, slt, "SLT", 2, 1, 3, frontier)                         \
    X(0x13, sgt, "SGT", 2, 1, 3, frontier)                         \
    X(0x14, eq, "EQ", 2, 1, 3, frontier)                           \
    X(0x15, iszero, "ISZERO", 1, 1, 3, frontier)                   \
    X(0x16, and_, "AND", 2, 1, 3, frontier)                        \
    X(0x17, or_, "OR", 2, 1, 3, frontier)                          \
    X(0x18, xor_, "XOR", 2, 1, 3, frontier)                        \
    X(0x19, not_, "NOT", 1, 1, 3, frontier)                        \
    X(0x1a, byte, "BYTE", 2, 1, 3, frontier)                       \
    X(0x1b, shl, "SHL", 2, 1, 3, constantinople)                   \
    X(0x1c, shr, "SHR", 2, 1, 3, constantinople)                   \
    X(0x1d, sar, "SAR", 2, 1, 3, constantinople)                   \
    X(0x1e, clz, "CLZ", 1, 1, 5, osaka)                            \
    X(0x20, keccak256, "KECCAK256", 2, 1, 30, frontier)            \
    X(0x30, address, "ADDRESS", 0, 1, 2, frontier)                 \
    X(0x31, balance, "BALANCE", 1, 1, 20, frontier)                \
    X(0x32, origin, "ORIGIN", 0, 1, 2, frontier)                   \
    X(0x33, caller, "CALLER", 0, 1, 2, frontier)                   \
    X(0x34, callvalue, "CALLVALUE", 0, 1, 2, frontier)             \
    X(0x35, calldataload, "CALLDATALOAD", 1, 1, 3, frontier)       \
    X(0x36, calldatasize, "CALLDATASIZE", 0, 1, 2, frontier)       \
    X(0x37, calldatacopy, "CALLDATACOPY", 3, 0, 3, frontier)       \
    X(0x38, codesize, "CODESIZE", 0, 1, 2, frontier)               \
    X(0x39, codecopy, "CODECOPY", 3, 0, 3, frontier)               \
    X(0x3a, gasprice, "GASPRICE", 0, 1, 2, frontier)               \
    X(0x3b, extcodesize, "EXTCODESIZE", 1, 1, 20, frontier)        \
    X(0x3c, extcodecopy, "EXTCODECOPY", 4, 0, 20, frontier)        \
    X(0x3d, returndatasize, "RETURNDATASIZE", 0, 1, 2, byzantium)  \
    X(0x3e, returndatacopy, "RETURNDATACOPY", 3, 0, 3, byzantium)  \
    X(0x3f, extcodehash, "EXTCODEHASH", 1, 1, 400, constantinople) \
    X(0x40, blockhash, "BLOCKHASH", 1, 1, 20, frontier)            \
    X(0x41, coinbase, "COINBASE", 0, 1, 2, frontier)               \
    X(0x42, timestamp, "TIMESTAMP", 0, 1, 2, frontier)             \
    X(0x43, number, "NUMBER", 0, 1, 2, frontier)                   \
    X(0x44, prevrandao, "PREVRANDAO", 0, 1, 2, frontier)           \
    X(0x45, gaslimit, "GASLIMIT", 0, 1, 2, frontier)               \
    X(0x46, chainid, "CHAINID", 0, 1, 2, istanbul)                 \
    X(0x47, selfbalance, "SELFBALANCE", 0, 1, 5, istanbul)         \
    X(0x48, basefee, "BASEFEE", 0, 1, 2, london)                   \
    X(0x49, blobhash, "BLOBHASH", 1, 1, 3, cancun)                 \
    X(0x4a, blobbasefee, "BLOBBASEFEE", 0, 1, 2, cancun)           \
    X(0x50, pop, "POP", 1, 0, 2, frontier)                         \
    X(0x51, mload, "MLOAD", 1, 1, 3, frontier)                     \
    X(0x52, mstore, "MSTORE", 2, 0, 3, frontier)                   \
    X(0x53, mstore8, "MSTORE8", 2, 0, 3, frontier)                 \
    X(0x54, sload, "SLOAD", 1, 1, 50, frontier)                    \
    X(0x55, sstore, "SSTORE", 2, 0, 0, frontier)                   \
    X(0x56, jump, "JUMP", 1, 0, 8, frontier)                       \
    X(0x57, jumpi, "JUMPI", 2, 0, 10, frontier)                    \
    X(0x58, pc, "PC", 0, 1, 2, frontier)                           \
    X(0x59, msize, "MSIZE", 0, 1, 2, frontier)                     \
    X(0x5a, gas, "GAS", 0, 1, 2, frontier)                         \
    X(0x5b, jumpdest, "JUMPDEST", 0, 0, 1, frontier)               \
    X(0x5c, tload, "TLOAD", 1, 1, 100, cancun)                     \
    X(0x5d, tstore, "TSTORE", 2, 0, 100, cancun)                   \
    X(0x5e, mcopy, "MCOPY", 3, 0, 3, cancun)                       \
    X(0x5f, push0, "PUSH0", 0, 1, 2, shanghai)                     \
    X(0xa0, log0, "LOG0", 2, 0, 375, frontier)                     \
    X(0xa1, log1, "LOG1", 3, 0, 750, frontier)                     \
    X(0xa2, log2, "LOG2", 4, 0, 1125, frontier)                    \
    X(0xa3, log3, "LOG3", 5, 0, 1500, frontier)                    \
    X(0xa4, log4, "LOG4", 6, 0, 1875, frontier)                    \
    X(0xf0, create, "CREATE", 3, 1, 32000, frontier)               \
    X(0xf1, call, "CALL", 7, 1, 40, frontier)                      \
    X(0xf2, callcode, "CALLCODE", 7, 1, 40, frontier)              \
    X(0xf3, return_, "RETURN", 2, 0, 0, frontier)                  \
    X(0xf4, delegatecall, "DELEGATECALL", 6, 1, 40, homestead)     \
    X(0xf5, create2, "CREATE2", 4, 1, 32000, constantinople)       \
    X(0xfa, staticcall, "STATICCALL", 6, 1, 700, byzantium)        \
    X(0xfd, revert, "REVERT", 2, 0, 0, byzantium)                  \
    X(0xfe, invalid, "INVALID", 0, 0, 0, frontier)                 \
    X(0xff, selfdestruct, "SELFDESTRUCT", 1, 0, 0, frontier)

/// X(n) for the n bytes of PUSHn, the depth of DUPn and SWAPn.
#define MILLRACE_EVM_1_TO_16(X) \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define MILLRACE_EVM_17_TO_32(X) \
    X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32)

namespace millrace::evm {

enum class Opcode : std::uint8_t {
#define MILLRACE_OPCODE(code, name, text, inputs, outputs, gas, since) name = code,
    MILLRACE_EVM_PLAIN_OPCODES(MILLRACE_OPCODE)
#undef MILLRACE_OPCODE
#define MILLRACE_OPCODE(n) push##n = 0x5f + (n),
        MILLRACE_EVM_1_TO_16(MILLRACE_OPCODE) MILLRACE_EVM_17_TO_32(MILLRACE_OPCODE)
#undef MILLRACE_OPCODE
#define MILLRACE_OPCODE(n) dup##n = 0x7f + (n),
            MILLRACE_EVM_1_TO_16(MILLRACE_OPCODE)
#undef MILLRACE_OPCODE
#define MILLRACE_OPCODE(n) swap##n = 0x8f + (n),
                MILLRACE_EVM_1_TO_16(MILLRACE_OPCODE)
#undef MILLRACE_OPCODE
};

struct Instruction {
    std::string_view name;     ///< "ADD"; empty: no revision has it
    std::uint8_t inputs = 0;   ///< stack items it needs
    std::uint8_t outputs = 0;  ///< and leaves in their place
    std::uint16_t gas = 0;     ///< see base_gas()
    Revision since = Revision::frontier;

    [[nodiscard]] constexpr bool is_defined() const noexcept { return !name.empty(); }
};

namespace detail {
inline constexpr char numbered_names[] =
    "PUSH1PUSH2PUSH3PUSH4PUSH5PUSH6PUSH7PUSH8PUSH9PUSH10PUSH11PUSH12PUSH13PUSH14PUSH15PUSH16PUSH17"
    "PUSH18PUSH19PUSH20PUSH21PUSH22PUSH23PUSH24PUSH25PUSH26PUSH27PUSH28PUSH29PUSH30PUSH31PUSH32"
    "DUP1DUP2DUP3DUP4DUP5DUP6DUP7DUP8DUP9DUP10DUP11DUP12DUP13DUP14DUP15DUP16"
    "SWAP1SWAP2SWAP3SWAP4SWAP5SWAP6SWAP7SWAP8SWAP9SWAP10SWAP11SWAP12SWAP13SWAP14SWAP15SWAP16";

constexpr std::array<Instruction, 256> make_instructions() {
    std::array<Instruction, 256> table{};
#define MILLRACE_OPCODE(code, name, text, inputs, outputs, gas, since) \
    table[code] = {text, inputs, outputs, gas, Revision::since};
    MILLRACE_EVM_PLAIN_OPCODES(MILLRACE_OPCODE)
#undef MILLRACE_OPCODE
    std::string_view names = numbered_names;
    const auto next_name = [&names](std::size_t letters, unsigned number) {
        const std::size_t size = letters + (number < 10 ? 1 : 2);
        const std::string_view name = names.substr(0, size);
        names.remove_prefix(size);
        return name;
    };
    for (unsigned n = 1; n <= 32; ++n)
        table[0x5f + n] = {next_name(4, n), 0, 1, 3, Revision::frontier};
    for (unsigned n = 1; n <= 16; ++n) {
        const auto depth = static_cast<std::uint8_t>(n);
        table[0x7f + n] = {next_name(3, n), depth, static_cast<std::uint8_t>(n + 1), 3,
                           Revision::frontier};
    }
    for (unsigned n = 1; n <= 16; ++n) {
        const auto depth = static_cast<std::uint8_t>(n + 1);
        table[0x8f + n] = {next_name(4, n), depth, depth, 3, Revision::frontier};
    }
    return table;
}
}  // namespace detail

/// By opcode.
inline constexpr std::array<Instruction, 256> instructions = detail::make_instructions();

/// The price before anything that depends on operands. It does not tell whether the revision has
/// the instruction.
constexpr std::uint16_t base_gas(Opcode opcode, Revision revision) noexcept {
    using enum Revision;
    // From berlin these are the prices of what is warm (EIP-2929).
    switch (opcode) {
        case Opcode::balance:
            if (revision >= berlin) return 100;
            if (revision >= istanbul) return 700;             // EIP-1884
            return revision >= tangerine_whistle ? 400 : 20;  // EIP-150
        case Opcode::extcodesize:
        case Opcode::extcodecopy:
            if (revision >= berlin) return 100;
            return revision >= tangerine_whistle ? 700 : 20;
        case Opcode::extcodehash:
            if (revision >= berlin) return 100;
            return revision >= istanbul ? 700 : 400;
        case Opcode::sload:
            if (revision >= berlin) return 100;
            if (revision >= istanbul) return 800;
            return revision >= tangerine_whistle ? 200 : 50;
        case Opcode::call:
        case Opcode::callcode:
        case Opcode::delegatecall:
        case Opcode::staticcall:
            if (revision >= berlin) return 100;
            return revision >= tangerine_whistle ? 700 : 40;
        case Opcode::selfdestruct:
            return revision >= tangerine_whistle ? 5000 : 0;
        default:
            return instructions[static_cast<std::uint8_t>(opcode)].gas;
    }
}

/// Whether the price depends on the revision.
constexpr bool has_one_price(Opcode opcode) noexcept {
    return base_gas(opcode, Revision::frontier) == base_gas(opcode, Revision::osaka);
}

}  // namespace millrace::evm
