// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/revert_reason.hpp"

#include <map>

#include "chain/artifacts.hpp"
#include "chain/json_rpc.hpp"
#include "codec/abi.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::chain {
namespace {

using codec::AbiValue;
using nlohmann::json;
using Selector = std::array<std::uint8_t, 4>;

constexpr std::size_t reason_size_max = 400;

/// A custom error of our contracts: all their arguments are single words.
struct CustomError {
    std::string name;
    std::vector<std::string> types;
};

std::map<Selector, CustomError> read_errors() {
    std::map<Selector, CustomError> table;
    for (const Artifact& artifact : artifacts()) {
        const json document = json::parse(artifact.json);  // built in: sound, or our bug
        for (const json& item : document.at("abi")) {
            if (item.at("type") != "error") continue;
            CustomError error{.name = item.at("name").get<std::string>(), .types = {}};
            std::string signature = error.name + "(";
            for (const json& input : item.at("inputs")) {
                error.types.push_back(input.at("type").get<std::string>());
                if (signature.back() != '(') signature += ",";
                signature += error.types.back();
            }
            table.emplace(codec::abi_selector(signature + ")"), std::move(error));
        }
    }
    return table;
}

std::string word_text(const std::string& type, const AbiValue& value) {
    if (std::get_if<U256>(&value.data) == nullptr) return "…";
    if (type == "address") return crypto::checksum_address(value.as_address());
    if (type == "bool") return value.as_boolean() ? "true" : "false";
    if (type.starts_with("bytes")) return to_hex0x(value.as_word().view());
    return to_decimal(value.as_number());
}

std::string custom_text(const CustomError& error, ByteView arguments) {
    std::string types = "(";
    for (const std::string& type : error.types)
        types += (types.size() > 1 ? "," : "") + type;
    const auto values = codec::abi_decode(types + ")", arguments);
    std::string text = error.name;
    if (!values.has_value() || values->empty()) return text;
    for (std::size_t index = 0; index < values->size(); ++index) {
        text += (index == 0 ? "(" : ", ") + word_text(error.types[index], values->at(index));
    }
    return text + ")";
}

std::string panic_text(const U256& code) {
    if (!code.fits_u64()) return "panic";
    switch (code.words[0]) {
        case 0x01:
            return "a failed assertion (panic 0x01)";
        case 0x11:
            return "an arithmetic overflow (panic 0x11)";
        case 0x12:
            return "a division by zero (panic 0x12)";
        case 0x32:
            return "an index out of bounds (panic 0x32)";
        default:
            return "panic " + to_rpc_quantity(code);
    }
}

}  // namespace

std::string revert_reason(ByteView data) {
    if (data.empty()) return "without a reason";
    if (data.size() < 4) return "error " + to_hex0x(data);
    static const std::map<Selector, CustomError> table = read_errors();
    static const Selector text_error = codec::abi_selector("Error(string)");
    static const Selector panic_error = codec::abi_selector("Panic(uint256)");
    Selector selector{};
    std::copy_n(data.begin(), 4, selector.begin());
    const ByteView arguments = data.subspan(4);
    if (selector == text_error) {
        const auto values = codec::abi_decode("(string)", arguments);
        if (values.has_value()) return printable(values->at(0).as_text_value(), reason_size_max);
    }
    if (selector == panic_error) {
        const auto values = codec::abi_decode("(uint256)", arguments);
        if (values.has_value()) return panic_text(values->at(0).as_number());
    }
    if (const auto found = table.find(selector); found != table.end()) {
        return printable(custom_text(found->second, arguments), reason_size_max);
    }
    return "error " + to_hex0x(data.first(4));
}

}  // namespace millrace::chain
