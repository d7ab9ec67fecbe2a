// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/eip712.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::codec {
namespace {

Hash32 text_word(std::string_view text) {
    return crypto::keccak256(as_bytes(text));
}

// The example of EIP-712 itself: a struct inside a struct, and a domain without salt.
TEST(Eip712, the_mail_example_of_the_standard) {
    const auto person = [](std::string_view name, std::string_view wallet) {
        return eip712_struct_hash("Person(string name,address wallet)",
                                  {text_word(name), eip712_word(*crypto::parse_address(wallet))});
    };
    const Hash32 mail = eip712_struct_hash(
        "Mail(Person from,Person to,string contents)"
        "Person(string name,address wallet)",
        {person("Cow", "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
         person("Bob", "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"), text_word("Hello, Bob!")});
    const Hash32 domain = eip712_struct_hash(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        {text_word("Ether Mail"), text_word("1"), eip712_word(std::uint64_t{1}),
         eip712_word(*crypto::parse_address("0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"))});
    EXPECT_EQ(to_hex(mail.view()),
              "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    EXPECT_EQ(to_hex(domain.view()),
              "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
    const Hash32 digest = eip712_digest(domain, mail);
    EXPECT_EQ(to_hex(digest.view()),
              "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    const auto key = crypto::SecretKey::from(text_word("cow").view());
    EXPECT_EQ(to_hex(crypto::sign(*key, digest).view()),
              "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
              "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c");
}

// Made with ethers 6: TypedDataEncoder.hashDomain, .hash, Wallet.signTypedData.
TEST(Eip712, a_domain_with_salt_is_hashed_and_signed_as_ethers_does) {
    Eip712Domain domain;
    domain.chain_id = U256{5065036};
    domain.verifying_contract =
        *crypto::parse_address("0x4d494c0000000000000000000000000000000001");
    domain.salt.bytes.fill(0xab);
    EXPECT_EQ(to_hex(domain.separator().view()),
              "4a3cdb8f5a6188d5155b49fe28cf700626ea539f67cc86e8e491a5f764e8b3b7");
    const auto key = *crypto::SecretKey::from(Bytes(32, 0x46));
    const Hash32 voucher = eip712_struct_hash(
        "Voucher(address payer,address payee,uint256 allocation,uint256 cumulative,uint64 tasks)",
        {eip712_word(crypto::address_of(key)),
         eip712_word(*crypto::parse_address("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf")),
         eip712_word(std::uint64_t{3}), eip712_word(U256{12345678901234567890U}),
         eip712_word(std::uint64_t{77})});
    const Hash32 digest = eip712_digest(domain.separator(), voucher);
    EXPECT_EQ(to_hex(digest.view()),
              "237148fffbbd2aa103667a3431edf9f7fa44268a65c91f86a7cbd07e3ba52182");
    EXPECT_EQ(to_hex(crypto::sign(key, digest).view()),
              "aa61df02fd87c018c5a72659f17f16194f821b62100557850c1de28eebca18d9"
              "43526a7a12847649846ca10aafa2ae5d3708ebf57ea65511c174b41923bd6f621c");
}

TEST(Eip712, words_are_left_padded) {
    EXPECT_EQ(eip712_word(true).bytes[31], 1);
    EXPECT_EQ(eip712_word(false), Hash32{});
    EXPECT_EQ(eip712_word(Address{{1}}).bytes[12], 1);
    EXPECT_EQ(eip712_word(std::uint64_t{256}).bytes[30], 1);
}

}  // namespace
}  // namespace millrace::codec
