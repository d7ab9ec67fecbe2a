// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/p256.hpp"

#include <gtest/gtest.h>

namespace millrace::crypto {
namespace {

Hash32 word(std::string_view digits) {
    return *fixed_from_hex<Hash32>(digits);
}

/// RFC 6979, A.2.5: the message "sample" with SHA-256.
const P256Claim sample = {
    .digest = word("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"),
    .r = word("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"),
    .s = word("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
    .x = word("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
    .y = word("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")};

TEST(P256, takes_the_signature_of_the_rfc) {
    EXPECT_TRUE(p256_verify(sample));
}

TEST(P256, a_change_in_any_part_is_refused) {
    for (Hash32 P256Claim::*part :
         {&P256Claim::digest, &P256Claim::r, &P256Claim::s, &P256Claim::x, &P256Claim::y}) {
        P256Claim changed = sample;
        (changed.*part).bytes[31] ^= 1;
        EXPECT_FALSE(p256_verify(changed));
    }
}

TEST(P256, scalars_are_below_the_order_and_coordinates_below_the_prime) {
    const Hash32 order = word("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    const Hash32 prime = word("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    for (const Hash32& bad : {Hash32{}, order}) {
        P256Claim changed = sample;
        changed.r = bad;
        EXPECT_FALSE(p256_verify(changed));
        changed = sample;
        changed.s = bad;
        EXPECT_FALSE(p256_verify(changed));
    }
    P256Claim changed = sample;
    changed.x = prime;
    EXPECT_FALSE(p256_verify(changed));
    changed = sample;
    changed.y = prime;
    EXPECT_FALSE(p256_verify(changed));
    changed.x = Hash32{};
    changed.y = Hash32{};
    EXPECT_FALSE(p256_verify(changed)) << "infinity is no key";
}

}  // namespace
}  // namespace millrace::crypto
