// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/json_value.hpp"

#include <charconv>
#include <cstring>

namespace millrace::node {
namespace {

using Kind = JsonValueView::Kind;

bool is_digit(char letter) noexcept {
    return letter >= '0' && letter <= '9';
}

int hex_digit(char letter) noexcept {
    if (is_digit(letter)) return letter - '0';
    const char lower = static_cast<char>(letter | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Four digits behind "\u"; negative when they are none.
int code_unit(std::string_view text, std::size_t at) noexcept {
    if (at + 4 > text.size()) return -1;
    int unit = 0;
    for (std::size_t index = at; index < at + 4; ++index) {
        const int digit = hex_digit(text[index]);
        if (digit < 0) return -1;
        unit = 16 * unit + digit;
    }
    return unit;
}

/// The length of the UTF-8 sequence that begins at `at`, beyond ASCII; 0 when there is none
/// (RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at) noexcept {
    const auto byte = [&](std::size_t index) {
        return index < text.size() ? static_cast<unsigned char>(text[index]) : 0U;
    };
    const auto continues = [&](std::size_t index, unsigned low, unsigned high) {
        return byte(index) >= low && byte(index) <= high;
    };
    const unsigned lead = byte(at);
    if (lead >= 0xc2 && lead <= 0xdf) return continues(at + 1, 0x80, 0xbf) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
        const unsigned high = lead == 0xed ? 0x9f : 0xbf;
        return continues(at + 1, low, high) && continues(at + 2, 0x80, 0xbf) ? 3 : 0;
    }
    if (lead < 0xf0 || lead > 0xf4) return 0;
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    const bool sound = continues(at + 1, low, high) && continues(at + 2, 0x80, 0xbf) &&
                       continues(at + 3, 0x80, 0xbf);
    return sound ? 4 : 0;
}

/// Behind the closing quote of the string that begins at `at`; 0 when it is none.
std::size_t string_end(std::string_view text, std::size_t at, bool& escaped) noexcept {
    for (++at; at < text.size();) {
        const auto letter = static_cast<unsigned char>(text[at]);
        if (letter == '"') return at + 1;
        if (letter == '\\') {
            escaped = true;
            if (at + 1 >= text.size()) return 0;
            const char kind = text[at + 1];
            if (kind != 'u') {
                if (std::strchr("\"\\/bfnrt", kind) == nullptr || kind == 0) return 0;
                at += 2;
                continue;
            }
            const int unit = code_unit(text, at + 2);
            if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000)) return 0;
            at += 6;
            if (unit < 0xd800 || unit >= 0xe000) continue;
            if (text.substr(at, 2) != "\\u") return 0;
            const int low = code_unit(text, at + 2);
            if (low < 0xdc00 || low >= 0xe000) return 0;
            at += 6;
        } else if (letter < 0x20) {
            return 0;
        } else if (letter < 0x80) {
            ++at;
        } else {
            const std::size_t length = utf8_length(text, at);
            if (length == 0) return 0;
            at += length;
        }
    }
    return 0;
}

/// Behind the number that begins at `at`; 0 when it is none.
std::size_t number_end(std::string_view text, std::size_t at) noexcept {
    const auto digits = [&] {
        const std::size_t first = at;
        while (at < text.size() && is_digit(text[at]))
            ++at;
        return at > first;
    };
    if (at < text.size() && text[at] == '-') ++at;
    if (at < text.size() && text[at] == '0') {
        ++at;
    } else if (!digits()) {
        return 0;
    }
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (!digits()) return 0;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        if (!digits()) return 0;
    }
    return at;
}

void append_utf8(std::string& out, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (point < 0x80) return put(point);
    if (point < 0x800) {
        put(0xc0 | (point >> 6));
    } else {
        if (point < 0x10000) {
            put(0xe0 | (point >> 12));
        } else {
            put(0xf0 | (point >> 18));
            put(0x80 | ((point >> 12) & 0x3f));
        }
        put(0x80 | ((point >> 6) & 0x3f));
    }
    put(0x80 | (point & 0x3f));
}

}  // namespace

JsonDocument::Error JsonDocument::parse(std::string_view text, std::size_t depth_max) {
    text_ = text;
    rows_.clear();
    open_.clear();
    if (text.size() >= UINT32_MAX) return Error::not_json;
    // What may stand next: a value, or what follows one.
    enum class Due : std::uint8_t { value, first_item, first_key, key, colon, comma };
    Due due = Due::value;
    std::size_t at = 0;
    const auto row_index = [&] { return static_cast<std::uint32_t>(rows_.size()); };
    const auto add = [&](Kind kind, std::size_t last, bool escaped) {
        rows_.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(last),
                         row_index() + 1, 0, kind, escaped});
    };
    while (true) {
        while (at < text.size() &&
               (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
            ++at;
        if (at == text.size())
            return open_.empty() && due == Due::comma ? Error::none : Error::not_json;
        if (open_.empty() && due == Due::comma) return Error::not_json;
        if (rows_.size() > values_max) return Error::too_many_values;
        const char letter = text[at];

        const bool in_object = !open_.empty() && rows_[open_.back()].kind == Kind::object;
        if (letter == ']' || letter == '}') {
            const bool fits =
                letter == '}'
                    ? in_object && (due == Due::first_key || due == Due::comma)
                    : !open_.empty() && !in_object && (due == Due::first_item || due == Due::comma);
            if (!fits) return Error::not_json;
            Row& row = rows_[open_.back()];
            row.last = static_cast<std::uint32_t>(++at);
            row.next = row_index();
            open_.pop_back();
            due = Due::comma;
            continue;
        }
        if (due == Due::comma) {
            if (letter != ',') return Error::not_json;
            ++at;
            due = in_object ? Due::key : Due::value;
            continue;
        }
        if (due == Due::colon) {
            if (letter != ':') return Error::not_json;
            ++at;
            due = Due::value;
            continue;
        }
        const bool is_key = due == Due::key || due == Due::first_key;
        if (is_key && letter != '"') return Error::not_json;
        // An object counts its members by their keys.
        if (!open_.empty() && (is_key || !in_object)) ++rows_[open_.back()].count;

        std::size_t last = 0;
        if (letter == '"') {
            bool escaped = false;
            last = string_end(text, at, escaped);
            if (last == 0) return Error::not_json;
            add(Kind::string, last, escaped);
        } else if (letter == '[' || letter == '{') {
            if (open_.size() >= depth_max) return Error::too_deep;
            open_.push_back(row_index());
            add(letter == '[' ? Kind::array : Kind::object, at + 1, false);
            ++at;
            due = letter == '[' ? Due::first_item : Due::first_key;
            continue;
        } else if (letter == '-' || is_digit(letter)) {
            last = number_end(text, at);
            if (last == 0) return Error::not_json;
            add(Kind::number, last, false);
        } else {
            const std::string_view word = letter == 't' ? "true" : letter == 'f' ? "false" : "null";
            if (text.substr(at, word.size()) != word) return Error::not_json;
            last = at + word.size();
            add(letter == 'n' ? Kind::null : Kind::boolean, last, false);
        }
        at = last;
        due = is_key ? Due::colon : Due::comma;
    }
}

JsonValueView JsonDocument::root() const noexcept {
    return rows_.empty() ? JsonValueView{} : JsonValueView{this, 0};
}

Kind JsonValueView::kind() const noexcept {
    return document_ == nullptr ? Kind::absent : document_->rows_[row_].kind;
}

std::string_view JsonValueView::raw() const noexcept {
    if (document_ == nullptr) return {};
    const auto& row = document_->rows_[row_];
    return document_->text_.substr(row.first, row.last - row.first);
}

std::optional<std::string_view> JsonValueView::plain_text() const noexcept {
    if (kind() != Kind::string || document_->rows_[row_].escaped) return std::nullopt;
    const std::string_view quoted = raw();
    return quoted.substr(1, quoted.size() - 2);
}

std::optional<std::string> JsonValueView::text() const {
    if (const auto plain = plain_text()) return std::string{*plain};
    if (kind() != Kind::string) return std::nullopt;
    const std::string_view source = raw().substr(1, raw().size() - 2);
    std::string out;
    for (std::size_t at = 0; at < source.size(); ++at) {
        if (source[at] != '\\') {
            out += source[at];
            continue;
        }
        const char letter = source[++at];
        if (letter != 'u') {
            constexpr std::string_view names = "bfnrt";
            constexpr std::string_view meant = "\b\f\n\r\t";
            const std::size_t index = names.find(letter);
            out += index == std::string_view::npos ? letter : meant[index];
            continue;
        }
        auto point = static_cast<std::uint32_t>(code_unit(source, at + 1));
        at += 4;
        if (point >= 0xd800 && point < 0xdc00) {
            const auto low = static_cast<std::uint32_t>(code_unit(source, at + 3));
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
        append_utf8(out, point);
    }
    return out;
}

std::optional<std::uint64_t> JsonValueView::u64() const noexcept {
    if (kind() != Kind::number) return std::nullopt;
    const std::string_view digits = raw();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return number;
}

std::optional<double> JsonValueView::number() const {
    if (kind() != Kind::number) return std::nullopt;
    double number = 0;
    const std::string_view digits = raw();
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

std::size_t JsonValueView::size() const noexcept {
    return document_ == nullptr ? 0 : document_->rows_[row_].count;
}

JsonValueView JsonValueView::operator[](std::string_view name) const noexcept {
    JsonValueView found;
    if (kind() != Kind::object) return found;
    for (Iterator at = begin(); at != end(); ++at) {
        const JsonValueView key = *at;
        ++at;
        if (const auto plain = key.plain_text()) {
            if (*plain == name) found = *at;
        } else if (key.text() == name) {
            found = *at;
        }
    }
    return found;
}

JsonValueView::Iterator& JsonValueView::Iterator::operator++() noexcept {
    row_ = document_->rows_[row_].next;
    return *this;
}

JsonValueView::Iterator JsonValueView::begin() const noexcept {
    const bool has_items = kind() == Kind::array || kind() == Kind::object;
    return has_items ? Iterator{document_, row_ + 1} : Iterator{document_, 0};
}

JsonValueView::Iterator JsonValueView::end() const noexcept {
    const bool has_items = kind() == Kind::array || kind() == Kind::object;
    return has_items ? Iterator{document_, document_->rows_[row_].next} : Iterator{document_, 0};
}

}  // namespace millrace::node
