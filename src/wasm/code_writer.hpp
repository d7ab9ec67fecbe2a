// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "base/bytes.hpp"
#include "wasm/opcodes.hpp"

/// For tests: pieces of the binary format, and numbers, for programs that are made at random.
namespace millrace::wasm {

class CodeWriter {
  public:
    void put(std::initializer_list<std::uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void put(std::span<const std::uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void type(ValueType type) { bytes_.push_back(static_cast<std::uint8_t>(type)); }
    void number(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7U)
            bytes_.push_back(static_cast<std::uint8_t>(value | 0x80U));
        bytes_.push_back(static_cast<std::uint8_t>(value));
    }
    void signed_number(std::int64_t value) {
        for (;;) {
            const auto low = static_cast<std::uint8_t>(value & 0x7f);
            value >>= 7;
            const bool is_last =
                (value == 0 && (low & 0x40U) == 0) || (value == -1 && (low & 0x40U) != 0);
            bytes_.push_back(is_last ? low : static_cast<std::uint8_t>(low | 0x80U));
            if (is_last) return;
        }
    }
    void word(std::uint64_t value, unsigned bytes) {
        for (unsigned index = 0; index < bytes; ++index)
            bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * index)));
    }
    void i32(std::uint32_t value) {
        put({op::i32_const});
        signed_number(static_cast<std::int32_t>(value));
    }
    /// An instruction after the prefix 0xfc or 0xfd.
    void prefixed(std::uint8_t prefix, std::uint32_t code) {
        put({prefix});
        number(code);
    }
    void indexed(std::uint8_t opcode, std::uint32_t index) {
        put({opcode});
        number(index);
    }
    void text(std::string_view name) {
        number(name.size());
        for (const char letter : name)
            bytes_.push_back(static_cast<std::uint8_t>(letter));
    }
    /// A section, or a function's body: its length first.
    void sized(const Bytes& content) {
        number(content.size());
        put(content);
    }
    void section(std::uint8_t id, const Bytes& content) {
        put({id});
        sized(content);
    }
    [[nodiscard]] const Bytes& bytes() const noexcept { return bytes_; }
    Bytes take() noexcept { return std::move(bytes_); }

  private:
    Bytes bytes_;
};

/// Floats that show differences: zeros, infinities, NaNs of all kinds, the smallest, and at last
/// those around the bounds of integers.
inline constexpr std::uint32_t odd_singles[] = {
    0,          0x80000000, 0x3f800000, 0xff800000, 0x7f800000, 0x7fc00000, 0xffc00000,
    0x7fa00001, 0xffc12345, 0x00000001, 0x4f000000, 0xbf000000, 0x5f000000, 0x477fff00};
inline constexpr std::uint64_t odd_doubles[] = {
    0,
    0x8000000000000000,
    0x3ff0000000000000,
    0xfff0000000000000,
    0x7ff0000000000000,
    0x7ff8000000000000,
    0xfff8000000000000,
    0x7ff4000000000001,
    0xfff8123456789abc,
    0x0000000000000001,
    0x41e0000000000000,
    0xbfe0000000000000,
    0x43e0000000000000,
    0x40c81c8000000000,
};

}  // namespace millrace::wasm
