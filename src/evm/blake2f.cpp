// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/blake2f.hpp"

#include <bit>
#include <cstddef>

namespace millrace::evm {
namespace {

/// RFC 7693, 2.6.
constexpr std::array<std::uint64_t, 8> initial = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

/// RFC 7693, 2.7: the message word for each half step of a round.
constexpr std::uint8_t sigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/// G of RFC 7693, 3.1.
inline void mix(std::uint64_t& a, std::uint64_t& b, std::uint64_t& c, std::uint64_t& d,
                std::uint64_t x, std::uint64_t y) noexcept {
    a += b + x;
    d = std::rotr(d ^ a, 32);
    c += d;
    b = std::rotr(b ^ c, 24);
    a += b + y;
    d = std::rotr(d ^ a, 16);
    c += d;
    b = std::rotr(b ^ c, 63);
}

}  // namespace

std::array<std::uint64_t, 8> blake2f(const Blake2fBlock& block) noexcept {
    const auto& h = block.state;
    const auto& m = block.message;
    std::uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3];
    std::uint64_t v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
    std::uint64_t v8 = initial[0], v9 = initial[1], v10 = initial[2], v11 = initial[3];
    std::uint64_t v12 = initial[4] ^ block.offset[0];
    std::uint64_t v13 = initial[5] ^ block.offset[1];
    std::uint64_t v14 = block.is_final ? ~initial[6] : initial[6];
    std::uint64_t v15 = initial[7];
    std::size_t row = 0;
    for (std::uint32_t round = 0; round < block.round_count; ++round) {
        const std::uint8_t* const s = sigma[row];
        row = row == 9 ? 0 : row + 1;
        mix(v0, v4, v8, v12, m[s[0]], m[s[1]]);
        mix(v1, v5, v9, v13, m[s[2]], m[s[3]]);
        mix(v2, v6, v10, v14, m[s[4]], m[s[5]]);
        mix(v3, v7, v11, v15, m[s[6]], m[s[7]]);
        mix(v0, v5, v10, v15, m[s[8]], m[s[9]]);
        mix(v1, v6, v11, v12, m[s[10]], m[s[11]]);
        mix(v2, v7, v8, v13, m[s[12]], m[s[13]]);
        mix(v3, v4, v9, v14, m[s[14]], m[s[15]]);
    }
    return {h[0] ^ v0 ^ v8,  h[1] ^ v1 ^ v9,  h[2] ^ v2 ^ v10, h[3] ^ v3 ^ v11,
            h[4] ^ v4 ^ v12, h[5] ^ v5 ^ v13, h[6] ^ v6 ^ v14, h[7] ^ v7 ^ v15};
}

}  // namespace millrace::evm
