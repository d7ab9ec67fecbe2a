// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/rlp.hpp"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

template <typename T>
std::string written(const T& item) {
    RlpWriter writer;
    writer.write(item);
    return to_hex(std::move(writer).take());
}
std::string written_text(std::string_view text) {
    return written(as_bytes(text));
}

TEST(Rlp, official_examples_of_strings_and_numbers) {
    EXPECT_EQ(written_text(""), "80");
    EXPECT_EQ(written(Bytes{0}), "00");
    EXPECT_EQ(written(Bytes{0x7f}), "7f");
    EXPECT_EQ(written(Bytes{0x80}), "8180");
    EXPECT_EQ(written_text("dog"), "83646f67");
    EXPECT_EQ(written_text("Lorem ipsum dolor sit amet, consectetur adipisicing eli"),
              "b74c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e736563746574757220"
              "61646970697369"
              "63696e6720656c69");
    EXPECT_EQ(written_text("Lorem ipsum dolor sit amet, consectetur adipisicing elit").substr(0, 6),
              "b8384c");
    EXPECT_EQ(written(Bytes(1024, 'a')).substr(0, 8), "b9040061");
    EXPECT_EQ(written(std::uint64_t{0}), "80");
    EXPECT_EQ(written(std::uint64_t{16}), "10");
    EXPECT_EQ(written(std::uint64_t{128}), "8180");
    EXPECT_EQ(written(std::uint64_t{1000}), "8203e8");
    EXPECT_EQ(written(*u256_from_decimal("83729609699884896815286331701780722")),
              "8f102030405060708090a0b0c0d0e0f2");
    EXPECT_EQ(written(wrapping_sub(U256{}, U256{1})), "a0" + std::string(64, 'f'));
}

TEST(Rlp, official_examples_of_lists) {
    RlpWriter writer;
    writer.end_list(writer.begin_list());
    EXPECT_EQ(to_hex(writer.view()), "c0");

    RlpWriter animals;
    const auto list = animals.begin_list();
    for (const char* name : {"dog", "god", "cat"})
        animals.write_text(name);
    animals.end_list(list);
    EXPECT_EQ(to_hex(animals.view()), "cc83646f6783676f6483636174");

    // [ [], [[]], [ [], [[]] ] ]
    RlpWriter sets;
    const auto outer = sets.begin_list();
    const auto nested = [&sets] {
        sets.end_list(sets.begin_list());
        const auto one = sets.begin_list();
        sets.end_list(sets.begin_list());
        sets.end_list(one);
    };
    nested();
    const auto third = sets.begin_list();
    nested();
    sets.end_list(third);
    sets.end_list(outer);
    EXPECT_EQ(to_hex(sets.view()), "c7c0c1c0c3c0c1c0");

    RlpWriter large;
    const auto start = large.begin_list();
    for (int index = 0; index < 20; ++index)
        large.write_text("asdf");
    large.end_list(start);
    EXPECT_EQ(to_hex(large.view()).substr(0, 14), "f8648461736466");
}

Result<ByteView, RlpError> read_all(RlpReaderView& reader) {
    return reader.read_raw();
}

TEST(Rlp, non_canonical_and_broken_items_are_refused) {
    struct Case {
        const char* hex;
        RlpError error;
    };
    // invalidRLPTest of ethereum/tests, shortened where the tail does not matter.
    constexpr Case cases[] = {
        {"", RlpError::truncated},
        {"bf0f000000000000021111", RlpError::truncated},
        {"ff0f000000000000021111", RlpError::truncated},
        {"b9002100dc2b275d0f74e8a53e6f4ec61b27f24278820be3f82ea2110e58", RlpError::non_canonical},
        {"8100", RlpError::non_canonical},
        {"8101", RlpError::non_canonical},
        {"817f", RlpError::non_canonical},
        {"b800", RlpError::non_canonical},
        {"f800", RlpError::non_canonical},
        {"b801ff", RlpError::non_canonical},
        {"b81000112233445566778899aabbccddeeff", RlpError::non_canonical},
        {"f803112233", RlpError::non_canonical},
        {"f80180", RlpError::non_canonical},
        {"81", RlpError::truncated},
        {"c5010203", RlpError::truncated},
        {"ba010000aabbccddeeff", RlpError::truncated},
        {"f90180", RlpError::truncated},
        {"b8", RlpError::truncated},
        {"ffffffffffffffffff0001020304050607", RlpError::truncated}};
    for (const Case& bad : cases) {
        const Bytes input = *from_hex(bad.hex);
        RlpReaderView reader{input};
        const auto item = read_all(reader);
        ASSERT_FALSE(item.has_value()) << bad.hex;
        EXPECT_EQ(item.error(), bad.error) << bad.hex;
    }
}

TEST(Rlp, integers_have_no_leading_zero_and_fit) {
    const auto read_number = [](std::string_view hex) {
        const Bytes input = *from_hex(hex);
        return RlpReaderView{input}.read_u64();
    };
    EXPECT_EQ(read_number("80").value(), 0U);
    EXPECT_EQ(read_number("8203e8").value(), 1000U);
    EXPECT_EQ(read_number("00").error(), RlpError::non_canonical);
    EXPECT_EQ(read_number("820001").error(), RlpError::non_canonical);
    EXPECT_EQ(read_number("89010000000000000000").error(), RlpError::wrong_size);
    EXPECT_EQ(read_number("c0").error(), RlpError::wrong_kind);
    const Bytes wide = *from_hex("a1" + std::string(66, '1'));
    EXPECT_EQ(RlpReaderView{wide}.read_u256().error(), RlpError::wrong_size);
}

TEST(Rlp, bounds_of_the_reader_hold) {
    const Bytes input = *from_hex("83646f67");
    EXPECT_EQ(RlpReaderView{input}.read_bytes(2).error(), RlpError::wrong_size);
    EXPECT_EQ(RlpReaderView{input}.read_text(3).value(), "dog");
    EXPECT_EQ(RlpReaderView{input}.read_fixed<Hash32>().error(), RlpError::wrong_size);
    EXPECT_EQ(RlpReaderView{input}.read_list().error(), RlpError::wrong_kind);
    EXPECT_EQ(RlpReaderView{input}.finish().error(), RlpError::trailing_bytes);
}

TEST(Rlp, a_record_comes_back_and_every_truncation_is_refused) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(std::uint64_t{7});
    writer.write(Hash32{{1, 2}});
    writer.write(Bytes(100, 5));
    const auto inner = writer.begin_list();
    writer.write_text("x");
    writer.end_list(inner);
    writer.end_list(list);
    const Bytes record = std::move(writer).take();

    const auto decode = [](ByteView input) -> Result<void, RlpError> {
        RlpReaderView outer{input};
        MILLRACE_TRY(RlpReaderView reader, outer.read_list());
        MILLRACE_TRY_VOID(outer.finish());
        MILLRACE_TRY(const std::uint64_t number, reader.read_u64());
        MILLRACE_TRY(const Hash32 hash, reader.read_fixed<Hash32>());
        MILLRACE_TRY(const Bytes bytes, reader.read_bytes(100));
        EXPECT_TRUE(reader.next_is_list());
        MILLRACE_TRY(RlpReaderView nested, reader.read_list());
        MILLRACE_TRY(const std::string text, nested.read_text(10));
        EXPECT_EQ(number, 7U);
        EXPECT_EQ(hash, (Hash32{{1, 2}}));
        EXPECT_EQ(bytes, Bytes(100, 5));
        EXPECT_EQ(text, "x");
        MILLRACE_TRY_VOID(nested.finish());
        return reader.finish();
    };
    EXPECT_TRUE(decode(record).has_value());
    for (std::size_t size = 0; size < record.size(); ++size) {
        const auto result = decode(ByteView{record}.first(size));
        ASSERT_FALSE(result.has_value());
        EXPECT_EQ(result.error(), RlpError::truncated);
    }
    Bytes longer = record;
    longer.push_back(0);
    EXPECT_EQ(decode(longer).error(), RlpError::trailing_bytes);
}

}  // namespace
}  // namespace millrace::codec
