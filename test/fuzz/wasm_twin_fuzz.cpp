// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The engine against a naive twin: the input decides a valid program; values, memory, traps and
// fuel must agree.

#include "wasm/naive_twin.hpp"

using namespace millrace;
using namespace millrace::wasm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::uint64_t seed = size;
    for (std::size_t index = 0; index < size; ++index)
        seed = seed * 1'000'003 + data[index];
    twin::Generator generator{{data, size}, seed};
    for (int round = 0; round < 8; ++round) {
        const twin::Program program = generator.program();
        for (const std::uint64_t limit : {300U, 20'000U}) {
            twin::compare(program, 5, 0x80000000, limit);
            twin::compare(program, 0xffffffff, 65'000, limit);
        }
    }
    return 0;
}
