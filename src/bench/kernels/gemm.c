// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Product of two matrices of doubles, 192 x 192, `size` times. Regular loops that vectorise
// natively.
#include "kernel.h"

#define N 192

static double a[N][N], b[N][N], c[N][N];

EXPORT int64_t run(int32_t size) {
    uint64_t random = 1;
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j) {
            a[i][j] = (double)(int32_t)(next_random(&random) >> 40) * 0x1p-24;
            b[i][j] = (double)(int32_t)(next_random(&random) >> 40) * 0x1p-24;
            c[i][j] = 0;
        }
    }
    for (int32_t round = 0; round < size; ++round) {
        for (int i = 0; i < N; ++i) {
            for (int k = 0; k < N; ++k) {
                const double x = a[i][k];
                for (int j = 0; j < N; ++j)
                    c[i][j] += x * b[k][j];
            }
        }
        for (int i = 0; i < N; ++i)
            a[i][round % N] = c[i][i] * 0x1p-12;
    }
    uint64_t hash = hash_start;
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j)
            hash = mix_in(hash, bits_of(c[i][j]));
    }
    return (int64_t)hash;
}
