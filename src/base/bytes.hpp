// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// A fixed number of bytes with the meaning given by Tag; compares as a big-endian number.
template <typename Tag, std::size_t N>
struct FixedBytes {
    static constexpr std::size_t size = N;
    std::array<std::uint8_t, N> bytes{};

    auto operator<=>(const FixedBytes&) const = default;
    [[nodiscard]] constexpr ByteView view() const noexcept { return bytes; }
    [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == FixedBytes{}; }

    /// Null unless `source` holds exactly N bytes.
    static std::optional<FixedBytes> from(ByteView source) noexcept {
        if (source.size() != N) return std::nullopt;
        FixedBytes result;
        std::memcpy(result.bytes.data(), source.data(), N);
        return result;
    }
};

using Hash32 = FixedBytes<struct Hash32Tag, 32>;
using Address = FixedBytes<struct AddressTag, 20>;

inline ByteView as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) {
    return {view.begin(), view.end()};
}

/// Lower-case, without "0x".
std::string to_hex(ByteView bytes);
/// Lower-case with "0x".
std::string to_hex0x(ByteView bytes);
/// Takes an optional "0x"; null on an odd digit count or a foreign character.
std::optional<Bytes> from_hex(std::string_view text);
template <typename Fixed>
std::optional<Fixed> fixed_from_hex(std::string_view text) {
    const auto bytes = from_hex(text);
    return bytes ? Fixed::from(*bytes) : std::nullopt;
}

/// For unordered containers whose keys are hashes already.
struct FixedBytesHash {
    template <typename Tag, std::size_t N>
    std::size_t operator()(const FixedBytes<Tag, N>& key) const noexcept {
        static_assert(N >= sizeof(std::size_t));
        std::size_t result = 0;
        std::memcpy(&result, key.bytes.data(), sizeof result);
        return result;
    }
};

}  // namespace millrace
