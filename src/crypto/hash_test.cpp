// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/hash.hpp"

#include <gtest/gtest.h>

#include <string>

namespace millrace::crypto {
namespace {

std::string keccak_hex(ByteView data) {
    return to_hex(keccak256(data).view());
}

TEST(Keccak, known_answers) {
    EXPECT_EQ(keccak_hex({}), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    EXPECT_EQ(keccak_hex(as_bytes("abc")),
              "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    EXPECT_EQ(keccak_hex(as_bytes("The quick brown fox jumps over the lazy dog")),
              "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15");
    EXPECT_EQ(keccak_hex(Bytes(1'000'000, 'a')),
              "fadae6b49f129bbb812be8407b7b2894f34aecf6dbd1f9b0f0c7e9853098fc96");
}

TEST(Keccak, lengths_around_the_rate_agree_with_ethers) {
    struct Vector {
        std::size_t size;
        const char* hash;
    };
    // Byte i is 7 i + 3 mod 256.
    constexpr Vector vectors[] = {
        {1, "69c322e3248a5dfc29d73c5b0553b0185a35cd5bb6386747517ef7e53b15e287"},
        {135, "00ef96af9cf4b24c7f269d922294444a197d0a33638c2e56634c57e892103a8f"},
        {136, "742061bcad767ed4c4f5883b1dcb1aad11afdcc140dc469d953759b127b9f9ed"},
        {137, "e3371f61e770abf254c34239c3b0099ad90594507415bc81dd0a10b9692bbf2a"},
        {271, "4401c4afbe16ff911bdbf2d38e556e5b861f3fdf0f9d4306b1c46f6ae4f73584"},
        {272, "ac141fd7b0a0ffcd2e967254d508da3ec616596493c36fa304425647d90e6de5"},
        {273, "16192ea86793083e47731cb3c970600f04768414d92bc0540e54ce8607a0fce0"},
        {1000, "80cdc8dd52cbb3dbaea8f383209893fa2bb52efbd5aedbb4b26dcfe307fcdc9b"},
    };
    for (const Vector& vector : vectors) {
        Bytes input(vector.size);
        for (std::size_t index = 0; index < input.size(); ++index) {
            input[index] = static_cast<std::uint8_t>(index * 7 + 3);
        }
        EXPECT_EQ(keccak_hex(input), vector.hash) << vector.size;
    }
}

TEST(Keccak, parts_give_what_the_whole_gives) {
    Bytes input(500);
    for (std::size_t index = 0; index < input.size(); ++index)
        input[index] = static_cast<std::uint8_t>(index * 31 + 1);
    const Hash32 whole = keccak256(input);
    Keccak256 hasher;
    for (std::size_t first = 0; first <= input.size(); ++first) {
        const ByteView head = ByteView{input}.first(first);
        const ByteView tail = ByteView{input}.subspan(first);
        EXPECT_EQ(keccak256(head, tail), whole) << first;
        hasher.update(head.first(first / 2));
        hasher.update({});
        hasher.update(head.subspan(first / 2));
        hasher.update(tail);
        EXPECT_EQ(hasher.finish(), whole) << first;
    }
}

TEST(Ripemd160, known_answers) {
    EXPECT_EQ(to_hex(ripemd160({}).view()), "9c1185a5c5e9fc54612808977ee8f548b2258d31");
    EXPECT_EQ(to_hex(ripemd160(as_bytes("abc")).view()),
              "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
}

TEST(Sha256, known_answer_whole_and_in_parts) {
    const auto expected =
        fixed_from_hex<Hash32>("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256(as_bytes("abc")), expected);
    Sha256 hasher;
    for (int round = 0; round < 2; ++round) {
        hasher.update(as_bytes("a"));
        hasher.update({});
        hasher.update(as_bytes("bc"));
        EXPECT_EQ(hasher.finish(), expected) << "finish() starts anew";
    }
}

}  // namespace
}  // namespace millrace::crypto
