// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Moving bytes between memory, files and streams; waiting.

#include <algorithm>

#include "wasi/context.hpp"

namespace millrace::wasi {
namespace {

struct Piece {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
};

/// The list of buffers at `pointer`, each within memory, all together below 4 GiB.
Errno read_pieces(Call& call, std::uint32_t pointer, std::uint32_t count,
                  std::vector<Piece>& pieces, std::uint64_t& total) {
    if (count > iovecs_max) return Errno::inval;
    if (!call.charge(count)) return Errno::io;
    total = 0;
    wasm::Memory& memory = call.memory();
    for (std::uint64_t at = pointer; pieces.size() < count; at += iovec_size) {
        const auto start = memory.read_u32(at);
        const auto size = memory.read_u32(at + 4);
        if (!start || !size || !memory.read(*start, *size)) return Errno::fault;
        total += *size;
        pieces.push_back({*start, *size});
    }
    return total >> 32 != 0 ? Errno::inval : Errno::success;
}

}  // namespace

/// Fills the buffers of arguments 1 and 2 from `offset` of the file or of standard input.
Errno Context::read_at(Call& call, Descriptor& from, std::uint64_t offset, std::uint64_t& done) {
    std::vector<Piece> pieces;
    std::uint64_t total = 0;
    const Errno error = read_pieces(call, call.u32(1), call.u32(2), pieces, total);
    if (error != Errno::success) return error;
    ByteView content;
    if (from.stream == Stream::none) {
        content = tree_.node(from.inode).content();
    } else if (input_.standard_input) {
        content = *input_.standard_input;
    }
    content =
        content.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(offset, content.size())));
    content =
        content.first(static_cast<std::size_t>(std::min<std::uint64_t>(total, content.size())));
    if (!call.charge(content.size() / 16)) return Errno::io;
    done = content.size();
    for (const Piece piece : pieces) {
        const ByteView part = content.first(std::min<std::size_t>(piece.size, content.size()));
        (void)call.memory().write(piece.at, part);
        content = content.subspan(part.size());
    }
    return Errno::success;
}

/// Writes the buffers of arguments 1 and 2. Null `offset`: at the descriptor's own position, which
/// moves. A descriptor in append mode always writes at the end.
Errno Context::write_at(Call& call, Descriptor& to, std::optional<std::uint64_t> offset,
                        std::uint64_t& done) {
    std::vector<Piece> pieces;
    std::uint64_t total = 0;
    const Errno error = read_pieces(call, call.u32(1), call.u32(2), pieces, total);
    if (error != Errno::success) return error;
    done = total;
    if (to.stream != Stream::none) {
        if (!call.charge(total / 16)) return Errno::io;
        if (!tree_.charge_stream(total)) return Errno::nospc;
        Bytes& sink = to.stream == Stream::error ? standard_error_ : standard_output_;
        for (const Piece piece : pieces) {
            const ByteView part = *call.memory().read(piece.at, piece.size);
            sink.insert(sink.end(), part.begin(), part.end());
        }
        return Errno::success;
    }
    const std::uint64_t size = tree_.node(to.inode).size();
    std::uint64_t position = offset.value_or(to.offset);
    if ((to.flags & fdflag::append) != 0) position = size;
    std::uint64_t end = 0;
    if (__builtin_add_overflow(position, total, &end)) return Errno::fbig;
    const std::uint64_t hidden = total == 0 ? 0 : tree_.hidden_work(to.inode, std::max(end, size));
    if (!call.charge((total + hidden) / 16)) return Errno::io;
    for (const Piece piece : pieces) {
        const ByteView part = *call.memory().read(piece.at, piece.size);
        const Errno written = tree_.write(to.inode, position, part, realtime_ns(call));
        if (written != Errno::success) return written;
        position += part.size();
    }
    if (!offset) to.offset = position;
    return Errno::success;
}

Errno Context::fd_read(Call& call) {
    Descriptor* from = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_read, from);
    if (error != Errno::success) return error;
    if (!call.memory().range(call.u32(3), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno read = read_at(call, *from, from->offset, done);
    if (read != Errno::success || call.out_of_fuel) return read;
    from->offset += done;
    (void)call.memory().write_u32(call.u32(3), static_cast<std::uint32_t>(done));
    return Errno::success;
}

Errno Context::fd_pread(Call& call) {
    Descriptor* from = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_read, from);
    if (error != Errno::success) return error;
    if (from->stream != Stream::none) return Errno::spipe;
    if ((from->base & right::fd_seek) == 0) return Errno::notcapable;
    if (!call.memory().range(call.u32(4), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno read = read_at(call, *from, call.u64(3), done);
    if (read != Errno::success || call.out_of_fuel) return read;
    (void)call.memory().write_u32(call.u32(4), static_cast<std::uint32_t>(done));
    return Errno::success;
}

Errno Context::fd_write(Call& call) {
    Descriptor* to = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_write, to);
    if (error != Errno::success) return error;
    if (!call.memory().range(call.u32(3), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno written = write_at(call, *to, std::nullopt, done);
    if (written != Errno::success || call.out_of_fuel) return written;
    (void)call.memory().write_u32(call.u32(3), static_cast<std::uint32_t>(done));
    return Errno::success;
}

Errno Context::fd_pwrite(Call& call) {
    Descriptor* to = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_write, to);
    if (error != Errno::success) return error;
    if (to->stream != Stream::none) return Errno::spipe;
    if ((to->base & right::fd_seek) == 0) return Errno::notcapable;
    if (!call.memory().range(call.u32(4), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno written = write_at(call, *to, call.u64(3), done);
    if (written != Errno::success || call.out_of_fuel) return written;
    (void)call.memory().write_u32(call.u32(4), static_cast<std::uint32_t>(done));
    return Errno::success;
}

Errno Context::fd_seek(Call& call) {
    Descriptor* file = nullptr;
    const bool asks_only = call.u64(1) == 0 && call.u32(2) == 1;
    Errno error = check_file(call.u32(0), right::fd_seek, file);
    if (error == Errno::notcapable && asks_only) {
        error = check_file(call.u32(0), right::fd_tell, file);
    }
    if (error != Errno::success) return error;
    std::int64_t from = 0;
    switch (call.u32(2)) {
        case static_cast<std::uint32_t>(Whence::set):
            break;
        case static_cast<std::uint32_t>(Whence::current):
            from = static_cast<std::int64_t>(file->offset);
            break;
        case static_cast<std::uint32_t>(Whence::end):
            from = static_cast<std::int64_t>(tree_.node(file->inode).size());
            break;
        default:
            return Errno::inval;
    }
    std::int64_t target = 0;
    const auto delta = static_cast<std::int64_t>(call.u64(1));
    if (__builtin_add_overflow(from, delta, &target)) return Errno::overflow;
    if (target < 0) return Errno::inval;
    if (!call.memory().write_u64(call.u32(3), static_cast<std::uint64_t>(target))) {
        return Errno::fault;
    }
    file->offset = static_cast<std::uint64_t>(target);
    return Errno::success;
}

Errno Context::fd_tell(Call& call) {
    Descriptor* file = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_tell, file);
    if (error != Errno::success) return error;
    return call.memory().write_u64(call.u32(1), file->offset) ? Errno::success : Errno::fault;
}

// ----------------------------------------------------------------------------- directories

namespace {

void append_number(Bytes& out, std::uint64_t value, int bytes) {
    for (int byte = 0; byte < bytes; ++byte) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * byte)));
    }
}

void append_dirent(Bytes& out, std::uint64_t cookie, Inode inode, FileType type,
                   std::string_view name) {
    append_number(out, cookie, 8);
    append_number(out, inode, 8);
    append_number(out, name.size(), 4);
    append_number(out, static_cast<std::uint64_t>(type), 4);
    out.insert(out.end(), name.begin(), name.end());
}

}  // namespace

/// An entry's cookie is that of the place after it. The last entry is cut where the buffer ends; a
/// buffer that is not full tells the end of the directory.
Errno Context::fd_readdir(Call& call) {
    const Descriptor* directory = find(call.u32(0));
    if (directory == nullptr) return Errno::badf;
    if (directory->stream != Stream::none || !tree_.is_directory(directory->inode)) {
        return Errno::notdir;
    }
    if ((directory->base & right::fd_readdir) == 0) return Errno::notcapable;
    const std::uint32_t size = call.u32(2);
    const std::uint64_t cookie = call.u64(3);
    if (!call.memory().range(call.u32(1), size) || !call.memory().range(call.u32(4), 4)) {
        return Errno::fault;
    }
    const Node& node = tree_.node(directory->inode);
    Bytes out;
    if (cookie < 1) append_dirent(out, 1, directory->inode, FileType::directory, ".");
    if (cookie < 2) append_dirent(out, 2, node.parent, FileType::directory, "..");
    for (auto entry = node.listing.upper_bound(std::max<std::uint64_t>(cookie, 2));
         entry != node.listing.end() && out.size() < size; ++entry) {
        const auto& [name, named] = *entry->second;
        append_dirent(out, entry->first, named.inode, tree_.node(named.inode).type, name);
    }
    out.resize(std::min<std::size_t>(out.size(), size));
    if (!call.charge(out.size() / 4)) return Errno::io;
    (void)call.memory().write(call.u32(1), out);
    (void)call.memory().write_u32(call.u32(4), static_cast<std::uint32_t>(out.size()));
    return Errno::success;
}

}  // namespace millrace::wasi
