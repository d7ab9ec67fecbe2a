// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/row_layer.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/assert.hpp"

namespace millrace::store {
namespace {

using state::Table;
using state::WriteBatch;

constexpr std::size_t head_size = 1 + 4 + 4;  // table, size of the key, size of the value
constexpr std::uint32_t erased_mark = 0xffff'ffff;

void append_u32(Bytes& bytes, std::uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<std::uint8_t>(number >> shift));
}

std::uint32_t read_u32(const std::uint8_t* bytes) noexcept {
    return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
           static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

/// Orders as the keys do, but for keys that begin with the same eight bytes. Short ones count as if
/// zeros followed.
std::uint64_t prefix_of(ByteView key) noexcept {
    std::array<std::uint8_t, 8> first{};
    if (!key.empty()) std::memcpy(first.data(), key.data(), std::min(key.size(), first.size()));
    return static_cast<std::uint64_t>(read_u32(first.data())) << 32 | read_u32(first.data() + 4);
}

bool is_less(ByteView left, ByteView right) noexcept {
    const std::size_t common = std::min(left.size(), right.size());
    const int order = common == 0 ? 0 : std::memcmp(left.data(), right.data(), common);
    return order != 0 ? order < 0 : left.size() < right.size();
}

bool is_equal(ByteView left, ByteView right) noexcept {
    return left.size() == right.size() &&
           (left.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0);
}

/// A change of a batch, to be sorted.
struct Unsorted {
    std::uint64_t prefix;
    std::uint32_t index;
};

/// The changes of each table in order of key, those of one key in order of time.
std::array<std::vector<Unsorted>, state::table_count> sorted(const WriteBatch& batch) {
    const auto& changes = batch.changes();
    MILLRACE_ASSERT(changes.size() < std::numeric_limits<std::uint32_t>::max());
    std::array<std::vector<Unsorted>, state::table_count> tables;
    for (std::uint32_t index = 0; index < changes.size(); ++index) {
        const WriteBatch::Change& change = changes[index];
        MILLRACE_ASSERT(static_cast<std::size_t>(change.table) < state::table_count);
        tables[static_cast<std::size_t>(change.table)].push_back({prefix_of(change.key), index});
    }
    for (auto& table : tables) {
        std::ranges::sort(table, [&](const Unsorted& left, const Unsorted& right) {
            if (left.prefix != right.prefix) return left.prefix < right.prefix;
            const Bytes& left_key = changes[left.index].key;
            const Bytes& right_key = changes[right.index].key;
            if (is_less(left_key, right_key)) return true;
            return is_equal(left_key, right_key) && left.index < right.index;
        });
    }
    return tables;
}

}  // namespace

std::size_t RowLayer::memory_size_max(const WriteBatch& batch) noexcept {
    std::size_t size = sizeof(RowLayer);
    for (const WriteBatch::Change& change : batch.changes())
        size += head_size + sizeof(Place) + change.key.size() +
                (change.value ? change.value->size() : 0);
    return size;
}

std::size_t RowLayer::memory_size() const noexcept {
    return sizeof(RowLayer) + encoded_.capacity() + places_.capacity() * sizeof(Place);
}

RowLayerPtr RowLayer::of(const WriteBatch& batch) {
    const auto tables = sorted(batch);
    const auto& changes = batch.changes();
    auto layer = std::make_shared<RowLayer>();
    layer->places_.reserve(changes.size());
    layer->encoded_.reserve(memory_size_max(batch) - sizeof(RowLayer) -
                            changes.size() * sizeof(Place));
    for (std::size_t name = 0; name < tables.size(); ++name) {
        const auto& table = tables[name];
        for (std::size_t at = 0; at < table.size(); ++at) {
            const WriteBatch::Change& change = changes[table[at].index];
            // The last write to a key counts.
            if (at + 1 < table.size() && is_equal(change.key, changes[table[at + 1].index].key))
                continue;
            Bytes& out = layer->encoded_;
            layer->places_.push_back({table[at].prefix, static_cast<std::uint32_t>(out.size())});
            out.push_back(static_cast<std::uint8_t>(name));
            append_u32(out, static_cast<std::uint32_t>(change.key.size()));
            append_u32(
                out, change.value ? static_cast<std::uint32_t>(change.value->size()) : erased_mark);
            out.insert(out.end(), change.key.begin(), change.key.end());
            if (change.value) out.insert(out.end(), change.value->begin(), change.value->end());
        }
        layer->begins_[name + 1] = static_cast<std::uint32_t>(layer->places_.size());
    }
    MILLRACE_ASSERT(layer->encoded_.size() < erased_mark);
    return layer;
}

RowLayerPtr RowLayer::decode(Bytes encoded) {
    if (encoded.size() >= erased_mark) return nullptr;
    auto layer = std::make_shared<RowLayer>();
    layer->encoded_ = std::move(encoded);
    const ByteView bytes = layer->encoded_;
    std::size_t newest = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        if (bytes.size() - at < head_size) return nullptr;
        const std::size_t table = bytes[at];
        const std::size_t key_size = read_u32(&bytes[at + 1]);
        const std::uint32_t mark = read_u32(&bytes[at + 5]);
        const std::size_t value_size = mark == erased_mark ? 0 : mark;
        const std::size_t left = bytes.size() - at - head_size;
        if (table >= state::table_count || table < newest || key_size > left ||
            value_size > left - key_size)
            return nullptr;
        const auto offset = static_cast<std::uint32_t>(at);
        const ByteView key = bytes.subspan(at + head_size, key_size);
        const bool is_first = table > newest || layer->places_.empty();
        if (!is_first && !is_less(layer->row_at(layer->places_.back().offset).key, key))
            return nullptr;
        for (; newest < table; ++newest)
            layer->begins_[newest + 1] = static_cast<std::uint32_t>(layer->places_.size());
        layer->places_.push_back({prefix_of(key), offset});
        at += head_size + key_size + value_size;
    }
    for (; newest < state::table_count; ++newest)
        layer->begins_[newest + 1] = static_cast<std::uint32_t>(layer->places_.size());
    return layer;
}

RowLayer::RowView RowLayer::row_at(std::uint32_t offset) const noexcept {
    const std::uint8_t* const row = encoded_.data() + offset;
    const std::size_t key_size = read_u32(row + 1);
    const std::uint32_t mark = read_u32(row + 5);
    const bool is_erased = mark == erased_mark;
    return {.key = {row + head_size, key_size},
            .is_erased = is_erased,
            .value = {row + head_size + key_size, is_erased ? 0 : std::size_t{mark}}};
}

std::size_t RowLayer::count(Table table) const noexcept {
    const auto name = static_cast<std::size_t>(table);
    return begins_[name + 1] - begins_[name];
}

RowLayer::RowView RowLayer::row(Table table, std::size_t index) const noexcept {
    return row_at(places_[begins_[static_cast<std::size_t>(table)] + index].offset);
}

std::size_t RowLayer::lower_bound(Table table, ByteView key) const noexcept {
    const auto name = static_cast<std::size_t>(table);
    const auto first = places_.begin() + begins_[name];
    const auto last = places_.begin() + begins_[name + 1];
    const std::uint64_t prefix = prefix_of(key);
    const auto found = std::partition_point(first, last, [&](const Place& place) {
        if (place.prefix != prefix) return place.prefix < prefix;
        return is_less(row_at(place.offset).key, key);
    });
    return static_cast<std::size_t>(found - first);
}

std::optional<RowLayer::RowView> RowLayer::find(Table table, ByteView key) const noexcept {
    const std::size_t index = lower_bound(table, key);
    if (index == count(table)) return std::nullopt;
    const RowView found = row(table, index);
    if (!is_equal(found.key, key)) return std::nullopt;
    return found;
}

}  // namespace millrace::store
