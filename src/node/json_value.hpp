// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::node {

/// A JSON text (RFC 8259) taken apart without copying it: one row per value, strings stay where
/// they are. The text outlives the document, the document its values. Refused: anything that is not
/// JSON, invalid UTF-8, lone surrogates, more than depth_max levels or values_max values. Not
/// recursive. The naive twin in test/fuzz/rpc_fuzz.cpp is nlohmann/json.
class JsonDocument;

class JsonValueView {
  public:
    enum class Kind : std::uint8_t { absent, null, boolean, number, string, array, object };

    /// Absent: what a missing member or argument is.
    JsonValueView() = default;

    [[nodiscard]] Kind kind() const noexcept;
    [[nodiscard]] bool is(Kind kind) const noexcept { return this->kind() == kind; }
    /// Null or absent: geth treats both alike in optional places.
    [[nodiscard]] bool is_nothing() const noexcept {
        return kind() == Kind::absent || kind() == Kind::null;
    }
    /// As it stands in the text, quotes included.
    [[nodiscard]] std::string_view raw() const noexcept;
    [[nodiscard]] bool boolean() const noexcept { return raw() == "true"; }
    /// Between the quotes; null when it is no string or contains an escape: what is compared with
    /// names and read as hexadecimal never needs one.
    [[nodiscard]] std::optional<std::string_view> plain_text() const noexcept;
    /// With escapes resolved; null when it is no string.
    [[nodiscard]] std::optional<std::string> text() const;
    /// Null unless a number without sign, fraction and exponent that fits.
    [[nodiscard]] std::optional<std::uint64_t> u64() const noexcept;
    /// Null unless a number.
    [[nodiscard]] std::optional<double> number() const;

    [[nodiscard]] std::size_t size() const noexcept;  ///< items or members
    /// The last member of that name, as every common parser has it; absent if there is none.
    [[nodiscard]] JsonValueView operator[](std::string_view name) const noexcept;

    /// Items of an array; keys and values of an object in turns.
    class Iterator {
      public:
        Iterator(const JsonDocument* document, std::uint32_t row)
            : document_{document}, row_{row} {}
        JsonValueView operator*() const noexcept { return {document_, row_}; }
        Iterator& operator++() noexcept;
        bool operator==(const Iterator& right) const noexcept { return row_ == right.row_; }

      private:
        const JsonDocument* document_;
        std::uint32_t row_;
    };
    [[nodiscard]] Iterator begin() const noexcept;
    [[nodiscard]] Iterator end() const noexcept;

  private:
    friend class JsonDocument;
    JsonValueView(const JsonDocument* document, std::uint32_t row) noexcept
        : document_{document}, row_{row} {}
    const JsonDocument* document_ = nullptr;
    std::uint32_t row_ = 0;
};

class JsonDocument {
  public:
    static constexpr std::size_t values_max = 2'000'000;
    enum class Error : std::uint8_t { none, not_json, too_deep, too_many_values };

    /// One allocation that grows; a document may be used again.
    [[nodiscard]] Error parse(std::string_view text, std::size_t depth_max);
    [[nodiscard]] JsonValueView root() const noexcept;

  private:
    friend class JsonValueView;
    struct Row {
        std::uint32_t first;  ///< in the text
        std::uint32_t last;   ///< behind it
        std::uint32_t next;   ///< the row behind all rows of this value
        std::uint32_t count;  ///< items or members
        JsonValueView::Kind kind;
        bool escaped;  ///< a string with a backslash
    };
    std::string_view text_;
    std::vector<Row> rows_;
    std::vector<std::uint32_t> open_;
};

}  // namespace millrace::node
