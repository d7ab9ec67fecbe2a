// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/trie_suite.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "crypto/hash.hpp"
#include "trie/map_source.hpp"
#include "trie/root.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct Pair {
    Bytes key;
    Bytes value;  ///< empty: delete
};

/// Text, or bytes in hexadecimal behind "0x".
Bytes read_text(const std::string& text) {
    if (text.starts_with("0x")) {
        if (auto bytes = from_hex(text)) return std::move(*bytes);
    }
    return to_bytes(as_bytes(text));
}

std::vector<Pair> read_pairs(const ordered_json& input, bool hashes_keys) {
    std::vector<Pair> pairs;
    const auto add = [&](const std::string& key, const ordered_json& value) {
        Bytes bytes = read_text(key);
        if (hashes_keys) bytes = to_bytes(crypto::keccak256(bytes).view());
        pairs.push_back(
            {std::move(bytes), value.is_null() ? Bytes{} : read_text(value.get<std::string>())});
    };
    if (input.is_object()) {
        for (const auto& [key, value] : input.items())
            add(key, value);
    } else {
        for (const ordered_json& pair : input)
            add(pair.at(0).get<std::string>(), pair.at(1));
    }
    return pairs;
}

std::map<Bytes, Bytes> last_values(const std::vector<Pair>& pairs) {
    std::map<Bytes, Bytes> map;
    for (const Pair& pair : pairs)
        map.insert_or_assign(pair.key, pair.value);
    return map;
}

Hash32 root_from_scratch(std::map<Bytes, Bytes> map) {
    std::erase_if(map, [](const auto& pair) { return pair.second.empty(); });
    std::vector<trie::PairView> pairs;
    for (const auto& [key, value] : map)
        pairs.push_back({key, value});
    return trie::root_of(pairs);
}

Hash32 root_by_updates(const std::vector<Pair>& pairs) {
    trie::MapSource source;
    Hash32 root = trie::empty_root;
    for (const Pair& pair : pairs) {
        const trie::UpdateView change{pair.key, pair.value};
        const auto updated = trie::update(source, {&change, 1});
        source.apply(*updated);
        root = updated->root;
    }
    return root;
}

Hash32 root_by_one_update(const std::map<Bytes, Bytes>& map) {
    std::vector<trie::UpdateView> updates;
    for (const auto& [key, value] : map)
        updates.push_back({key, value});
    return trie::update(trie::MapSource{}, updates)->root;
}

std::string run_root_case(const ordered_json& value, bool hashes_keys) {
    const auto wanted = fixed_from_hex<Hash32>(value.at("root").get<std::string>());
    if (!wanted) return "its root is not a hash";
    std::vector<Pair> pairs = read_pairs(value.at("in"), hashes_keys);
    if (root_from_scratch(last_values(pairs)) != *wanted) return "wrong root from sorted keys";
    if (root_by_one_update(last_values(pairs)) != *wanted) return "wrong root by one update";
    if (root_by_updates(pairs) != *wanted) return "wrong root by single updates";
    if (value.at("in").is_object()) {
        std::ranges::reverse(pairs);
        if (root_by_updates(pairs) != *wanted) return "wrong root in the opposite order";
    }
    return {};
}

/// Keys of a stored trie in its order.
void walk(const trie::NodeSource& source, const trie::Nibbles& path, const trie::Node& node,
          std::vector<std::string>& keys) {
    const auto add = [&](const trie::Nibbles& key) {
        std::string text;
        for (std::size_t index = 0; index + 1 < key.size(); index += 2)
            text.push_back(static_cast<char>(key[index] * 16 + key[index + 1]));
        keys.push_back(std::move(text));
    };
    if (const auto* leaf = std::get_if<trie::Leaf>(&node)) return add(path.with(leaf->path));
    if (const auto* extension = std::get_if<trie::Extension>(&node)) {
        const trie::Nibbles below = path.with(extension->path);
        return walk(source, below, *trie::load(source, below, extension->child), keys);
    }
    const auto& branch = *std::get_if<trie::Branch>(&node);
    if (!branch.value.empty()) add(path);
    for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
        const trie::NodeRef& child = branch.children[nibble];
        if (child.empty()) continue;
        const trie::Nibbles below = path.with(nibble);
        walk(source, below, *trie::load(source, below, child), keys);
    }
}

std::string run_neighbour_case(const ordered_json& value) {
    trie::MapSource source;
    for (const ordered_json& name : value.at("in")) {
        const auto key = name.get<std::string>();
        const trie::UpdateView change{as_bytes(key), as_bytes("1")};
        source.apply(*trie::update(source, {&change, 1}));
    }
    std::vector<std::string> keys;
    if (const auto root = *trie::load_root(source)) walk(source, {}, *root, keys);
    for (const ordered_json& test : value.at("tests")) {
        const auto key = test.at(0).get<std::string>();
        const auto lower = std::ranges::lower_bound(keys, key);
        const auto upper = std::ranges::upper_bound(keys, key);
        const std::string before = lower == keys.begin() ? "" : *std::prev(lower);
        const std::string after = upper == keys.end() ? "" : *upper;
        if (before != test.at(1).get<std::string>()) return "wrong key before '" + key + "'";
        if (after != test.at(2).get<std::string>()) return "wrong key after '" + key + "'";
    }
    return {};
}

}  // namespace

int run_trie_suite(const fs::path& folder, const SuiteOptions& options) {
    return run_files(folder, options, [](const fs::path& path, SuiteTally& tally) {
        const bool hashes_keys = path.filename().string().find("secure") != std::string::npos;
        std::ifstream stream{path};
        const ordered_json cases = ordered_json::parse(stream);
        for (const auto& [name, value] : cases.items()) {
            const std::string problem = value.contains("tests") ? run_neighbour_case(value)
                                                                : run_root_case(value, hashes_keys);
            if (problem.empty()) {
                ++tally.passed;
            } else {
                tally.fail(name, problem);
            }
        }
    });
}

}  // namespace millrace::spec
