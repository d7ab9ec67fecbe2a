// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "trie/update.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>

#include "crypto/hash.hpp"

namespace millrace::trie {
namespace {

/// An update with its key unpacked; an empty value deletes.
struct Item {
    Nibbles key;
    ByteView value;
    [[nodiscard]] bool deletes() const noexcept { return value.empty(); }
};
using Items = std::span<const Item>;

/// A subtree after its updates. The node is not stored yet: its parent decides whether it stays
/// where it is or dissolves into another.
struct Applied {
    std::optional<Node> node;
    bool is_changed = false;
};
using AppliedResult = Result<Applied, TrieError>;

/// What the source has under a path; null: nothing, so a node there is new or lay in its parent.
using Row = std::optional<Bytes>;

Items items_below(Items items, std::size_t depth, std::uint8_t nibble) {
    const auto first = std::ranges::partition_point(
        items, [&](const Item& item) { return item.key[depth] < nibble; });
    const auto last = std::ranges::partition_point(
        items, [&](const Item& item) { return item.key[depth] <= nibble; });
    return {first, last};
}

/// The items whose key goes on with `path` after `depth` nibbles.
Items items_along(Items items, std::size_t depth, const Nibbles& path) {
    const auto goes_along = [&](const Item& item) {
        return common_prefix(item.key, depth, path, 0) == path.size();
    };
    const auto first = std::ranges::find_if(items, goes_along);
    const auto last = std::find_if_not(first, items.end(), goes_along);
    return {first, last};
}

class Updater {
  public:
    /// Empty `parallel_for`: in this thread alone.
    explicit Updater(const NodeSource& source, const ParallelFor& parallel_for = {})
        : source_{source}, parallel_for_{parallel_for} {}

    Result<Updated, TrieError> run(Items items) {
        Row row = source_.node(Nibbles{});
        std::optional<Node> root;
        if (row) {
            MILLRACE_TRY(root, decode_at(Nibbles{}, *row));
        }
        MILLRACE_TRY(Applied applied, apply(Nibbles{}, std::move(root), items));
        Updated result{.root = empty_root, .is_changed = applied.is_changed, .changes = {}};
        if (applied.node) {
            Bytes encoded = encode(*applied.node);
            result.root = crypto::keccak256(encoded);
            if (applied.is_changed)
                changes_.push_back({Nibbles{}, std::move(encoded), std::move(row)});
        } else if (row) {
            changes_.push_back({Nibbles{}, std::nullopt, std::move(row)});
        }
        result.changes = std::move(changes_);
        return result;
    }

  private:
    AppliedResult apply(const Nibbles& at, std::optional<Node> node, Items items) {
        if (items.empty()) return Applied{std::move(node), false};
        if (!node) return apply_to_nothing(at, items);
        if (auto* leaf = std::get_if<Leaf>(&*node)) return apply_to_leaf(at, *leaf, items);
        if (auto* branch = std::get_if<Branch>(&*node))
            return apply_to_branch(at, std::move(*branch), items);
        return apply_to_extension(at, *std::get_if<Extension>(&*node), items);
    }

    AppliedResult apply_to_nothing(const Nibbles& at, Items items) {
        std::vector<Item> kept;
        std::ranges::copy_if(items, std::back_inserter(kept),
                             [](const Item& item) { return !item.deletes(); });
        if (kept.empty()) return Applied{};
        return Applied{build(at.size(), kept), true};
    }

    AppliedResult apply_to_leaf(const Nibbles& at, Leaf& leaf, Items items) {
        const Item own{at.with(leaf.path), leaf.value};
        std::vector<Item> kept;
        bool is_changed = false;
        bool own_is_placed = false;
        for (const Item& item : items) {
            const bool is_own = item.key == own.key;
            if (!own_is_placed &&
                (is_own || std::ranges::lexicographical_compare(own.key.view(), item.key.view()))) {
                own_is_placed = true;
                if (!is_own) kept.push_back(own);
            }
            is_changed = is_changed ||
                         (is_own ? !std::ranges::equal(item.value, own.value) : !item.deletes());
            if (!item.deletes()) kept.push_back(item);
        }
        if (!own_is_placed) kept.push_back(own);
        if (!is_changed) return Applied{std::move(leaf), false};
        if (kept.empty()) return Applied{std::nullopt, true};
        return Applied{build(at.size(), kept), true};
    }

    AppliedResult apply_to_extension(const Nibbles& at, const Extension& extension, Items items) {
        const Nibbles& path = extension.path;
        std::size_t shared = path.size();
        for (const Item& item : items) {
            if (!item.deletes())
                shared = std::min(shared, common_prefix(item.key, at.size(), path, 0));
        }
        if (shared < path.size()) return split(at, extension, shared, items);
        const Items along = items_along(items, at.size(), path);
        if (along.empty()) return Applied{extension, false};
        const Nibbles below = at.with(path);
        Row row;
        MILLRACE_TRY(Node child, load(source_, below, extension.child, row));
        MILLRACE_TRY(Applied applied, apply(below, std::move(child), along));
        if (!applied.is_changed) return Applied{extension, false};
        return Applied{join(at, path, std::move(row), std::move(applied.node)), true};
    }

    /// A fork where an update leaves the extension; what is left of it hangs below.
    AppliedResult split(const Nibbles& at, const Extension& extension, std::size_t shared,
                        Items items) {
        const Nibbles lead = extension.path.first(shared);
        const Nibbles fork = at.with(lead);
        const std::uint8_t nibble = extension.path[shared];
        const Nibbles rest = extension.path.from(shared + 1);
        Branch branch;
        std::optional<Moved> moved;
        if (rest.empty()) {
            branch.children[nibble] = extension.child;
        } else {
            moved = Moved{nibble, Extension{rest, extension.child}};
        }
        const Items along = items_along(items, at.size(), lead);
        MILLRACE_TRY(Applied applied,
                     apply_to_branch(fork, std::move(branch), along, std::move(moved)));
        return Applied{join(at, lead, {}, std::move(applied.node)), true};
    }

    /// A child that is not stored where it now belongs.
    struct Moved {
        std::uint8_t nibble;
        Node node;
    };

    /// The first surviving child of a fork waits here until a second is seen: a fork of one
    /// dissolves into it.
    struct Waiting {
        std::uint8_t nibble;
        Row row;
        Node node;
    };

    AppliedResult apply_to_branch(const Nibbles& at, Branch branch, Items items,
                                  std::optional<Moved> moved = std::nullopt) {
        Applied result{std::nullopt, moved.has_value()};
        if (items.front().key.size() == at.size()) {
            const Item& own = items.front();
            if (!std::ranges::equal(own.value, branch.value)) {
                branch.value = to_bytes(own.value);
                result.is_changed = true;
            }
            items = items.subspan(1);
        }
        std::array<Items, 16> groups;
        std::size_t survivors = branch.value.empty() ? 0 : 1;
        for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
            groups[nibble] = items_below(items, at.size(), nibble);
            if (groups[nibble].empty() && !branch.children[nibble].empty()) ++survivors;
        }
        std::vector<Spread> spread;
        if (at.empty() && parallel_for_ && items.size() >= parallel_from && !moved)
            spread = spread_over(branch, groups);
        std::optional<Waiting> waiting;
        for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
            const bool is_moved = moved && moved->nibble == nibble;
            if (groups[nibble].empty() && !is_moved) continue;
            NodeRef& child = branch.children[nibble];
            const Nibbles below = at.with(nibble);
            MILLRACE_TRY(Child done,
                         is_moved ? apply_to_child(below, std::move(moved->node), groups[nibble])
                         : spread.empty() ? load_and_apply(below, child, groups[nibble])
                                          : take(spread[nibble]));
            Applied& applied = done.applied;
            Row& row = done.row;
            if (!applied.is_changed && !is_moved) {
                if (!child.empty()) ++survivors;
                continue;
            }
            result.is_changed = true;
            child = NodeRef{};
            if (!applied.node) {
                if (row) erase(below, std::move(row));
            } else if (++survivors == 1) {
                waiting = Waiting{nibble, std::move(row), std::move(*applied.node)};
            } else {
                child = store(below, std::move(row), *applied.node);
            }
        }
        if (waiting && survivors > 1) {
            branch.children[waiting->nibble] =
                store(at.with(waiting->nibble), std::move(waiting->row), waiting->node);
        }
        if (survivors == 0) return result;
        if (survivors > 1) {
            result.node = std::move(branch);
            return result;
        }
        MILLRACE_TRY(result.node, dissolve(at, std::move(branch), std::move(waiting)));
        return result;
    }

    /// A child after its updates, and what the source has in its place.
    struct Child {
        Applied applied;
        Row row;
    };
    using ChildResult = Result<Child, TrieError>;

    ChildResult apply_to_child(const Nibbles& at, std::optional<Node> node, Items items) {
        MILLRACE_TRY(Applied applied, apply(at, std::move(node), items));
        return Child{std::move(applied), {}};
    }

    ChildResult load_and_apply(const Nibbles& at, const NodeRef& reference, Items items) {
        Row row;
        std::optional<Node> node;
        if (!reference.empty()) {
            MILLRACE_TRY(node, load(source_, at, reference, row));
        }
        MILLRACE_TRY(Applied applied, apply(at, std::move(node), items));
        return Child{std::move(applied), std::move(row)};
    }

    /// The children of the root, each with an updater of its own.
    struct Spread {
        std::unique_ptr<Updater> updater;
        std::optional<ChildResult> result;
    };

    std::vector<Spread> spread_over(const Branch& branch, const std::array<Items, 16>& groups) {
        std::vector<Spread> spread(16);
        parallel_for_(16, [&](std::size_t index) {
            if (groups[index].empty()) return;
            const auto nibble = static_cast<std::uint8_t>(index);
            Spread& own = spread[index];
            own.updater = std::make_unique<Updater>(source_);
            own.result = own.updater->load_and_apply(Nibbles{}.with(nibble),
                                                     branch.children[nibble], groups[index]);
        });
        return spread;
    }

    ChildResult take(Spread& spread) {
        auto& changes = spread.updater->changes_;
        changes_.insert(changes_.end(), std::make_move_iterator(changes.begin()),
                        std::make_move_iterator(changes.end()));
        return std::move(*spread.result);
    }

    /// A fork with one child or a value alone.
    Result<Node, TrieError> dissolve(const Nibbles& at, Branch branch,
                                     std::optional<Waiting> waiting) {
        if (!branch.value.empty()) return Node{Leaf{Nibbles{}, std::move(branch.value)}};
        if (!waiting) {
            const auto last = std::ranges::find_if(
                branch.children, [](const NodeRef& child) { return !child.empty(); });
            MILLRACE_ASSERT(last != branch.children.end());
            const auto nibble = static_cast<std::uint8_t>(last - branch.children.begin());
            Row row;
            MILLRACE_TRY(Node node, load(source_, at.with(nibble), *last, row));
            if (std::holds_alternative<Branch>(node))
                return Node{Extension{Nibbles{}.with(nibble), *last}};
            waiting = Waiting{nibble, std::move(row), std::move(node)};
        }
        return *join(at, Nibbles{}.with(waiting->nibble), std::move(waiting->row),
                     std::move(waiting->node));
    }

    /// The node at `at` that leads along `path` to `node`, which lies at their end, where `row` is.
    std::optional<Node> join(const Nibbles& at, const Nibbles& path, Row row,
                             std::optional<Node> node) {
        if (path.empty()) return node;
        const Nibbles below = at.with(path);
        if (!node) {
            if (row) erase(below, std::move(row));
            return std::nullopt;
        }
        if (std::holds_alternative<Branch>(*node))
            return Extension{path, store(below, std::move(row), *node)};
        if (row) erase(below, std::move(row));
        if (auto* leaf = std::get_if<Leaf>(&*node))
            return Leaf{path.with(leaf->path), std::move(leaf->value)};
        const auto& extension = *std::get_if<Extension>(&*node);
        return Extension{path.with(extension.path), extension.child};
    }

    /// The subtree of keys where none was; they share `depth` nibbles.
    Node build(std::size_t depth, Items items) {
        const Item& first = items.front();
        if (items.size() == 1) return Leaf{first.key.from(depth), to_bytes(first.value)};
        const std::size_t fork = depth + common_prefix(first.key, depth, items.back().key, depth);
        Branch branch;
        Items rest = items;
        if (first.key.size() == fork) {
            branch.value = to_bytes(first.value);
            rest = rest.subspan(1);
        }
        while (!rest.empty()) {
            const std::uint8_t nibble = rest.front().key[fork];
            const Items group = items_below(rest, fork, nibble);
            branch.children[nibble] =
                store(first.key.first(fork).with(nibble), {}, build(fork + 1, group));
            rest = rest.subspan(group.size());
        }
        if (fork == depth) return branch;
        return Extension{first.key.first(fork).from(depth),
                         store(first.key.first(fork), {}, branch)};
    }

    NodeRef store(const Nibbles& path, Row row, const Node& node) {
        Bytes encoded = encode(node);
        const NodeRef reference = NodeRef::of_node(encoded);
        if (reference.is_hash()) {
            changes_.push_back({path, std::move(encoded), std::move(row)});
        } else if (row) {
            erase(path, std::move(row));
        }
        return reference;
    }

    void erase(const Nibbles& path, Row row) {
        changes_.push_back({path, std::nullopt, std::move(row)});
    }

    /// So many updates are worth waking others for.
    static constexpr std::size_t parallel_from = 64;

    const NodeSource& source_;
    const ParallelFor parallel_for_;
    std::vector<NodeChange> changes_;
};

}  // namespace

Result<Updated, TrieError> update(const NodeSource& source, std::span<const UpdateView> updates,
                                  const ParallelFor& parallel_for) {
    std::vector<Item> items;
    items.reserve(updates.size());
    for (std::size_t index = 0; index < updates.size(); ++index) {
        MILLRACE_ASSERT(updates[index].key.size() <= key_size_max);
        MILLRACE_ASSERT(index == 0 || std::ranges::lexicographical_compare(updates[index - 1].key,
                                                                           updates[index].key));
        items.push_back({Nibbles::of(updates[index].key), updates[index].value});
    }
    return Updater{source, parallel_for}.run(items);
}

}  // namespace millrace::trie
