// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The file tree beside a naive twin: a flat map from whole path to content, null for a directory.
// Odd first byte: wild mode, with links and odd paths, where only the tree's own laws are checked.

#include <algorithm>
#include <map>
#include <optional>

#include "base/assert.hpp"
#include "wasi/tree.hpp"

namespace {

using namespace millrace;
using wasi::Errno;

class Input {
  public:
    explicit Input(ByteView bytes) : rest_{bytes} {}
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const std::uint8_t value = rest_[0];
        rest_ = rest_.subspan(1);
        return value;
    }
    std::string path(bool is_wild) {
        constexpr std::string_view clean[] = {"a", "b", "c"};
        constexpr std::string_view wild[] = {"a", "b", "..", ".", "", "l", "\xff", "c"};
        std::string path;
        const int parts = 1 + byte() % 3;
        for (int part = 0; part < parts; ++part) {
            if (part > 0) path += '/';
            path += is_wild ? wild[byte() % 8] : clean[byte() % 3];
        }
        if (is_wild && byte() % 8 == 0) path += '/';
        return path;
    }

  private:
    ByteView rest_;
};

using Twin = std::map<std::string, std::optional<std::string>>;

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}
bool is_directory(const Twin& twin, const std::string& path) {
    if (path.empty()) return true;
    const auto found = twin.find(path);
    return found != twin.end() && !found->second;
}
bool has_children(const Twin& twin, const std::string& path) {
    return std::ranges::any_of(
        twin, [&](const auto& entry) { return entry.first.starts_with(path + "/"); });
}

bool twin_rename(Twin& twin, const std::string& from, const std::string& to) {
    if (!twin.contains(from) || !is_directory(twin, parent_of(to))) return false;
    if (to.starts_with(from + "/")) return false;
    if (from == to) return true;
    if (twin.contains(to)) {
        if (is_directory(twin, from) != is_directory(twin, to)) return false;
        if (has_children(twin, to)) return false;
    }
    Twin moved;
    for (const auto& [path, content] : twin) {
        if (path == to) continue;
        const bool is_inside = path == from || path.starts_with(from + "/");
        moved[is_inside ? to + path.substr(from.size()) : path] = content;
    }
    twin = std::move(moved);
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input{{data, std::min<std::size_t>(size, 4096)}};
    const bool is_wild = input.byte() % 2 == 1;
    wasi::FileTree tree{{.output_bytes = 4096, .nodes = 200}, 1};
    Twin twin;
    std::uint64_t steps = 0;
    MILLRACE_ASSERT(tree.add_input("a/b", std::make_shared<const Bytes>(Bytes{'x', 'y'})));
    twin["a"] = std::nullopt;
    twin["a/b"] = "xy";
    while (!input.at_end() && tree.limit_hit() == wasi::LimitHit::none) {
        const std::uint8_t kind = input.byte();
        const std::string path = input.path(is_wild);
        const wasi::Lookup lookup{.follow = kind >= 128, .slash_follows = kind % 2 == 0};
        const auto place = tree.resolve(wasi::FileTree::root, path, lookup, steps);
        const bool parent_exists = is_directory(twin, parent_of(path));
        bool wanted = false;
        bool got = false;
        switch (kind % (is_wild ? 8 : 6)) {
            case 0:
                got = place && tree.create_directory(*place, 2) == Errno::success;
                wanted = parent_exists && !twin.contains(path);
                if (wanted) twin[path] = std::nullopt;
                break;
            case 1:
                got = place && tree.create_file(*place, 2).has_value();
                wanted = parent_exists && !twin.contains(path);
                if (wanted) twin[path] = "";
                break;
            case 2: {
                const std::uint64_t offset = input.byte() % 8;
                const std::uint8_t value = input.byte();
                if (place && place->node != 0 &&
                    tree.node(place->node).type == wasi::FileType::regular_file) {
                    got = tree.write(place->node, offset, {&value, 1}, 2) == Errno::success;
                }
                wanted = twin.contains(path) && twin[path].has_value();
                if (wanted) {
                    std::string& content = *twin[path];
                    content.resize(std::max<std::size_t>(content.size(), offset + 1));
                    content[offset] = static_cast<char>(value);
                }
                break;
            }
            case 3:
                got = place && tree.unlink_file(*place, 2) == Errno::success;
                wanted = twin.contains(path) && twin[path].has_value();
                if (wanted) twin.erase(path);
                break;
            case 4:
                got = place && tree.remove_directory(*place, 2) == Errno::success;
                wanted = twin.contains(path) && !twin[path] && !has_children(twin, path);
                if (wanted) twin.erase(path);
                break;
            case 5: {
                const std::string other = input.path(is_wild);
                const auto target = tree.resolve(wasi::FileTree::root, other, lookup, steps);
                got = place && target && tree.rename(*place, *target, 2) == Errno::success;
                if (!is_wild) wanted = twin_rename(twin, path, other);
                break;
            }
            case 6:
                if (place) (void)tree.create_symlink(input.path(true), *place, 2);
                break;
            case 7: {
                const auto target = tree.resolve(wasi::FileTree::root, input.path(true), {}, steps);
                if (place && target && target->parent != 0) (void)tree.link(*place, *target, 2);
                break;
            }
            default:
                break;
        }
        if (!is_wild && tree.limit_hit() == wasi::LimitHit::none) MILLRACE_ASSERT(got == wanted);
    }
    if (tree.limit_hit() != wasi::LimitHit::none) return 0;
    const auto changes = tree.take_changes();
    MILLRACE_ASSERT(std::ranges::is_sorted(changes, {}, &wasi::FileTree::Change::path));
    if (is_wild) return 0;
    if (twin.contains("a/b") && twin["a/b"] == "xy") {
        twin.erase("a/b");
    } else if (!twin.contains("a/b") || !twin["a/b"]) {
        MILLRACE_ASSERT(std::ranges::any_of(changes, [](const auto& change) {
            return change.path == "a/b" && change.content == nullptr;
        }));
    }
    std::size_t files = 0;
    for (const auto& change : changes) {
        if (!change.content) continue;
        ++files;
        MILLRACE_ASSERT(twin.contains(change.path));
        MILLRACE_ASSERT(twin[change.path] == as_text(*change.content));
    }
    const auto is_file = [](const auto& entry) { return entry.second.has_value(); };
    MILLRACE_ASSERT(std::ranges::count_if(twin, is_file) == static_cast<std::ptrdiff_t>(files));
    return 0;
}
