// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/bytes.hpp"

namespace millrace::crypto {

/// An ECDSA signature over the curve P-256 (secp256r1) and the key it claims, all big-endian.
struct P256Claim {
    Hash32 digest;
    Hash32 r;
    Hash32 s;
    Hash32 x;  ///< of the public key
    Hash32 y;
};

/// FIPS 186-4, 6.4, as EIP-7951 states it: false unless r and s are in [1, n-1], x and y are below
/// p and a point of the curve, and the signature holds. s may be in either half. Any bytes may be
/// given; any thread may ask. By OpenSSL, about 80 microseconds.
bool p256_verify(const P256Claim& claim) noexcept;

}  // namespace millrace::crypto
