// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// CALL and its kin, CREATE, CREATE2 and SELFDESTRUCT: what the caller pays and gets back. What the
// callee does is in machine.cpp.

#include <algorithm>

#include "evm/delegation.hpp"
#include "evm/frame.hpp"

namespace millrace::evm {
namespace {

constexpr std::int64_t cold_account_gas = 2600;  // EIP-2929
constexpr std::int64_t warm_account_gas = 100;
constexpr std::int64_t new_account_gas = 25'000;
constexpr std::int64_t value_gas = 9000;
constexpr std::int64_t value_stipend = 2300;
constexpr std::uint16_t depth_max = 1024;
constexpr std::uint64_t init_size_max = 2 * 0x6000;  // EIP-3860

bool is_cold(Frame& frame, const Address& address) {
    return frame.host().access_account(address) == AccessStatus::cold;
}

/// EIP-7702: who calls an account that delegates pays for reading the delegate, too.
bool pay_delegate(Frame& frame, const Address& address) {
    if (frame.revision < Revision::prague) return true;
    const std::optional<Address> delegate = delegate_of(frame.host().code(address)->view());
    if (!delegate) return true;
    return frame.pay(is_cold(frame, *delegate) ? cold_account_gas : warm_account_gas);
}

/// Whether a transfer makes an account that did not exist (EIP-161).
bool makes_account(Frame& frame, const Address& address, bool has_value) {
    if (frame.revision < Revision::spurious_dragon) return !frame.host().exists(address);
    return has_value && frame.host().is_empty(address);
}

/// EIP-150: all but a 64th of what is left.
std::int64_t gas_for_callee(const Frame& frame) noexcept {
    return frame.revision >= Revision::tangerine_whistle ? frame.gas - frame.gas / 64 : frame.gas;
}

}  // namespace

Status do_call(Frame& frame, U256* top, CallKind kind, bool is_static) {
    const bool takes_value = (kind == CallKind::call && !is_static) || kind == CallKind::call_code;
    const Address target = to_address(top[-1]);
    const U256 value = takes_value ? top[-2] : U256{};
    const bool has_value = !value.is_zero();
    // The operands after the value, if any.
    U256* const rest = takes_value ? top - 3 : top - 2;
    const U256& input_offset = rest[0];
    const U256& input_size = rest[-1];
    const U256& output_offset = rest[-2];
    const U256& output_size = rest[-3];
    U256& result = rest[-3];
    const Message& own = frame.message;
    Host& host = frame.host();

    if (kind == CallKind::call && has_value && own.is_static) return Status::static_violation;
    if (frame.revision >= Revision::berlin && is_cold(frame, target) &&
        !frame.pay(cold_account_gas - warm_account_gas))
        return Status::out_of_gas;
    if (!frame.touch(input_offset, input_size) || !frame.touch(output_offset, output_size))
        return Status::out_of_gas;
    if (has_value && !frame.pay(value_gas)) return Status::out_of_gas;
    if (kind == CallKind::call && makes_account(frame, target, has_value) &&
        !frame.pay(new_account_gas))
        return Status::out_of_gas;
    if (!pay_delegate(frame, target)) return Status::out_of_gas;

    Message callee;
    const U256& asked = top[0];
    const std::int64_t available = gas_for_callee(frame);
    const bool asks_too_much =
        !asked.fits_u64() || asked.words[0] > static_cast<std::uint64_t>(available);
    if (asks_too_much && frame.revision < Revision::tangerine_whistle) return Status::out_of_gas;
    callee.gas = asks_too_much ? available : static_cast<std::int64_t>(asked.words[0]);
    frame.gas -= callee.gas;
    if (has_value) callee.gas += value_stipend;

    frame.return_data.clear();
    const U256 reply_offset = output_offset;
    const auto reply_size = static_cast<std::size_t>(output_size.words[0]);
    if (own.depth >= depth_max || (has_value && host.balance(own.recipient) < value)) {
        frame.gas += callee.gas;
        result = U256{};
        return Status::success;
    }
    callee.kind = kind;
    callee.is_static = is_static || own.is_static;
    callee.depth = static_cast<std::uint16_t>(own.depth + 1);
    callee.sender = kind == CallKind::delegate_call ? own.sender : own.recipient;
    callee.recipient = kind == CallKind::call ? target : own.recipient;
    callee.code_address = target;
    callee.value = kind == CallKind::delegate_call ? own.value : value;
    callee.input = frame.memory_view(input_offset, input_size);
    CallResult outcome = frame.run_call(callee);

    frame.gas += outcome.gas_left;
    frame.refund += outcome.gas_refund;
    const std::size_t reply = std::min(reply_size, outcome.output.size());
    if (reply != 0) std::memcpy(frame.memory + reply_offset.words[0], outcome.output.data(), reply);
    frame.return_data = std::move(outcome.output);
    result = U256{outcome.status == Status::success ? 1U : 0U};
    return Status::success;
}

Status do_create(Frame& frame, U256* top, CallKind kind) {
    const Message& own = frame.message;
    if (own.is_static) return Status::static_violation;
    const U256 value = top[0];
    const U256& offset = top[-1];
    const U256& size = top[-2];
    const U256 salt = kind == CallKind::create2 ? top[-3] : U256{};
    U256& result = kind == CallKind::create2 ? top[-3] : top[-2];
    if (!frame.touch(offset, size)) return Status::out_of_gas;
    std::int64_t word_gas = kind == CallKind::create2 ? 6 : 0;  // EIP-1014: it is hashed
    if (frame.revision >= Revision::shanghai) {                 // EIP-3860
        if (size > U256{init_size_max}) return Status::out_of_gas;
        word_gas += 2;
    }
    if (!frame.pay_words(word_gas, size.words[0])) return Status::out_of_gas;

    frame.return_data.clear();
    const ByteView init_code = frame.memory_view(offset, size);
    result = U256{};
    Host& host = frame.host();
    if (own.depth >= depth_max || (!value.is_zero() && host.balance(own.recipient) < value) ||
        host.nonce(own.recipient) == std::numeric_limits<std::uint64_t>::max())
        return Status::success;
    Message callee;
    callee.kind = kind;
    callee.depth = static_cast<std::uint16_t>(own.depth + 1);
    callee.gas = gas_for_callee(frame);
    callee.sender = own.recipient;
    callee.value = value;
    callee.input = init_code;
    callee.salt = salt;
    frame.gas -= callee.gas;
    CallResult outcome = frame.run_create(callee);

    frame.gas += outcome.gas_left;
    frame.refund += outcome.gas_refund;
    frame.return_data = std::move(outcome.output);
    if (outcome.status == Status::success) result = to_u256(outcome.created);
    return Status::success;
}

Status do_selfdestruct(Frame& frame, U256* top) {
    const Message& own = frame.message;
    if (own.is_static) return Status::static_violation;
    const Address& self = own.recipient;
    const Address heir = to_address(*top);
    Host& host = frame.host();
    if (frame.revision >= Revision::berlin && is_cold(frame, heir) && !frame.pay(cold_account_gas))
        return Status::out_of_gas;
    const U256 balance = host.balance(self);
    if (frame.revision >= Revision::tangerine_whistle &&
        makes_account(frame, heir, !balance.is_zero()) && !frame.pay(new_account_gas))
        return Status::out_of_gas;

    // EIP-6780: only what this transaction created disappears.
    const bool disappears = frame.revision < Revision::cancun || host.created_in_transaction(self);
    if (heir != self) {
        host.subtract_balance(self, balance);
        host.add_balance(heir, balance);
    } else if (disappears) {
        host.subtract_balance(self, balance);
    }
    if (disappears && host.mark_destroyed(self) && frame.revision < Revision::london)
        frame.refund += 24'000;  // until EIP-3529
    return Status::success;
}

}  // namespace millrace::evm
