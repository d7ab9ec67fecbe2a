// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "wasm/ir_ops.hpp"
#include "wasm/module_data.hpp"

/// The one intermediate form of the engine: a flat list of instructions on the slots of a frame.
///
/// A frame's slots are 64 bits wide: first the parameters and locals, then one slot for each
/// position of the operand stack. Values of 32 bits lie in the low half, the high half is 0. A
/// v128 takes two slots, the lower half first, and so two positions; moves, branches, calls and
/// returns carry slots and do not know of it. The
/// translator resolves the operand stack: `local.get` and constants become operands of the
/// instruction that uses them, and a result goes straight to the local that is set from it (as in
/// wasm3's and WAMR's interpreters). Frames overlap: a callee's parameters are the caller's
/// topmost operands, and its results take their place.
///
/// Fuel: the translator splits a function in metering blocks (docs/formats/fuel.md) and puts a
/// block's cost on every way into it: `charge` where control falls in, fields b and c of a branch,
/// field e of a jump, BranchTarget::cost of a br_table, Code::entry_cost. Fuel is a property of
/// the WebAssembly instructions; what was fused here does not change it.
///
/// An ahead-of-time compiler consumes the same list.
namespace millrace::wasm {

enum class IrOp : std::uint16_t {
#define X(name, ...) name##_rr, name##_rk,
    MILLRACE_WASM_BINARY(X) MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) br_##name##_rr, br_##name##_rk,
        MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) br_not_##name##_rr, br_not_##name##_rk,
            MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) name##_kr,
                MILLRACE_WASM_REVERSED(X)
#undef X
#define X(name, ...) name,
                    MILLRACE_WASM_UNARY(X)
#undef X
#define X(name, ...) name##_r, name##_x, name##_i, name##_a,
                        MILLRACE_WASM_LOAD(X)
#undef X
#define X(name, ...) name##_r, name##_x, name##_i, name##_a, name##_k,
                            MILLRACE_WASM_STORE(X)
#undef X
#define X(name) name,
                                MILLRACE_WASM_OTHER(X)
#undef X
};

/// How many operations there are.
constexpr std::size_t ir_op_count = static_cast<std::size_t>(IrOp::vector_global_set) + 1;

/// Field d is where control may go on.
constexpr bool is_branch(IrOp op) noexcept {
    return (op >= IrOp::br_i32_eq_rr && op <= IrOp::br_not_f64_ge_rk) || op == IrOp::jump ||
           op == IrOp::br_nonzero || op == IrOp::br_zero;
}

/// Fields by operation (slots unless said otherwise; targets are relative to the instruction):
///   binary, compare  a result, b left, c right       | _rk, _kr: the constant is de
///   br_*             a left, b cost taken, c cost not taken, d target, e right slot or 32 bits
///                    (extended with the sign for i64, converted from f32 for f64)
///   br_nonzero/zero  a condition, b, c, d as above    jump  d target, e cost
///   unary            a result, b operand              charge d cost
///   load             a result, b address, c second address (_x), d offset, e addend (_i),
///                    de address and offset (_a)
///   store            as load, a is the value; _k: a is unused, e the value extended with its sign
///   select           a result, b if nonzero, c if zero, d condition
///   call             a first argument, d function     call_indirect  b index, d type, e table
///   return_call, return_call_indirect  as call*, c number of argument slots
///   return_one       a result                         return_many  a first, d number
///   br_table         a index, d first entry of Code::targets, e number of entries
///   move             a target, b source               move_range  a target, b source, d number
///   constant         a target, de bits                global_*  a slot, d global
///   memory_*, table_*  a, b, c operands in order (or a result), d table or segment, e the other
///   simd             fields in src/wasm/simd.hpp        simd_shuffle  d index of Code::shuffles
///   vector_*         as the operation without the word, with pairs of slots
struct Instr {
    IrOp op = IrOp::unreachable;
    std::uint16_t a = 0;
    std::uint16_t b = 0;
    std::uint16_t c = 0;
    std::uint32_t d = 0;
    std::uint32_t e = 0;

    [[nodiscard]] std::uint64_t wide() const noexcept {
        return d | (static_cast<std::uint64_t>(e) << 32U);
    }
    void set_wide(std::uint64_t bits) noexcept {
        d = static_cast<std::uint32_t>(bits);
        e = static_cast<std::uint32_t>(bits >> 32U);
    }
};
static_assert(sizeof(Instr) == 16);

struct BranchTarget {
    std::int32_t offset = 0;  ///< relative to the br_table
    std::uint32_t cost = 0;
};

/// A translated function.
struct Code {
    std::vector<Instr> instrs;
    std::vector<BranchTarget> targets;
    std::vector<std::array<std::uint8_t, 16>> shuffles;
    std::uint32_t entry_cost = 0;
    std::uint32_t params = 0;  ///< slots
    std::uint32_t locals = 0;  ///< slots to be set to zero on entry
    std::uint32_t frame_slots = 0;
    // What the interpreter runs: the lists above, or those of a program (src/wasm/program.hpp).
    const Instr* first_instr = nullptr;
    const BranchTarget* first_target = nullptr;
    const std::array<std::uint8_t, 16>* first_shuffle = nullptr;
    std::uint32_t instr_count = 0;
    mutable std::vector<bool> loop_heads;  ///< by note_loop_heads()
};

/// Translates a validated body. Linear in the body's size.
Code translate(const ModuleData& module, const Body& body);

/// Fills Code::loop_heads, once: the instructions that a branch leads back to. Arriving at one,
/// like entering a function, is a safe point: the places where compiled code looks at its fuel.
void note_loop_heads(const Code& code);

}  // namespace millrace::wasm
