// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The loop: threaded code by computed goto; the program counter, the top of the stack and the gas
// in registers; bounds and the price of every instruction folded from the table at compile time.
// The structure is evmone's baseline interpreter (github.com/ipsilon/evmone). Measured there: a
// switch instead of computed goto costs 1.4x.

#include "base/u256.hpp"
#include "evm/frame.hpp"
#include "evm/opcodes.hpp"

#pragma GCC diagnostic ignored "-Wpedantic"  // labels as values

namespace millrace::evm {
namespace {

inline std::uint64_t load_u64(const std::uint8_t* source) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, source, sizeof value);
    return __builtin_bswap64(value);
}

/// The `count` bytes after PUSHn. Reads up to 7 bytes past them, which the code's padding allows.
template <unsigned count>
inline U256 load_push(const std::uint8_t* bytes) noexcept {
    constexpr unsigned whole = count / 8;
    constexpr unsigned part = count % 8;
    U256 value;
    if constexpr (part != 0) value.words[whole] = load_u64(bytes) >> (64 - 8 * part);
    for (unsigned index = 0; index < whole; ++index)
        value.words[whole - 1 - index] = load_u64(bytes + part + 8 * index);
    return value;
}

template <bool traced>
Status run(Frame& frame) {
    static const void* const labels[256] = {
#define UNKNOWN &&undefined
#define U8 UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN
        // 0x00
        &&on_stop, &&on_add, &&on_mul, &&on_sub, &&on_div, &&on_sdiv, &&on_mod, &&on_smod,
        &&on_addmod, &&on_mulmod, &&on_exp, &&on_signextend, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN,
        // 0x10
        &&on_lt, &&on_gt, &&on_slt, &&on_sgt, &&on_eq, &&on_iszero, &&on_and_, &&on_or_, &&on_xor_,
        &&on_not_, &&on_byte, &&on_shl, &&on_shr, &&on_sar, &&on_clz, UNKNOWN,
        // 0x20
        &&on_keccak256, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, U8,
        // 0x30
        &&on_address, &&on_balance, &&on_origin, &&on_caller, &&on_callvalue, &&on_calldataload,
        &&on_calldatasize, &&on_calldatacopy, &&on_codesize, &&on_codecopy, &&on_gasprice,
        &&on_extcodesize, &&on_extcodecopy, &&on_returndatasize, &&on_returndatacopy,
        &&on_extcodehash,
        // 0x40
        &&on_blockhash, &&on_coinbase, &&on_timestamp, &&on_number, &&on_prevrandao, &&on_gaslimit,
        &&on_chainid, &&on_selfbalance, &&on_basefee, &&on_blobhash, &&on_blobbasefee, UNKNOWN,
        UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN,
        // 0x50
        &&on_pop, &&on_mload, &&on_mstore, &&on_mstore8, &&on_sload, &&on_sstore, &&on_jump,
        &&on_jumpi, &&on_pc, &&on_msize, &&on_gas, &&on_jumpdest, &&on_tload, &&on_tstore,
        &&on_mcopy, &&on_push0,
#define PUSH_LABEL(n) &&on_push##n,
#define DUP_LABEL(n) &&on_dup##n,
#define SWAP_LABEL(n) &&on_swap##n,
        // 0x60 to 0x9f
        MILLRACE_EVM_1_TO_16(PUSH_LABEL) MILLRACE_EVM_17_TO_32(PUSH_LABEL)
                MILLRACE_EVM_1_TO_16(DUP_LABEL) MILLRACE_EVM_1_TO_16(SWAP_LABEL)
            // 0xa0
            && on_log0,
        &&on_log1, &&on_log2, &&on_log3, &&on_log4, UNKNOWN, UNKNOWN, UNKNOWN, U8,
        // 0xb0 to 0xef
        U8, U8, U8, U8, U8, U8, U8, U8,
        // 0xf0
        &&on_create, &&on_call, &&on_callcode, &&on_return_, &&on_delegatecall, &&on_create2,
        UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, &&on_staticcall, UNKNOWN, UNKNOWN, &&on_revert,
        &&on_invalid, &&on_selfdestruct};
#undef UNKNOWN
#undef U8

    const Revision revision = frame.revision;
    const std::uint8_t* const code = frame.code.padded();
    const std::uint8_t* pc = code;
    // bottom[1] is the first item; top == bottom when the stack is empty.
    U256* const bottom = frame.arena().new_stack();
    U256* top = bottom;
    std::int64_t gas = frame.gas;
    Status status = Status::success;

// Goes to the instruction at pc.
#define DISPATCH()                                                                          \
    do {                                                                                    \
        if constexpr (traced) {                                                             \
            frame.tracer()->on_step({.pc = static_cast<std::uint64_t>(pc - code),           \
                                     .opcode = *pc,                                         \
                                     .gas = gas,                                            \
                                     .depth = frame.message.depth,                          \
                                     .memory_size = frame.memory_size,                      \
                                     .stack_top = top,                                      \
                                     .stack_count = static_cast<std::size_t>(top - bottom), \
                                     .refund = frame.refund});                              \
        }                                                                                   \
        goto* labels[*pc];                                                                  \
    } while (false)
#define NEXT()      \
    do {            \
        ++pc;       \
        DISPATCH(); \
    } while (false)
// What every instruction begins with: does it exist, are its operands there, is there room for its
// results, and is it paid.
#define CHECK(opcode)                                                               \
    do {                                                                            \
        constexpr Instruction it = instructions[static_cast<std::uint8_t>(opcode)]; \
        if constexpr (it.since != Revision::frontier) {                             \
            if (revision < it.since) goto undefined;                                \
        }                                                                           \
        if constexpr (it.inputs != 0) {                                             \
            if (top < bottom + it.inputs) goto underflow;                           \
        }                                                                           \
        if constexpr (it.outputs > it.inputs) {                                     \
            if (top >= bottom + stack_items_max) goto overflow;                     \
        }                                                                           \
        if constexpr (!has_one_price(opcode))                                       \
            gas -= base_gas(opcode, revision);                                      \
        else if constexpr (it.gas != 0)                                             \
            gas -= it.gas;                                                          \
        if constexpr (it.gas != 0 || !has_one_price(opcode)) {                      \
            if (gas < 0) goto out_of_gas;                                           \
        }                                                                           \
    } while (false)
#define BEGIN(name) on_##name : CHECK(Opcode::name)
#define BINARY(name, expression) \
    BEGIN(name);                 \
    {                            \
        const U256& a = top[0];  \
        U256& b = top[-1];       \
        b = expression;          \
        --top;                   \
        NEXT();                  \
    }
#define PUSH_VALUE(name, expression) \
    BEGIN(name);                     \
    *++top = expression;             \
    NEXT()
// An instruction outside the loop.
#define OUTSIDE(name, change, call)             \
    BEGIN(name);                                \
    frame.gas = gas;                            \
    status = call;                              \
    if (status != Status::success) goto failed; \
    gas = frame.gas;                            \
    top += change;                              \
    NEXT()

    DISPATCH();

    BEGIN(stop);
    goto finished;

    BINARY(add, wrapping_add(a, b));
    BINARY(mul, wrapping_mul(a, b));
    BINARY(sub, wrapping_sub(a, b));
    BINARY(div, div_or_zero(a, b));
    BINARY(sdiv, signed_div_or_zero(a, b));
    BINARY(mod, mod_or_zero(a, b));
    BINARY(smod, signed_mod_or_zero(a, b));
    BEGIN(addmod);
    top[-2] = add_mod(top[0], top[-1], top[-2]);
    top -= 2;
    NEXT();
    BEGIN(mulmod);
    top[-2] = mul_mod(top[0], top[-1], top[-2]);
    top -= 2;
    NEXT();
    OUTSIDE(exp, -1, do_exp(frame, top));
    BINARY(signextend, sign_extend(a, b));
    BINARY(lt, U256{a < b ? 1U : 0U});
    BINARY(gt, U256{b < a ? 1U : 0U});
    BINARY(slt, U256{signed_less(a, b) ? 1U : 0U});
    BINARY(sgt, U256{signed_less(b, a) ? 1U : 0U});
    BINARY(eq, U256{a == b ? 1U : 0U});
    BEGIN(iszero);
    *top = U256{top->is_zero() ? 1U : 0U};
    NEXT();
    BINARY(and_, a & b);
    BINARY(or_, a | b);
    BINARY(xor_, a ^ b);
    BEGIN(not_);
    *top = ~*top;
    NEXT();
    BINARY(byte, byte_at(a, b));
    BINARY(shl, shift_left(b, a));
    BINARY(shr, shift_right(b, a));
    BINARY(sar, shift_right_signed(b, a));
    BEGIN(clz);
    *top = U256{leading_zeros(*top)};
    NEXT();
    OUTSIDE(keccak256, -1, do_keccak256(frame, top));

    PUSH_VALUE(address, to_u256(frame.message.recipient));
    OUTSIDE(balance, 0, do_balance(frame, top));
    PUSH_VALUE(origin, to_u256(frame.transaction().origin));
    PUSH_VALUE(caller, to_u256(frame.message.sender));
    PUSH_VALUE(callvalue, frame.message.value);
    BEGIN(calldataload);
    {
        const ByteView input = frame.message.input;
        if (!top->fits_u64() || top->words[0] >= input.size()) {
            *top = U256{};
        } else if (input.size() - top->words[0] >= 32) {
            *top = load_word(input.data() + top->words[0]);
        } else {
            Hash32 word;
            std::memcpy(word.bytes.data(), input.data() + top->words[0],
                        input.size() - top->words[0]);
            *top = from_word(word);
        }
        NEXT();
    }
    PUSH_VALUE(calldatasize, U256{frame.message.input.size()});
    OUTSIDE(calldatacopy, -3, do_calldatacopy(frame, top));
    PUSH_VALUE(codesize, U256{frame.code.size()});
    OUTSIDE(codecopy, -3, do_codecopy(frame, top));
    PUSH_VALUE(gasprice, frame.transaction().gas_price);
    OUTSIDE(extcodesize, 0, do_extcodesize(frame, top));
    OUTSIDE(extcodecopy, -4, do_extcodecopy(frame, top));
    PUSH_VALUE(returndatasize, U256{frame.return_data.size()});
    OUTSIDE(returndatacopy, -3, do_returndatacopy(frame, top));
    OUTSIDE(extcodehash, 0, do_extcodehash(frame, top));
    OUTSIDE(blockhash, 0, do_blockhash(frame, top));
    PUSH_VALUE(coinbase, to_u256(frame.block().coinbase));
    PUSH_VALUE(timestamp, U256{frame.block().timestamp});
    PUSH_VALUE(number, U256{frame.block().number});
    PUSH_VALUE(prevrandao, revision >= Revision::paris ? from_word(frame.block().prev_randao)
                                                       : frame.block().difficulty);
    PUSH_VALUE(gaslimit, U256{frame.block().gas_limit});
    PUSH_VALUE(chainid, U256{frame.block().chain_id});
    PUSH_VALUE(selfbalance, frame.host().balance(frame.message.recipient));
    PUSH_VALUE(basefee, frame.block().base_fee);
    OUTSIDE(blobhash, 0, do_blobhash(frame, top));
    PUSH_VALUE(blobbasefee, frame.block().blob_base_fee);

    BEGIN(pop);
    --top;
    NEXT();
// Whether [*top, *top + size) exists; otherwise makes it so.
#define TOUCH(size)                                                                       \
    do {                                                                                  \
        if (!top->fits_u64() || top->words[0] > Frame::memory_reach_max) goto out_of_gas; \
        if (top->words[0] + (size) > frame.memory_size) {                                 \
            frame.gas = gas;                                                              \
            if (!frame.reach(top->words[0] + (size))) goto out_of_gas;                    \
            gas = frame.gas;                                                              \
        }                                                                                 \
    } while (false)
    BEGIN(mload);
    TOUCH(32);
    *top = load_word(frame.memory + top->words[0]);
    NEXT();
    BEGIN(mstore);
    TOUCH(32);
    store_word(top[-1], frame.memory + top->words[0]);
    top -= 2;
    NEXT();
    BEGIN(mstore8);
    TOUCH(1);
    frame.memory[top->words[0]] = static_cast<std::uint8_t>(top[-1].words[0]);
    top -= 2;
    NEXT();
    OUTSIDE(sload, 0, do_sload(frame, top));
    OUTSIDE(sstore, -2, do_sstore(frame, top));
// To *top, which must be a jump target.
#define JUMP()                                                                            \
    do {                                                                                  \
        if (!top->fits_u64() || !frame.code.is_jump_target(top->words[0])) goto bad_jump; \
        pc = code + top->words[0];                                                        \
    } while (false)
    BEGIN(jump);
    JUMP();
    --top;
    DISPATCH();
    BEGIN(jumpi);
    if (top[-1].is_zero()) {
        ++pc;
    } else {
        JUMP();
    }
    top -= 2;
    DISPATCH();
    PUSH_VALUE(pc, U256{static_cast<std::uint64_t>(pc - code)});
    PUSH_VALUE(msize, U256{frame.memory_size});
    PUSH_VALUE(gas, U256{static_cast<std::uint64_t>(gas)});
    BEGIN(jumpdest);
    NEXT();
    OUTSIDE(tload, 0, do_tload(frame, top));
    OUTSIDE(tstore, -2, do_tstore(frame, top));
    OUTSIDE(mcopy, -3, do_mcopy(frame, top));
    PUSH_VALUE(push0, U256{});

#define PUSH(n)                                          \
    on_push##n : CHECK(static_cast<Opcode>(0x5f + (n))); \
    *++top = load_push<n>(pc + 1);                       \
    pc += 1 + (n);                                       \
    DISPATCH();
#define DUP(n)                                          \
    on_dup##n : CHECK(static_cast<Opcode>(0x7f + (n))); \
    top[1] = top[1 - (n)];                              \
    ++top;                                              \
    NEXT();
#define SWAP(n)                                          \
    on_swap##n : CHECK(static_cast<Opcode>(0x8f + (n))); \
    {                                                    \
        const U256 swapped = top[0];                     \
        top[0] = top[-(n)];                              \
        top[-(n)] = swapped;                             \
        NEXT();                                          \
    }
    MILLRACE_EVM_1_TO_16(PUSH)
    MILLRACE_EVM_17_TO_32(PUSH)
    MILLRACE_EVM_1_TO_16(DUP)
    MILLRACE_EVM_1_TO_16(SWAP)

    OUTSIDE(log0, -2, do_log(frame, top, 0));
    OUTSIDE(log1, -3, do_log(frame, top, 1));
    OUTSIDE(log2, -4, do_log(frame, top, 2));
    OUTSIDE(log3, -5, do_log(frame, top, 3));
    OUTSIDE(log4, -6, do_log(frame, top, 4));

// The callee's stack begins above what is left of ours.
#define CALL(name, change, call)                \
    BEGIN(name);                                \
    frame.gas = gas;                            \
    frame.arena().cut_stack(top);               \
    status = call;                              \
    if (status != Status::success) goto failed; \
    gas = frame.gas;                            \
    top += change;                              \
    NEXT()
    CALL(create, -2, do_create(frame, top, CallKind::create));
    CALL(call, -6, do_call(frame, top, CallKind::call, false));
    CALL(callcode, -6, do_call(frame, top, CallKind::call_code, false));
    CALL(delegatecall, -5, do_call(frame, top, CallKind::delegate_call, false));
    CALL(create2, -3, do_create(frame, top, CallKind::create2));
    CALL(staticcall, -5, do_call(frame, top, CallKind::call, true));

    BEGIN(return_);
    frame.gas = gas;
    return do_finish(frame, top, Status::success);
    BEGIN(revert);
    frame.gas = gas;
    return do_finish(frame, top, Status::revert);
    BEGIN(invalid);
    status = Status::invalid_instruction;
    goto failed;
    BEGIN(selfdestruct);
    frame.gas = gas;
    return do_selfdestruct(frame, top);

finished:
    frame.gas = gas;
    return Status::success;
out_of_gas:
    status = Status::out_of_gas;
    goto failed;
undefined:
    status = Status::undefined_instruction;
    goto failed;
underflow:
    status = Status::stack_underflow;
    goto failed;
overflow:
    status = Status::stack_overflow;
    goto failed;
bad_jump:
    status = Status::bad_jump;
failed:
    return status;
}

}  // namespace

Status interpret(Frame& frame) {
    return run<false>(frame);
}

Status interpret_traced(Frame& frame) {
    return run<true>(frame);
}

}  // namespace millrace::evm
