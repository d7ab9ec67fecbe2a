// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "evm/machine.hpp"
#include "evm/memory_host.hpp"

namespace millrace::evm {

inline Address sample_address(std::uint8_t number) {
    Address address;
    address.bytes[0] = 0xa0;
    address.bytes[19] = number;
    return address;
}

/// Hexadecimal with spaces between.
inline Bytes assemble(std::string_view hex) {
    std::string digits;
    for (const char letter : hex)
        if (letter != ' ' && letter != '\n') digits += letter;
    const auto bytes = from_hex(digits);
    MILLRACE_ASSERT(bytes.has_value());
    return *bytes;
}

/// A machine and a small world for tests: the sender is 01 with 10^18 wei, the contract is 02.
struct Sample {
    static constexpr std::int64_t gas = 1'000'000;

    Revision revision = Revision::osaka;
    BlockContext block;
    TransactionContext transaction;
    MemoryHost host;
    std::shared_ptr<Arena> arena = make_arena();
    bool met_unsupported = false;

    explicit Sample(Revision its_revision = Revision::osaka) : revision{its_revision} {
        block.number = 1000;
        block.timestamp = 1'700'000'000;
        block.gas_limit = 30'000'000;
        transaction.origin = sample_address(1);
        transaction.gas_price = U256{7};
        host.account(sample_address(1)).balance = U256{1'000'000'000'000'000'000};
        host.account(sample_address(2));
    }

    CallResult call(const Message& message) {
        Machine machine{revision, block, transaction, host, *arena};
        CallResult result = machine.call(message);
        met_unsupported = machine.met_unsupported();
        return result;
    }
    [[nodiscard]] static Message message(std::int64_t gas_given = gas) {
        Message message;
        message.gas = gas_given;
        message.sender = sample_address(1);
        message.recipient = message.code_address = sample_address(2);
        return message;
    }
    CallResult run_code(Bytes code, std::int64_t gas_given = gas, ByteView input = {}) {
        host.put_code(sample_address(2), std::move(code));
        host.begin_transaction();
        Message its_message = message(gas_given);
        its_message.input = input;
        return call(its_message);
    }
    CallResult run(std::string_view hex, std::int64_t gas_given = gas) {
        return run_code(assemble(hex), gas_given);
    }
    [[nodiscard]] static std::int64_t gas_used(const CallResult& result) {
        return gas - result.gas_left;
    }
};

/// The output, which must be one word.
inline U256 word_of(const CallResult& result) {
    const auto word = Hash32::from(result.output);
    MILLRACE_ASSERT(word.has_value());
    return from_word(*word);
}

}  // namespace millrace::evm
