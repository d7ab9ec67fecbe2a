// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/root.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/hash.hpp"
#include "trie/nibbles.hpp"

namespace millrace::trie {
namespace {

Hash32 hash(std::string_view text) {
    return fixed_from_hex<Hash32>(text).value();
}

TEST(Root, of_no_keys_is_the_hash_of_the_empty_string) {
    EXPECT_EQ(root_of({}), crypto::keccak256(Bytes{0x80}));
    EXPECT_EQ(root_of({}), empty_root);
}

TEST(Root, equals_the_published_one_of_keys_that_are_prefixes_of_each_other) {
    const std::vector<PairView> pairs{
        {as_bytes("do"), as_bytes("verb")},
        {as_bytes("dog"), as_bytes("puppy")},
        {as_bytes("doge"), as_bytes("coin")},
        {as_bytes("horse"), as_bytes("stallion")},
    };
    EXPECT_EQ(root_of(pairs),
              hash("5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84"));
}

TEST(Root, tells_every_node_that_its_parent_names_by_hash_and_the_root) {
    const Bytes long_value(40, 0x61);
    const std::vector<PairView> pairs{
        {as_bytes("a1"), long_value}, {as_bytes("a2"), long_value}, {as_bytes("b1"), long_value}};
    std::size_t count = 0;
    Bytes last;
    const Hash32 root = root_of(pairs, [&](const Nibbles& path, ByteView encoded) {
        ++count;
        last = to_bytes(encoded);
        EXPECT_TRUE(decode(encoded)) << to_hex(path.view());
    });
    // Extension 6, branch, extension 3 below 1, branch, three leaves.
    EXPECT_EQ(count, 7u);
    EXPECT_EQ(crypto::keccak256(last), root);
}

TEST(Root, of_a_list_takes_its_keys_in_the_order_of_their_rlp) {
    // The same pairs sorted by hand: 0x80 (index 0) lies between 0x7f and 0x8180.
    std::vector<Bytes> values;
    for (std::size_t index = 0; index < 300; ++index)
        values.push_back(Bytes(1 + index % 50, static_cast<std::uint8_t>(1 + index % 255)));
    std::vector<std::pair<Bytes, Bytes>> keyed;
    for (std::size_t index = 0; index < values.size(); ++index) {
        Bytes key;
        if (index == 0) {
            key = {0x80};
        } else if (index < 128) {
            key = {static_cast<std::uint8_t>(index)};
        } else if (index < 256) {
            key = {0x81, static_cast<std::uint8_t>(index)};
        } else {
            key = {0x82, 0x01, static_cast<std::uint8_t>(index)};
        }
        keyed.emplace_back(key, values[index]);
    }
    std::ranges::sort(keyed);
    std::vector<PairView> pairs;
    for (const auto& [key, value] : keyed)
        pairs.push_back({key, value});
    EXPECT_EQ(indexed_root(values), root_of(pairs));
    EXPECT_EQ(indexed_root({}), empty_root);
    EXPECT_EQ(indexed_root({values.data(), 1}), root_of(std::vector<PairView>{pairs[127]}));
}

TEST(HexPrefix, is_the_yellow_papers) {
    Nibbles path;
    for (std::uint8_t nibble = 1; nibble <= 5; ++nibble)
        path.push_back(nibble);
    EXPECT_EQ(to_hex(hex_prefix(path, false).view()), "112345");
    EXPECT_EQ(to_hex(hex_prefix(path.from(1), true).view()), "202345");
    EXPECT_EQ(to_hex(hex_prefix(Nibbles{}, true).view()), "20");
}

TEST(HexPrefix, decodes_what_it_encodes_and_nothing_else) {
    for (std::size_t size = 0; size <= nibble_count_max; ++size) {
        Nibbles path;
        for (std::size_t index = 0; index < size; ++index)
            path.push_back(static_cast<std::uint8_t>((index * 7 + size) % 16));
        for (const bool is_leaf : {false, true}) {
            const auto decoded = from_hex_prefix(hex_prefix(path, is_leaf).view());
            ASSERT_TRUE(decoded);
            EXPECT_EQ(decoded->path, path);
            EXPECT_EQ(decoded->is_leaf, is_leaf);
        }
    }
    EXPECT_FALSE(from_hex_prefix({}));
    EXPECT_FALSE(from_hex_prefix(Bytes{0x40}));      // no such flag
    EXPECT_FALSE(from_hex_prefix(Bytes{0x05}));      // padding not zero
    EXPECT_FALSE(from_hex_prefix(Bytes(34, 0x00)));  // 66 nibbles
    Bytes odd(33, 0x11);
    EXPECT_FALSE(from_hex_prefix(odd));  // 65 nibbles
}

}  // namespace
}  // namespace millrace::trie
