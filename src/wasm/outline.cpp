// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/outline.hpp"

#include "base/assert.hpp"
#include "wasm/reader.hpp"

namespace millrace::wasm {
namespace {

constexpr std::size_t header_size = 8;
constexpr std::uint8_t custom_section = 0;
constexpr std::uint8_t code_section = 10;

void append(Bytes& target, ByteView bytes) {
    target.insert(target.end(), bytes.begin(), bytes.end());
}

Bytes number(std::size_t value) {
    Bytes bytes;
    while (value >= 0x80) {
        bytes.push_back(static_cast<std::uint8_t>(value | 0x80U));
        value >>= 7U;
    }
    bytes.push_back(static_cast<std::uint8_t>(value));
    return bytes;
}

void append_empty_bodies(Bytes& target, std::size_t count) {
    const Bytes how_many = number(count);
    target.push_back(code_section);
    append(target, number(how_many.size() + count));
    append(target, how_many);
    target.resize(target.size() + count);  // a body of size 0 each
}

}  // namespace

Bytes outline_of(const ModuleData& module) {
    MILLRACE_ASSERT(!module.outlined);
    const ByteView whole{module.bytes};
    Bytes outline = to_bytes(whole.first(header_size));
    ModuleError error;
    bool failed = false;
    Reader reader{whole.data(), header_size, whole.size(), error, failed};
    while (!reader.at_end()) {
        const std::size_t start = reader.offset();
        const std::uint8_t section = reader.byte();
        reader.skip(reader.u32());
        MILLRACE_ASSERT(!failed);  // it was decoded before
        if (section == code_section) {
            append_empty_bodies(outline, module.bodies.size());
        } else if (section != custom_section) {
            append(outline, whole.subspan(start, reader.offset() - start));
        }
    }
    return outline;
}

}  // namespace millrace::wasm
