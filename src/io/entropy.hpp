// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace millrace::io {

/// Random bytes of the operating system (getrandom), fit for keys. Ends the process when the
/// kernel gives none: nothing of ours may run on predictable keys.
void fill_random(std::span<std::uint8_t> target) noexcept;
Bytes random_bytes(std::size_t size);
Hash32 random_hash() noexcept;
std::uint64_t random_u64() noexcept;

}  // namespace millrace::io
