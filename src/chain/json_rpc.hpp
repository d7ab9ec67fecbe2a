// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to chain/: the JSON library stays out of the area's public headers.

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "base/failure.hpp"
#include "base/u256.hpp"
#include "chain/http.hpp"

namespace millrace::chain {

/// The error object of a JSON-RPC response. `data` may hold revert data, in places that differ from
/// node to node.
struct RpcError {
    std::int64_t code = 0;
    std::string message;  ///< printable, at most 400 bytes
    nlohmann::json data;
};

/// What a node answered: a result or an error. That no node answered is a Failure apart.
using RpcAnswer = std::variant<nlohmann::json, RpcError>;

class JsonRpc {
  public:
    JsonRpc(HttpUrl url, Duration timeout);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    Outcome<RpcAnswer> ask(const char* method, nlohmann::json parameters);
    /// An error of the node is a Failure as well.
    Outcome<nlohmann::json> require(const char* method, nlohmann::json parameters);
    [[nodiscard]] Failure failure_of(const char* method, const RpcError& error) const;
    [[nodiscard]] Failure malformed(const char* method) const;

  private:
    std::string name_;
    Duration timeout_;
    std::mutex mutex_;
    HttpClient http_;
    std::uint64_t id_ = 0;
};

/// Readers that answer null for a missing or ill-typed member.
std::optional<U256> json_quantity(const nlohmann::json& value);
std::optional<std::uint64_t> json_u64(const nlohmann::json& value);
std::optional<Bytes> json_bytes(const nlohmann::json& value);
/// Null when `object` is no object or has no such member, or it is null.
const nlohmann::json* json_member(const nlohmann::json& object, const char* name);
template <typename Fixed>
std::optional<Fixed> json_fixed(const nlohmann::json* value) {
    if (value == nullptr) return std::nullopt;
    const auto bytes = json_bytes(*value);
    return bytes ? Fixed::from(*bytes) : std::nullopt;
}

/// Control characters become '?', and what is over `size_max` bytes is cut: texts of foreign nodes
/// and contracts end in our logs.
std::string printable(std::string_view text, std::size_t size_max);

}  // namespace millrace::chain
