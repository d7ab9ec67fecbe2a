// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/abi_type.hpp"

#include <algorithm>
#include <utility>

namespace millrace::codec {
namespace {

/// A decimal number of at most four digits without leading zeros.
std::optional<std::size_t> read_number(std::string_view& text) noexcept {
    std::size_t number = 0;
    std::size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') {
        if (count == 4) return std::nullopt;
        number = number * 10 + static_cast<std::size_t>(text[count] - '0');
        ++count;
    }
    if (count == 0 || text[0] == '0') return std::nullopt;
    text.remove_prefix(count);
    return number;
}

bool take(std::string_view& text, std::string_view prefix) noexcept {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::optional<AbiType> word_type(AbiKind kind, std::size_t width) {
    AbiType type;
    type.kind = kind;
    type.width = width;
    return type;
}

std::optional<AbiType> parse_integer(std::string_view& text, AbiKind kind) {
    std::size_t width = 256;
    if (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        const auto number = read_number(text);
        if (!number || *number > 256 || *number % 8 != 0) return std::nullopt;
        width = *number;
    }
    return word_type(kind, width);
}

std::optional<AbiType> parse_bytes(std::string_view& text) {
    if (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        const auto number = read_number(text);
        if (!number || *number > 32) return std::nullopt;
        return word_type(AbiKind::fixed_bytes, *number);
    }
    AbiType type;
    type.kind = AbiKind::bytes;
    type.dynamic = true;
    return type;
}

std::optional<AbiType> parse_type(std::string_view& text, std::size_t depth);

std::optional<AbiType> parse_tuple(std::string_view& text, std::size_t depth) {
    AbiType tuple;
    tuple.head_words = 0;
    if (!take(text, "(")) return std::nullopt;
    if (take(text, ")")) return tuple;
    do {
        auto part = parse_type(text, depth + 1);
        if (!part) return std::nullopt;
        tuple.dynamic = tuple.dynamic || part->dynamic;
        tuple.head_words += part->head_words;
        tuple.depth = std::max(tuple.depth, part->depth + 1);
        tuple.parts.push_back(std::move(*part));
    } while (take(text, ","));
    if (!take(text, ")")) return std::nullopt;
    if (tuple.head_words > abi_static_words_max) return std::nullopt;
    if (tuple.dynamic && depth > 0) tuple.head_words = 1;
    return tuple;
}

std::optional<AbiType> parse_plain(std::string_view& text, std::size_t depth) {
    if (text.starts_with("(")) {
        auto tuple = parse_tuple(text, depth);
        // An empty struct would take no room, so that a list of them would have no bound.
        if (tuple && tuple->parts.empty()) return std::nullopt;
        return tuple;
    }
    if (take(text, "uint")) return parse_integer(text, AbiKind::unsigned_integer);
    if (take(text, "int")) return parse_integer(text, AbiKind::signed_integer);
    if (take(text, "address")) return word_type(AbiKind::address, 160);
    if (take(text, "bool")) return word_type(AbiKind::boolean, 1);
    if (take(text, "bytes")) return parse_bytes(text);
    if (take(text, "string")) {
        AbiType type;
        type.kind = AbiKind::text;
        type.dynamic = true;
        return type;
    }
    return std::nullopt;
}

std::optional<AbiType> parse_type(std::string_view& text, std::size_t depth) {
    if (depth > abi_depth_max) return std::nullopt;
    auto type = parse_plain(text, depth);
    for (std::size_t level = 0; type && take(text, "["); ++level) {
        if (level >= abi_depth_max) return std::nullopt;
        AbiType list;
        list.kind = AbiKind::list;
        list.dynamic = true;
        if (!take(text, "]")) {
            const auto length = read_number(text);
            if (!length || *length > abi_fixed_length_max || !take(text, "]")) return std::nullopt;
            list.length = *length;
            list.dynamic = type->dynamic;
            if (!list.dynamic) list.head_words = *length * type->head_words;
            if (list.head_words > abi_static_words_max) return std::nullopt;
        }
        list.depth = type->depth + 1;
        list.parts.push_back(std::move(*type));
        type = std::move(list);
    }
    return type;
}

}  // namespace

std::optional<AbiType> parse_abi_types(std::string_view text) {
    if (text.size() > abi_types_text_max) return std::nullopt;
    auto tuple = parse_tuple(text, 0);
    // The outermost tuple is the argument list itself and does not count.
    if (!tuple || !text.empty() || tuple->depth > abi_depth_max + 1) return std::nullopt;
    return tuple;
}

}  // namespace millrace::codec
