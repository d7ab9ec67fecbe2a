// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to genesis_file.cpp: values of a JSON document, each with the path that a message names.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/failure.hpp"
#include "base/u256.hpp"
#include "state/state_view.hpp"

namespace millrace::node::genesis_values {

using Json = nlohmann::json;

/// Reads members and remembers the first thing wrong. Absent and null members are nothing.
class Reader {
  public:
    [[nodiscard]] bool failed() const noexcept { return failure_.has_value(); }
    [[nodiscard]] const Failure& failure() const { return *failure_; }
    /// `what` continues the name: "begins before …".
    void fail(const std::string& name, const std::string& what, const std::string& remedy);
    /// Of the file as such.
    void fail_whole(const std::string& what, const std::string& remedy);
    /// The text is not JSON at (or in the value that begins at) that byte.
    void fail_json(std::size_t at);

    /// Names read until it ends are inside this one.
    class Scope {
      public:
        Scope(Reader& reader, std::size_t size) noexcept : reader_{reader}, size_{size} {}
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
        ~Scope() { reader_.path_.resize(size_); }

      private:
        Reader& reader_;
        std::size_t size_;
    };
    [[nodiscard]] Scope enter(const std::string& name);

    std::optional<U256> optional_word(const Json& object, const std::string& name);
    std::optional<std::uint64_t> optional_u64(const Json& object, const std::string& name);
    std::uint64_t required_u64(const Json& object, const std::string& name);
    std::optional<Bytes> optional_bytes(const Json& object, const std::string& name);
    std::optional<Hash32> optional_hash(const Json& object, const std::string& name);
    std::optional<Address> optional_address(const Json& object, const std::string& name);
    std::optional<std::string> optional_text(const Json& object, const std::string& name,
                                             std::size_t size_max);
    std::optional<bool> optional_bool(const Json& object, const std::string& name);
    const Json* optional_object(const Json& object, const std::string& name);
    std::optional<Address> address(const Json& value, const std::string& name);

  private:
    const Json* member(const Json& object, const std::string& name);
    std::string path_;
    std::optional<Failure> failure_;
};

/// The known name that takes the fewest changes; never empty.
std::string nearest(std::string_view name, const std::vector<std::string>& known);

}  // namespace millrace::node::genesis_values
