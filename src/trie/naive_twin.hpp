// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// For tests: the definition of the trie (Yellow Paper, appendix D) written down once more, as
// slowly as it reads: the twin that update() and root_of() are held against.

#include <map>

#include "codec/rlp.hpp"
#include "crypto/hash.hpp"

namespace millrace::trie {

using NaiveMap = std::map<Bytes, Bytes>;

namespace naive {

/// Keys with one byte per nibble.
inline Bytes compact(ByteView nibbles, bool is_leaf) {
    Bytes digits;
    digits.push_back(static_cast<std::uint8_t>((is_leaf ? 2 : 0) + nibbles.size() % 2));
    if (nibbles.size() % 2 == 0) digits.push_back(0);
    digits.insert(digits.end(), nibbles.begin(), nibbles.end());
    Bytes out;
    for (std::size_t index = 0; index < digits.size(); index += 2)
        out.push_back(static_cast<std::uint8_t>(digits[index] * 16 + digits[index + 1]));
    return out;
}

inline Bytes structure(const NaiveMap& map, std::size_t depth);

inline Bytes reference(const NaiveMap& map, std::size_t depth) {
    if (map.empty()) return {0x80};
    Bytes encoded = structure(map, depth);
    if (encoded.size() < 32) return encoded;
    codec::RlpWriter writer;
    writer.write(crypto::keccak256(encoded));
    return std::move(writer).take();
}

inline Bytes structure(const NaiveMap& map, std::size_t depth) {
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    const Bytes& first = map.begin()->first;
    std::size_t shared = first.size();
    for (const auto& [key, value] : map) {
        std::size_t same = 0;
        while (same < shared && same < key.size() && key[same] == first[same])
            ++same;
        shared = same;
    }
    if (map.size() == 1) {
        writer.write(compact(ByteView{first}.subspan(depth), true));
        writer.write(ByteView{map.begin()->second});
    } else if (shared > depth) {
        writer.write(compact(ByteView{first}.subspan(depth, shared - depth), false));
        writer.write_raw(reference(map, shared));
    } else {
        for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
            NaiveMap part;
            for (const auto& [key, value] : map)
                if (key.size() > depth && key[depth] == nibble) part.emplace(key, value);
            writer.write_raw(reference(part, depth + 1));
        }
        const bool has_value = first.size() == depth;
        writer.write(has_value ? ByteView{map.begin()->second} : ByteView{});
    }
    writer.end_list(list);
    return std::move(writer).take();
}

}  // namespace naive

[[nodiscard]] inline Hash32 naive_root(const NaiveMap& map) {
    NaiveMap unpacked;
    for (const auto& [key, value] : map) {
        Bytes nibbles;
        for (const std::uint8_t byte : key) {
            nibbles.push_back(byte / 16);
            nibbles.push_back(byte % 16);
        }
        unpacked.emplace(std::move(nibbles), value);
    }
    if (unpacked.empty()) return crypto::keccak256(Bytes{0x80});
    return crypto::keccak256(naive::structure(unpacked, 0));
}

}  // namespace millrace::trie
