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

/// Orders as the keys do, but for keys that begin with the same eight bytes. Short ones count as if
/// zeros followed.
std::uint64_t prefix_of(ByteView key) noexcept {
    std::array<std::uint8_t, 8> first{};
    if (!key.empty()) std::memcpy(first.data(), key.data(), std::min(key.size(), first.size()));
    std::uint64_t prefix = 0;
    for (const std::uint8_t byte : first)
        prefix = prefix << 8 | byte;
    return prefix;
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

constexpr std::size_t size_end = std::numeric_limits<std::uint32_t>::max();

}  // namespace

std::size_t RowLayer::memory_size_of(const WriteBatch& batch) noexcept {
    return sizeof(RowLayer) + batch.byte_count() +
           batch.size() * (sizeof(Place) + sizeof(std::size_t));
}

RowLayer::RowLayer(Bytes encoded, std::vector<std::size_t> offsets)
    : encoded_{std::move(encoded)},
      memory_size_{sizeof(RowLayer) + encoded_.size() +
                   offsets.size() * (sizeof(Place) + sizeof(std::size_t))},
      offsets_{std::move(offsets)} {
    MILLRACE_ASSERT(encoded_.size() < size_end);
}

RowLayerPtr RowLayer::of(WriteBatch batch) {
    WriteBatch::Rows rows = std::move(batch).take();
    return std::make_shared<const RowLayer>(std::move(rows.bytes), std::move(rows.offsets));
}

RowLayerPtr RowLayer::decode(Bytes encoded) {
    if (encoded.size() >= size_end) return nullptr;
    std::vector<std::size_t> offsets;
    for (std::size_t at = 0; at < encoded.size();) {
        const auto read = WriteBatch::read(ByteView{encoded}.subspan(at));
        if (!read) return nullptr;
        offsets.push_back(at);
        at += read->size;
    }
    return std::make_shared<const RowLayer>(std::move(encoded), std::move(offsets));
}

const RowLayer::Index& RowLayer::index() const {
    std::call_once(index_once_, [this] { make_index(); });
    return index_;
}

void RowLayer::make_index() const {
    std::array<std::vector<Place>, state::table_count> tables;
    for (const std::size_t offset : offsets_) {
        const auto table = static_cast<std::size_t>(encoded_[offset]);
        const auto at = static_cast<std::uint32_t>(offset);
        tables[table].push_back({prefix_of(row_at(at).key), at});
    }
    index_.places.reserve(offsets_.size());
    for (std::size_t name = 0; name < tables.size(); ++name) {
        auto& table = tables[name];
        // Those of one key in the order of writing, of which the last counts.
        std::ranges::sort(table, [&](const Place& left, const Place& right) {
            if (left.prefix != right.prefix) return left.prefix < right.prefix;
            const ByteView left_key = row_at(left.offset).key;
            const ByteView right_key = row_at(right.offset).key;
            if (is_equal(left_key, right_key)) return left.offset < right.offset;
            return is_less(left_key, right_key);
        });
        for (std::size_t at = 0; at < table.size(); ++at) {
            const bool is_last =
                at + 1 == table.size() || table[at].prefix != table[at + 1].prefix ||
                !is_equal(row_at(table[at].offset).key, row_at(table[at + 1].offset).key);
            if (is_last) index_.places.push_back(table[at]);
        }
        index_.begins[name + 1] = static_cast<std::uint32_t>(index_.places.size());
    }
    offsets_ = {};
}

RowLayer::RowView RowLayer::row_at(std::uint32_t offset) const noexcept {
    const auto read = WriteBatch::read(ByteView{encoded_}.subspan(offset));
    MILLRACE_ASSERT(read.has_value());
    return {.key = read->change.key,
            .is_erased = !read->change.value,
            .value = read->change.value.value_or(ByteView{})};
}

std::size_t RowLayer::count(Table table) const {
    const auto name = static_cast<std::size_t>(table);
    return index().begins[name + 1] - index().begins[name];
}

RowLayer::RowView RowLayer::row(Table table, std::size_t at) const {
    return row_at(index().places[index().begins[static_cast<std::size_t>(table)] + at].offset);
}

std::size_t RowLayer::lower_bound(Table table, ByteView key) const {
    const Index& sorted = index();
    const auto name = static_cast<std::size_t>(table);
    const auto first = sorted.places.begin() + sorted.begins[name];
    const auto last = sorted.places.begin() + sorted.begins[name + 1];
    const std::uint64_t prefix = prefix_of(key);
    const auto found = std::partition_point(first, last, [&](const Place& place) {
        if (place.prefix != prefix) return place.prefix < prefix;
        return is_less(row_at(place.offset).key, key);
    });
    return static_cast<std::size_t>(found - first);
}

std::optional<RowLayer::RowView> RowLayer::find(Table table, ByteView key) const {
    const std::size_t at = lower_bound(table, key);
    if (at == count(table)) return std::nullopt;
    const RowView found = row(table, at);
    if (!is_equal(found.key, key)) return std::nullopt;
    return found;
}

}  // namespace millrace::store
