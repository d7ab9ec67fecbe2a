// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/u256.hpp"

// How the JSON files of ethereum/tests and ipsilon/evm-benchmarks write values, for the programs
// that read them; included by .cpp files only. Anything in another form throws std::runtime_error.
namespace millrace::io::fixture {

using nlohmann::json;

/// All its bytes, with or without "0x".
template <typename Fixed>
Fixed read_fixed(const json& field) {
    const auto value = fixed_from_hex<Fixed>(field.get<std::string>());
    if (!value) throw std::runtime_error("not a value of fixed size: " + field.dump());
    return *value;
}

inline Bytes read_bytes(const json& field) {
    auto value = from_hex(field.get<std::string>());
    if (!value) throw std::runtime_error("not hexadecimal: " + field.dump());
    return std::move(*value);
}

/// "0x…", leading zeros allowed.
inline U256 read_number(const json& field) {
    std::string text = field.get<std::string>();
    if (text.starts_with("0x")) text.erase(0, 2);
    if (text.size() % 2 != 0) text.insert(0, "0");
    const auto bytes = from_hex(text);
    const auto value = bytes ? u256_from_big_endian(*bytes) : std::nullopt;
    if (!value) throw std::runtime_error("not a number of 256 bits: " + field.dump());
    return *value;
}

inline std::uint64_t read_u64(const json& field) {
    const U256 value = read_number(field);
    if (!value.fits_u64()) throw std::runtime_error("not a number of 64 bits: " + field.dump());
    return value.words[0];
}

}  // namespace millrace::io::fixture
