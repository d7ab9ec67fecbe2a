// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/abi.hpp"

#include <gtest/gtest.h>

#include "crypto/secp256k1.hpp"

namespace millrace::codec {
namespace {

/// Joins words given as hexadecimal, each padded on the left to 32 bytes.
Bytes words(std::initializer_list<std::string_view> list) {
    Bytes result;
    for (const std::string_view word : list) {
        const Bytes digits = *from_hex(std::string(64 - word.size(), '0') + std::string{word});
        result.insert(result.end(), digits.begin(), digits.end());
    }
    return result;
}

std::string right_padded(std::string_view hex) {
    return std::string{hex} + std::string(64 - hex.size(), '0');
}

AbiValue number(std::uint64_t value) {
    return AbiValue::number(value);
}
AbiValue bytes_n(std::string_view text) {
    Hash32 word;
    std::copy(text.begin(), text.end(), word.bytes.begin());
    return AbiValue::word(word);
}
AbiValue negative(std::uint64_t magnitude) {
    return AbiValue::number(wrapping_sub(U256{}, U256{magnitude}));
}

TEST(Abi, selectors_and_examples_of_the_specification) {
    const auto baz = abi_call("baz(uint32,bool)", {number(69), AbiValue::boolean(true)});
    ASSERT_TRUE(baz.has_value());
    EXPECT_EQ(to_hex(*baz), "cdcd77c0" + to_hex(words({"45", "1"})));

    const auto bar = abi_call("bar(bytes3[2])", {AbiValue::list({bytes_n("abc"), bytes_n("def")})});
    ASSERT_TRUE(bar.has_value());
    EXPECT_EQ(to_hex(*bar), "fce353f6" + right_padded("616263") + right_padded("646566"));

    const auto sam =
        abi_call("sam(bytes,bool,uint256[])", {AbiValue::text("dave"), AbiValue::boolean(true),
                                               AbiValue::list({number(1), number(2), number(3)})});
    ASSERT_TRUE(sam.has_value());
    EXPECT_EQ(to_hex(*sam),
              "a5643bf2" + to_hex(words({"60", "1", "a0", "4", right_padded("64617665"), "3", "1",
                                         "2", "3"})));

    const auto f = abi_call("f(uint256,uint32[],bytes10,bytes)",
                            {number(0x123), AbiValue::list({number(0x456), number(0x789)}),
                             bytes_n("1234567890"), AbiValue::text("Hello, world!")});
    ASSERT_TRUE(f.has_value());
    EXPECT_EQ(to_hex(*f),
              "8be65246" +
                  to_hex(words({"123", "80", right_padded("31323334353637383930"), "e0", "2", "456",
                                "789", "d", right_padded("48656c6c6f2c20776f726c6421")})));

    const auto g = abi_call(
        "g(uint256[][],string[])",
        {AbiValue::list({AbiValue::list({number(1), number(2)}), AbiValue::list({number(3)})}),
         AbiValue::list({AbiValue::text("one"), AbiValue::text("two"), AbiValue::text("three")})});
    ASSERT_TRUE(g.has_value());
    EXPECT_EQ(to_hex(*g), "2289b18c" + to_hex(words({"40", "140",
                                                     "2",  "40",
                                                     "a0", "2",
                                                     "1",  "2",
                                                     "1",  "3",
                                                     "3",  "60",
                                                     "a0", "e0",
                                                     "3",  right_padded("6f6e65"),
                                                     "3",  right_padded("74776f"),
                                                     "5",  right_padded("7468726565")})));
}

TEST(Abi, nested_structs_are_encoded_as_ethers_does) {
    const AbiValue pairs =
        AbiValue::list({AbiValue::list({AbiValue::word(Hash32{{0x11}}), number(5)}),
                        AbiValue::list({AbiValue::word(Hash32{{0x22}}), number(6)})});
    const AbiList values = {AbiValue::list(
        {AbiValue::address(*crypto::parse_address("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F")),
         AbiValue::number(U256{7}), pairs, AbiValue::bytes(*from_hex("deadbeef"))})};
    constexpr std::string_view types = "((address,uint256,(bytes32,uint64)[],bytes))";
    const auto encoded = abi_encode(types, values);
    ASSERT_TRUE(encoded.has_value());
    EXPECT_EQ(to_hex(*encoded),
              to_hex(words({"20", "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f", "7", "80", "120", "2",
                            right_padded("11"), "5", right_padded("22"), "6", "4",
                            right_padded("deadbeef")})));
    const auto decoded = abi_decode(types, *encoded);
    ASSERT_TRUE(decoded.has_value());
    const AbiList& fields = decoded->at(0).as_list();
    EXPECT_EQ(crypto::checksum_address(fields.at(0).as_address()),
              "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
    EXPECT_EQ(fields.at(2).as_list().at(1).as_list().at(1).as_number(), U256{6});
    EXPECT_EQ(to_hex(fields.at(3).as_bytes_value()), "deadbeef");
}

TEST(Abi, signed_numbers_fixed_lists_and_text_come_back) {
    constexpr std::string_view types = "(int8,int256,uint8[2][],string[2],bool,bytes3)";
    const AbiList values = {negative(1),
                            negative(5),
                            AbiValue::list({AbiValue::list({number(1), number(2)}),
                                            AbiValue::list({number(3), number(4)}),
                                            AbiValue::list({number(5), number(6)})}),
                            AbiValue::list({AbiValue::text("hi"), AbiValue::text("there")}),
                            AbiValue::boolean(true),
                            bytes_n("abc")};
    const auto encoded = abi_encode(types, values);
    ASSERT_TRUE(encoded.has_value());
    const std::string ones(64, 'f');
    EXPECT_EQ(to_hex(*encoded),
              to_hex(words({ones, ones.substr(1) + "b", "c0", "1a0", "1", right_padded("616263"),
                            "3", "1", "2", "3", "4", "5", "6", "40", "80", "2",
                            right_padded("6869"), "5", right_padded("7468657265")})));
    const auto decoded = abi_decode(types, *encoded);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->at(3).as_list().at(1).as_text_value(), "there");
    EXPECT_EQ(abi_encode(types, *decoded).value(), *encoded);
    for (std::size_t size = 0; size < encoded->size(); ++size) {
        EXPECT_FALSE(abi_decode(types, ByteView{*encoded}.first(size)).has_value()) << size;
    }
}

AbiError decode_error(std::string_view types, const Bytes& data) {
    const auto result = abi_decode(types, data);
    EXPECT_FALSE(result.has_value()) << types;
    return result.has_value() ? AbiError::bad_type : result.error();
}

TEST(Abi, stray_bits_lengths_and_offsets_are_refused) {
    EXPECT_EQ(decode_error("(bool)", words({"2"})), AbiError::out_of_range);
    EXPECT_EQ(decode_error("(uint8)", words({"100"})), AbiError::out_of_range);
    EXPECT_EQ(decode_error("(int8)", words({"80"})), AbiError::out_of_range);
    EXPECT_EQ(decode_error("(int8)", words({std::string(62, 'f') + "7f"})), AbiError::out_of_range);
    EXPECT_TRUE(abi_decode("(int8)", words({std::string(62, 'f') + "80"})).has_value());
    EXPECT_EQ(decode_error("(address)", words({"1" + std::string(40, '0')})),
              AbiError::out_of_range);
    EXPECT_EQ(decode_error("(bytes3)", words({right_padded("61626364")})), AbiError::out_of_range);
    EXPECT_EQ(decode_error("(bytes)", words({"20", "1", right_padded("6162")})),
              AbiError::out_of_range)
        << "dirty padding";
    EXPECT_EQ(decode_error("(bytes)", words({"20", "21", "0"})), AbiError::truncated);
    EXPECT_EQ(decode_error("(bytes)", words({"60", "0"})), AbiError::bad_offset);
    EXPECT_EQ(decode_error("(bytes)", words({std::string(64, 'f'), "0"})), AbiError::bad_offset);
    EXPECT_EQ(decode_error("(bytes)", words({"20", std::string(64, 'f')})), AbiError::truncated);
    EXPECT_EQ(decode_error("(uint256[])", words({"20", "ffffffffffffffff"})), AbiError::truncated);
    EXPECT_EQ(decode_error("(uint256[])", words({"20", "2", "1"})), AbiError::truncated);
}

TEST(Abi, tails_that_overlap_cannot_multiply_the_work) {
    // Four lists of four lists … that all share one tail.
    const Bytes bomb = words({"20", "4", "80", "80", "80", "80", "4", "80", "80", "80",
                              "80", "4", "80", "80", "80", "80", "0", "0",  "0",  "0"});
    EXPECT_EQ(decode_error("(bytes[][][])", bomb), AbiError::bad_offset);
}

TEST(Abi, malformed_types_are_refused) {
    for (const char* types : {"",
                              "uint256",
                              "(",
                              ")",
                              "(uint256",
                              "uint256)",
                              "(uint7)",
                              "(uint264)",
                              "(uint0)",
                              "(bytes33)",
                              "(bytes0)",
                              "(uint256[0])",
                              "(uint256[2000])",
                              "(uint256[)",
                              "(,)",
                              "(uint256,)",
                              "(foo)",
                              "(())",
                              "(()[])",
                              "(uint256) ",
                              "(uint08)",
                              "((((((((((uint8))))))))))",
                              "(uint8[][][][][][][][][])",
                              "(uint8[1000][1000][1000])"}) {
        EXPECT_EQ(decode_error(types, Bytes(64)), AbiError::bad_type) << types;
    }
    EXPECT_TRUE(abi_decode("()", {}).has_value());
    EXPECT_TRUE(abi_decode("(uint8[][][][][][][][])", words({"20", "0"})).has_value());
}

TEST(Abi, values_of_another_shape_are_refused) {
    const auto encode_error = [](std::string_view types, const AbiList& values) {
        return abi_encode(types, values).error();
    };
    EXPECT_EQ(encode_error("(uint256)", {}), AbiError::wrong_value);
    EXPECT_EQ(encode_error("(uint256)", {AbiValue::text("x")}), AbiError::wrong_value);
    EXPECT_EQ(encode_error("(bytes)", {number(1)}), AbiError::wrong_value);
    EXPECT_EQ(encode_error("(uint8[2])", {AbiValue::list({number(1)})}), AbiError::wrong_value);
    EXPECT_EQ(encode_error("(uint8)", {number(256)}), AbiError::out_of_range);
}

TEST(Abi, topic_of_a_known_event) {
    EXPECT_EQ(to_hex(abi_topic("Transfer(address,address,uint256)").view()),
              "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
}

}  // namespace
}  // namespace millrace::codec
