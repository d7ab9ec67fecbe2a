// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/u256.hpp"

namespace millrace::codec {

/// Recursive Length Prefix (Ethereum Yellow Paper, appendix B), canonical form only.
enum class RlpError : std::uint8_t {
    truncated,
    trailing_bytes,
    non_canonical,   ///< a longer form than needed, or a leading zero in an integer
    wrong_kind,      ///< a list where a string is due, or the other way round
    wrong_size,      ///< a fixed-size field of another size, an integer too large
    too_many_items,  ///< over the bound the reader states
    bad_value,       ///< well-formed, but outside the range of the type being decoded
};

/// Appends items; a list is closed by its length in items' bytes:
///     RlpWriter w; const auto list = w.begin_list(); w.write(x); w.end_list(list);
class RlpWriter {
  public:
    RlpWriter() { out_.reserve(first_size); }
    void write(ByteView string);
    void write(std::uint64_t number);
    void write(const U256& number);
    template <typename Tag, std::size_t N>
    void write(const FixedBytes<Tag, N>& fixed) {
        write(fixed.view());
    }
    void write_text(std::string_view text) { write(as_bytes(text)); }
    /// Already encoded items, copied as they are.
    void write_raw(ByteView encoded);

    using ListStart = std::size_t;
    [[nodiscard]] ListStart begin_list();
    void end_list(ListStart start);

    [[nodiscard]] Bytes take() && { return std::move(out_); }
    [[nodiscard]] ByteView view() const noexcept { return out_; }

  private:
    static constexpr std::size_t first_size = 128;  ///< most of what is written needs no more
    Bytes out_;
};

/// Reads items from the front; never reads outside the view; nothing is copied until asked for.
class RlpReaderView {
  public:
    explicit RlpReaderView(ByteView input) noexcept : rest_{input} {}

    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
    [[nodiscard]] bool next_is_list() const noexcept;
    Result<ByteView, RlpError> read_string() noexcept;
    Result<Bytes, RlpError> read_bytes(std::size_t size_max);
    Result<std::string, RlpError> read_text(std::size_t size_max);
    Result<std::uint64_t, RlpError> read_u64() noexcept;
    Result<U256, RlpError> read_u256() noexcept;
    Result<RlpReaderView, RlpError> read_list() noexcept;
    /// The next item with its header, undecoded.
    Result<ByteView, RlpError> read_raw() noexcept;
    template <typename Fixed>
    Result<Fixed, RlpError> read_fixed() noexcept {
        MILLRACE_TRY(const ByteView bytes, read_string());
        const auto fixed = Fixed::from(bytes);
        if (!fixed) return Err{RlpError::wrong_size};
        return *fixed;
    }
    /// Error when anything is left.
    Result<void, RlpError> finish() const noexcept;

  private:
    ByteView rest_;
};

/// A name for messages: "truncated", "non-canonical", …
std::string_view to_text(RlpError error) noexcept;

}  // namespace millrace::codec
