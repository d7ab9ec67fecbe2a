// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Stratified random numbers: a shuffled (0,2)-sequence per pair of dimensions, indexed along a
// Z-order curve.
//
// Neighbouring pixels take neighbouring stretches of one low-discrepancy sequence, so a sample set
// is well spread within a pixel and over a block of pixels (Ahmed and Wonka, "Screen-space
// blue-noise diffusion of Monte Carlo sampling error via hierarchical ordering of pixels", 2020).
// The numbers depend only on the pixel's place in the whole picture: how the picture is cut into
// tiles changes nothing.
#pragma once

#include <cstdint>

namespace render {

struct Pair {
    double x, y;
};

inline std::uint32_t hash_of(std::uint32_t x) {  // the finaliser of MurmurHash3
    x ^= x >> 16;
    x *= 0x85ebca6bU;
    x ^= x >> 13;
    x *= 0xc2b2ae35U;
    return x ^ (x >> 16);
}

inline std::uint32_t reverse_bits(std::uint32_t x) {
    x = (x << 16) | (x >> 16);
    x = ((x & 0x00ff00ffU) << 8) | ((x >> 8) & 0x00ff00ffU);
    x = ((x & 0x0f0f0f0fU) << 4) | ((x >> 4) & 0x0f0f0f0fU);
    x = ((x & 0x33333333U) << 2) | ((x >> 2) & 0x33333333U);
    return ((x & 0x55555555U) << 1) | ((x >> 1) & 0x55555555U);
}

// Spreads 16 bits over the even places of 32.
inline std::uint32_t spread_bits(std::uint32_t x) {
    x &= 0xffffU;
    x = (x | (x << 8)) & 0x00ff00ffU;
    x = (x | (x << 4)) & 0x0f0f0f0fU;
    x = (x | (x << 2)) & 0x33333333U;
    return (x | (x << 1)) & 0x55555555U;
}

class Sampler {
  public:
    Sampler(std::uint32_t x, std::uint32_t y, std::uint32_t sample, std::uint32_t sample_count)
        : reversed_index_(
              reverse_bits((spread_bits(x) | (spread_bits(y) << 1)) * sample_count + sample)) {}

    // The next two dimensions, each in [0, 1).
    Pair next() {
        const std::uint32_t seed = hash_of(++dimension_ * 0x9e3779b9U);
        // Laine and Karras's hash shuffles the index as a nested uniform (Owen) scramble does.
        std::uint32_t x = reversed_index_ + seed;
        x ^= x * 0x6c50b47cU;
        x ^= x * 0xb82f1e52U;
        x ^= x * 0xc7afe638U;
        x ^= x * 0x8d22f6e6U;
        // The second Sobol dimension is Pascal's triangle modulo 2, a fivefold Kronecker product.
        std::uint32_t y = reverse_bits(x);
        y ^= (y >> 1) & 0x55555555U;
        y ^= (y >> 2) & 0x33333333U;
        y ^= (y >> 4) & 0x0f0f0f0fU;
        y ^= (y >> 8) & 0x00ff00ffU;
        y ^= y >> 16;
        y = reverse_bits(y);
        x ^= seed * 0x27d4eb2fU;
        y ^= seed * 0x165667b1U;
        return {static_cast<double>(x) * 0x1p-32, static_cast<double>(y) * 0x1p-32};
    }

    // Sets the dimension, so that each bounce of a path uses the same ones in every pixel.
    void jump(std::uint32_t dimension) { dimension_ = dimension; }

  private:
    std::uint32_t reversed_index_;
    std::uint32_t dimension_ = 0;
};

}  // namespace render
