// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::node {

/// The members of one JSON object in their order, with nothing kept and nothing built: for objects
/// too large to stand in memory as values. Of a member's value only the end is looked for; whoever
/// reads it finds out whether it is well-formed (another walk, or a parser). The text outlives it.
class JsonMembersView {
  public:
    /// `text[at]` is the object's '{', or the walk fails at once.
    explicit JsonMembersView(std::string_view text, std::size_t at = 0) noexcept;

    /// To the next member; false behind the last one, or where the text is not JSON.
    [[nodiscard]] bool next() noexcept;
    /// Between its quotes, escapes as they are written.
    [[nodiscard]] std::string_view raw_key() const noexcept { return key_; }
    /// In the text; of the key's opening quote.
    [[nodiscard]] std::size_t key_at() const noexcept { return key_at_; }
    [[nodiscard]] std::string_view value() const noexcept { return value_; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    /// Behind the object once next() was false; else where the text is not JSON.
    [[nodiscard]] std::size_t at() const noexcept { return at_; }

  private:
    void skip_space() noexcept;
    bool fail() noexcept;

    std::string_view text_;
    std::size_t at_;
    std::size_t key_at_ = 0;
    std::string_view key_;
    std::string_view value_;
    bool is_first_ = true;
    bool ended_ = false;
    bool failed_ = false;
};

/// The member whose key's opening quote is text[at]: for places remembered from a walk.
struct JsonMember {
    std::string_view raw_key;
    std::string_view value;
};
[[nodiscard]] std::optional<JsonMember> json_member_at(std::string_view text,
                                                       std::size_t at) noexcept;

}  // namespace millrace::node
