// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Any code at any revision: gas is never negative nor more than was given, a failed frame leaves
// the world as it was, a second run ends as the first, tracing changes nothing; and where the naive
// machine knows all instructions, both agree on status, gas and output.

#include "base/assert.hpp"
#include "evm/machine.hpp"
#include "evm/memory_host.hpp"
#include "naive_evm.hpp"

namespace {

using namespace millrace;
using namespace millrace::evm;

constexpr Address address_of(std::uint8_t number) {
    Address address;
    address.bytes[0] = 0xa0;
    address.bytes[19] = number;
    return address;
}

struct SilentTracer final : Tracer {
    void on_enter(const Message& message) override { MILLRACE_ASSERT(message.gas >= 0); }
    void on_step(const Step& step) override { MILLRACE_ASSERT(step.stack_count <= 1024); }
    void on_leave(const CallResult& result) override { MILLRACE_ASSERT(result.gas_left >= 0); }
};

struct Outcome {
    CallResult result;
    std::vector<Log> logs;
};

Outcome run(Revision revision, ByteView code, ByteView second_code, std::int64_t gas,
            Tracer* tracer) {
    static const auto arena = make_arena();
    MemoryHost host;
    host.account(address_of(1)).balance = U256{1'000'000};
    host.account(address_of(2)).balance = U256{1000};
    host.put_code(address_of(2), to_bytes(code));
    host.put_code(address_of(3), to_bytes(second_code));
    host.put_storage(address_of(2), U256{0}, U256{1});
    host.begin_transaction();
    BlockContext block;
    block.number = 1000;
    block.timestamp = 1'700'000'000;
    block.gas_limit = 30'000'000;
    TransactionContext transaction;
    transaction.origin = address_of(1);
    Message message;
    message.gas = gas;
    message.sender = address_of(1);
    message.recipient = message.code_address = address_of(2);
    message.value = U256{1};
    message.input = second_code;
    Machine machine{revision, block, transaction, host, *arena, tracer};
    Outcome outcome{machine.call(message), host.logs()};
    MILLRACE_ASSERT(outcome.result.gas_left >= 0);
    MILLRACE_ASSERT(outcome.result.gas_left <= gas);
    if (outcome.result.status != Status::success) {
        MILLRACE_ASSERT(host.change_count() == 0);
        MILLRACE_ASSERT(host.balance(address_of(2)) == U256{1000});
        MILLRACE_ASSERT(outcome.result.gas_refund == 0);
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // Revision, gas, where the callee's code begins; then the code.
    if (size < 4 || size > 4096) return 0;
    const auto revision = static_cast<Revision>(data[0] % revision_count);
    const std::int64_t gas = std::int64_t{1} << (8 + data[1] % 11);  // up to 262,144
    const ByteView code{data + 3, size - 3};
    const ByteView second_code = code.subspan(code.size() * data[2] / 256);

    const Outcome first = run(revision, code, second_code, gas, nullptr);
    SilentTracer tracer;
    const Outcome second = run(revision, code, second_code, gas, &tracer);
    MILLRACE_ASSERT(first.result.status == second.result.status);
    MILLRACE_ASSERT(first.result.gas_left == second.result.gas_left);
    MILLRACE_ASSERT(first.result.gas_refund == second.result.gas_refund);
    MILLRACE_ASSERT(first.result.output == second.result.output);
    MILLRACE_ASSERT(first.logs == second.logs);

    if (const auto naive = fuzz::run_naively(revision, code, gas)) {
        MILLRACE_ASSERT(naive->is_success == (first.result.status == Status::success));
        MILLRACE_ASSERT(naive->is_revert == (first.result.status == Status::revert));
        MILLRACE_ASSERT(naive->gas_left == first.result.gas_left);
        MILLRACE_ASSERT(naive->output == first.result.output);
    }
    return 0;
}
