// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Descriptors: what they are, their rights and attributes.

#include <algorithm>

#include "base/assert.hpp"
#include "wasi/context.hpp"

namespace millrace::wasi {

Descriptor* Context::find(std::uint32_t number) {
    if (number >= descriptors_.size() || !descriptors_[number]) return nullptr;
    return &*descriptors_[number];
}

std::optional<std::uint32_t> Context::free_descriptor() const {
    for (std::uint32_t number = root_descriptor; number < descriptors_max; ++number) {
        if (number >= descriptors_.size() || !descriptors_[number]) return number;
    }
    return std::nullopt;
}

std::uint32_t Context::add_descriptor(Descriptor made) {
    const auto number = free_descriptor();
    MILLRACE_ASSERT(number.has_value());
    if (*number >= descriptors_.size()) descriptors_.resize(*number + std::size_t{1});
    descriptors_[*number] = made;
    return *number;
}

void Context::release(Descriptor& closed) {
    if (closed.stream == Stream::none) tree_.close(closed.inode);
}

/// A directory, too, is no file to read or seek in: badf, as for a missing descriptor.
Errno Context::check_file(std::uint32_t number, Rights needed, Descriptor*& found) {
    found = find(number);
    if (found == nullptr) return Errno::badf;
    if (found->stream == Stream::none && tree_.is_directory(found->inode)) return Errno::badf;
    if ((found->base & needed) != needed) {
        if (found->stream == Stream::none) return Errno::notcapable;
        return (needed & (right::fd_read | right::fd_write)) != 0 ? Errno::badf : Errno::spipe;
    }
    return Errno::success;
}

Errno Context::fd_advise(Call& call) {
    Descriptor* file = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_advise, file);
    if (error != Errno::success) return error;
    std::uint64_t end = 0;
    if (__builtin_add_overflow(call.u64(1), call.u64(2), &end)) return Errno::inval;
    return call.u32(3) > 5 ? Errno::inval : Errno::success;
}

Errno Context::fd_allocate(Call& call) {
    Descriptor* file = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_allocate, file);
    if (error != Errno::success) return error;
    std::uint64_t end = 0;
    if (call.u64(2) == 0) return Errno::inval;
    if (__builtin_add_overflow(call.u64(1), call.u64(2), &end)) return Errno::fbig;
    if (end <= tree_.node(file->inode).size()) return Errno::success;
    if (!call.charge(tree_.hidden_work(file->inode, end) / 16)) return Errno::io;
    return tree_.resize(file->inode, end, realtime_ns(call));
}

Errno Context::fd_close(Call& call) {
    Descriptor* closed = find(call.u32(0));
    if (closed == nullptr) return Errno::badf;
    release(*closed);
    descriptors_[call.u32(0)].reset();
    return Errno::success;
}

Errno Context::fd_datasync(Call& call) {
    return fd_sync(call);
}
/// There is nothing below the tree that could be behind.
Errno Context::fd_sync(Call& call) {
    return find(call.u32(0)) == nullptr ? Errno::badf : Errno::success;
}

Errno Context::fd_fdstat_get(Call& call) {
    const Descriptor* open = find(call.u32(0));
    if (open == nullptr) return Errno::badf;
    wasm::Memory& memory = call.memory();
    const std::uint32_t at = call.u32(1);
    const auto out = memory.range(at, fdstat_size);
    if (!out) return Errno::fault;
    std::ranges::fill(*out, std::uint8_t{0});
    const FileType type =
        open->stream == Stream::none ? tree_.node(open->inode).type : FileType::unknown;
    (void)memory.write_u8(at, static_cast<std::uint8_t>(type));
    (void)memory.write_u16(at + std::uint64_t{2}, open->flags);
    (void)memory.write_u64(at + std::uint64_t{8}, open->base);
    (void)memory.write_u64(at + std::uint64_t{16}, open->inheriting);
    return Errno::success;
}

Errno Context::fd_fdstat_set_flags(Call& call) {
    Descriptor* open = find(call.u32(0));
    if (open == nullptr) return Errno::badf;
    if ((open->base & right::fd_fdstat_set_flags) == 0) return Errno::notcapable;
    const std::uint32_t flags = call.u32(1);
    if ((flags & ~std::uint32_t{fdflag::append | fdflag::nonblock}) != 0) return Errno::inval;
    open->flags = static_cast<std::uint16_t>(flags);
    return Errno::success;
}

/// Rights can be given up, never gained.
Errno Context::fd_fdstat_set_rights(Call& call) {
    Descriptor* open = find(call.u32(0));
    if (open == nullptr) return Errno::badf;
    const bool gains = (call.u64(1) & ~open->base) != 0 || (call.u64(2) & ~open->inheriting) != 0;
    if (gains) return Errno::notcapable;
    open->base = call.u64(1);
    open->inheriting = call.u64(2);
    return Errno::success;
}

Errno Context::write_filestat(Call& call, std::uint32_t pointer, const Descriptor* stream,
                              Inode inode) {
    wasm::Memory& memory = call.memory();
    const std::uint64_t at = pointer;
    const auto out = memory.range(at, filestat_size);
    if (!out) return Errno::fault;
    std::ranges::fill(*out, std::uint8_t{0});
    if (stream != nullptr) {
        (void)memory.write_u64(at, 2);  // another device than the tree's
        (void)memory.write_u64(at + 8, static_cast<std::uint64_t>(stream->stream));
        (void)memory.write_u8(at + 16, static_cast<std::uint8_t>(FileType::unknown));
        (void)memory.write_u64(at + 24, 1);
        for (const unsigned offset : {40u, 48u, 56u})
            (void)memory.write_u64(at + offset, epoch_ns);
        return Errno::success;
    }
    const Node& node = tree_.node(inode);
    (void)memory.write_u64(at, 1);
    (void)memory.write_u64(at + 8, inode);
    (void)memory.write_u8(at + 16, static_cast<std::uint8_t>(node.type));
    (void)memory.write_u64(at + 24, node.links);
    (void)memory.write_u64(at + 32, node.size());
    (void)memory.write_u64(at + 40, node.accessed_ns);
    (void)memory.write_u64(at + 48, node.modified_ns);
    (void)memory.write_u64(at + 56, node.changed_ns);
    return Errno::success;
}

Errno Context::fd_filestat_get(Call& call) {
    const Descriptor* open = find(call.u32(0));
    if (open == nullptr) return Errno::badf;
    if ((open->base & right::fd_filestat_get) == 0) return Errno::notcapable;
    return write_filestat(call, call.u32(1), open->stream == Stream::none ? nullptr : open,
                          open->inode);
}

Errno Context::fd_filestat_set_size(Call& call) {
    Descriptor* file = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_filestat_set_size, file);
    if (error != Errno::success) return error == Errno::spipe ? Errno::inval : error;
    const std::uint64_t size = call.u64(1);
    if (size >> 63 != 0) return Errno::inval;
    if (!call.charge(tree_.hidden_work(file->inode, size) / 16)) return Errno::io;
    return tree_.resize(file->inode, size, realtime_ns(call));
}

Errno Context::set_times(Call& call, Inode inode, std::uint64_t accessed, std::uint64_t modified,
                         std::uint16_t flags) {
    const bool both_accessed = (flags & fstflag::atim) != 0 && (flags & fstflag::atim_now) != 0;
    const bool both_modified = (flags & fstflag::mtim) != 0 && (flags & fstflag::mtim_now) != 0;
    if (both_accessed || both_modified || flags > fstflag::all) return Errno::inval;
    const Node& node = tree_.node(inode);
    const std::uint64_t now = realtime_ns(call);
    if ((flags & fstflag::atim) == 0) accessed = node.accessed_ns;
    if ((flags & fstflag::atim_now) != 0) accessed = now;
    if ((flags & fstflag::mtim) == 0) modified = node.modified_ns;
    if ((flags & fstflag::mtim_now) != 0) modified = now;
    tree_.set_times(inode, accessed, modified, now);
    return Errno::success;
}

Errno Context::fd_filestat_set_times(Call& call) {
    const Descriptor* open = find(call.u32(0));
    if (open == nullptr) return Errno::badf;
    if ((open->base & right::fd_filestat_set_times) == 0) return Errno::notcapable;
    if (open->stream != Stream::none) return Errno::inval;
    return set_times(call, open->inode, call.u64(1), call.u64(2), call.u16(3));
}

Errno Context::fd_prestat_get(Call& call) {
    const Descriptor* open = find(call.u32(0));
    if (open == nullptr || !open->is_preopened) return Errno::badf;
    const auto out = call.memory().range(call.u32(1), 8);
    if (!out) return Errno::fault;
    std::ranges::fill(*out, std::uint8_t{0});
    (void)call.memory().write_u32(call.u32(1) + std::uint64_t{4}, 1);  // tag 0: a directory, "/"
    return Errno::success;
}

Errno Context::fd_prestat_dir_name(Call& call) {
    const Descriptor* open = find(call.u32(0));
    if (open == nullptr || !open->is_preopened) return Errno::badf;
    if (call.u32(2) < 1) return Errno::nametoolong;
    return call.memory().write_u8(call.u32(1), '/') ? Errno::success : Errno::fault;
}

Errno Context::fd_renumber(Call& call) {
    Descriptor* from = find(call.u32(0));
    Descriptor* to = find(call.u32(1));
    if (from == nullptr || to == nullptr) return Errno::badf;
    if (from == to) return Errno::success;
    release(*to);
    *to = *from;
    descriptors_[call.u32(0)].reset();
    return Errno::success;
}

// Sockets: there are none.

Errno Context::sock_accept(Call& call) {
    return find(call.u32(0)) == nullptr ? Errno::badf : Errno::notsock;
}
Errno Context::sock_recv(Call& call) {
    return sock_accept(call);
}
Errno Context::sock_send(Call& call) {
    return sock_accept(call);
}
Errno Context::sock_shutdown(Call& call) {
    return sock_accept(call);
}

}  // namespace millrace::wasi
