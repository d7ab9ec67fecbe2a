// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::codec {

inline constexpr std::size_t abi_depth_max = 8;
inline constexpr std::size_t abi_types_text_max = 4096;
inline constexpr std::size_t abi_fixed_length_max = 1024;
/// Words of head that a static type may need; bounds "uint8[1024][1024]…".
inline constexpr std::size_t abi_static_words_max = 65536;

enum class AbiKind : std::uint8_t {
    unsigned_integer,
    signed_integer,
    address,
    boolean,
    fixed_bytes,
    bytes,
    text,
    list,  ///< T[] or T[k]
    tuple,
};

/// A parsed ABI type. Internal to the codec; abi.hpp speaks in strings.
struct AbiType {
    AbiKind kind = AbiKind::tuple;
    std::size_t width = 0;              ///< bits of integers, bytes of bytesN
    std::optional<std::size_t> length;  ///< of T[k]; absent for T[]
    std::vector<AbiType> parts;         ///< of tuples; the one element type of lists
    bool dynamic = false;
    std::size_t depth = 0;       ///< of lists and tuples nested in each other
    std::size_t head_words = 1;  ///< words in the enclosing head: 1 for dynamic types
};

/// Null when the text is no tuple of supported types, or passes one of the bounds above.
std::optional<AbiType> parse_abi_types(std::string_view text);

}  // namespace millrace::codec
