// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The loop: threaded code by computed goto; the program counter, the top of the stack and the gas
// in registers; bounds and the price of every instruction folded from the table at compile time.
// The structure is evmone's baseline interpreter (github.com/ipsilon/evmone). Measured there: a
// switch instead of computed goto costs 1.4x.

#include "base/u256.hpp"
#include "evm/frame.hpp"
#include "evm/fusion.hpp"
#include "evm/in_place.hpp"
#include "evm/opcodes.hpp"

#pragma GCC diagnostic ignored "-Wpedantic"  // labels as values

namespace millrace::evm {
namespace {

// Out of the loop, so that their working space is not part of its frame.
[[gnu::noinline]] void div(const U256& a, U256& b) noexcept {
    b = div_or_zero(a, b);
}
[[gnu::noinline]] void sdiv(const U256& a, U256& b) noexcept {
    const bool is_negative = a.is_negative() != b.is_negative();
    U256 dividend = a;
    if (a.is_negative()) in_place::negate(dividend);
    if (b.is_negative()) in_place::negate(b);
    if (!in_place::div(dividend, b)) b = div_or_zero(dividend, b);
    if (is_negative) in_place::negate(b);
}
[[gnu::noinline]] void mod(const U256& a, U256& b) noexcept {
    b = mod_or_zero(a, b);
}
[[gnu::noinline]] void smod(const U256& a, U256& b) noexcept {
    U256 dividend = a;
    if (a.is_negative()) in_place::negate(dividend);
    if (b.is_negative()) in_place::negate(b);
    if (!in_place::mod(dividend, b)) b = mod_or_zero(dividend, b);
    if (a.is_negative()) in_place::negate(b);
}
[[gnu::noinline]] void addmod(U256* top) noexcept {
    top[-2] = add_mod(top[0], top[-1], top[-2]);
}
[[gnu::noinline]] void mulmod(Frame& frame, U256* top) noexcept {
    top[-2] = frame.modulus().mul_mod(top[0], top[-1], top[-2]);
}
[[gnu::noinline]] void load_input(ByteView input, U256& slot) noexcept {
    Hash32 word;
    if (slot.fits_u64() && slot.words[0] < input.size()) {
        const std::size_t available = input.size() - slot.words[0];
        std::memcpy(word.bytes.data(), input.data() + slot.words[0],
                    available < 32 ? available : 32);
    }
    slot = from_word(word);
}
[[gnu::noinline]] void assign_word(U256& slot, const Hash32& word) noexcept {
    slot = from_word(word);
}
[[gnu::noinline]] void own_balance(Frame& frame, U256& slot) {
    slot = frame.host().balance(frame.message.recipient);
}

constexpr std::int64_t jumpdest_gas = base_gas(Opcode::jumpdest, Revision::frontier);

template <bool traced>
Status run(Frame& frame) {
    static const void* const labels[] = {
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
        &&on_log1, &&on_log2, &&on_log3, &&on_log4,
#define FUSION_LABEL(name, ...) &&on_##name,
        // 0xa5 to 0xef
        MILLRACE_EVM_FUSIONS(FUSION_LABEL) U8, U8, UNKNOWN,
        // 0xf0
        &&on_create, &&on_call, &&on_callcode, &&on_return_, &&on_delegatecall, &&on_create2,
        UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, &&on_staticcall, UNKNOWN, UNKNOWN, &&on_revert,
        &&on_invalid, &&on_selfdestruct};
#undef UNKNOWN
#undef U8
    static_assert(std::size(labels) == 256);

    const Revision revision = frame.revision;
    // A tracer sees single steps.
    const std::uint8_t* const code = traced ? frame.code.padded() : frame.code.program();
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
        goto* labels[traced && is_fusion(*pc) ? unknown_opcode : *pc];                      \
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
// Two operands: `a` is the top, `b` becomes the result.
#define BINARY(name, statement) \
    BEGIN(name);                \
    {                           \
        const U256& a = top[0]; \
        U256& b = top[-1];      \
        statement;              \
    }                           \
    --top;                      \
    NEXT()
#define PUSH_VALUE(name, expression)    \
    BEGIN(name);                        \
    ++top;                              \
    in_place::assign(*top, expression); \
    NEXT()
#define PUSH_BY(name, statement) \
    BEGIN(name);                 \
    ++top;                       \
    statement;                   \
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

    BINARY(add, in_place::add(a, b));
    BINARY(mul, in_place::mul(a, b));
    BINARY(sub, in_place::sub(a, b));
    BINARY(div, if (!in_place::div(a, b)) div(a, b));
    BINARY(sdiv, sdiv(a, b));
    BINARY(mod, if (!in_place::mod(a, b)) mod(a, b));
    BINARY(smod, smod(a, b));
    BEGIN(addmod);
    addmod(top);
    top -= 2;
    NEXT();
    BEGIN(mulmod);
    mulmod(frame, top);
    top -= 2;
    NEXT();
    OUTSIDE(exp, -1, do_exp(frame, top));
    BINARY(signextend, in_place::sign_extend(a, b));
    BINARY(lt, in_place::assign(b, in_place::less(a, b) ? 1 : 0));
    BINARY(gt, in_place::assign(b, in_place::less(b, a) ? 1 : 0));
    BINARY(slt, in_place::assign(b, in_place::signed_less(a, b) ? 1 : 0));
    BINARY(sgt, in_place::assign(b, in_place::signed_less(b, a) ? 1 : 0));
    BINARY(eq, in_place::assign(b, in_place::equal(a, b) ? 1 : 0));
    BEGIN(iszero);
    in_place::assign(*top, top->is_zero() ? 1 : 0);
    NEXT();
    BINARY(and_, in_place::bit_and(a, b));
    BINARY(or_, in_place::bit_or(a, b));
    BINARY(xor_, in_place::assign(b, a.words[0] ^ b.words[0], a.words[1] ^ b.words[1],
                                  a.words[2] ^ b.words[2], a.words[3] ^ b.words[3]));
    BEGIN(not_);
    in_place::assign(*top, ~top->words[0], ~top->words[1], ~top->words[2], ~top->words[3]);
    NEXT();
    BINARY(byte, in_place::byte(a, b));
    BINARY(shl, in_place::shift_left(a, b));
    BINARY(shr, in_place::shift_right(a, b, 0));
    BINARY(sar, in_place::shift_right(a, b, b.is_negative() ? ~std::uint64_t{0} : 0));
    BEGIN(clz);
    in_place::assign(*top, leading_zeros(*top));
    NEXT();
    OUTSIDE(keccak256, -1, do_keccak256(frame, top));

    PUSH_VALUE(address, frame.message.recipient);
    OUTSIDE(balance, 0, do_balance(frame, top));
    PUSH_VALUE(origin, frame.transaction().origin);
    PUSH_VALUE(caller, frame.message.sender);
    PUSH_BY(callvalue, in_place::copy(*top, frame.message.value));
    BEGIN(calldataload);
    load_input(frame.message.input, *top);
    NEXT();
    PUSH_VALUE(calldatasize, frame.message.input.size());
    OUTSIDE(calldatacopy, -3, do_calldatacopy(frame, top));
    PUSH_VALUE(codesize, frame.code.size());
    OUTSIDE(codecopy, -3, do_codecopy(frame, top));
    PUSH_BY(gasprice, in_place::copy(*top, frame.transaction().gas_price));
    OUTSIDE(extcodesize, 0, do_extcodesize(frame, top));
    OUTSIDE(extcodecopy, -4, do_extcodecopy(frame, top));
    PUSH_VALUE(returndatasize, frame.return_data.size());
    OUTSIDE(returndatacopy, -3, do_returndatacopy(frame, top));
    OUTSIDE(extcodehash, 0, do_extcodehash(frame, top));
    OUTSIDE(blockhash, 0, do_blockhash(frame, top));
    PUSH_VALUE(coinbase, frame.block().coinbase);
    PUSH_VALUE(timestamp, frame.block().timestamp);
    PUSH_VALUE(number, frame.block().number);
    PUSH_BY(prevrandao,
            if (revision >= Revision::paris) assign_word(*top, frame.block().prev_randao);
            else in_place::copy(*top, frame.block().difficulty));
    PUSH_VALUE(gaslimit, frame.block().gas_limit);
    PUSH_VALUE(chainid, frame.block().chain_id);
    PUSH_BY(selfbalance, own_balance(frame, *top));
    PUSH_BY(basefee, in_place::copy(*top, frame.block().base_fee));
    OUTSIDE(blobhash, 0, do_blobhash(frame, top));
    PUSH_BY(blobbasefee, in_place::copy(*top, frame.block().blob_base_fee));

    BEGIN(pop);
    --top;
    NEXT();
#define REACH(end)                                  \
    do {                                            \
        if ((end) > frame.memory_size) {            \
            frame.gas = gas;                        \
            if (!frame.reach(end)) goto out_of_gas; \
            gas = frame.gas;                        \
        }                                           \
    } while (false)
// Whether [*top, *top + size) exists; otherwise makes it so.
#define TOUCH(size)                                                                       \
    do {                                                                                  \
        if (!top->fits_u64() || top->words[0] > Frame::memory_reach_max) goto out_of_gas; \
        REACH(top->words[0] + (size));                                                    \
    } while (false)
    BEGIN(mload);
    TOUCH(32);
    in_place::load(*top, frame.memory + top->words[0]);
    NEXT();
    BEGIN(mstore);
    TOUCH(32);
    in_place::store(top[-1], frame.memory + top->words[0]);
    top -= 2;
    NEXT();
    BEGIN(mstore8);
    TOUCH(1);
    frame.memory[top->words[0]] = static_cast<std::uint8_t>(top[-1].words[0]);
    top -= 2;
    NEXT();
    OUTSIDE(sload, 0, do_sload(frame, top));
    OUTSIDE(sstore, -2, do_sstore(frame, top));
// To the jump target at `offset`. What stands there is a JUMPDEST: it is run on the way, unless
// somebody looks.
#define LAND(offset)                      \
    do {                                  \
        pc = code + (offset);             \
        if constexpr (!traced) {          \
            ++pc;                         \
            gas -= jumpdest_gas;          \
            if (gas < 0) goto out_of_gas; \
        }                                 \
    } while (false)
// To *top, which must be a jump target.
#define JUMP()                                                                            \
    do {                                                                                  \
        if (!top->fits_u64() || !frame.code.is_jump_target(top->words[0])) goto bad_jump; \
        LAND(top->words[0]);                                                              \
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
    PUSH_VALUE(pc, static_cast<std::uint64_t>(pc - code));
    PUSH_VALUE(msize, frame.memory_size);
    PUSH_VALUE(gas, static_cast<std::uint64_t>(gas));
    BEGIN(jumpdest);
    NEXT();
    OUTSIDE(tload, 0, do_tload(frame, top));
    OUTSIDE(tstore, -2, do_tstore(frame, top));
    OUTSIDE(mcopy, -3, do_mcopy(frame, top));
    PUSH_VALUE(push0, 0);

#define PUSH(n)                                          \
    on_push##n : CHECK(static_cast<Opcode>(0x5f + (n))); \
    ++top;                                               \
    in_place::push<n>(*top, pc + 1);                     \
    pc += 1 + (n);                                       \
    DISPATCH();
#define DUP(n)                                          \
    on_dup##n : CHECK(static_cast<Opcode>(0x7f + (n))); \
    ++top;                                              \
    in_place::copy(*top, *(top - (n)));                 \
    NEXT();
#define SWAP(n)                                          \
    on_swap##n : CHECK(static_cast<Opcode>(0x8f + (n))); \
    in_place::exchange(top[0], *(top - (n)));            \
    NEXT();
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

#include "evm/fused_instructions.inc"

// A sequence that cannot be run as one: its first instruction, from the code as it was.
unfused:
    goto* labels[frame.code.padded()[pc - code]];
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
