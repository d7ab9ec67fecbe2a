// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/node.hpp"

#include <algorithm>

#include "codec/rlp.hpp"
#include "crypto/hash.hpp"

namespace millrace::trie {
namespace {

constexpr std::uint8_t hash_header = 0xa0;
constexpr std::size_t inline_size_max = 31;

/// A child as it stands in a branch or an extension.
Result<NodeRef, codec::RlpError> read_child(codec::RlpReaderView& reader) {
    const bool is_list = reader.next_is_list();
    MILLRACE_TRY(const ByteView raw, reader.read_raw());
    if (is_list) {
        if (raw.size() > inline_size_max) return Err{codec::RlpError::wrong_size};
        // An embedded node is a node too.
        if (!decode(raw)) return Err{codec::RlpError::bad_value};
        return NodeRef::of_node(raw);
    }
    if (raw.size() == 1 && raw[0] == 0x80) return NodeRef{};
    if (raw.size() != NodeRef::size_max) return Err{codec::RlpError::wrong_size};
    return NodeRef::of_hash(*Hash32::from(raw.subspan(1)));
}

Result<Node, codec::RlpError> read_branch(codec::RlpReaderView items) {
    Branch branch;
    std::size_t used = 0;
    for (NodeRef& child : branch.children) {
        MILLRACE_TRY(child, read_child(items));
        if (!child.empty()) ++used;
    }
    MILLRACE_TRY(const ByteView value, items.read_string());
    MILLRACE_TRY_VOID(items.finish());
    if (!value.empty()) ++used;
    if (used < 2) return Err{codec::RlpError::bad_value};
    branch.value = to_bytes(value);
    return Node{std::move(branch)};
}

Result<Node, codec::RlpError> read_short(codec::RlpReaderView items) {
    MILLRACE_TRY(const ByteView encoded_path, items.read_string());
    const auto decoded = from_hex_prefix(encoded_path);
    if (!decoded) return Err{codec::RlpError::bad_value};
    if (decoded->is_leaf) {
        MILLRACE_TRY(const ByteView value, items.read_string());
        MILLRACE_TRY_VOID(items.finish());
        if (value.empty()) return Err{codec::RlpError::bad_value};
        return Node{Leaf{decoded->path, to_bytes(value)}};
    }
    MILLRACE_TRY(const NodeRef child, read_child(items));
    MILLRACE_TRY_VOID(items.finish());
    if (decoded->path.empty() || child.empty()) return Err{codec::RlpError::bad_value};
    return Node{Extension{decoded->path, child}};
}

Result<Node, codec::RlpError> read_node(ByteView encoded) {
    codec::RlpReaderView reader{encoded};
    MILLRACE_TRY(codec::RlpReaderView items, reader.read_list());
    MILLRACE_TRY_VOID(reader.finish());
    codec::RlpReaderView probe = items;
    std::size_t count = 0;
    for (; !probe.at_end() && count <= 17; ++count)
        MILLRACE_TRY_VOID(probe.read_raw());
    if (count == 17) return read_branch(items);
    if (count == 2) return read_short(items);
    return Err{codec::RlpError::too_many_items};
}

// Nodes are written by hand: they are most of what a root costs besides hashing.

constexpr std::size_t header_size_max = 9;
constexpr std::uint8_t string_base = 0x80;
constexpr std::uint8_t list_base = 0xc0;

void write_header(Bytes& out, std::uint8_t base, std::size_t size) {
    if (size <= 55) {
        out.push_back(static_cast<std::uint8_t>(base + size));
        return;
    }
    std::size_t length_size = 0;
    for (std::size_t rest = size; rest != 0; rest >>= 8)
        ++length_size;
    out.push_back(static_cast<std::uint8_t>(base + 55 + length_size));
    for (std::size_t index = length_size; index-- > 0;)
        out.push_back(static_cast<std::uint8_t>(size >> (8 * index)));
}

bool stands_for_itself(ByteView string) noexcept {
    return string.size() == 1 && string[0] < string_base;
}

std::size_t string_size(ByteView string) noexcept {
    if (stands_for_itself(string)) return 1;
    std::size_t length_size = 0;
    if (string.size() > 55) {
        for (std::size_t rest = string.size(); rest != 0; rest >>= 8)
            ++length_size;
    }
    return 1 + length_size + string.size();
}

void write_string(Bytes& out, ByteView string) {
    if (!stands_for_itself(string)) write_header(out, string_base, string.size());
    out.insert(out.end(), string.begin(), string.end());
}

Bytes encode_extension(const Extension& extension) {
    const HexPrefix path = hex_prefix(extension.path, false);
    const std::size_t payload_size = string_size(path.view()) + extension.child.view().size();
    Bytes out;
    out.reserve(payload_size + header_size_max);
    write_header(out, list_base, payload_size);
    write_string(out, path.view());
    out.insert(out.end(), extension.child.view().begin(), extension.child.view().end());
    return out;
}

Bytes encode_branch(const Branch& branch) {
    std::size_t payload_size = string_size(branch.value);
    for (const NodeRef& child : branch.children)
        payload_size += child.empty() ? 1 : child.view().size();

    Bytes out;
    out.reserve(payload_size + header_size_max);
    write_header(out, list_base, payload_size);
    for (const NodeRef& child : branch.children) {
        if (child.empty()) {
            out.push_back(string_base);
        } else {
            out.insert(out.end(), child.view().begin(), child.view().end());
        }
    }
    write_string(out, branch.value);
    return out;
}

}  // namespace

const Hash32 empty_root =
    *fixed_from_hex<Hash32>("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

std::string_view to_text(TrieError error) noexcept {
    switch (error) {
        case TrieError::missing_node:
            return "a node of the trie is missing";
        case TrieError::malformed_node:
            return "a node of the trie is malformed";
        case TrieError::wrong_hash:
            return "a node does not have the hash that names it";
        case TrieError::unused_nodes:
            return "the proof has more nodes than the path";
    }
    return "unknown";
}

NodeRef NodeRef::of_hash(const Hash32& hash) noexcept {
    NodeRef result;
    result.size_ = size_max;
    result.bytes_[0] = hash_header;
    std::memcpy(result.bytes_.data() + 1, hash.bytes.data(), Hash32::size);
    return result;
}

NodeRef NodeRef::of_node(ByteView encoded) noexcept {
    if (encoded.size() > inline_size_max) return of_hash(crypto::keccak256(encoded));
    NodeRef result;
    result.size_ = static_cast<std::uint8_t>(encoded.size());
    std::memcpy(result.bytes_.data(), encoded.data(), encoded.size());
    return result;
}

Hash32 NodeRef::hash() const noexcept {
    MILLRACE_ASSERT(is_hash());
    return *Hash32::from(view().subspan(1));
}

bool NodeRef::operator==(const NodeRef& other) const noexcept {
    return std::ranges::equal(view(), other.view());
}

Bytes encode(const Node& node) {
    if (const auto* branch = std::get_if<Branch>(&node)) return encode_branch(*branch);
    if (const auto* leaf = std::get_if<Leaf>(&node)) return encode_leaf(leaf->path, leaf->value);
    return encode_extension(*std::get_if<Extension>(&node));
}

Bytes encode_leaf(const Nibbles& path, ByteView value) {
    const HexPrefix prefix = hex_prefix(path, true);
    const std::size_t payload_size = string_size(prefix.view()) + string_size(value);
    Bytes out;
    out.reserve(payload_size + header_size_max);
    write_header(out, list_base, payload_size);
    write_string(out, prefix.view());
    write_string(out, value);
    return out;
}

Result<Node, TrieError> decode(ByteView encoded) {
    auto node = read_node(encoded);
    if (!node) return Err{TrieError::malformed_node};
    return std::move(node).value();
}

}  // namespace millrace::trie
