// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The decoder takes exactly what a naive twin takes, and has one writing for it.

#include "base/assert.hpp"
#include "rlp_naive_twin.hpp"
#include "types/transaction.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const millrace::ByteView input{data, size};
    const auto decoded = millrace::types::decode_transaction(input);
    const bool expected = millrace::fuzz::is_transaction(std::string{millrace::as_text(input)});
    MILLRACE_ASSERT(decoded.has_value() == expected);
    if (!expected) return 0;
    MILLRACE_ASSERT(decoded->encode() == millrace::to_bytes(input));
    const auto sender = decoded->sender();
    // Where a sender is known it is the same one by the older rule.
    if (sender) MILLRACE_ASSERT(decoded->sender_before_homestead() == sender);
    for (const auto& authorization : decoded->transaction.authorizations)
        static_cast<void>(authorization.authority());
    return 0;
}
