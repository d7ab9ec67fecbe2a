// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// What every kernel shares. A kernel is one freestanding C file that exports run(size): it does an
// amount of work that grows with `size` and returns a checksum of all of it, equal in every build.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define EXPORT __attribute__((export_name("run"), visibility("default")))
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT int64_t run(int32_t size);

// FNV-1a over 64-bit words.
static inline uint64_t mix_in(uint64_t hash, uint64_t word) {
    hash ^= word;
    hash *= 0x100000001b3ULL;
    return hash ^ (hash >> 29);
}

static const uint64_t hash_start = 0xcbf29ce484222325ULL;

static inline uint64_t bits_of(double value) {
    union {
        double value;
        uint64_t bits;
    } u = {value};
    return u.bits;
}

// Steele, Lea and Flood's splitmix64.
static inline uint64_t next_random(uint64_t* state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}
