// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/root.hpp"

#include <algorithm>

#include "codec/rlp.hpp"
#include "crypto/hash.hpp"

namespace millrace::trie {
namespace {

/// The nibble of a key without unpacking it.
std::uint8_t nibble_at(ByteView key, std::size_t index) noexcept {
    const std::uint8_t byte = key[index / 2];
    return index % 2 == 0 ? byte >> 4 : byte & 0x0f;
}

std::size_t common_nibbles(ByteView left, ByteView right) noexcept {
    const auto difference = std::ranges::mismatch(left, right);
    const auto equal = static_cast<std::size_t>(difference.in1 - left.begin());
    if (equal == left.size() || equal == right.size()) return 2 * equal;
    return 2 * equal + ((left[equal] >> 4) == (right[equal] >> 4) ? 1 : 0);
}

Nibbles part(ByteView key, std::size_t first, std::size_t last) noexcept {
    Nibbles result;
    for (std::size_t index = first; index < last; ++index)
        result.push_back(nibble_at(key, index));
    return result;
}

class Builder {
  public:
    explicit Builder(const NodeSink& sink) noexcept : sink_{sink} {}

    /// The encoded node over `pairs`, which share their first `depth` nibbles.
    Bytes node(std::span<const PairView> pairs, std::size_t depth) const {
        const PairView& first = pairs.front();
        if (pairs.size() == 1) {
            return encode_leaf(part(first.key, depth, 2 * first.key.size()), first.value);
        }
        const std::size_t fork = common_nibbles(first.key, pairs.back().key);
        if (fork == depth) return branch(pairs, depth);
        return encode(Extension{part(first.key, depth, fork), reference(pairs, fork)});
    }

  private:
    NodeRef reference(std::span<const PairView> pairs, std::size_t depth) const {
        const Bytes encoded = node(pairs, depth);
        const NodeRef result = NodeRef::of_node(encoded);
        if (sink_ && result.is_hash()) sink_(part(pairs.front().key, 0, depth), encoded);
        return result;
    }

    Bytes branch(std::span<const PairView> pairs, std::size_t depth) const {
        Branch result;
        if (2 * pairs.front().key.size() == depth) {
            result.value = to_bytes(pairs.front().value);
            pairs = pairs.subspan(1);
        }
        while (!pairs.empty()) {
            const std::uint8_t nibble = nibble_at(pairs.front().key, depth);
            const auto end = std::ranges::partition_point(
                pairs, [&](const PairView& pair) { return nibble_at(pair.key, depth) == nibble; });
            const auto count = static_cast<std::size_t>(end - pairs.begin());
            result.children[nibble] = reference(pairs.first(count), depth + 1);
            pairs = pairs.subspan(count);
        }
        return encode(std::move(result));
    }

    const NodeSink& sink_;
};

}  // namespace

Hash32 root_of(std::span<const PairView> pairs, const NodeSink& sink) {
    if (pairs.empty()) return empty_root;
    for (std::size_t index = 0; index < pairs.size(); ++index) {
        MILLRACE_ASSERT(pairs[index].key.size() <= key_size_max);
        MILLRACE_ASSERT(!pairs[index].value.empty());
        MILLRACE_ASSERT(index == 0 || std::ranges::lexicographical_compare(pairs[index - 1].key,
                                                                           pairs[index].key));
    }
    const Bytes root = Builder{sink}.node(pairs, 0);
    if (sink) sink(Nibbles{}, root);
    return crypto::keccak256(root);
}

Hash32 indexed_root(std::span<const Bytes> values) {
    // As bytes, the RLP of 0 (0x80) lies after that of 1 to 127 and before that of 128.
    std::vector<Bytes> keys;
    std::vector<PairView> pairs;
    keys.reserve(values.size());
    pairs.reserve(values.size());
    const auto add = [&](std::size_t index) {
        codec::RlpWriter writer;
        writer.write(std::uint64_t{index});
        keys.push_back(std::move(writer).take());
        pairs.push_back({keys.back(), values[index]});
    };
    const std::size_t short_end = std::min<std::size_t>(values.size(), 128);
    for (std::size_t index = 1; index < short_end; ++index)
        add(index);
    if (!values.empty()) add(0);
    for (std::size_t index = 128; index < values.size(); ++index)
        add(index);
    return root_of(pairs);
}

}  // namespace millrace::trie
