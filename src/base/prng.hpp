// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace millrace {

/// Seeded pseudo-random numbers, equal on every machine: xoshiro256** (Blackman and Vigna 2018)
/// seeded through SplitMix64. Not for secrets.
class Prng {
  public:
    explicit constexpr Prng(std::uint64_t seed) noexcept {
        for (std::uint64_t& word : state_) {
            seed += 0x9e3779b97f4a7c15;
            std::uint64_t mixed = seed;
            mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
            word = mixed ^ (mixed >> 31);
        }
    }

    constexpr std::uint64_t next() noexcept {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// Uniform in [0, bound); bound must not be 0. Rejection keeps it without bias.
    constexpr std::uint64_t below(std::uint64_t bound) noexcept {
        MILLRACE_ASSERT(bound != 0);
        const std::uint64_t threshold = (0 - bound) % bound;
        for (;;) {
            const std::uint64_t drawn = next();
            if (drawn >= threshold) return drawn % bound;
        }
    }

    /// True with probability parts_per_million / 10^6.
    constexpr bool chance(std::uint32_t parts_per_million) noexcept {
        return below(1'000'000) < parts_per_million;
    }

  private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace millrace
