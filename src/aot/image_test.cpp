// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include "aot/image.hpp"
#include "crypto/hash.hpp"

namespace millrace::aot {
namespace {

Image sample() {
    Image image;
    image.module = crypto::sha256(as_bytes("a module"));
    image.stack_bytes = 123'456;
    image.functions = {{0, 16}, {48, 32}};
    image.outline = to_bytes(as_bytes("an outline"));
    image.code.assign(64, 0xcc);
    return image;
}

TEST(Image, survives_a_round_trip) {
    const Image image = sample();
    const Bytes bytes = encode_image(image);
    const auto decoded = decode_image(bytes);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->module, image.module);
    EXPECT_EQ(decoded->stack_bytes, image.stack_bytes);
    EXPECT_EQ(decoded->code, image.code);
    ASSERT_EQ(decoded->functions.size(), 2U);
    EXPECT_EQ(decoded->functions[1].offset, 48U);
    EXPECT_EQ(decoded->functions[1].thunk, 32U);
    EXPECT_EQ(decoded->outline, image.outline);
    EXPECT_EQ(stated_sizes(bytes).stack, 123'456U);
    EXPECT_EQ(stated_sizes(bytes).outline, image.outline.size());
}

TEST(Image, every_truncation_and_every_addition_is_refused) {
    Bytes bytes = encode_image(sample());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto decoded = decode_image(ByteView{bytes}.first(size));
        ASSERT_FALSE(decoded.has_value()) << size;
        EXPECT_FALSE(decoded.error().remedy.empty());
    }
    bytes.push_back(0);
    EXPECT_FALSE(decode_image(bytes).has_value());
}

TEST(Image, every_changed_bit_is_refused) {
    const Bytes bytes = encode_image(sample());
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        Bytes changed = bytes;
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
        ASSERT_FALSE(decode_image(changed).has_value()) << bit;
    }
}

TEST(Image, a_function_outside_the_code_is_refused_whatever_the_digest_says) {
    Image image = sample();
    image.functions[1].offset = 64;
    EXPECT_FALSE(decode_image(encode_image(image)).has_value());
    image = sample();
    image.functions[0].thunk = 64;
    EXPECT_FALSE(decode_image(encode_image(image)).has_value());
}

}  // namespace
}  // namespace millrace::aot
