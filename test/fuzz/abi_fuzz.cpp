// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Input: a type text, a zero byte, data. What decodes must encode, and decode to the same values.
// (Not to the same bytes: the ABI lets tails lie in any order.)

#include <algorithm>

#include "base/assert.hpp"
#include "codec/abi.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    const ByteView input{data, size};
    const auto zero = std::ranges::find(input, std::uint8_t{0});
    const auto split = static_cast<std::size_t>(zero - input.begin());
    const std::string_view types = as_text(input.first(split));
    const ByteView body = input.subspan(std::min(size, split + 1));
    const auto values = codec::abi_decode(types, body);
    if (!values) return 0;
    const auto encoded = codec::abi_encode(types, *values);
    MILLRACE_ASSERT(encoded.has_value());
    MILLRACE_ASSERT(encoded->size() <= body.size());
    const auto again = codec::abi_decode(types, *encoded);
    MILLRACE_ASSERT(again.has_value());
    const auto twice = codec::abi_encode(types, *again);
    MILLRACE_ASSERT(twice.has_value());
    MILLRACE_ASSERT(*twice == *encoded);
    return 0;
}
