// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/machine.hpp"

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "evm/create_address.hpp"
#include "evm/delegation.hpp"
#include "evm/frame.hpp"
#include "evm/precompiles.hpp"

namespace millrace::evm {
namespace {

constexpr std::size_t code_size_max = 0x6000;  // EIP-170
constexpr std::int64_t code_byte_gas = 200;

CallResult failure(Status status) {
    CallResult result;
    result.status = status;
    return result;
}

/// Runs `code` and takes the outcome out of the frame. The host is not reverted here.
CallResult run_frame(Frame& frame, bool is_traced) {
    const Arena::Mark mark = frame.arena().enter();
    CallResult result;
    result.status = is_traced ? interpret_traced(frame) : interpret(frame);
    if (result.status == Status::success || result.status == Status::revert) {
        MILLRACE_ASSERT(frame.gas >= 0);
        result.gas_left = frame.gas;
        if (!frame.output.empty()) result.output = to_bytes(frame.output);
    }
    if (result.status == Status::success) result.gas_refund = frame.refund;
    frame.arena().leave(mark);
    return result;
}

void move_value(Host& host, const Message& message, const Address& recipient) {
    if (!message.value.is_zero()) host.subtract_balance(message.sender, message.value);
    host.add_balance(recipient, message.value);
}

}  // namespace

Machine::Machine(Revision revision, const BlockContext& block,
                 const TransactionContext& transaction, Host& host, Arena& arena,
                 Tracer* tracer) noexcept
    : revision_{revision},
      block_{block},
      transaction_{transaction},
      host_{host},
      arena_{arena},
      tracer_{tracer} {}

CallResult Machine::call(const Message& message) {
    const bool creates = message.kind == CallKind::create || message.kind == CallKind::create2;
    CallResult result = creates ? run_create(message) : run_call(message);
    if (message.depth == 0) arena_.trim();
    return result;
}

CallResult Machine::run_call(const Message& message) {
    if (tracer_ != nullptr) tracer_->on_enter(message);
    CallResult result = call_account(message);
    if (tracer_ != nullptr) tracer_->on_leave(result);
    return result;
}

CallResult Machine::run_create(const Message& message) {
    if (tracer_ != nullptr) tracer_->on_enter(message);
    CallResult result = create_account(message);
    if (tracer_ != nullptr) tracer_->on_leave(result);
    return result;
}

CallResult Machine::call_account(const Message& message) {
    const Host::Checkpoint before = host_.checkpoint();
    if (message.kind == CallKind::call) {
        if (host_.balance(message.sender) < message.value)
            return failure(Status::insufficient_balance);
        move_value(host_, message, message.recipient);
    }
    if (const Address* contract = precompile_at(message.code_address)) {
        CallResult result = call_precompile(message, *contract);
        if (result.status != Status::success) host_.revert_to(before);
        return result;
    }
    const CodePtr code = code_to_run(message);
    if (code->size() == 0) {
        CallResult result;
        result.gas_left = message.gas;
        return result;
    }
    Frame frame{*this, message, *code};
    CallResult result = run_frame(frame, tracer_ != nullptr);
    if (result.status != Status::success) host_.revert_to(before);
    return result;
}

CodePtr Machine::code_to_run(const Message& message) {
    CodePtr code = host_.code(message.code_address);
    if (revision_ < Revision::prague) return code;
    const std::optional<Address> delegate = delegate_of(code->view());
    if (!delegate) return code;
    // An instruction has paid for it; a transaction's delegate is warm without.
    if (message.depth == 0) host_.access_account(*delegate);
    // EIP-7702: a precompiled contract has no code to delegate to.
    return precompile_at(*delegate) != nullptr ? Code::empty() : host_.code(*delegate);
}

const Address* Machine::precompile_at(const Address& address) const noexcept {
    if (moves_ != nullptr) {
        const auto moved = moves_->find(address);
        if (moved != moves_->end()) return moved->second ? &*moved->second : nullptr;
    }
    return is_precompile(revision_, address) ? &address : nullptr;
}

CallResult Machine::call_precompile(const Message& message, const Address& contract) {
    using enum PrecompileResult::Status;
    PrecompileResult outcome = run_precompile(revision_, contract, message.input, message.gas);
    switch (outcome.status) {
        case success:
            break;
        case out_of_gas:
            return failure(Status::out_of_gas);
        case failed:
            return failure(Status::precompile_failed);
        case not_supported:
            met_unsupported_ = true;
            return failure(Status::not_supported);
    }
    CallResult result;
    result.gas_left = outcome.gas_left;
    result.output = std::move(outcome.output);
    return result;
}

CallResult Machine::create_account(const Message& message) {
    if (host_.balance(message.sender) < message.value) return failure(Status::insufficient_balance);
    const std::uint64_t nonce = host_.nonce(message.sender);
    if (nonce == std::numeric_limits<std::uint64_t>::max()) return failure(Status::nonce_overflow);
    host_.set_nonce(message.sender, nonce + 1);
    const Address created = message.kind == CallKind::create2
                                ? create2_address(message.sender, to_word(message.salt),
                                                  crypto::keccak256(message.input))
                                : create_address(message.sender, nonce);
    if (revision_ >= Revision::berlin) host_.access_account(created);
    // EIP-684, EIP-7610: what has a history is not replaced.
    const Hash32 code_hash = host_.code_hash(created);
    if (host_.nonce(created) != 0 || (!code_hash.is_zero() && code_hash != empty_code_hash) ||
        host_.has_storage(created))
        return failure(Status::address_collision);

    const Host::Checkpoint before = host_.checkpoint();
    host_.create_contract(created);
    if (revision_ >= Revision::spurious_dragon) host_.set_nonce(created, 1);  // EIP-161
    move_value(host_, message, created);

    Message inner = message;
    inner.recipient = inner.code_address = created;
    inner.input = {};
    const Code code{to_bytes(message.input), Code::unhashed};
    Frame frame{*this, inner, code};
    CallResult result = run_frame(frame, tracer_ != nullptr);
    if (result.status == Status::success) deploy(created, result);
    if (result.status != Status::success) host_.revert_to(before);
    if (result.status == Status::success) result.created = created;
    return result;
}

void Machine::deploy(const Address& created, CallResult& result) {
    Bytes code = std::move(result.output);
    result.output.clear();
    if (revision_ >= Revision::spurious_dragon && code.size() > code_size_max) {
        result = failure(Status::code_size_exceeded);
        return;
    }
    if (revision_ >= Revision::london && !code.empty() && code[0] == 0xef) {
        result = failure(Status::invalid_code_prefix);  // EIP-3541
        return;
    }
    const std::int64_t price = code_byte_gas * static_cast<std::int64_t>(code.size());
    if (price > result.gas_left) {
        // Before EIP-2 the contract then stays without code.
        if (revision_ >= Revision::homestead) result = failure(Status::out_of_gas);
        return;
    }
    result.gas_left -= price;
    if (!code.empty()) host_.set_code(created, std::move(code));
}

std::string_view to_text(Status status) noexcept {
    switch (status) {
        case Status::success:
            return "success";
        case Status::revert:
            return "execution reverted";
        case Status::out_of_gas:
            return "out of gas";
        case Status::undefined_instruction:
            return "undefined instruction";
        case Status::invalid_instruction:
            return "invalid instruction";
        case Status::stack_underflow:
            return "stack underflow";
        case Status::stack_overflow:
            return "stack overflow";
        case Status::bad_jump:
            return "invalid jump destination";
        case Status::return_data_out_of_bounds:
            return "return data out of bounds";
        case Status::static_violation:
            return "state modification in a static call";
        case Status::depth_exceeded:
            return "call depth exceeded";
        case Status::insufficient_balance:
            return "insufficient balance for transfer";
        case Status::nonce_overflow:
            return "nonce overflow";
        case Status::address_collision:
            return "contract address collision";
        case Status::code_size_exceeded:
            return "code size limit exceeded";
        case Status::init_size_exceeded:
            return "init code size limit exceeded";
        case Status::invalid_code_prefix:
            return "code must not begin with 0xef";
        case Status::precompile_failed:
            return "precompiled contract failed";
        case Status::not_supported:
            return "precompiled contract not supported by this build";
    }
    return "unknown";
}

}  // namespace millrace::evm
