// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"

// The obvious way to read RLP: everything into a tree of copies, then fields by their index. Shares
// no code with codec/rlp.cpp.
namespace millrace::fuzz {

struct Item {
    bool is_list = false;
    std::string text;
    std::vector<Item> items;
};

/// Reads one item at `at` and moves behind it; false when not canonical.
inline bool read_item(const std::string& in, std::size_t& at, std::size_t end, Item& out,
                      int depth) {
    if (at >= end || depth > 1000) return false;
    const auto first = static_cast<unsigned char>(in[at]);
    if (first < 0x80) {
        out.text = in.substr(at, 1);
        ++at;
        return true;
    }
    out.is_list = first >= 0xc0;
    std::uint64_t size = first - (out.is_list ? 0xc0U : 0x80U);
    ++at;
    if (size > 55) {
        const std::uint64_t digits = size - 55;
        if (end - at < digits || in[at] == 0) return false;
        size = 0;
        for (std::uint64_t index = 0; index < digits; ++index)
            size = size * 256 + static_cast<unsigned char>(in[at++]);
        if (size <= 55) return false;
    }
    if (end - at < size) return false;
    const std::size_t last = at + size;
    if (!out.is_list) {
        out.text = in.substr(at, size);
        at = last;
        return !(size == 1 && static_cast<unsigned char>(out.text[0]) < 0x80);
    }
    while (at < last) {
        out.items.emplace_back();
        if (!read_item(in, at, last, out.items.back(), depth + 1)) return false;
    }
    return at == last;
}

inline std::optional<Item> read_tree(const std::string& in) {
    Item item;
    std::size_t at = 0;
    if (!read_item(in, at, in.size(), item, 0) || at != in.size()) return std::nullopt;
    return item;
}

inline bool is_number(const Item& item, std::size_t size_max) {
    return !item.is_list && item.text.size() <= size_max &&
           (item.text.empty() || item.text[0] != 0);
}
inline bool is_bytes(const Item& item, std::size_t size) {
    return !item.is_list && item.text.size() == size;
}
/// Of a number that is_number() let through with at most 8 bytes.
inline std::uint64_t number_of(const Item& item) {
    std::uint64_t number = 0;
    for (const char digit : item.text)
        number = number * 256 + static_cast<unsigned char>(digit);
    return number;
}

inline bool is_access_list(const Item& list) {
    if (!list.is_list) return false;
    for (const Item& entry : list.items) {
        if (!entry.is_list || entry.items.size() != 2) return false;
        if (!is_bytes(entry.items[0], 20) || !entry.items[1].is_list) return false;
        for (const Item& key : entry.items[1].items)
            if (!is_bytes(key, 32)) return false;
    }
    return true;
}

inline bool is_authorization(const Item& item) {
    return item.is_list && item.items.size() == 6 && is_number(item.items[0], 32) &&
           is_bytes(item.items[1], 20) && is_number(item.items[2], 8) &&
           is_number(item.items[3], 1) && is_number(item.items[4], 32) &&
           is_number(item.items[5], 32);
}

/// Whether `raw` is a transaction of any kind, by the lists of fields in the EIPs.
inline bool is_transaction(const std::string& raw) {
    if (raw.empty()) return false;
    const auto first = static_cast<unsigned char>(raw[0]);
    const unsigned kind = first >= 0xc0 ? 0 : first;
    if (first < 0xc0 && (kind < 1 || kind > 4)) return false;
    const auto tree = read_tree(kind == 0 ? raw : raw.substr(1));
    if (!tree || !tree->is_list) return false;
    const std::vector<Item>& f = tree->items;
    constexpr std::size_t counts[] = {9, 11, 12, 14, 13};
    if (f.size() != counts[kind]) return false;
    std::size_t at = 0;
    constexpr std::uint64_t chain_id_max = (~std::uint64_t{0} - 36) / 2;
    if (kind != 0) {
        if (!is_number(f[0], 8) || number_of(f[0]) > chain_id_max) return false;
        ++at;
    }
    if (!is_number(f[at++], 8)) return false;
    if (kind >= 2 && !is_number(f[at++], 32)) return false;
    if (!is_number(f[at++], 32) || !is_number(f[at++], 8)) return false;
    if (!is_bytes(f[at], 0) && !is_bytes(f[at], 20)) return false;
    ++at;
    if (!is_number(f[at++], 32) || f[at++].is_list) return false;
    if (kind != 0 && !is_access_list(f[at++])) return false;
    if (kind == 3) {
        if (!is_number(f[at++], 32) || !f[at].is_list) return false;
        for (const Item& hash : f[at++].items)
            if (!is_bytes(hash, 32)) return false;
    }
    if (kind == 4) {
        if (!f[at].is_list) return false;
        for (const Item& authorization : f[at++].items)
            if (!is_authorization(authorization)) return false;
    }
    if (!is_number(f[at], 8)) return false;
    const std::uint64_t v = number_of(f[at++]);
    if (kind != 0 ? v > 1 : v != 27 && v != 28 && v < 35) return false;
    return is_number(f[at], 32) && is_number(f[at + 1], 32);
}

}  // namespace millrace::fuzz
