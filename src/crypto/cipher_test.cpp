// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/cipher.hpp"

#include <gtest/gtest.h>

namespace millrace::crypto {
namespace {

const JobKey key = {{1, 2, 3}};
const Hash32 label = {{4, 5, 6}};

TEST(BlobCipher, any_range_opens_alone) {
    Bytes plain(1000);
    for (std::size_t index = 0; index < plain.size(); ++index) {
        plain[index] = static_cast<std::uint8_t>(index);
    }
    Bytes sealed = plain;
    xor_stream(sealed, key, label, 0);
    EXPECT_NE(sealed, plain);
    for (std::size_t first = 0; first < 200; ++first) {
        for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 200U}) {
            Bytes part(sealed.begin() + static_cast<std::ptrdiff_t>(first),
                       sealed.begin() + static_cast<std::ptrdiff_t>(first + size));
            xor_stream(part, key, label, first);
            EXPECT_EQ(part, Bytes(plain.begin() + static_cast<std::ptrdiff_t>(first),
                                  plain.begin() + static_cast<std::ptrdiff_t>(first + size)));
        }
    }
}

TEST(BlobCipher, another_key_or_label_gives_another_stream) {
    Bytes one(64);
    Bytes two(64);
    Bytes three(64);
    xor_stream(one, key, label, 0);
    xor_stream(two, JobKey{{9}}, label, 0);
    xor_stream(three, key, Hash32{{9}}, 0);
    EXPECT_NE(one, two);
    EXPECT_NE(one, three);
    EXPECT_NE(two, three);
}

TEST(SealedBox, opens_only_whole_and_with_its_key) {
    const Bytes nonce(24, 7);
    const Bytes sealed = seal(as_bytes("secret"), key, nonce);
    EXPECT_EQ(open(sealed, key), to_bytes(as_bytes("secret")));
    EXPECT_FALSE(open(sealed, JobKey{{9}}));
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        EXPECT_FALSE(open(ByteView{sealed}.first(size), key));
        Bytes changed = sealed;
        changed[size] ^= 1;
        EXPECT_FALSE(open(changed, key));
    }
    EXPECT_EQ(open(seal({}, key, nonce), key), Bytes{});
}

}  // namespace
}  // namespace millrace::crypto
