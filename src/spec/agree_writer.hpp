// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "base/bytes.hpp"
#include "wasm/opcodes.hpp"

/// Pieces of the binary format, for programs that are made at random.
namespace millrace::spec {

class CodeWriter {
  public:
    void put(std::initializer_list<std::uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void put(std::span<const std::uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void type(wasm::ValueType type) { bytes_.push_back(static_cast<std::uint8_t>(type)); }
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
        put({wasm::op::i32_const});
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

}  // namespace millrace::spec
