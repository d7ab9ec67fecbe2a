// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/rlp.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace millrace::codec {
namespace {

constexpr std::uint8_t string_base = 0x80;
constexpr std::uint8_t list_base = 0xc0;
constexpr std::size_t short_size_max = 55;

/// The header of an item of `size` payload bytes; at most nine bytes.
struct Header {
    std::array<std::uint8_t, 9> bytes{};
    std::size_t size = 0;
};

Header make_header(std::uint8_t base, std::size_t payload_size) noexcept {
    Header header;
    if (payload_size <= short_size_max) {
        header.bytes[0] = static_cast<std::uint8_t>(base + payload_size);
        header.size = 1;
        return header;
    }
    std::size_t length_size = 0;
    for (std::size_t rest = payload_size; rest != 0; rest >>= 8)
        ++length_size;
    header.bytes[0] = static_cast<std::uint8_t>(base + short_size_max + length_size);
    for (std::size_t index = 0; index < length_size; ++index) {
        header.bytes[length_size - index] = static_cast<std::uint8_t>(payload_size >> (8 * index));
    }
    header.size = 1 + length_size;
    return header;
}

struct Item {
    bool is_list = false;
    ByteView payload;
    std::size_t size = 0;  ///< header and payload
};

Result<Item, RlpError> parse_item(ByteView input) noexcept {
    if (input.empty()) return Err{RlpError::truncated};
    const std::uint8_t first = input[0];
    if (first < string_base) return Item{false, input.first(1), 1};
    const bool is_list = first >= list_base;
    const std::size_t code = std::size_t{first} - (is_list ? list_base : string_base);
    std::size_t header_size = 1;
    std::size_t payload_size = code;
    if (code > short_size_max) {
        const std::size_t length_size = code - short_size_max;
        header_size += length_size;
        if (input.size() < header_size) return Err{RlpError::truncated};
        if (input[1] == 0) return Err{RlpError::non_canonical};
        payload_size = 0;
        for (std::size_t index = 0; index < length_size; ++index) {
            payload_size = (payload_size << 8) | input[1 + index];
        }
        if (payload_size <= short_size_max) return Err{RlpError::non_canonical};
    }
    if (payload_size > input.size() - header_size) return Err{RlpError::truncated};
    const ByteView payload = input.subspan(header_size, payload_size);
    if (!is_list && payload_size == 1 && payload[0] < string_base) {
        return Err{RlpError::non_canonical};
    }
    return Item{is_list, payload, header_size + payload_size};
}

}  // namespace

void RlpWriter::write(ByteView string) {
    if (string.size() == 1 && string[0] < string_base) {
        out_.push_back(string[0]);
        return;
    }
    const Header header = make_header(string_base, string.size());
    out_.insert(out_.end(), header.bytes.begin(),
                header.bytes.begin() + static_cast<std::ptrdiff_t>(header.size));
    out_.insert(out_.end(), string.begin(), string.end());
}

void RlpWriter::write(std::uint64_t number) {
    write(U256{number});
}

void RlpWriter::write(const U256& number) {
    const Hash32 word = to_word(number);
    const auto first =
        std::ranges::find_if(word.bytes, [](std::uint8_t byte) { return byte != 0; });
    write(word.view().subspan(static_cast<std::size_t>(first - word.bytes.begin())));
}

void RlpWriter::write_raw(ByteView encoded) {
    out_.insert(out_.end(), encoded.begin(), encoded.end());
}

RlpWriter::ListStart RlpWriter::begin_list() {
    return out_.size();
}

void RlpWriter::end_list(ListStart start) {
    MILLRACE_ASSERT(start <= out_.size());
    const Header header = make_header(list_base, out_.size() - start);
    out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(start), header.bytes.begin(),
                header.bytes.begin() + static_cast<std::ptrdiff_t>(header.size));
}

bool RlpReaderView::next_is_list() const noexcept {
    return !rest_.empty() && rest_[0] >= list_base;
}

Result<ByteView, RlpError> RlpReaderView::read_string() noexcept {
    MILLRACE_TRY(const Item item, parse_item(rest_));
    if (item.is_list) return Err{RlpError::wrong_kind};
    rest_ = rest_.subspan(item.size);
    return item.payload;
}

Result<Bytes, RlpError> RlpReaderView::read_bytes(std::size_t size_max) {
    MILLRACE_TRY(const ByteView content, read_string());
    if (content.size() > size_max) return Err{RlpError::wrong_size};
    return to_bytes(content);
}

Result<std::string, RlpError> RlpReaderView::read_text(std::size_t size_max) {
    MILLRACE_TRY(const ByteView content, read_string());
    if (content.size() > size_max) return Err{RlpError::wrong_size};
    return std::string{as_text(content)};
}

Result<std::uint64_t, RlpError> RlpReaderView::read_u64() noexcept {
    MILLRACE_TRY(const U256 number, read_u256());
    if (!number.fits_u64()) return Err{RlpError::wrong_size};
    return number.words[0];
}

Result<U256, RlpError> RlpReaderView::read_u256() noexcept {
    MILLRACE_TRY(const ByteView digits, read_string());
    if (digits.size() > 32) return Err{RlpError::wrong_size};
    if (!digits.empty() && digits[0] == 0) return Err{RlpError::non_canonical};
    return *u256_from_big_endian(digits);
}

Result<RlpReaderView, RlpError> RlpReaderView::read_list() noexcept {
    MILLRACE_TRY(const Item item, parse_item(rest_));
    if (!item.is_list) return Err{RlpError::wrong_kind};
    rest_ = rest_.subspan(item.size);
    return RlpReaderView{item.payload};
}

Result<ByteView, RlpError> RlpReaderView::read_raw() noexcept {
    MILLRACE_TRY(const Item item, parse_item(rest_));
    const ByteView whole = rest_.first(item.size);
    rest_ = rest_.subspan(item.size);
    return whole;
}

Result<void, RlpError> RlpReaderView::finish() const noexcept {
    if (!rest_.empty()) return Err{RlpError::trailing_bytes};
    return {};
}

std::string_view to_text(RlpError error) noexcept {
    switch (error) {
        case RlpError::truncated:
            return "truncated";
        case RlpError::trailing_bytes:
            return "trailing bytes";
        case RlpError::non_canonical:
            return "non-canonical";
        case RlpError::wrong_kind:
            return "wrong kind of item";
        case RlpError::wrong_size:
            return "wrong size";
        case RlpError::too_many_items:
            return "too many items";
        case RlpError::bad_value:
            return "value out of range";
    }
    return "unknown";
}

}  // namespace millrace::codec
