// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// SHA-256 (FIPS 180-4) of a 64 KiB message, `size` times, each digest going into the next message:
// 32-bit rotations and additions in registers.
#include "kernel.h"

static uint32_t constants[64];
static uint8_t message[65536];

// The fractional parts of the cube roots of the first 64 primes, found with integers alone.
static void find_constants(void) {
    int count = 0;
    for (uint64_t n = 2; count < 64; ++n) {
        int prime = 1;
        for (uint64_t d = 2; d * d <= n; ++d) {
            if (n % d == 0) prime = 0;
        }
        if (!prime) continue;
        // The largest r with r^3 <= n * 2^96; r needs 35 bits, so the cube is built from two
        // halves.
        uint64_t root = 0;
        for (uint64_t bit = (uint64_t)1 << 35; bit != 0; bit >>= 1) {
            const unsigned __int128 r = root | bit;
            const unsigned __int128 square = r * r;
            const unsigned __int128 limit = (unsigned __int128)n << 96;
            if (square <= limit / r) root |= bit;
        }
        constants[count++] = (uint32_t)root;
    }
}

static uint32_t turn(uint32_t x, int by) {
    return (x >> by) | (x << (32 - by));
}

static void compress(uint32_t state[8], const uint8_t* block) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 64; ++i) {
        const uint32_t s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >> 3);
        const uint32_t s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; ++i) {
        const uint32_t s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
        const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
        const uint32_t s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
        const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

EXPORT int64_t run(int32_t size) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    find_constants();
    uint64_t random = 3;
    for (size_t i = 0; i < sizeof message; ++i)
        message[i] = (uint8_t)next_random(&random);
    uint32_t state[8] = {0};
    for (int32_t round = 0; round < size; ++round) {
        for (int i = 0; i < 8; ++i)
            state[i] = start[i];
        for (size_t at = 0; at < sizeof message; at += 64)
            compress(state, message + at);
        uint8_t last[64] = {0x80};
        const uint64_t bits = sizeof message * 8;
        for (int i = 0; i < 8; ++i)
            last[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
        compress(state, last);
        for (int i = 0; i < 32; ++i)
            message[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return (int64_t)((uint64_t)state[0] << 32 | state[1]);
}
