// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The judge with hostile witnesses. The start root is the witness's own, as if two parties had
// agreed on a state and a program that they made up: everything behind the hashes is reached.
// Whatever is accepted encodes to the same bytes, and a second judge comes to the same verdict.

#include <algorithm>
#include <cstdint>

#include "base/assert.hpp"
#include "judge/replay.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    const ByteView bytes{data, size};
    auto witness = judge::decode_witness(bytes);
    if (!witness) return 0;
    MILLRACE_ASSERT(std::ranges::equal(judge::encode(*witness), bytes));
    const auto start = judge::start_of(*witness);
    if (!start) return 0;
    witness->steps = std::min<std::uint64_t>(witness->steps, 20'000);
    const judge::ReplayLimits limits{.address_space = std::uint64_t{64} << 20,
                                     .contents = std::uint64_t{1} << 20,
                                     .table_bytes = std::uint64_t{1} << 20};
    const auto end = judge::replay(*witness, *start, limits);
    const auto again = judge::replay(*witness, *start, limits);
    MILLRACE_ASSERT(end.has_value() == again.has_value());
    if (end) MILLRACE_ASSERT(end->root == again->root);
    return 0;
}
