// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Two operands of 32 bytes against GMP, and the start of the rest as a third (a modulus); what is
// left of the input is read as text too.

#include <algorithm>

#include "base/u256.hpp"
#include "base/u256_gmp_twin.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    const ByteView input{data, size};
    if (size < 64) return 0;
    const ByteView rest = input.subspan(64);
    twin::check_against_gmp(*u256_from_big_endian(input.first(32)),
                            *u256_from_big_endian(input.subspan(32, 32)),
                            *u256_from_big_endian(rest.first(std::min(rest.size(), 32UL))));
    const std::string_view text = as_text(rest);
    if (const auto number = u256_from_decimal(text)) {
        MILLRACE_ASSERT(u256_from_decimal(to_decimal(*number)) == number);
    }
    if (const auto number = u256_from_rpc_quantity(text)) {
        MILLRACE_ASSERT(u256_from_rpc_quantity(to_rpc_quantity(*number)) == number);
    }
    if (const auto amount = parse_amount(text)) {
        MILLRACE_ASSERT(parse_amount(format_amount(*amount)) == amount);
    }
    return 0;
}
