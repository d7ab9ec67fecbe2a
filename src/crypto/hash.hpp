// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>

#include "base/bytes.hpp"

namespace millrace::crypto {

/// Keccak-256 with the original padding, as Ethereum uses it (not SHA3-256).
Hash32 keccak256(ByteView data) noexcept;
/// Of both, one after the other.
Hash32 keccak256(ByteView first, ByteView second) noexcept;

/// Incremental Keccak-256.
class Keccak256 {
  public:
    void update(ByteView data) noexcept;
    /// The hash of everything so far; the object starts anew.
    Hash32 finish() noexcept;

  private:
    std::array<std::uint64_t, 25> lanes_{};
    std::size_t filled_ = 0;  ///< bytes taken into the current block of 136
};

/// SHA-256 (FIPS 180-4), by OpenSSL.
Hash32 sha256(ByteView data) noexcept;

using Ripemd160Hash = FixedBytes<struct Ripemd160Tag, 20>;
/// RIPEMD-160, by OpenSSL. The EVM has it; nothing of ours should.
Ripemd160Hash ripemd160(ByteView data) noexcept;

/// Incremental SHA-256. Movable only.
class Sha256 {
  public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();
    void update(ByteView data) noexcept;
    /// The hash of everything so far; the object starts anew.
    Hash32 finish() noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::crypto
