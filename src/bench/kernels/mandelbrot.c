// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Escape times of the Mandelbrot set on a size x size grid, at most 256 steps: one long chain of
// floating point in registers, hardly any memory.
#include "kernel.h"

EXPORT int64_t run(int32_t size) {
    uint64_t hash = hash_start;
    for (int32_t row = 0; row < size; ++row) {
        for (int32_t column = 0; column < size; ++column) {
            const double cx = -2.0 + 2.5 * column / size;
            const double cy = -1.25 + 2.5 * row / size;
            double x = 0, y = 0;
            int steps = 0;
            for (; steps < 256 && x * x + y * y <= 4.0; ++steps) {
                const double next = x * x - y * y + cx;
                y = 2.0 * x * y + cy;
                x = next;
            }
            hash = mix_in(hash, (uint64_t)steps);
        }
    }
    return (int64_t)hash;
}
