// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/json_writer.hpp"

#include <charconv>

namespace millrace::node {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

}  // namespace

JsonWriter& JsonWriter::quantity(std::uint64_t number) {
    separate();
    char digits[16];
    const auto result = std::to_chars(digits, digits + sizeof digits, number, 16);
    out_ += "\"0x";
    out_.append(digits, result.ptr);
    out_ += '"';
    return *this;
}

JsonWriter& JsonWriter::quantity(const U256& number) {
    if (number.fits_u64()) return quantity(number.words[0]);
    separate();
    out_ += '"';
    out_ += to_rpc_quantity(number);
    out_ += '"';
    return *this;
}

JsonWriter& JsonWriter::data(ByteView bytes) {
    separate();
    out_ += "\"0x";
    const std::size_t at = out_.size();
    out_.resize(at + 2 * bytes.size());
    char* target = out_.data() + at;
    for (const std::uint8_t byte : bytes) {
        *target++ = hex_digits[byte >> 4];
        *target++ = hex_digits[byte & 15];
    }
    out_ += '"';
    return *this;
}

JsonWriter& JsonWriter::text(std::string_view text) {
    separate();
    out_ += '"';
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\') {
            out_ += '\\';
            out_ += letter;
        } else if (byte < 0x20 || byte == 0x7f) {
            out_ += "\\u00";
            out_ += hex_digits[byte >> 4];
            out_ += hex_digits[byte & 15];
        } else {
            out_ += letter;
        }
    }
    out_ += '"';
    return *this;
}

}  // namespace millrace::node
