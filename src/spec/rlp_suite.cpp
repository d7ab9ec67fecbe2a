// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/rlp_suite.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#include "codec/rlp.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Big-endian without leading zeros; of any size, as one case is 2^256.
Bytes from_decimal(std::string_view digits) {
    Bytes number;  // least significant first
    for (const char digit : digits) {
        unsigned carry = static_cast<unsigned>(digit - '0');
        for (std::uint8_t& byte : number) {
            carry += byte * 10u;
            byte = static_cast<std::uint8_t>(carry);
            carry >>= 8;
        }
        if (carry != 0) number.push_back(static_cast<std::uint8_t>(carry));
    }
    return {number.rbegin(), number.rend()};
}

Bytes content_of(const json& value) {
    if (value.is_number()) return from_decimal(std::to_string(value.get<std::uint64_t>()));
    const auto text = value.get<std::string>();
    if (text.starts_with('#')) return from_decimal(std::string_view{text}.substr(1));
    return to_bytes(as_bytes(text));
}

void write(codec::RlpWriter& writer, const json& value) {
    if (!value.is_array()) return writer.write(ByteView{content_of(value)});
    const auto list = writer.begin_list();
    for (const json& item : value)
        write(writer, item);
    writer.end_list(list);
}

/// Whether the next item is `value`.
bool reads_as(codec::RlpReaderView& reader, const json& value) {
    if (!value.is_array()) {
        const auto content = reader.read_string();
        return content && to_bytes(*content) == content_of(value);
    }
    auto list = reader.read_list();
    if (!list) return false;
    for (const json& item : value)
        if (!reads_as(*list, item)) return false;
    return list->at_end();
}

/// Whether all items are well-formed, all the way down.
bool is_valid(codec::RlpReaderView reader) {
    while (!reader.at_end()) {
        if (!reader.next_is_list()) {
            if (!reader.read_string()) return false;
            continue;
        }
        const auto list = reader.read_list();
        if (!list || !is_valid(*list)) return false;
    }
    return true;
}

/// One item and nothing after it.
bool decodes(ByteView encoded) {
    codec::RlpReaderView reader{encoded};
    const auto item = reader.read_raw();
    return item && reader.finish() && is_valid(codec::RlpReaderView{*item});
}

std::string run_case(const json& value) {
    const auto encoded = from_hex(value.at("out").get<std::string>());
    if (!encoded) return "its 'out' is not hexadecimal";
    const json& input = value.at("in");
    if (input == "INVALID") return decodes(*encoded) ? "decodes, but must not" : "";
    if (!decodes(*encoded)) return "does not decode";
    if (input == "VALID") return {};
    codec::RlpWriter writer;
    write(writer, input);
    if (to_bytes(writer.view()) != *encoded) return "encodes as " + to_hex(writer.view());
    codec::RlpReaderView reader{*encoded};
    return reads_as(reader, input) && reader.at_end() ? "" : "decodes to something else";
}

}  // namespace

int run_rlp_suite(const fs::path& folder, const SuiteOptions& options) {
    return run_files(folder, options, [](const fs::path& path, SuiteTally& tally) {
        std::ifstream stream{path};
        const json cases = json::parse(stream);
        for (const auto& [name, value] : cases.items()) {
            const std::string problem = run_case(value);
            if (problem.empty()) {
                ++tally.passed;
            } else {
                tally.fail(name, problem);
            }
        }
    });
}

}  // namespace millrace::spec
