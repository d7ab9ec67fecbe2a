// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Batches of updates to a stored trie, beside a plain map whose root the naive twin computes from
// the definition. Every proof must verify; damaged rows and proofs end in errors or truth.

#include <algorithm>

#include "base/assert.hpp"
#include "script.hpp"
#include "trie/map_source.hpp"
#include "trie/naive_twin.hpp"
#include "trie/proof.hpp"
#include "trie/root.hpp"

using namespace millrace;
using namespace millrace::trie;

namespace {

class Run {
  public:
    explicit Run(ByteView script) : script_{script}, has_fixed_size_{take() % 2 == 1} {}

    void go() {
        for (std::size_t batches = 0; !script_.empty() && batches < 40; ++batches) {
            apply_batch();
            check_proof();
            if (take() % 4 == 0) damage();
        }
    }

  private:
    std::uint8_t take() { return script_.take(); }

    Bytes take_key() {
        // Few different bytes, so that keys share prefixes of all lengths.
        const std::uint8_t shape = take();
        Bytes key(has_fixed_size_ ? key_size_max : shape % 5, 0x11);
        const std::uint8_t digits[] = {0x00, 0x01, 0x10, 0x11};
        for (std::size_t index = 0; index < std::min<std::size_t>(key.size(), 3); ++index)
            key[index] = digits[(shape >> (2 * index)) % 4];
        if (has_fixed_size_) key.back() = digits[shape >> 6];
        return key;
    }

    void apply_batch() {
        NaiveMap batch;
        for (std::size_t count = take() % 8; count > 0; --count) {
            Bytes key = take_key();
            const std::uint8_t value = take();
            batch[std::move(key)] = Bytes(value % 3 == 0 ? 0 : value % 50, value);
        }
        std::vector<UpdateView> updates;
        for (const auto& [key, value] : batch) {
            updates.push_back({key, value});
            if (value.empty()) {
                map_.erase(key);
            } else {
                map_[key] = value;
            }
        }
        const auto updated = update(source_, updates);
        MILLRACE_ASSERT(updated);
        source_.apply(*updated);
        root_ = updated->root;
        MILLRACE_ASSERT(root_ == naive_root(map_));
        std::vector<PairView> pairs;
        for (const auto& [key, value] : map_)
            pairs.push_back({key, value});
        MapSource::Rows rows;
        const Hash32 again = root_of(pairs, [&](const Nibbles& path, ByteView node) {
            rows.emplace(to_bytes(path.view()), to_bytes(node));
        });
        MILLRACE_ASSERT(again == root_);
        MILLRACE_ASSERT(rows == source_.rows);
    }

    void check_proof() {
        const Bytes key = take_key();
        auto proof = prove(source_, key);
        MILLRACE_ASSERT(proof);
        const auto known = map_.find(key);
        const auto is_true = [&](const std::optional<Bytes>& value) {
            return value ? known != map_.end() && *value == known->second : known == map_.end();
        };
        const auto shown = verify_proof(root_, key, *proof);
        MILLRACE_ASSERT(shown);
        MILLRACE_ASSERT(is_true(*shown));
        if (proof->empty()) return;
        Bytes& node = (*proof)[take() % proof->size()];
        if (!node.empty()) node[take() % node.size()] ^= take();
        if (take() % 3 == 0) proof->pop_back();
        const auto lie = verify_proof(root_, key, *proof);
        if (lie) MILLRACE_ASSERT(is_true(*lie));
    }

    void damage() {
        if (source_.rows.empty()) return;
        MapSource damaged = source_;
        auto row = damaged.rows.begin();
        std::advance(row, take() % damaged.rows.size());
        for (std::size_t count = take() % 4; count > 0; --count) {
            if (!row->second.empty()) row->second[take() % row->second.size()] = take();
        }
        if (take() % 4 == 0) row->second.resize(take() % (row->second.size() + 1));
        const auto node = decode(row->second);
        if (node) MILLRACE_ASSERT(encode(*node) == row->second);
        const Bytes key = take_key();
        const Bytes value(take() % 2 == 0 ? 0 : 40, 1);
        const UpdateView change{key, value};
        static_cast<void>(update(damaged, {&change, 1}));
        static_cast<void>(prove(damaged, key));
    }

    Script script_;
    bool has_fixed_size_;
    MapSource source_;
    NaiveMap map_;
    Hash32 root_ = empty_root;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input{data, size};
    const auto node = decode(input);
    if (node) MILLRACE_ASSERT(encode(*node) == to_bytes(input));
    Run{input}.go();
    return 0;
}
