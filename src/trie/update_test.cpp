// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/update.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/parallel_testing.hpp"
#include "base/prng.hpp"
#include "trie/map_source.hpp"
#include "trie/naive_twin.hpp"
#include "trie/proof.hpp"
#include "trie/root.hpp"

namespace millrace::trie {
namespace {

/// MapSource counts reads; this one may be read from several threads.
class QuietSource final : public NodeSource {
  public:
    explicit QuietSource(const MapSource::Rows& rows) noexcept : rows_{rows} {}
    [[nodiscard]] std::optional<Bytes> node(const Nibbles& path) const override {
        const auto found = rows_.find(to_bytes(path.view()));
        if (found == rows_.end()) return std::nullopt;
        return found->second;
    }

  private:
    const MapSource::Rows& rows_;
};

Updated apply(MapSource& source, NaiveMap& map, const NaiveMap& batch) {
    std::vector<UpdateView> updates;
    for (const auto& [key, value] : batch) {
        updates.push_back({key, value});
        if (value.empty()) {
            map.erase(key);
        } else {
            map.insert_or_assign(key, value);
        }
    }
    auto updated = update(source, updates);
    EXPECT_TRUE(updated);
    std::set<Bytes> paths;
    for (const NodeChange& change : updated->changes)
        EXPECT_TRUE(paths.insert(to_bytes(change.path.view())).second);
    source.apply(*updated);
    return std::move(updated).value();
}

struct Whole {
    Hash32 root;
    MapSource::Rows rows;
};

Whole from_scratch(const NaiveMap& map) {
    std::vector<PairView> pairs;
    for (const auto& [key, value] : map)
        pairs.push_back({key, value});
    Whole whole;
    whole.root = root_of(pairs, [&](const Nibbles& path, ByteView encoded) {
        EXPECT_TRUE(whole.rows.emplace(to_bytes(path.view()), to_bytes(encoded)).second);
    });
    return whole;
}

/// Keys that share prefixes, of all lengths up to 32.
Bytes draw_key(Prng& prng, bool has_fixed_size) {
    const std::size_t size = has_fixed_size ? key_size_max : prng.below(6);
    Bytes key(size);
    for (std::uint8_t& byte : key) {
        const std::uint8_t digits[] = {0x00, 0x01, 0x10, 0x11, 0xf0};
        byte = digits[prng.below(5)];
    }
    if (has_fixed_size && prng.chance(500'000)) {
        std::fill(key.begin() + 2, key.end(), std::uint8_t{0x55});
        if (prng.chance(500'000)) key[prng.below(key_size_max)] = 0x56;
    }
    return key;
}

class RandomUpdates : public testing::TestWithParam<bool> {};

TEST_P(RandomUpdates, give_the_root_the_rows_and_the_proofs_of_a_trie_built_from_scratch) {
    Prng prng{7};
    for (std::size_t round = 0; round < 40; ++round) {
        MapSource source;
        NaiveMap map;
        const std::uint64_t deletes = prng.below(900'000);
        for (std::size_t step = 0; step < 25; ++step) {
            NaiveMap batch;
            for (std::uint64_t count = prng.below(step % 5 == 0 ? 40 : 6); count > 0; --count) {
                Bytes value;
                if (!prng.chance(static_cast<std::uint32_t>(deletes)))
                    value.assign(1 + prng.below(prng.chance(500'000) ? 4 : 40), 0x61);
                Bytes key = draw_key(prng, GetParam());
                if (!map.empty() && prng.chance(500'000)) {
                    auto known = map.begin();
                    std::advance(known, static_cast<std::ptrdiff_t>(prng.below(map.size())));
                    key = known->first;
                }
                batch.insert_or_assign(std::move(key), std::move(value));
            }
            const MapSource::Rows before = source.rows;
            const Updated updated = apply(source, map, batch);
            const Whole whole = from_scratch(map);
            ASSERT_EQ(updated.root, whole.root);
            ASSERT_EQ(updated.root, naive_root(map));
            ASSERT_EQ(source.rows, whole.rows);
            ASSERT_EQ(updated.is_changed, before != source.rows);
            const Bytes key = draw_key(prng, GetParam());
            for (const auto& probe : batch.empty() ? NaiveMap{{key, {}}} : batch) {
                const auto proof = prove(source, probe.first);
                ASSERT_TRUE(proof);
                const auto shown = verify_proof(whole.root, probe.first, *proof);
                ASSERT_TRUE(shown) << to_text(shown.error());
                const auto known = map.find(probe.first);
                ASSERT_EQ(shown->has_value(), known != map.end());
                if (known != map.end()) {
                    ASSERT_EQ(**shown, known->second);
                }
            }
        }
        NaiveMap all;
        for (const auto& [key, value] : map)
            all.emplace(key, Bytes{});
        EXPECT_EQ(apply(source, map, all).root, empty_root);
        EXPECT_TRUE(source.rows.empty());
    }
}

INSTANTIATE_TEST_SUITE_P(Keys, RandomUpdates, testing::Bool(), [](const auto& parameter) {
    return parameter.param ? "of_hash_size" : "of_any_size";
});

NaiveMap hashed_keys(std::uint64_t count, std::uint8_t fill) {
    NaiveMap map;
    for (std::uint64_t index = 0; index < count; ++index) {
        Bytes seed(8);
        std::memcpy(seed.data(), &index, 8);
        map.emplace(to_bytes(crypto::keccak256(seed).view()), Bytes(70, fill));
    }
    return map;
}

TEST(Update, reads_only_the_nodes_on_the_way_to_a_changed_key) {
    MapSource source;
    NaiveMap map;
    const NaiveMap all = hashed_keys(5000, 1);
    apply(source, map, all);
    source.read_count = 0;
    const Updated updated = apply(source, map, {{all.begin()->first, Bytes(70, 2)}});
    EXPECT_LE(source.read_count, 6u);
    EXPECT_EQ(source.read_count, updated.changes.size());
    source.read_count = 0;
    EXPECT_FALSE(apply(source, map, {{all.begin()->first, Bytes(70, 2)}}).is_changed);
}

TEST(Update, of_a_trie_with_a_damaged_row_is_an_error) {
    MapSource whole;
    NaiveMap map;
    const NaiveMap all = hashed_keys(60, 1);
    apply(whole, map, all);
    std::vector<UpdateView> updates;
    for (const auto& [key, value] : all)
        updates.push_back({key, {}});
    Prng prng{3};
    for (const auto& [path, node] : whole.rows) {
        MapSource missing = whole;
        missing.rows.erase(path);
        if (!path.empty()) {
            EXPECT_EQ(update(missing, updates).error(), TrieError::missing_node);
        }
        for (std::size_t size = 0; size < node.size(); size += 1 + size / 4) {
            MapSource cut = whole;
            cut.rows[path].resize(size);
            EXPECT_EQ(update(cut, updates).error(), TrieError::malformed_node);
        }
        for (std::size_t flip = 0; flip < 20; ++flip) {
            MapSource flipped = whole;
            flipped.rows[path][prng.below(node.size())] ^=
                static_cast<std::uint8_t>(1 + prng.below(255));
            static_cast<void>(update(flipped, updates));  // an error or not, but no crash
        }
    }
}

TEST(Update, of_a_row_that_leads_too_deep_is_an_error) {
    // A leaf whose path alone is as long as a key, below a fork.
    MapSource source;
    NaiveMap map;
    const NaiveMap two{{Bytes(32, 0x11), Bytes(40, 1)}, {Bytes(32, 0x22), Bytes(40, 1)}};
    apply(source, map, two);
    source.rows[{1}] = encode(Leaf{Nibbles::of(Bytes(32, 0x11)), Bytes(40, 1)});
    const Bytes key(32, 0x22);
    const UpdateView deletion{key, {}};
    EXPECT_EQ(update(source, {&deletion, 1}).error(), TrieError::malformed_node);
}

TEST(Proof, with_a_node_changed_left_out_or_added_is_refused) {
    MapSource source;
    NaiveMap map;
    const NaiveMap all = hashed_keys(300, 1);
    const Hash32 root = apply(source, map, all).root;
    const Bytes key = all.begin()->first;
    const std::vector<Bytes> proof = prove(source, key).value();
    ASSERT_GE(proof.size(), 2u);
    for (std::size_t index = 0; index < proof.size(); ++index) {
        auto changed = proof;
        changed[index].back() ^= 1;
        EXPECT_EQ(verify_proof(root, key, changed).error(), TrieError::wrong_hash);
        EXPECT_EQ(verify_proof(root, key, {proof.data(), index}).error(), TrieError::missing_node);
    }
    auto longer = proof;
    longer.push_back(proof.back());
    EXPECT_EQ(verify_proof(root, key, longer).error(), TrieError::unused_nodes);
    EXPECT_EQ(verify_proof(empty_root, key, proof).error(), TrieError::unused_nodes);
    EXPECT_FALSE(verify_proof(empty_root, key, {})->has_value());
}

TEST(Node, decodes_only_what_encode_gives) {
    MapSource source;
    NaiveMap map;
    apply(source, map, hashed_keys(40, 1));
    apply(source, map, {{Bytes{1}, Bytes{2}}, {Bytes{1, 2}, Bytes{3}}});
    Prng prng{5};
    for (const auto& [path, encoded] : source.rows) {
        EXPECT_EQ(encode(decode(encoded).value()), encoded);
        for (std::size_t flip = 0; flip < 200; ++flip) {
            Bytes changed = encoded;
            changed[prng.below(changed.size())] ^= static_cast<std::uint8_t>(1u << prng.below(8));
            const auto node = decode(changed);
            if (node) {
                EXPECT_EQ(encode(*node), changed);
            }
        }
        Bytes longer = encoded;
        longer.push_back(0);
        EXPECT_FALSE(decode(longer));
    }
    EXPECT_FALSE(decode(Bytes{0xc0}));
    EXPECT_FALSE(decode(Bytes{0x80}));
    EXPECT_FALSE(decode(Bytes{0xc2, 0x20, 0x80}));        // a leaf without a value
    EXPECT_FALSE(decode(Bytes{0xc3, 0x00, 0xc1, 0x80}));  // an extension without a path
}

TEST(Update, spread_over_threads_gives_the_same_changes_in_the_same_order) {
    const ParallelFor threads = a_thread_each();
    Prng prng{23};
    MapSource source;
    NaiveMap map;
    for (std::size_t step = 0; step < 30; ++step) {
        NaiveMap batch;
        for (std::uint64_t count = 40 + prng.below(200); count > 0; --count) {
            Bytes key(key_size_max, 0);
            key[0] = static_cast<std::uint8_t>(prng.below(step % 3 == 0 ? 256 : 40));
            key[1] = static_cast<std::uint8_t>(prng.below(256));
            batch[key] = prng.chance(400'000) ? Bytes{} : Bytes(1 + prng.below(60), 7);
        }
        if (step % 10 == 9) {
            for (auto& [key, value] : map)
                batch[key] = {};
        }
        std::vector<UpdateView> updates;
        for (const auto& [key, value] : batch)
            updates.push_back({key, value});
        const QuietSource rows{source.rows};
        const auto alone = update(rows, updates);
        const auto spread = update(rows, updates, threads);
        ASSERT_TRUE(alone);
        ASSERT_TRUE(spread);
        EXPECT_EQ(alone->root, spread->root);
        EXPECT_EQ(alone->is_changed, spread->is_changed);
        ASSERT_EQ(alone->changes.size(), spread->changes.size());
        for (std::size_t index = 0; index < alone->changes.size(); ++index) {
            EXPECT_EQ(alone->changes[index].path, spread->changes[index].path);
            EXPECT_EQ(alone->changes[index].node, spread->changes[index].node);
            EXPECT_EQ(alone->changes[index].before, spread->changes[index].before);
        }
        apply(source, map, batch);
    }
}

TEST(Update, spread_over_threads_reports_the_missing_node) {
    const ParallelFor in_turn = [](std::size_t count,
                                   const std::function<void(std::size_t)>& body) {
        for (std::size_t index = 0; index < count; ++index)
            body(index);
    };
    MapSource source;
    NaiveMap map;
    NaiveMap batch;
    for (std::uint8_t first = 0; first < 255; ++first) {
        batch[Bytes{first, 0}] = Bytes(40, 1);
        batch[Bytes{first, 1}] = Bytes(40, 2);
    }
    apply(source, map, batch);
    ASSERT_EQ(source.rows.erase(Bytes{5}), 1u);
    std::vector<UpdateView> updates;
    for (const auto& [key, value] : batch)
        updates.push_back({key, {}});
    const auto updated = update(source, updates, in_turn);
    ASSERT_FALSE(updated);
    EXPECT_EQ(updated.error(), TrieError::missing_node);
}

}  // namespace
}  // namespace millrace::trie
