// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Eight bodies under their own gravity, `size` thousand steps: square roots and divisions in a
// chain.
#include "kernel.h"

#define BODIES 8

typedef struct {
    double x[3], v[3], mass;
} Body;

static Body bodies[BODIES];

static void step(double dt) {
    for (int i = 0; i < BODIES; ++i) {
        for (int j = i + 1; j < BODIES; ++j) {
            double d[3], square = 1e-4;
            for (int k = 0; k < 3; ++k) {
                d[k] = bodies[i].x[k] - bodies[j].x[k];
                square += d[k] * d[k];
            }
            const double pull = dt / (square * __builtin_sqrt(square));
            for (int k = 0; k < 3; ++k) {
                bodies[i].v[k] -= d[k] * bodies[j].mass * pull;
                bodies[j].v[k] += d[k] * bodies[i].mass * pull;
            }
        }
    }
    for (int i = 0; i < BODIES; ++i) {
        for (int k = 0; k < 3; ++k)
            bodies[i].x[k] += dt * bodies[i].v[k];
    }
}

EXPORT int64_t run(int32_t size) {
    uint64_t random = 2;
    for (int i = 0; i < BODIES; ++i) {
        for (int k = 0; k < 3; ++k) {
            bodies[i].x[k] = (double)(int64_t)(next_random(&random) >> 12) * 0x1p-50 - 2.0;
            bodies[i].v[k] = (double)(int64_t)(next_random(&random) >> 12) * 0x1p-52 - 0.5;
        }
        bodies[i].mass = (double)(int64_t)(next_random(&random) >> 12) * 0x1p-52 + 0.1;
    }
    for (int64_t i = 0; i < (int64_t)size * 1000; ++i)
        step(0x1p-12);
    uint64_t hash = hash_start;
    for (int i = 0; i < BODIES; ++i) {
        for (int k = 0; k < 3; ++k)
            hash = mix_in(hash, bits_of(bodies[i].x[k]));
    }
    return (int64_t)hash;
}
