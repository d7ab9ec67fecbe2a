// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/secp256k1.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "base/u256.hpp"
#include "crypto/hash.hpp"

namespace millrace::crypto {
namespace {

constexpr const char* order_hex =
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

SecretKey key_of(std::uint64_t number) {
    return *SecretKey::from(to_word(U256{number}).view());
}

U256 order() {
    return from_word(*fixed_from_hex<Hash32>(order_hex));
}

TEST(SecretKey, is_a_scalar_between_one_and_the_order) {
    EXPECT_FALSE(SecretKey::from(Bytes(32, 0)));
    EXPECT_FALSE(SecretKey::from(Bytes(31, 1)));
    EXPECT_FALSE(SecretKey::from(Bytes(33, 1)));
    EXPECT_FALSE(SecretKey::from(to_word(order()).view()));
    EXPECT_TRUE(SecretKey::from(to_word(wrapping_sub(order(), U256{1})).view()));
}

TEST(Address, of_known_keys) {
    EXPECT_EQ(checksum_address(address_of(key_of(1))),
              "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
    EXPECT_EQ(checksum_address(address_of(*SecretKey::from(Bytes(32, 0x46)))),
              "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
}

TEST(Address, mixed_case_must_carry_its_checksum) {
    // The examples of EIP-55.
    for (const char* good : {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                             "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
                             "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
                             "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
                             "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
                             "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED"}) {
        EXPECT_TRUE(parse_address(good)) << good;
    }
    for (const char* bad :
         {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
          "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAg1",
          "0x0x5aeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ""}) {
        EXPECT_FALSE(parse_address(bad)) << bad;
    }
}

TEST(Signature, is_deterministic_by_rfc_6979) {
    // The vectors of bitcoin-core and Trezor for key 1; v as ethers has it.
    struct Vector {
        const char* message;
        const char* signature;
    };
    constexpr Vector vectors[] = {
        {"Satoshi Nakamoto",
         "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
         "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e51c"},
        {"All those moments will be lost in time, like tears in rain. Time to die...",
         "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b"
         "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc211b"}};
    for (const Vector& vector : vectors) {
        EXPECT_EQ(to_hex(sign(key_of(1), sha256(as_bytes(vector.message))).view()),
                  vector.signature);
    }
}

TEST(Signature, recovers_its_signer_and_no_other) {
    Prng random{3};
    for (int round = 0; round < 50; ++round) {
        const SecretKey key = key_of(random.next() | 1);
        const Hash32 digest = keccak256(to_word(U256{random.next()}).view());
        Signature signature = sign(key, digest);
        EXPECT_EQ(recover(digest, signature), address_of(key));
        signature.bytes[random.below(64)] ^= static_cast<std::uint8_t>(1 + random.below(255));
        EXPECT_NE(recover(digest, signature), address_of(key));
    }
}

TEST(Signature, high_s_and_foreign_v_are_refused) {
    const Hash32 digest = keccak256(as_bytes("x"));
    const Signature good = sign(key_of(7), digest);
    Signature high = good;
    const U256 s = from_word(*Hash32::from(good.view().subspan(32, 32)));
    const Hash32 mirrored = to_word(wrapping_sub(order(), s));
    std::copy(mirrored.bytes.begin(), mirrored.bytes.end(), high.bytes.begin() + 32);
    high.bytes[64] = static_cast<std::uint8_t>(27 + 28 - good.bytes[64]);
    EXPECT_FALSE(recover(digest, high)) << "the malleated twin of a good signature";
    for (const std::uint8_t v : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{26},
                                 std::uint8_t{29}, std::uint8_t{255}}) {
        Signature other = good;
        other.bytes[64] = v;
        EXPECT_FALSE(recover(digest, other)) << int{v};
    }
    EXPECT_FALSE(recover(digest, Signature{}));
}

}  // namespace
}  // namespace millrace::crypto
