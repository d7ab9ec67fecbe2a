// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/json_rpc.hpp"

namespace millrace::chain {

using nlohmann::json;

JsonRpc::JsonRpc(HttpUrl url, Duration timeout)
    : name_{url.name()}, timeout_{timeout}, http_{std::move(url)} {}

Failure JsonRpc::malformed(const char* method) const {
    return {std::string{"the chain node's answer to "} + method + " makes no sense", name_,
            "is this the JSON-RPC address of an Ethereum node?"};
}

Failure JsonRpc::failure_of(const char* method, const RpcError& error) const {
    return {std::string{"the chain node refused "} + method + ": " + error.message, name_, ""};
}

Outcome<RpcAnswer> JsonRpc::ask(const char* method, json parameters) {
    const std::lock_guard lock{mutex_};
    const std::uint64_t id = ++id_;
    const json request = {
        {"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(parameters)}};
    MILLRACE_TRY(const std::string text, http_.post(request.dump(), timeout_));
    json response = json::parse(text, nullptr, false);
    const json* const answered = json_member(response, "id");
    if (const json* const error = json_member(response, "error")) {
        RpcError result;
        if (const json* const code = json_member(*error, "code");
            code && code->is_number_integer()) {
            result.code = code->get<std::int64_t>();
        }
        if (const json* const message = json_member(*error, "message");
            message && message->is_string()) {
            result.message = printable(message->get_ref<const std::string&>(), 400);
        }
        if (const json* const data = json_member(*error, "data")) result.data = *data;
        return RpcAnswer{std::move(result)};
    }
    if (answered == nullptr || *answered != id || !response.contains("result")) {
        return Err{malformed(method)};
    }
    return RpcAnswer{std::move(response["result"])};
}

Outcome<json> JsonRpc::require(const char* method, json parameters) {
    MILLRACE_TRY(RpcAnswer answer, ask(method, std::move(parameters)));
    if (const RpcError* const error = std::get_if<RpcError>(&answer)) {
        return Err{failure_of(method, *error)};
    }
    return std::get<json>(std::move(answer));
}

const json* json_member(const json& object, const char* name) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(name);
    return found != object.end() && !found->is_null() ? &*found : nullptr;
}

std::optional<U256> json_quantity(const json& value) {
    if (!value.is_string()) return std::nullopt;
    return u256_from_rpc_quantity(value.get_ref<const std::string&>());
}

std::optional<std::uint64_t> json_u64(const json& value) {
    const auto number = json_quantity(value);
    if (!number || !number->fits_u64()) return std::nullopt;
    return number->words[0];
}

std::optional<Bytes> json_bytes(const json& value) {
    if (!value.is_string()) return std::nullopt;
    const std::string& text = value.get_ref<const std::string&>();
    if (!text.starts_with("0x")) return std::nullopt;
    return from_hex(text);
}

std::string printable(std::string_view text, std::size_t size_max) {
    std::string result{text.substr(0, size_max)};
    for (char& symbol : result) {
        if (static_cast<unsigned char>(symbol) < 0x20 || symbol == 0x7f) symbol = '?';
    }
    return result;
}

}  // namespace millrace::chain
