// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/state_check.hpp"

namespace millrace::wasi {
namespace {

struct Seen {
    std::uint64_t links = 0;
    std::uint64_t opens = 0;
    bool is_reached = false;
};

bool is_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.size() <= name_size_max &&
           name.find('/') == std::string_view::npos && is_path_text(name);
}

bool is_possible_transfer(const StateView& state) {
    std::uint64_t room = 0;
    for (const Piece piece : state.transfer.pieces)
        room += piece.size;
    std::uint64_t end = 0;
    return state.transfer.size <= room &&
           !__builtin_add_overflow(state.transfer.position, state.transfer.size, &end);
}

}  // namespace

bool is_possible(const StateView& state) {
    const auto root = state.nodes.find(FileTree::root);
    if (root == state.nodes.end() || root->second.type != FileType::directory) return false;
    std::unordered_map<Inode, Seen> seen;
    seen[FileTree::root].links = 1;
    std::uint64_t names = 0;
    std::uint64_t own = 0;
    for (const auto& [inode, node] : state.nodes) {
        own += node.own.size();
        if (node.type == FileType::symbolic_link &&
            (node.target.empty() || !is_path_text(node.target)))
            return false;
        // A directory that lost its name is empty, and its parent may be gone.
        const bool is_lost = node.type == FileType::directory && node.links == 0;
        if (is_lost && !node.entries.empty()) return false;
        for (const auto& [name, entry] : node.entries) {
            const auto child = state.nodes.find(entry.inode);
            const bool is_good = is_name(name) && child != state.nodes.end() &&
                                 entry.inode != FileTree::root && entry.cookie >= cookie_first &&
                                 entry.cookie < node.cookie_next;
            if (!is_good) return false;
            if (child->second.type == FileType::directory && child->second.parent != inode)
                return false;
            seen[entry.inode].links += 1;
            ++names;
        }
    }
    for (const auto& open : state.descriptors) {
        if (!open || open->stream != Stream::none) continue;
        const auto held = state.nodes.find(open->inode);
        if (held == state.nodes.end() || held->second.type == FileType::symbolic_link) return false;
        seen[open->inode].opens += 1;
    }
    // Directories below the root, each reached once because each has one parent.
    std::vector<Inode> rest{FileTree::root};
    while (!rest.empty()) {
        const Inode inode = rest.back();
        rest.pop_back();
        Seen& reached = seen[inode];
        if (reached.is_reached) return false;
        reached.is_reached = true;
        for (const auto& [name, entry] : state.nodes.at(inode).entries) {
            if (state.nodes.at(entry.inode).type == FileType::directory)
                rest.push_back(entry.inode);
        }
    }
    for (const auto& [inode, node] : state.nodes) {
        const Seen& counted = seen[inode];
        if (node.links != counted.links || node.opens != counted.opens) return false;
        if (node.links == 0 && node.opens == 0) return false;
        const bool is_linked_directory = node.type == FileType::directory && node.links > 0;
        if (is_linked_directory && (node.links != 1 || !counted.is_reached)) return false;
    }
    return root->second.parent == FileTree::root && names == state.names &&
           state.stream_bytes >= state.stream_sizes &&
           // A transfer under way has paid for all that it will write.
           state.stream_bytes - state.stream_sizes <= state.transfer.size &&
           own <= state.limits.output_bytes && state.output_bytes == own + state.stream_bytes &&
           state.output_bytes <= state.limits.output_bytes &&
           state.last_inode <= std::uint64_t{1} << 48U && is_possible_transfer(state);
}

}  // namespace millrace::wasi
