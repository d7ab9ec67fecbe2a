// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "wasm/module.hpp"

namespace millrace::wasm {

/// Reads the binary format's primitives from a part of a module. The first error sticks: it moves
/// the position to the end, so that loops stop, and later reads give zeros. Whoever drives the
/// reader asks failed() before it uses what it read.
class Reader {
  public:
    Reader(const std::uint8_t* base, std::size_t begin, std::size_t end, ModuleError& error,
           bool& has_failed) noexcept
        : base_{base}, at_{base + begin}, end_{base + end}, error_{&error}, failed_{&has_failed} {}

    [[nodiscard]] bool failed() const noexcept { return *failed_; }
    [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }
    [[nodiscard]] std::size_t offset() const noexcept {
        return static_cast<std::size_t>(at_ - base_);
    }
    [[nodiscard]] std::size_t remaining() const noexcept {
        return static_cast<std::size_t>(end_ - at_);
    }

    void fail_at(std::size_t offset, ModuleErrorKind kind, std::string message) {
        at_ = end_;
        if (*failed_) return;
        *failed_ = true;
        *error_ = {kind, offset, std::move(message)};
    }
    void malformed(std::string message) {
        fail_at(offset(), ModuleErrorKind::malformed, std::move(message));
    }
    void invalid(std::string message) {
        fail_at(offset(), ModuleErrorKind::invalid, std::move(message));
    }
    void unsupported(std::string message) {
        fail_at(offset(), ModuleErrorKind::unsupported, std::move(message));
    }
    void over_limit(std::string message) {
        fail_at(offset(), ModuleErrorKind::over_limit, std::move(message));
    }

    std::uint8_t byte() {
        if (at_ == end_) {
            malformed("unexpected end");
            return 0;
        }
        return *at_++;
    }
    [[nodiscard]] std::uint8_t peek() const noexcept { return at_ == end_ ? 0 : *at_; }

    std::uint32_t u32() {
        if (at_ != end_ && *at_ < 0x80) return *at_++;
        return static_cast<std::uint32_t>(leb(32, false));
    }
    std::uint64_t u64() { return leb(64, false); }
    std::int32_t s32() { return static_cast<std::int32_t>(leb(32, true)); }
    std::int64_t s33() { return static_cast<std::int64_t>(leb(33, true)); }
    std::int64_t s64() { return static_cast<std::int64_t>(leb(64, true)); }

    std::uint32_t fixed_u32() { return fixed<std::uint32_t>(); }
    std::uint64_t fixed_u64() { return fixed<std::uint64_t>(); }

    ByteView bytes(std::size_t count) {
        if (remaining() < count) {
            malformed("unexpected end: length out of bounds");
            return {};
        }
        const ByteView view{at_, count};
        at_ += count;
        return view;
    }
    void skip(std::size_t count) { bytes(count); }

    /// A length and that many bytes of UTF-8.
    std::string_view name();

  private:
    /// Specification 5.2.2: at most ceil(bits / 7) bytes, unused bits of the last must extend it.
    std::uint64_t leb(unsigned bits, bool is_signed);

    template <typename Word>
    Word fixed() {
        Word word = 0;
        const ByteView view = bytes(sizeof word);
        if (view.size() == sizeof word) std::memcpy(&word, view.data(), sizeof word);
        return word;
    }

    const std::uint8_t* base_;
    const std::uint8_t* at_;
    const std::uint8_t* end_;
    ModuleError* error_;
    bool* failed_;
};

/// Whether the bytes are well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(ByteView bytes) noexcept;

}  // namespace millrace::wasm
