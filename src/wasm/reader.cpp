// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/reader.hpp"

#include "wasm/profile.hpp"

namespace millrace::wasm {

std::uint64_t Reader::leb(unsigned bits, bool is_signed) {
    std::uint64_t result = 0;
    unsigned shift = 0;
    for (;;) {
        if (at_ == end_) {
            malformed("unexpected end in an integer");
            return 0;
        }
        const std::uint8_t next = *at_++;
        const std::uint64_t payload = next & 0x7fU;
        const unsigned left = bits - shift;
        if (left < 7) {
            // The last byte: no continuation, and its unused bits are 0 or copies of the sign.
            if ((next & 0x80U) != 0) {
                malformed("integer representation too long");
                return 0;
            }
            const std::uint64_t unused = payload >> (is_signed ? left - 1 : left);
            const std::uint64_t ones = 0x7fU >> (is_signed ? left - 1 : left);
            if (unused != 0 && !(is_signed && unused == ones)) {
                malformed("integer too large");
                return 0;
            }
        }
        result |= payload << shift;
        shift += 7;
        if ((next & 0x80U) == 0) {
            const bool negative = is_signed && (next & 0x40U) != 0;
            if (negative && shift < 64) result |= ~std::uint64_t{0} << shift;
            return result;
        }
    }
}

std::string_view Reader::name() {
    const std::size_t start = offset();
    const std::uint32_t length = u32();
    if (length > name_bytes_max && length <= remaining()) {
        fail_at(start, ModuleErrorKind::over_limit,
                "a name has more than " + std::to_string(name_bytes_max) + " bytes");
        return {};
    }
    const ByteView view = bytes(length);
    if (failed()) return {};
    if (!is_utf8(view)) {
        fail_at(start, ModuleErrorKind::malformed, "malformed UTF-8 encoding of a name");
        return {};
    }
    return as_text(view);
}

bool is_utf8(ByteView bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const std::uint8_t first = bytes[at++];
        if (first < 0x80) continue;
        unsigned follow = 0;
        std::uint8_t low = 0x80;
        std::uint8_t high = 0xbf;
        if (first >= 0xc2 && first <= 0xdf) {
            follow = 1;
        } else if (first >= 0xe0 && first <= 0xef) {
            follow = 2;
            if (first == 0xe0) low = 0xa0;
            if (first == 0xed) high = 0x9f;
        } else if (first >= 0xf0 && first <= 0xf4) {
            follow = 3;
            if (first == 0xf0) low = 0x90;
            if (first == 0xf4) high = 0x8f;
        } else {
            return false;
        }
        for (unsigned index = 0; index < follow; ++index) {
            if (at == bytes.size()) return false;
            const std::uint8_t next = bytes[at++];
            if (next < low || next > high) return false;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}

}  // namespace millrace::wasm
