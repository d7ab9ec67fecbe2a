// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/entropy.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.hpp"

namespace millrace::io {

void fill_random(std::span<std::uint8_t> target) noexcept {
    std::size_t filled = 0;
    while (filled < target.size()) {
        const ssize_t got = ::getrandom(target.data() + filled, target.size() - filled, 0);
        if (got < 0 && errno == EINTR) continue;
        MILLRACE_ASSERT(got > 0);
        filled += static_cast<std::size_t>(got);
    }
}

Bytes random_bytes(std::size_t size) {
    Bytes result(size);
    fill_random(result);
    return result;
}

Hash32 random_hash() noexcept {
    Hash32 result;
    fill_random(result.bytes);
    return result;
}

std::uint64_t random_u64() noexcept {
    std::array<std::uint8_t, 8> bytes{};
    fill_random(bytes);
    std::uint64_t result = 0;
    for (const std::uint8_t byte : bytes)
        result = result << 8 | byte;
    return result;
}

}  // namespace millrace::io
