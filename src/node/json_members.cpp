// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/json_members.hpp"

namespace millrace::node {
namespace {

bool is_space(char letter) noexcept {
    return letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t';
}

std::size_t behind_space(std::string_view text, std::size_t at) noexcept {
    while (at < text.size() && is_space(text[at]))
        ++at;
    return at;
}

/// Behind the closing quote of the string at `at`; the text's size when there is none.
std::size_t behind_string(std::string_view text, std::size_t at) noexcept {
    for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    return at < text.size() ? at + 1 : text.size();
}

/// Behind the value at `at`, as far as strings and brackets tell.
std::size_t behind_value(std::string_view text, std::size_t at) noexcept {
    std::size_t depth = 0;
    while (at < text.size()) {
        const char letter = text[at];
        if (letter == '"') {
            at = behind_string(text, at);
            if (depth == 0) return at;
            continue;
        }
        if (letter == '{' || letter == '[') {
            ++depth;
        } else if (letter == '}' || letter == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if (depth == 0 && (letter == ',' || is_space(letter))) {
            return at;
        }
        ++at;
    }
    return at;
}

}  // namespace

JsonMembersView::JsonMembersView(std::string_view text, std::size_t at) noexcept
    : text_{text}, at_{at} {
    if (at_ < text_.size() && text_[at_] == '{') {
        ++at_;
    } else {
        fail();
    }
}

void JsonMembersView::skip_space() noexcept {
    at_ = behind_space(text_, at_);
}

bool JsonMembersView::fail() noexcept {
    failed_ = true;
    ended_ = true;
    return false;
}

bool JsonMembersView::next() noexcept {
    if (ended_) return false;
    skip_space();
    if (at_ < text_.size() && text_[at_] == '}') {
        ++at_;
        ended_ = true;
        return false;
    }
    if (!is_first_) {
        if (at_ >= text_.size() || text_[at_] != ',') return fail();
        ++at_;
        skip_space();
    }
    is_first_ = false;
    const auto member = json_member_at(text_, at_);
    if (!member) return fail();
    key_at_ = at_;
    key_ = member->raw_key;
    value_ = member->value;
    at_ = static_cast<std::size_t>(value_.data() - text_.data()) + value_.size();
    return true;
}

std::optional<JsonMember> json_member_at(std::string_view text, std::size_t at) noexcept {
    if (at >= text.size() || text[at] != '"') return std::nullopt;
    const std::size_t key_end = behind_string(text, at);
    if (key_end < at + 2 || text[key_end - 1] != '"') return std::nullopt;
    JsonMember member{.raw_key = text.substr(at + 1, key_end - at - 2), .value = {}};
    at = behind_space(text, key_end);
    if (at >= text.size() || text[at] != ':') return std::nullopt;
    at = behind_space(text, at + 1);
    member.value = text.substr(at, behind_value(text, at) - at);
    if (member.value.empty()) return std::nullopt;
    return member;
}

}  // namespace millrace::node
