// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/u256.hpp"

namespace millrace::node {

/// Appends JSON to one string, commas by itself:
///     JsonWriter w; w.begin('{').key("number").quantity(7).end('}');   // {"number":"0x7"}
/// Quantities and data are written as Ethereum's JSON-RPC writes them.
class JsonWriter {
  public:
    JsonWriter& begin(char bracket) {
        separate();
        out_ += bracket;
        first_ = true;
        return *this;
    }
    JsonWriter& end(char bracket) {
        out_ += bracket;
        first_ = false;
        return *this;
    }
    /// A name that needs no escapes.
    JsonWriter& key(std::string_view name) {
        separate();
        out_ += '"';
        out_ += name;
        out_ += "\":";
        first_ = true;
        return *this;
    }
    JsonWriter& quantity(std::uint64_t number);
    JsonWriter& quantity(const U256& number);
    JsonWriter& data(ByteView bytes);
    template <typename Tag, std::size_t N>
    JsonWriter& data(const FixedBytes<Tag, N>& fixed) {
        return data(fixed.view());
    }
    template <typename Fixed>
    JsonWriter& data_or_null(const std::optional<Fixed>& fixed) {
        return fixed ? data(*fixed) : null();
    }
    JsonWriter& null() { return raw("null"); }
    JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
    JsonWriter& number(std::uint64_t number) { return raw(std::to_string(number)); }
    /// Escapes what must be; the text is UTF-8.
    JsonWriter& text(std::string_view text);
    /// A JSON value.
    JsonWriter& raw(std::string_view value) {
        separate();
        out_ += value;
        return *this;
    }

    [[nodiscard]] std::size_t size() const noexcept { return out_.size(); }
    [[nodiscard]] std::string take() && { return std::move(out_); }

  private:
    void separate() {
        if (!first_) out_ += ',';
        first_ = false;
    }
    std::string out_;
    bool first_ = true;
};

}  // namespace millrace::node
