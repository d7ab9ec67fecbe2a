// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/chain_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "node/chain_rows.hpp"
#include "node/sample_node.hpp"

namespace millrace::node {
namespace {

/// The blocks of a chain as one text of bytes, and a reader over any.
Bytes exported(const Chain& chain, std::uint64_t first) {
    Bytes all;
    EXPECT_TRUE(export_blocks(*chain.view(), Height{first}, Height{chain.head().header.number},
                              [&](ByteView block) {
                                  all.insert(all.end(), block.begin(), block.end());
                                  return true;
                              }));
    return all;
}

ChainFileReader reader_of(const Bytes& bytes) {
    return ChainFileReader{[rest = ByteView{bytes}](std::span<std::uint8_t> into) mutable {
        const std::size_t count = std::min(into.size(), rest.size());
        std::copy_n(rest.begin(), count, into.begin());
        rest = rest.subspan(count);
        return count;
    }};
}

TEST(ChainFile, an_export_imports_elsewhere_from_any_block_on) {
    Node maker;
    maker.seal_many(5);
    for (const std::uint64_t first : {0u, 1u}) {
        Node other;
        const Bytes bytes = exported(*maker.chain, first);
        auto reader = reader_of(bytes);
        const auto summary = import_blocks(*other.chain, reader, {}, {});
        ASSERT_TRUE(summary.has_value()) << summary.error().text();
        EXPECT_EQ(summary->imported, 5u);
        EXPECT_EQ(summary->known, 1 - first);
        EXPECT_EQ(reader.position(), bytes.size());
        EXPECT_EQ(all_rows(other.store), all_rows(maker.store));
        auto again = reader_of(bytes);
        EXPECT_EQ(import_blocks(*other.chain, again, {}, {})->known, 6 - first);
    }
    EXPECT_FALSE(
        export_blocks(*maker.chain->view(), Height{0}, Height{6}, [](ByteView) { return true; }));
}

TEST(ChainFile, a_cut_or_damaged_file_is_refused_at_its_byte_and_keeps_what_came_before) {
    Node maker;
    maker.seal_many(2);
    const Bytes whole = exported(*maker.chain, 1);
    const std::size_t first_size = maker.chain->view()->block(Height{1})->encode().size();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        if (size == 0 || size == first_size) continue;
        Node other;
        const Bytes cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
        auto reader = reader_of(cut);
        const auto summary = import_blocks(*other.chain, reader, {}, {});
        ASSERT_FALSE(summary.has_value());
        EXPECT_EQ(other.chain->head().header.number, size > first_size ? 1u : 0u);
        EXPECT_EQ(summary.error().where,
                  "byte " + std::to_string(size > first_size ? first_size : 0));
    }
    const auto refusal = [](Bytes bytes) {
        auto reader = reader_of(bytes);
        const auto block = reader.next();
        return block.has_value() ? std::string{} : block.error().what;
    };
    EXPECT_EQ(refusal({0x80}), "what should be a block is no list");
    EXPECT_EQ(refusal({0xfb, 0x04, 0, 0, 1}), "a block is too large");
    EXPECT_EQ(refusal({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
              "a block is too large");
    EXPECT_EQ(refusal({0xf9, 0x01}), "the last block is cut off");
    EXPECT_NE(refusal({0xc1, 0x01}).find("a block cannot be read"), std::string::npos);
}

TEST(ChainFile, a_block_of_another_chain_is_refused) {
    Node maker;
    maker.seal_many(2);
    Node other;
    other.seal({sample_transfer(3, 0, 3, 3)});
    const Bytes bytes = exported(*maker.chain, 1);
    auto reader = reader_of(bytes);
    const auto summary = import_blocks(*other.chain, reader, {}, {});
    ASSERT_FALSE(summary.has_value());
    EXPECT_NE(summary.error().text().find("another block at this height"), std::string::npos);
}

TEST(ChainRows, decoders_take_what_encoders_give_and_nothing_else) {
    Node node;
    const auto sealed = node.seal({sample_transfer(1, 0, 7, 5)});
    const std::vector<std::pair<Bytes, std::function<bool(ByteView)>>> rows{
        {encode_head_row({.height = Height{300}, .hash = sealed.hash}),
         [](ByteView row) { return decode_head_row(row).has_value(); }},
        {encode_genesis_row({.hash = sealed.hash, .chain_id = 9}),
         [](ByteView row) { return decode_genesis_row(row).has_value(); }},
        {encode_body_row(sealed.block),
         [&](ByteView row) {
             return decode_block_rows(sealed.block.header.encode(), row).has_value();
         }},
        {encode_receipts_row(sealed.receipts),
         [](ByteView row) { return decode_receipts_row(row).has_value(); }},
        {encode_place_row(Height{300}, 70'000),
         [](ByteView row) { return decode_place_row(row).has_value(); }},
        {sealed.block.header.encode(),
         [](ByteView row) { return decode_header_row(row).has_value(); }}};
    for (const auto& [row, takes] : rows) {
        EXPECT_TRUE(takes(row));
        for (std::size_t size = 0; size < row.size(); ++size)
            EXPECT_FALSE(takes(ByteView{row}.first(size)));
        Bytes longer = row;
        longer.push_back(0);
        EXPECT_FALSE(takes(longer));
    }
    const auto place = decode_place_row(encode_place_row(Height{300}, 70'000));
    EXPECT_EQ(place->height, Height{300});
    EXPECT_EQ(place->index, 70'000u);
    EXPECT_EQ(decode_block_rows(sealed.block.header.encode(), encode_body_row(sealed.block)),
              sealed.block);
    EXPECT_EQ(decode_receipts_row(encode_receipts_row(sealed.receipts)), sealed.receipts);
    // Format 2.
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    for (const types::TransactionReceipt& receipt : sealed.receipts)
        writer.write(ByteView{receipt.encode()});
    writer.end_list(list);
    EXPECT_EQ(decode_receipts_row(writer.view()), sealed.receipts);
}

}  // namespace
}  // namespace millrace::node
