// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Sorts four million numbers by their bytes, `size` times: each round writes 64 MiB, all of two
// arrays. The kernel that gives checkpoints the most to hash.
#include "kernel.h"

enum { COUNT = 1 << 22 };

static uint64_t numbers[COUNT];
static uint64_t sorted[COUNT];

static void sort_by_byte(const uint64_t* source, uint64_t* target, int shift) {
    uint32_t place[257] = {0};
    for (int index = 0; index < COUNT; ++index)
        ++place[(source[index] >> shift & 255) + 1];
    for (int byte = 0; byte < 256; ++byte)
        place[byte + 1] += place[byte];
    for (int index = 0; index < COUNT; ++index)
        target[place[source[index] >> shift & 255]++] = source[index];
}

int64_t run(int32_t size) {
    uint64_t hash = hash_start;
    uint64_t state = 1;
    for (int32_t round = 0; round < size; ++round) {
        for (int index = 0; index < COUNT; ++index)
            numbers[index] = next_random(&state);
        sort_by_byte(numbers, sorted, 0);
        sort_by_byte(sorted, numbers, 56);
        hash = mix_in(hash, numbers[(uint32_t)round % COUNT]);
    }
    return (int64_t)hash;
}
