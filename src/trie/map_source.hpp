// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>

#include "base/assert.hpp"
#include "trie/update.hpp"

namespace millrace::trie {

/// The nodes of one trie in a map, for tests, runners and whoever needs a trie for a moment.
class MapSource final : public NodeSource {
  public:
    using Rows = std::map<Bytes, Bytes>;  ///< path, one byte per nibble → node
    Rows rows;
    mutable std::size_t read_count = 0;

    [[nodiscard]] std::optional<Bytes> node(const Nibbles& path) const override {
        ++read_count;
        const auto found = rows.find(to_bytes(path.view()));
        if (found == rows.end()) return std::nullopt;
        return found->second;
    }
    void apply(const Updated& updated) {
        for (const NodeChange& change : updated.changes) {
            const Bytes path = to_bytes(change.path.view());
            const auto known = rows.find(path);
            MILLRACE_ASSERT(known == rows.end() ? !change.before : change.before == known->second);
            if (change.node) {
                rows.insert_or_assign(path, *change.node);
            } else {
                MILLRACE_ASSERT(rows.erase(path) == 1);
            }
        }
    }
};

}  // namespace millrace::trie
