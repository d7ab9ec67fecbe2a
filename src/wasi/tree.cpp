// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/tree.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "wasm/watch.hpp"

namespace millrace::wasi {

FileTree::FileTree(TreeLimits limits, std::uint64_t now_ns) : limits_{limits}, start_ns_{now_ns} {
    const Inode made = add_node(FileType::directory, now_ns);
    MILLRACE_ASSERT(made == root);
    mutable_node(root).links = 1;
    mutable_node(root).parent = root;
}

const Node& FileTree::node(Inode inode) const {
    const auto found = nodes_.find(inode);
    MILLRACE_ASSERT(found != nodes_.end());
    return found->second;
}

Node& FileTree::mutable_node(Inode inode) {
    const auto found = nodes_.find(inode);
    MILLRACE_ASSERT(found != nodes_.end());
    return found->second;
}

Inode FileTree::add_node(FileType type, std::uint64_t now_ns) {
    Node made;
    made.type = type;
    made.accessed_ns = made.modified_ns = made.changed_ns = now_ns;
    nodes_.emplace(++last_inode_, std::move(made));
    return last_inode_;
}

// ---------------------------------------------------------------------------------------- inputs

Result<Inode, Errno> FileTree::input_parent(std::string_view path, std::string_view& name) {
    if (path.empty() || path.size() > path_argument_size_max || !is_path_text(path)) {
        return Err{Errno::inval};
    }
    Inode current = root;
    for (;;) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (part.empty() || part == "." || part == ".." || part.size() > name_size_max) {
            return Err{Errno::inval};
        }
        if (slash == std::string_view::npos) {
            name = part;
            return current;
        }
        const auto& entries = node(current).entries;
        const auto found = entries.find(part);
        if (found == entries.end()) {
            if (!has_room_for_node()) return Err{Errno::nospc};
            const Inode made = add_node(FileType::directory, start_ns_);
            attach(Place{current, std::string{part}, 0, false}, made, start_ns_);
            current = made;
        } else {
            current = found->second.inode;
            if (!is_directory(current)) return Err{Errno::notdir};
        }
        path.remove_prefix(slash + 1);
    }
}

bool FileTree::add_input(std::string_view path, SharedBytes content) {
    MILLRACE_ASSERT(content != nullptr);
    std::string_view name;
    const auto parent = input_parent(path, name);
    if (!parent || node(*parent).entries.contains(name) || !has_room_for_node()) return false;
    const Inode made = add_node(FileType::regular_file, start_ns_);
    mutable_node(made).shared = content;
    attach(Place{*parent, std::string{name}, 0, false}, made, start_ns_);
    inputs_.emplace(std::string{path}, std::move(content));
    return true;
}

bool FileTree::add_input_directory(std::string_view path) {
    std::string_view name;
    const auto parent = input_parent(path, name);
    if (!parent) return false;
    const auto found = node(*parent).entries.find(name);
    if (found != node(*parent).entries.end()) return is_directory(found->second.inode);
    if (!has_room_for_node()) return false;
    attach(Place{*parent, std::string{name}, 0, false}, add_node(FileType::directory, start_ns_),
           start_ns_);
    return true;
}

// ----------------------------------------------------------------------------------------- names

bool FileTree::has_room_for_node() {
    if (nodes_.size() < limits_.nodes && names_ < limits_.nodes) return true;
    limit_hit_ = LimitHit::files;
    return false;
}

/// Common to everything that makes a new name. A directory that lost its own name takes none.
Errno FileTree::check_new_name(const Place& place) const {
    if (place.node != 0) return Errno::exist;
    MILLRACE_ASSERT(place.parent != 0);
    return node(place.parent).links == 0 ? Errno::noent : Errno::success;
}

void FileTree::attach(const Place& place, Inode inode, std::uint64_t now_ns) {
    Node& parent = mutable_node(place.parent);
    const std::uint64_t cookie = parent.cookie_next++;
    const auto [entry, is_new] = parent.entries.emplace(place.name, DirectoryEntry{inode, cookie});
    MILLRACE_ASSERT(is_new);
    parent.listing.emplace(cookie, entry);
    names_ += 1;
    parent.modified_ns = parent.changed_ns = now_ns;
    Node& child = mutable_node(inode);
    child.links += 1;
    child.changed_ns = now_ns;
    if (child.type == FileType::directory) child.parent = place.parent;
}

void FileTree::detach(const Place& place, std::uint64_t now_ns) {
    Node& parent = mutable_node(place.parent);
    const auto entry = parent.entries.find(place.name);
    MILLRACE_ASSERT(entry != parent.entries.end());
    parent.listing.erase(entry->second.cookie);
    parent.entries.erase(entry);
    names_ -= 1;
    parent.modified_ns = parent.changed_ns = now_ns;
    Node& child = mutable_node(place.node);
    MILLRACE_ASSERT(child.links > 0);
    child.links -= 1;
    child.changed_ns = now_ns;
    release_if_unused(place.node);
}

void FileTree::release_if_unused(Inode inode) {
    const auto found = nodes_.find(inode);
    MILLRACE_ASSERT(found != nodes_.end());
    if (found->second.links != 0 || found->second.opens != 0) return;
    output_bytes_ -= found->second.own.size();
    nodes_.erase(found);
}

void FileTree::open(Inode inode) {
    mutable_node(inode).opens += 1;
}

void FileTree::close(Inode inode) {
    Node& held = mutable_node(inode);
    MILLRACE_ASSERT(held.opens > 0);
    held.opens -= 1;
    release_if_unused(inode);
}

Result<Inode, Errno> FileTree::create_file(const Place& place, std::uint64_t now_ns) {
    if (const Errno error = check_new_name(place); error != Errno::success) return Err{error};
    if (place.wants_directory) return Err{Errno::isdir};
    if (!has_room_for_node()) return Err{Errno::nospc};
    const Inode made = add_node(FileType::regular_file, now_ns);
    attach(place, made, now_ns);
    return made;
}

Errno FileTree::create_directory(const Place& place, std::uint64_t now_ns) {
    if (const Errno error = check_new_name(place); error != Errno::success) return error;
    if (!has_room_for_node()) return Errno::nospc;
    attach(place, add_node(FileType::directory, now_ns), now_ns);
    return Errno::success;
}

Errno FileTree::create_symlink(std::string_view target, const Place& place, std::uint64_t now_ns) {
    if (target.empty()) return Errno::noent;
    if (target.size() > path_argument_size_max) return Errno::nametoolong;
    if (!is_path_text(target)) return Errno::ilseq;
    if (target.front() == '/') return Errno::perm;
    if (const Errno error = check_new_name(place); error != Errno::success) return error;
    if (place.wants_directory) return Errno::noent;
    if (!has_room_for_node()) return Errno::nospc;
    const Inode made = add_node(FileType::symbolic_link, now_ns);
    mutable_node(made).target = target;
    attach(place, made, now_ns);
    return Errno::success;
}

Errno FileTree::link(const Place& source, const Place& target, std::uint64_t now_ns) {
    if (source.node == 0) return Errno::noent;
    if (is_directory(source.node)) return Errno::perm;
    if (source.wants_directory) return Errno::notdir;
    if (const Errno error = check_new_name(target); error != Errno::success) return error;
    if (target.wants_directory) return Errno::noent;
    if (!has_room_for_node()) return Errno::nospc;
    attach(target, source.node, now_ns);
    return Errno::success;
}

bool FileTree::is_below(Inode inode, Inode ancestor) const {
    for (Inode current = inode;; current = node(current).parent) {
        if (current == ancestor) return true;
        if (current == root || node(current).links == 0) return false;
    }
}

std::uint64_t FileTree::depth(Inode inode) const {
    std::uint64_t steps = 0;
    for (Inode current = inode; current != root && node(current).links != 0; ++steps) {
        current = node(current).parent;
    }
    return steps;
}

Errno FileTree::rename(const Place& source, const Place& target, std::uint64_t now_ns) {
    if (source.node == 0) return Errno::noent;
    if (source.parent == 0 || target.parent == 0) return Errno::busy;
    const bool is_moved_directory = is_directory(source.node);
    if (!is_moved_directory && (source.wants_directory || target.wants_directory)) {
        return Errno::notdir;
    }
    if (node(target.parent).links == 0) return Errno::noent;
    if (is_moved_directory && is_below(target.parent, source.node)) return Errno::inval;
    if (target.node == source.node) return Errno::success;
    if (target.node != 0) {
        const Node& replaced = node(target.node);
        const bool is_replaced_directory = replaced.type == FileType::directory;
        if (is_moved_directory && !is_replaced_directory) return Errno::notdir;
        if (!is_moved_directory && is_replaced_directory) return Errno::isdir;
        if (is_replaced_directory && !replaced.entries.empty()) return Errno::notempty;
        detach(target, now_ns);
    }
    attach(target, source.node, now_ns);
    detach(source, now_ns);
    return Errno::success;
}

Errno FileTree::unlink_file(const Place& place, std::uint64_t now_ns) {
    if (place.node == 0) return Errno::noent;
    if (is_directory(place.node)) return Errno::isdir;
    if (place.wants_directory) return Errno::notdir;
    detach(place, now_ns);
    return Errno::success;
}

Errno FileTree::remove_directory(const Place& place, std::uint64_t now_ns) {
    if (place.node == 0) return Errno::noent;
    if (!is_directory(place.node)) return Errno::notdir;
    if (place.parent == 0) return Errno::inval;
    if (!node(place.node).entries.empty()) return Errno::notempty;
    detach(place, now_ns);
    return Errno::success;
}

// --------------------------------------------------------------------------------------- content

bool FileTree::charge_output(std::uint64_t bytes) {
    if (bytes > limits_.output_bytes - output_bytes_) {
        limit_hit_ = LimitHit::output;
        return false;
    }
    output_bytes_ += bytes;
    return true;
}

bool FileTree::charge_stream(std::uint64_t bytes) {
    if (!charge_output(bytes)) return false;
    stream_bytes_ += bytes;
    return true;
}

bool FileTree::charge_growth(std::uint64_t from, std::uint64_t to) {
    if (to > from) return charge_output(to - from);
    output_bytes_ -= from - to;
    return true;
}

/// Copies the first `keep` bytes of an input so that it can change.
bool FileTree::make_own(Node& changed, std::uint64_t keep) {
    if (!changed.shared) return true;
    keep = std::min<std::uint64_t>(keep, changed.shared->size());
    if (!charge_output(keep)) return false;
    const ByteView kept = ByteView{*changed.shared}.first(static_cast<std::size_t>(keep));
    changed.own.assign(kept.begin(), kept.end());
    changed.shared.reset();
    return true;
}

std::uint64_t FileTree::hidden_work(Inode inode, std::uint64_t end) const {
    const Node& file = node(inode);
    const std::uint64_t copied = file.shared ? std::min<std::uint64_t>(file.size(), end) : 0;
    return copied + (end > file.size() ? end - file.size() : 0);
}

bool FileTree::touch(Content key, ByteView content, std::uint64_t offset, std::uint64_t length) {
    return watch_ == nullptr ||
           watch_->touch_content(static_cast<std::uint64_t>(key), content, offset, length);
}

void FileTree::refuse() noexcept {
    if (watch_ != nullptr) watch_->refuse();
}

void FileTree::note_change(Node& node, std::uint64_t offset, std::uint64_t length) {
    if (!notes_changes_ || length == 0) return;
    const std::uint64_t last = (offset + length - 1) / wasm::state_page_size;
    for (std::uint64_t page = offset / wasm::state_page_size; page <= last; ++page) {
        if (node.changed.empty() || node.changed.back() != page)
            node.changed.push_back(static_cast<std::uint32_t>(page));
    }
}

Errno FileTree::resize(Inode inode, std::uint64_t size, std::uint64_t now_ns) {
    Node& file = mutable_node(inode);
    MILLRACE_ASSERT(file.type == FileType::regular_file);
    if (const std::uint64_t before = file.size(); size < before) {
        // The last page that stays ties the rest, which become zero, to what they were.
        if (size > 0 && !touch(content_of(inode), file.content(), size - 1, 1)) return Errno::io;
        note_change(file, size, before - size);
        file.pages_kept =
            std::min(file.pages_kept, (size + wasm::state_page_size - 1) / wasm::state_page_size);
    }
    if (!make_own(file, size)) return Errno::nospc;
    if (!charge_growth(file.own.size(), size)) return Errno::nospc;
    file.own.resize(static_cast<std::size_t>(size));
    file.modified_ns = file.changed_ns = now_ns;
    return Errno::success;
}

Errno FileTree::make_room(Inode inode, std::uint64_t offset, std::uint64_t size,
                          std::uint64_t now_ns) {
    Node& file = mutable_node(inode);
    MILLRACE_ASSERT(file.type == FileType::regular_file);
    if (size == 0) return Errno::success;
    std::uint64_t end = 0;
    if (__builtin_add_overflow(offset, size, &end)) return Errno::fbig;
    if (!make_own(file, file.size())) return Errno::nospc;
    if (end > file.own.size()) {
        if (!charge_growth(file.own.size(), end)) return Errno::nospc;
        file.own.resize(static_cast<std::size_t>(end));
    }
    file.modified_ns = file.changed_ns = now_ns;
    return Errno::success;
}

Errno FileTree::write(Inode inode, std::uint64_t offset, ByteView source, std::uint64_t now_ns) {
    const Errno error = make_room(inode, offset, source.size(), now_ns);
    if (error != Errno::success || source.empty()) return error;
    Node& file = mutable_node(inode);
    if (!touch(content_of(inode), file.own, offset, source.size())) return Errno::io;
    std::ranges::copy(source, file.own.begin() + static_cast<std::ptrdiff_t>(offset));
    note_change(file, offset, source.size());
    return Errno::success;
}

void FileTree::set_times(Inode inode, std::uint64_t accessed_ns, std::uint64_t modified_ns,
                         std::uint64_t now_ns) {
    Node& touched = mutable_node(inode);
    touched.accessed_ns = accessed_ns;
    touched.modified_ns = modified_ns;
    touched.changed_ns = now_ns;
}

// ---------------------------------------------------------------------------------------- output

std::vector<FileTree::Change> FileTree::take_changes() {
    std::map<std::string, SharedBytes, std::less<>> present;
    std::unordered_map<Inode, SharedBytes> contents;  // hard links share one copy
    std::vector<std::pair<Inode, std::string>> directories{{root, ""}};
    while (!directories.empty()) {
        const auto [inode, prefix] = std::move(directories.back());
        directories.pop_back();
        for (const auto& [name, named] : node(inode).entries) {
            const Inode child = named.inode;
            if (prefix.size() + name.size() > limits_.path_size) {
                limit_hit_ = LimitHit::files;
                return {};
            }
            Node& entry = mutable_node(child);
            if (entry.type == FileType::directory) {
                directories.emplace_back(child, prefix + name + "/");
            } else if (entry.type == FileType::regular_file) {
                SharedBytes& content = contents[child];
                if (!content) {
                    content = entry.shared ? entry.shared
                                           : std::make_shared<const Bytes>(std::move(entry.own));
                }
                present.emplace(prefix + name, content);
            }
        }
    }
    std::vector<Change> changes;
    std::uint64_t delivered = stream_bytes_;  // at most 65,536 names of 2^32 bytes: no overflow
    for (const auto& [path, content] : inputs_) {
        if (!present.contains(path)) changes.push_back({path, nullptr});
    }
    for (const auto& [path, content] : present) {
        const auto input = inputs_.find(path);
        const bool is_same =
            input != inputs_.end() && (input->second == content || *input->second == *content);
        if (is_same) continue;
        delivered += content->size();
        changes.push_back({path, content});
    }
    if (delivered > limits_.output_bytes) limit_hit_ = LimitHit::output;
    if (changes.size() > limits_.changes) limit_hit_ = LimitHit::files;
    std::ranges::sort(changes, {}, &Change::path);
    return changes;
}

}  // namespace millrace::wasi
