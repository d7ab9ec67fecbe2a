// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "codec/rlp.hpp"
#include "trie/node.hpp"

namespace millrace::state {
namespace {

TEST(Rows, decode_only_what_they_encode) {
    const AccountRow plain{{.nonce = 3, .balance = U256{5}}, trie::empty_root};
    const AccountRow full{{.nonce = 0, .balance = U256{}, .code_hash = Hash32{}}, Hash32{}};
    for (const AccountRow& row : {plain, full}) {
        const Bytes encoded = encode_account_row(row);
        EXPECT_EQ(decode_account_row(encoded), row);
        for (std::size_t size = 0; size < encoded.size(); ++size)
            EXPECT_FALSE(decode_account_row(ByteView{encoded}.first(size)));
        Bytes longer = encoded;
        longer.push_back(0);
        EXPECT_FALSE(decode_account_row(longer));
    }
    // The hash of no code written out.
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(std::uint64_t{1});
    writer.write(std::uint64_t{1});
    writer.write(evm::empty_code_hash);
    writer.write(ByteView{});
    writer.end_list(list);
    EXPECT_FALSE(decode_account_row(writer.view()));

    EXPECT_EQ(decode_storage_row(encode_storage_row(U256{0x100})), U256{0x100});
    EXPECT_FALSE(decode_storage_row({}));
    EXPECT_FALSE(decode_storage_row(Bytes{0, 1}));
    EXPECT_FALSE(decode_storage_row(Bytes(33, 1)));

    const std::vector<ChangedKey> keys{{Table::accounts, {1, 2}}, {Table::codes, {}}};
    const Bytes changes = encode_changes(keys);
    EXPECT_EQ(decode_changes(changes), keys);
    EXPECT_EQ(decode_changes(encode_changes({})), std::vector<ChangedKey>{});
    for (std::size_t size = 0; size < changes.size(); ++size)
        EXPECT_FALSE(decode_changes(ByteView{changes}.first(size)));
    EXPECT_FALSE(decode_changes(encode_changes({{Table::pool, {1}}})));

    EXPECT_EQ(decode_state_height(encode_state_height(Height{700})), Height{700});
    EXPECT_FALSE(decode_state_height(Bytes{0xc2, 0x02, 0x05}));
    EXPECT_EQ(decode_height_key(height_key(Height{700})), Height{700});
    EXPECT_FALSE(decode_height_key(Bytes(7)));
}

TEST(Rows, no_node_key_is_the_beginning_of_another) {
    std::vector<Bytes> keys;
    for (std::size_t size = 0; size < 5; ++size) {
        for (std::uint8_t last = 0; last < 2; ++last) {
            trie::Nibbles path;
            for (std::size_t index = 1; index < size; ++index)
                path.push_back(0);
            if (size > 0) path.push_back(last);
            if (size == 0 && last == 1) continue;
            keys.push_back(TrieName::accounts().node_key(path));
            keys.push_back(TrieName::storage_of(Hash32{}).node_key(path));
        }
    }
    for (const Bytes& left : keys) {
        for (const Bytes& right : keys) {
            if (&left == &right) continue;
            EXPECT_FALSE(left.size() <= right.size() &&
                         std::equal(left.begin(), left.end(), right.begin()));
        }
    }
}

}  // namespace
}  // namespace millrace::state
