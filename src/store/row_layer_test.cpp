// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/row_layer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace millrace::store {
namespace {

using state::Table;
using state::WriteBatch;

Bytes text(std::string_view content) {
    return to_bytes(as_bytes(content));
}

TEST(RowLayer, each_key_stands_once_in_order_with_its_last_write) {
    WriteBatch batch;
    batch.put(Table::storage, text("a"), text("other"));
    batch.put(Table::accounts, text("b"), text("1"));
    batch.put(Table::accounts, text("a"), text("2"));
    batch.put(Table::accounts, Bytes{}, text("no key"));
    batch.erase(Table::accounts, text("b"));
    batch.erase(Table::accounts, text("c"));
    batch.put(Table::accounts, text("c"), Bytes{});
    const RowLayerPtr layer = RowLayer::of(batch);
    ASSERT_EQ(layer->count(Table::accounts), 4u);
    EXPECT_EQ(layer->count(Table::storage), 1u);
    EXPECT_EQ(layer->count(Table::pool), 0u);
    EXPECT_TRUE(layer->row(Table::accounts, 0).key.empty());
    EXPECT_EQ(as_text(layer->row(Table::accounts, 1).value), "2");
    EXPECT_TRUE(layer->row(Table::accounts, 2).is_erased);
    EXPECT_FALSE(layer->row(Table::accounts, 3).is_erased);
    EXPECT_EQ(as_text(layer->find(Table::storage, as_bytes("a"))->value), "other");
    EXPECT_FALSE(layer->find(Table::accounts, as_bytes("aa")));
    EXPECT_FALSE(layer->find(Table::nodes, as_bytes("a")));
    EXPECT_EQ(layer->memory_size(), RowLayer::memory_size_of(batch));
}

TEST(RowLayer, keys_with_the_same_beginning_keep_their_order) {
    WriteBatch batch;
    const std::vector<std::string> keys{"12345678",   std::string("12345678\0", 9), "12345678a",
                                        "1234567",    std::string("1234567\0", 8),  "12345678\xff",
                                        "12345678aa", std::string("\0", 1),         "\xff"};
    for (const auto& key : keys)
        batch.put(Table::nodes, text(key), text(key));
    const RowLayerPtr layer = RowLayer::of(batch);
    const std::map<Bytes, int> expected = [&] {
        std::map<Bytes, int> all;
        for (const auto& key : keys)
            all[text(key)] = 1;
        return all;
    }();
    std::size_t index = 0;
    for (const auto& [key, unused] : expected) {
        EXPECT_EQ(to_bytes(layer->row(Table::nodes, index).key), key);
        EXPECT_EQ(layer->lower_bound(Table::nodes, key), index);
        ++index;
    }
}

WriteBatch random_batch(std::mt19937& random) {
    WriteBatch batch;
    const auto pick = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
    for (std::uint32_t count = pick(60); count > 0; --count) {
        Bytes key(pick(12));
        for (std::uint8_t& byte : key)
            byte = static_cast<std::uint8_t>(pick(2) * 255);
        const auto table = static_cast<Table>(pick(state::table_count));
        if (pick(3) == 0) {
            batch.erase(table, std::move(key));
        } else {
            batch.put(table, std::move(key), Bytes(pick(40), static_cast<std::uint8_t>(count)));
        }
    }
    return batch;
}

TEST(RowLayer, answers_as_a_map_does) {
    std::mt19937 random{1};
    for (int round = 0; round < 300; ++round) {
        const WriteBatch batch = random_batch(random);
        std::map<std::pair<Table, Bytes>, std::optional<Bytes>> naive;
        for (std::size_t index = 0; index < batch.size(); ++index) {
            const WriteBatch::Change change = batch.change(index);
            auto& value = naive[{change.table, to_bytes(change.key)}];
            value.reset();
            if (change.value) value = to_bytes(*change.value);
        }
        const RowLayerPtr layer = RowLayer::of(batch);
        std::size_t count = 0;
        for (std::size_t table = 0; table < state::table_count; ++table)
            count += layer->count(static_cast<Table>(table));
        ASSERT_EQ(count, naive.size());
        for (const auto& [place, value] : naive) {
            const auto found = layer->find(place.first, place.second);
            ASSERT_TRUE(found.has_value());
            EXPECT_EQ(found->is_erased, !value.has_value());
            EXPECT_EQ(to_bytes(found->value), value.value_or(Bytes{}));
        }
    }
}

WriteBatch batch_of(ByteView encoded) {
    WriteBatch batch;
    for (std::size_t at = 0; at < encoded.size();) {
        const auto read = WriteBatch::read(encoded.subspan(at));
        if (read->change.value) {
            batch.put(read->change.table, read->change.key, *read->change.value);
        } else {
            batch.erase(read->change.table, read->change.key);
        }
        at += read->size;
    }
    return batch;
}

TEST(RowLayer, what_it_encodes_is_read_back_and_nothing_else_is) {
    std::mt19937 random{2};
    for (int round = 0; round < 100; ++round) {
        const RowLayerPtr layer = RowLayer::of(random_batch(random));
        const Bytes encoded = to_bytes(layer->encoded());
        const RowLayerPtr again = RowLayer::decode(encoded);
        ASSERT_NE(again, nullptr);
        EXPECT_EQ(to_bytes(again->encoded()), encoded);
        for (std::size_t name = 0; name < state::table_count; ++name) {
            const auto table = static_cast<Table>(name);
            ASSERT_EQ(again->count(table), layer->count(table));
            for (std::size_t index = 0; index < layer->count(table); ++index)
                EXPECT_EQ(to_bytes(again->row(table, index).key),
                          to_bytes(layer->row(table, index).key));
        }
        // Whatever is cut or changed: refused, or another batch in the one form it has.
        for (std::size_t size = 0; size < encoded.size(); ++size) {
            const auto cut =
                RowLayer::decode(Bytes(encoded.begin(), encoded.begin() + static_cast<long>(size)));
            if (cut) {
                EXPECT_EQ(cut->encoded().size(), size);
            }
        }
        if (encoded.empty()) continue;
        Bytes changed = encoded;
        changed[random() % changed.size()] ^= static_cast<std::uint8_t>(1u << random() % 8);
        if (const auto other = RowLayer::decode(changed)) {
            EXPECT_EQ(to_bytes(RowLayer::of(batch_of(changed))->encoded()), changed);
        }
    }
}

Bytes row(std::uint8_t table, std::string_view key, std::uint8_t value_size) {
    Bytes bytes{table, 0, 0, 0, static_cast<std::uint8_t>(key.size()), 0, 0, 0, value_size};
    for (const char letter : key)
        bytes.push_back(static_cast<std::uint8_t>(letter));
    bytes.resize(bytes.size() + value_size);
    return bytes;
}

Bytes both(Bytes first, const Bytes& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

TEST(RowLayer, rows_over_the_end_and_tables_that_are_not_are_refused) {
    EXPECT_NE(RowLayer::decode({}), nullptr);
    EXPECT_NE(RowLayer::decode(both(row(1, "a", 3), row(1, "b", 0))), nullptr);
    EXPECT_EQ(RowLayer::decode(row(state::table_count, "a", 0)), nullptr);
    Bytes long_value = row(1, "a", 3);
    long_value.pop_back();
    EXPECT_EQ(RowLayer::decode(long_value), nullptr);
    Bytes long_key = row(1, "a", 0);
    long_key[1] = 0xff;
    EXPECT_EQ(RowLayer::decode(long_key), nullptr);
}

TEST(RowLayer, what_is_read_back_is_put_in_order_and_the_last_write_counts) {
    const auto layer = RowLayer::decode(both(both(row(2, "a", 1), row(1, "b", 3)), row(1, "b", 2)));
    ASSERT_NE(layer, nullptr);
    EXPECT_EQ(layer->count(Table::accounts), 1u);
    EXPECT_EQ(layer->find(Table::accounts, as_bytes("b"))->value.size(), 2u);
    EXPECT_EQ(layer->find(Table::storage, as_bytes("a"))->value.size(), 1u);
}

}  // namespace
}  // namespace millrace::store
