// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <limits>

#include "evm/arena.hpp"
#include "evm/code.hpp"
#include "evm/machine.hpp"

namespace millrace::evm {

/// One frame while it runs: what the interpreter keeps outside its registers. Lives on the native
/// stack, up to 1,025 of them at a time: keep it small.
struct Frame {
    Machine& machine;
    const Message& message;
    const Code& code;
    const Revision revision;
    std::int64_t gas;  ///< while an instruction outside interpret() runs; may end below 0
    std::int64_t refund = 0;
    std::uint8_t* memory = nullptr;
    std::size_t memory_size = 0;  ///< a multiple of 32
    Bytes return_data;            ///< of the last callee
    ByteView output;              ///< in memory

    Frame(Machine& its_machine, const Message& its_message, const Code& its_code) noexcept
        : machine{its_machine},
          message{its_message},
          code{its_code},
          revision{its_machine.revision()},
          gas{its_message.gas} {}

    [[nodiscard]] Host& host() const noexcept { return machine.host_; }
    [[nodiscard]] Arena& arena() const noexcept { return machine.arena_; }
    [[nodiscard]] const BlockContext& block() const noexcept { return machine.block_; }
    [[nodiscard]] const TransactionContext& transaction() const noexcept {
        return machine.transaction_;
    }
    [[nodiscard]] RepeatedModulus& modulus() const noexcept { return machine.modulus_; }
    [[nodiscard]] Tracer* tracer() const noexcept { return machine.tracer_; }
    CallResult run_call(const Message& callee) { return machine.run_call(callee); }
    CallResult run_create(const Message& callee) { return machine.run_create(callee); }

    /// Takes gas; false when there is not enough.
    [[nodiscard]] bool pay(std::int64_t price) noexcept { return (gas -= price) >= 0; }
    [[nodiscard]] bool pay_words(std::int64_t price, std::uint64_t bytes) noexcept {
        return pay(price * static_cast<std::int64_t>((bytes + 31) / 32));
    }
    /// Makes memory reach `end`, which is ≤ memory_reach_max, and pays for it.
    [[nodiscard]] bool reach(std::uint64_t end) noexcept;
    /// Makes [offset, offset + size) exist; nothing when size is 0.
    [[nodiscard]] bool touch(const U256& offset, const U256& size) noexcept {
        if (size.is_zero()) return true;
        if (!offset.fits_u64() || !size.fits_u64()) return false;
        const std::uint64_t first = offset.words[0];
        const std::uint64_t count = size.words[0];
        if (first > memory_reach_max || count > memory_reach_max) return false;
        return first + count <= memory_size || reach(first + count);
    }
    /// Of what touch() has made exist.
    [[nodiscard]] ByteView memory_view(const U256& offset, const U256& size) const noexcept {
        if (size.is_zero()) return {};
        return {memory + offset.words[0], static_cast<std::size_t>(size.words[0])};
    }

    /// Above this a byte of memory costs more than 2^44 gas: answered as out of gas.
    static constexpr std::uint64_t memory_reach_max = std::uint64_t{1} << 32;
};

/// Runs the frame's code from its beginning; leaves gas, refund and output in the frame.
Status interpret(Frame& frame);
Status interpret_traced(Frame& frame);

// Instructions outside the loop. `top` is the newest item; the result, if any, replaces the oldest
// operand, and the loop moves the top. Gas is in the frame. Not success: the frame ends.

Status do_keccak256(Frame& frame, U256* top);
Status do_exp(Frame& frame, U256* top);
Status do_balance(Frame& frame, U256* top);
Status do_extcodesize(Frame& frame, U256* top);
Status do_extcodehash(Frame& frame, U256* top);
Status do_extcodecopy(Frame& frame, U256* top);
Status do_calldatacopy(Frame& frame, U256* top);
Status do_codecopy(Frame& frame, U256* top);
Status do_returndatacopy(Frame& frame, U256* top);
Status do_mcopy(Frame& frame, U256* top);
Status do_blockhash(Frame& frame, U256* top);
Status do_blobhash(Frame& frame, U256* top);
Status do_sload(Frame& frame, U256* top);
Status do_sstore(Frame& frame, U256* top);
Status do_tload(Frame& frame, U256* top);
Status do_tstore(Frame& frame, U256* top);
Status do_log(Frame& frame, U256* top, unsigned topic_count);
Status do_create(Frame& frame, U256* top, CallKind kind);
Status do_selfdestruct(Frame& frame, U256* top);
/// CALL, CALLCODE, DELEGATECALL, STATICCALL (a call with is_static).
Status do_call(Frame& frame, U256* top, CallKind kind, bool is_static);
/// RETURN and REVERT: sets the output.
Status do_finish(Frame& frame, U256* top, Status status);

constexpr U256 to_u256(const Address& address) noexcept {
    Hash32 word;
    for (std::size_t index = 0; index < Address::size; ++index)
        word.bytes[12 + index] = address.bytes[index];
    return from_word(word);
}
constexpr Address to_address(const U256& number) noexcept {
    const Hash32 word = to_word(number);
    Address address;
    for (std::size_t index = 0; index < Address::size; ++index)
        address.bytes[index] = word.bytes[12 + index];
    return address;
}

}  // namespace millrace::evm
