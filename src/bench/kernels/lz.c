// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Compresses 256 KiB of made-up prose with a hash-table LZ77 and unpacks it again, `size` times:
// bytes, tables and branches that cannot be foretold.
#include "kernel.h"

#define TEXT_SIZE 262144
#define TABLE_BITS 14
#define MATCH_MIN 4
#define MATCH_MAX 259
#define DISTANCE_MAX 65535

static uint8_t text[TEXT_SIZE], packed[TEXT_SIZE * 2], unpacked[TEXT_SIZE];
static int32_t table[1 << TABLE_BITS];

static void write_text(uint64_t seed) {
    static uint8_t words[512][12];
    uint64_t random = seed;
    for (int i = 0; i < 512; ++i) {
        const int length = 2 + (int)(next_random(&random) % 9);
        for (int j = 0; j < length; ++j)
            words[i][j] = (uint8_t)('a' + next_random(&random) % 26);
        words[i][length] = 0;
    }
    size_t at = 0;
    while (at < TEXT_SIZE) {
        const uint64_t a = next_random(&random) % 512;
        const uint64_t b = next_random(&random) % 512;
        const uint8_t* word = words[a < b ? a : b];  // some words are more common than others
        while (*word != 0 && at < TEXT_SIZE)
            text[at++] = *word++;
        if (at < TEXT_SIZE) text[at++] = next_random(&random) % 12 == 0 ? '.' : ' ';
    }
}

static uint32_t hash_at(size_t at) {
    const uint32_t four = text[at] | (uint32_t)text[at + 1] << 8 | (uint32_t)text[at + 2] << 16 |
                          (uint32_t)text[at + 3] << 24;
    return four * 2654435761U >> (32 - TABLE_BITS);
}

// A literal run is its length (1 to 127) and the bytes; a match is 128, length - 4, distance.
static size_t pack(void) {
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
        table[i] = -1;
    size_t out = 0, at = 0, literal = 0;
    while (at <= TEXT_SIZE) {
        size_t length = 0, from = 0;
        if (at + MATCH_MIN <= TEXT_SIZE) {
            const uint32_t h = hash_at(at);
            const int32_t candidate = table[h];
            table[h] = (int32_t)at;
            if (candidate >= 0 && at - (size_t)candidate <= DISTANCE_MAX) {
                from = (size_t)candidate;
                while (length < MATCH_MAX && at + length < TEXT_SIZE &&
                       text[from + length] == text[at + length]) {
                    ++length;
                }
            }
        }
        const int flush = length >= MATCH_MIN || at == TEXT_SIZE;
        while (literal < at && (flush || at - literal == 127)) {
            const size_t count = at - literal < 127 ? at - literal : 127;
            packed[out++] = (uint8_t)count;
            for (size_t i = 0; i < count; ++i)
                packed[out++] = text[literal++];
        }
        if (length < MATCH_MIN) {
            ++at;
            continue;
        }
        packed[out++] = 128;
        packed[out++] = (uint8_t)(length - MATCH_MIN);
        packed[out++] = (uint8_t)(at - from);
        packed[out++] = (uint8_t)((at - from) >> 8);
        for (size_t i = 1; i < length && at + i + MATCH_MIN <= TEXT_SIZE; ++i) {
            table[hash_at(at + i)] = (int32_t)(at + i);
        }
        at += length;
        literal = at;
    }
    return out;
}

static size_t unpack(size_t packed_size) {
    size_t out = 0, at = 0;
    while (at < packed_size) {
        const uint8_t code = packed[at++];
        if (code < 128) {
            for (uint8_t i = 0; i < code; ++i)
                unpacked[out++] = packed[at++];
            continue;
        }
        const size_t length = (size_t)packed[at] + MATCH_MIN;
        const size_t distance = packed[at + 1] | (size_t)packed[at + 2] << 8;
        at += 3;
        for (size_t i = 0; i < length; ++i, ++out)
            unpacked[out] = unpacked[out - distance];
    }
    return out;
}

EXPORT int64_t run(int32_t size) {
    uint64_t hash = hash_start;
    for (int32_t round = 0; round < size; ++round) {
        write_text(4 + (uint64_t)round);
        const size_t packed_size = pack();
        if (unpack(packed_size) != TEXT_SIZE) return -1;
        for (size_t i = 0; i < TEXT_SIZE; ++i) {
            if (unpacked[i] != text[i]) return -2;
        }
        hash = mix_in(hash, packed_size);
        for (size_t i = 0; i < packed_size; i += 64)
            hash = mix_in(hash, packed[i]);
    }
    return (int64_t)hash;
}
