// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "base/assert.hpp"
#include "state/key_value.hpp"

namespace millrace::state {
namespace {

constexpr std::size_t head_size = 1 + 4 + 4;  // table, size of the key, size of the value
constexpr std::uint32_t erased_mark = 0xffff'ffff;

void write_u32(std::uint8_t* into, std::uint32_t number) noexcept {
    for (int shift = 24; shift >= 0; shift -= 8)
        *into++ = static_cast<std::uint8_t>(number >> shift);
}

std::uint32_t read_u32(const std::uint8_t* bytes) noexcept {
    return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
           static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

}  // namespace

void WriteBatch::add(Table table, ByteView key, std::uint32_t mark, ByteView value) {
    MILLRACE_ASSERT(static_cast<std::size_t>(table) < table_count);
    MILLRACE_ASSERT(key.size() < erased_mark);
    const std::size_t begin = rows_.size();
    offsets_.push_back(begin);
    rows_.resize(begin + head_size + key.size() + value.size());
    std::uint8_t* const row = rows_.data() + begin;
    row[0] = static_cast<std::uint8_t>(table);
    write_u32(row + 1, static_cast<std::uint32_t>(key.size()));
    write_u32(row + 5, mark);
    std::ranges::copy(key, row + head_size);
    std::ranges::copy(value, row + head_size + key.size());
}

void WriteBatch::put(Table table, ByteView key, ByteView value) {
    MILLRACE_ASSERT(value.size() < erased_mark);
    add(table, key, static_cast<std::uint32_t>(value.size()), value);
}

void WriteBatch::erase(Table table, ByteView key) {
    add(table, key, erased_mark, {});
}

void WriteBatch::append(WriteBatch later) {
    if (empty() && rows_.capacity() < later.rows_.capacity()) {
        *this = std::move(later);
        return;
    }
    const std::size_t shift = rows_.size();
    rows_.insert(rows_.end(), later.rows_.begin(), later.rows_.end());
    for (const std::size_t offset : later.offsets_)
        offsets_.push_back(offset + shift);
}

void WriteBatch::reserve(std::size_t count, std::size_t byte_count) {
    offsets_.reserve(offsets_.size() + count);
    rows_.reserve(rows_.size() + byte_count);
}

WriteBatch::Change WriteBatch::change(std::size_t index) const noexcept {
    const auto found = read(ByteView{rows_}.subspan(offsets_[index]));
    MILLRACE_ASSERT(found.has_value());
    return found->change;
}

std::optional<WriteBatch::Read> WriteBatch::read(ByteView bytes) noexcept {
    if (bytes.size() < head_size) return std::nullopt;
    const std::size_t table = bytes[0];
    const std::size_t key_size = read_u32(&bytes[1]);
    const std::uint32_t mark = read_u32(&bytes[5]);
    const std::size_t value_size = mark == erased_mark ? 0 : mark;
    const std::size_t left = bytes.size() - head_size;
    if (table >= table_count || key_size > left || value_size > left - key_size)
        return std::nullopt;
    Read found{.change = {.table = static_cast<Table>(table),
                          .key = bytes.subspan(head_size, key_size),
                          .value = std::nullopt},
               .size = head_size + key_size + value_size};
    if (mark != erased_mark) found.change.value = bytes.subspan(head_size + key_size, value_size);
    return found;
}

}  // namespace millrace::state
