// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/nibbles.hpp"

#include <algorithm>

namespace millrace::trie {

Nibbles Nibbles::of(ByteView key) noexcept {
    MILLRACE_ASSERT(key.size() <= key_size_max);
    Nibbles result;
    for (std::size_t index = 0; index < key.size(); ++index) {
        result.nibbles_[2 * index] = key[index] >> 4;
        result.nibbles_[2 * index + 1] = key[index] & 0x0f;
    }
    result.size_ = static_cast<std::uint8_t>(2 * key.size());
    return result;
}

void Nibbles::append(const Nibbles& tail) noexcept {
    MILLRACE_ASSERT(size_ + tail.size() <= nibble_count_max);
    std::memcpy(nibbles_.data() + size_, tail.nibbles_.data(), tail.size());
    size_ = static_cast<std::uint8_t>(size_ + tail.size());
}

Nibbles Nibbles::slice(std::size_t first, std::size_t count) const noexcept {
    MILLRACE_ASSERT(first <= size_);
    MILLRACE_ASSERT(count <= size_ - first);
    Nibbles result;
    std::memcpy(result.nibbles_.data(), nibbles_.data() + first, count);
    result.size_ = static_cast<std::uint8_t>(count);
    return result;
}

bool Nibbles::operator==(const Nibbles& other) const noexcept {
    return std::ranges::equal(view(), other.view());
}

std::size_t common_prefix(const Nibbles& left, std::size_t left_first, const Nibbles& right,
                          std::size_t right_first) noexcept {
    const auto left_rest = left.view().subspan(left_first);
    const auto right_rest = right.view().subspan(right_first);
    const auto difference = std::ranges::mismatch(left_rest, right_rest);
    return static_cast<std::size_t>(difference.in1 - left_rest.begin());
}

HexPrefix hex_prefix(const Nibbles& path, bool is_leaf) noexcept {
    HexPrefix result;
    const bool is_odd = path.size() % 2 == 1;
    const auto flag = static_cast<std::uint8_t>((is_leaf ? 2 : 0) + (is_odd ? 1 : 0));
    std::size_t index = 0;
    result.bytes[0] = static_cast<std::uint8_t>(flag << 4);
    if (is_odd) result.bytes[0] = static_cast<std::uint8_t>(result.bytes[0] | path[index++]);
    result.size = 1;
    for (; index < path.size(); index += 2) {
        result.bytes[result.size++] =
            static_cast<std::uint8_t>((path[index] << 4) | path[index + 1]);
    }
    return result;
}

std::optional<DecodedPath> from_hex_prefix(ByteView encoded) noexcept {
    if (encoded.empty() || encoded.size() > key_size_max + 1) return std::nullopt;
    const std::uint8_t flag = encoded[0] >> 4;
    if (flag > 3) return std::nullopt;
    const bool is_odd = (flag & 1) != 0;
    if (!is_odd && (encoded[0] & 0x0f) != 0) return std::nullopt;
    if (is_odd && encoded.size() > key_size_max) return std::nullopt;
    DecodedPath result;
    result.is_leaf = (flag & 2) != 0;
    if (is_odd) result.path.push_back(encoded[0] & 0x0f);
    for (const std::uint8_t byte : encoded.subspan(1)) {
        result.path.push_back(byte >> 4);
        result.path.push_back(byte & 0x0f);
    }
    return result;
}

}  // namespace millrace::trie
