// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Functions that take paths. Each resolves first and changes after, so that a refusal leaves the
// tree as it was.

#include <algorithm>

#include "wasi/context.hpp"

namespace millrace::wasi {
namespace {

/// For functions that make or remove a name: "link/" is not the directory the link points at.
constexpr Lookup name_itself{.follow = false, .slash_follows = false};

Lookup lookup_of(std::uint32_t flags) {
    return {.follow = (flags & lookupflag::symlink_follow) != 0, .slash_follows = true};
}

Errno check_exists(const FileTree& tree, const Place& place) {
    if (place.node == 0) return Errno::noent;
    if (place.wants_directory && !tree.is_directory(place.node)) return Errno::notdir;
    return Errno::success;
}

}  // namespace

/// Resolves the path at argument `path_index` below directory `number`; errno order: badf, notdir,
/// notcapable, fault, then the path's own.
Errno Context::resolve_at(Call& call, std::uint32_t number, std::size_t path_index, Rights needed,
                          Lookup lookup, Place& place) {
    const Descriptor* directory = find(number);
    if (directory == nullptr) return Errno::badf;
    if (directory->stream != Stream::none || !tree_.is_directory(directory->inode)) {
        return Errno::notdir;
    }
    if ((directory->base & needed) != needed) return Errno::notcapable;
    const auto path = call.path(path_index);
    if (!path) return Errno::fault;
    std::uint64_t steps = 0;
    auto found = tree_.resolve(directory->inode, *path, lookup, steps);
    if (!call.charge(path->size() / 16 + steps * 8)) return Errno::io;
    if (!found) return found.error();
    place = std::move(*found);
    return Errno::success;
}

Errno Context::path_create_directory(Call& call) {
    Place place;
    const Errno error =
        resolve_at(call, call.u32(0), 1, right::path_create_directory, name_itself, place);
    if (error != Errno::success) return error;
    return tree_.create_directory(place, realtime_ns(call));
}

Errno Context::path_filestat_get(Call& call) {
    Place place;
    Errno error =
        resolve_at(call, call.u32(0), 2, right::path_filestat_get, lookup_of(call.u32(1)), place);
    if (error == Errno::success) error = check_exists(tree_, place);
    if (error != Errno::success) return error;
    return write_filestat(call, call.u32(4), nullptr, place.node);
}

Errno Context::path_filestat_set_times(Call& call) {
    Place place;
    Errno error = resolve_at(call, call.u32(0), 2, right::path_filestat_set_times,
                             lookup_of(call.u32(1)), place);
    if (error == Errno::success) error = check_exists(tree_, place);
    if (error != Errno::success) return error;
    return set_times(call, place.node, call.u64(4), call.u64(5), call.u16(6));
}

Errno Context::path_link(Call& call) {
    if ((call.u32(1) & lookupflag::symlink_follow) != 0) return Errno::inval;
    Place source;
    Place target;
    Errno error = resolve_at(call, call.u32(0), 2, right::path_link_source, name_itself, source);
    if (error != Errno::success) return error;
    error = resolve_at(call, call.u32(4), 5, right::path_link_target, name_itself, target);
    if (error != Errno::success) return error;
    return tree_.link(source, target, realtime_ns(call));
}

Errno Context::path_open(Call& call) {
    const std::uint16_t oflags = call.u16(4);
    const Rights base = call.u64(5);
    const Rights inheriting = call.u64(6);
    const std::uint16_t flags = call.u16(7);
    const bool creates = (oflags & oflag::creat) != 0;
    const bool is_exclusive = creates && (oflags & oflag::excl) != 0;
    const bool truncates = (oflags & oflag::trunc) != 0;
    const bool wants_directory = (oflags & oflag::directory) != 0;

    Rights needed = right::path_open;
    if (creates) needed |= right::path_create_file;
    if (truncates) needed |= right::path_filestat_set_size;
    Lookup lookup = lookup_of(call.u32(1));
    if (is_exclusive) lookup = name_itself;
    Place place;
    const Errno error = resolve_at(call, call.u32(0), 2, needed, lookup, place);
    if (error != Errno::success) return error;
    if (oflags > oflag::all || flags > fdflag::all) return Errno::inval;
    if (wants_directory && (creates || truncates)) return Errno::inval;
    if (!call.memory().contains(call.u32(8), 4)) return Errno::fault;
    const Rights allowed = find(call.u32(0))->inheriting;
    if (((base | inheriting) & ~allowed) != 0) return Errno::notcapable;

    Descriptor made;
    made.flags = flags;
    made.base = base;
    made.inheriting = inheriting;
    made.inode = place.node;
    if (!free_descriptor()) return Errno::mfile;
    if (place.node == 0) {
        if (!creates) return Errno::noent;
        const auto created = tree_.create_file(place, realtime_ns(call));
        if (!created) return created.error();
        made.inode = *created;
    } else if (is_exclusive) {
        return Errno::exist;
    }
    switch (tree_.node(made.inode).type) {
        case FileType::directory:
            if (truncates || creates || (base & right::fd_write) != 0) return Errno::isdir;
            made.base &= right::of_directory;
            break;
        case FileType::symbolic_link:
            return wants_directory || place.wants_directory ? Errno::notdir : Errno::loop;
        case FileType::regular_file:
        case FileType::unknown:
            if (wants_directory || place.wants_directory) return Errno::notdir;
            made.base &= right::of_regular_file;
            if (truncates) {
                const Errno resized = tree_.resize(made.inode, 0, realtime_ns(call));
                if (resized != Errno::success) return resized;
            }
            break;
    }
    tree_.open(made.inode);
    (void)call.memory().write_u32(call.u32(8), add_descriptor(made));
    return Errno::success;
}

Errno Context::path_readlink(Call& call) {
    Place place;
    Errno error = resolve_at(call, call.u32(0), 1, right::path_readlink, lookup_of(0), place);
    if (error == Errno::success) error = check_exists(tree_, place);
    if (error != Errno::success) return error;
    const Node& link = tree_.node(place.node);
    if (link.type != FileType::symbolic_link) return Errno::inval;
    const std::size_t size = std::min<std::size_t>(link.target.size(), call.u32(4));
    if (!call.charge(size / 16)) return Errno::io;
    wasm::Memory& memory = call.memory();
    if (!memory.range(call.u32(3), size) || !memory.range(call.u32(5), 4)) return Errno::fault;
    (void)memory.write(call.u32(3), as_bytes(std::string_view{link.target}.substr(0, size)));
    (void)memory.write_u32(call.u32(5), static_cast<std::uint32_t>(size));
    return Errno::success;
}

Errno Context::path_remove_directory(Call& call) {
    Place place;
    const Errno error =
        resolve_at(call, call.u32(0), 1, right::path_remove_directory, name_itself, place);
    if (error != Errno::success) return error;
    return tree_.remove_directory(place, realtime_ns(call));
}

Errno Context::path_rename(Call& call) {
    Place source;
    Place target;
    Errno error = resolve_at(call, call.u32(0), 1, right::path_rename_source, name_itself, source);
    if (error != Errno::success) return error;
    error = resolve_at(call, call.u32(3), 4, right::path_rename_target, name_itself, target);
    if (error != Errno::success) return error;
    if (target.parent != 0 && !call.charge(tree_.depth(target.parent))) return Errno::io;
    return tree_.rename(source, target, realtime_ns(call));
}

Errno Context::path_symlink(Call& call) {
    Place place;
    const Errno error = resolve_at(call, call.u32(2), 3, right::path_symlink, name_itself, place);
    if (error != Errno::success) return error;
    const auto target = call.path(0);
    if (!target) return Errno::fault;
    if (!call.charge(target->size() / 16)) return Errno::io;
    return tree_.create_symlink(*target, place, realtime_ns(call));
}

Errno Context::path_unlink_file(Call& call) {
    Place place;
    const Errno error =
        resolve_at(call, call.u32(0), 1, right::path_unlink_file, name_itself, place);
    if (error != Errno::success) return error;
    return tree_.unlink_file(place, realtime_ns(call));
}

}  // namespace millrace::wasi
