// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace millrace::trie {

/// Keys are at most this long: hashes in states, RLP of an index in blocks.
inline constexpr std::size_t key_size_max = 32;
inline constexpr std::size_t nibble_count_max = 2 * key_size_max;

/// A path in the trie, half a byte per step, kept in place. Appending beyond nibble_count_max is an
/// assertion failure: decoders check first.
class Nibbles {
  public:
    Nibbles() = default;
    /// Two per byte, high half first. The key has at most key_size_max bytes.
    static Nibbles of(ByteView key) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::uint8_t operator[](std::size_t index) const noexcept {
        MILLRACE_ASSERT(index < size_);
        return nibbles_[index];
    }
    [[nodiscard]] std::span<const std::uint8_t> view() const noexcept {
        return {nibbles_.data(), size_};
    }
    void push_back(std::uint8_t nibble) noexcept {
        MILLRACE_ASSERT(size_ < nibble_count_max);
        nibbles_[size_++] = nibble;
    }
    void append(const Nibbles& tail) noexcept;
    [[nodiscard]] Nibbles from(std::size_t first) const noexcept {
        return slice(first, size_ - first);
    }
    [[nodiscard]] Nibbles first(std::size_t count) const noexcept { return slice(0, count); }
    [[nodiscard]] Nibbles with(std::uint8_t nibble) const noexcept {
        Nibbles result = *this;
        result.push_back(nibble);
        return result;
    }
    [[nodiscard]] Nibbles with(const Nibbles& tail) const noexcept {
        Nibbles result = *this;
        result.append(tail);
        return result;
    }

    bool operator==(const Nibbles& other) const noexcept;

  private:
    [[nodiscard]] Nibbles slice(std::size_t first, std::size_t count) const noexcept;

    std::uint8_t size_ = 0;
    std::array<std::uint8_t, nibble_count_max> nibbles_{};
};

/// How many nibbles `left` from `left_first` and `right` from `right_first` have in common.
[[nodiscard]] std::size_t common_prefix(const Nibbles& left, std::size_t left_first,
                                        const Nibbles& right, std::size_t right_first) noexcept;

/// Hex-prefix encoding (Yellow Paper, appendix C): a flag nibble, then the path.
struct HexPrefix {
    std::array<std::uint8_t, key_size_max + 1> bytes{};
    std::size_t size = 0;
    [[nodiscard]] ByteView view() const noexcept { return {bytes.data(), size}; }
};
[[nodiscard]] HexPrefix hex_prefix(const Nibbles& path, bool is_leaf) noexcept;

struct DecodedPath {
    Nibbles path;
    bool is_leaf = false;
};
/// Null on a flag that does not exist, a padding that is not zero, an empty or too long input.
[[nodiscard]] std::optional<DecodedPath> from_hex_prefix(ByteView encoded) noexcept;

}  // namespace millrace::trie
