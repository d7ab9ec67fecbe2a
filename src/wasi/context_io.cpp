// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Moving bytes between memory, files and streams; waiting.

#include <algorithm>

#include "wasi/context.hpp"
#include "wasm/watch.hpp"

namespace millrace::wasi {
/// The list of buffers at arguments 1 and 2, each within memory, all together below 4 GiB.
Errno Context::begin_transfer(Call& call) {
    const std::uint32_t count = call.u32(2);
    if (count > iovecs_max) return Errno::inval;
    if (!call.charge(count)) return Errno::io;
    transfer_ = {};
    wasm::Memory& memory = call.memory();
    for (std::uint64_t at = call.u32(1); transfer_.pieces.size() < count; at += iovec_size) {
        const auto start = memory.read_u32(at);
        const auto size = memory.read_u32(at + 4);
        if (!start || !size || !memory.contains(*start, *size)) return Errno::fault;
        transfer_.size += *size;
        transfer_.pieces.push_back({*start, *size});
    }
    return transfer_.size >> 32 != 0 ? Errno::inval : Errno::success;
}

namespace {

/// Calls act(where in memory, part of the range) for [first, end) of the pieces' bytes.
template <typename Act>
void each_part(const std::vector<Piece>& pieces, std::uint64_t first, std::uint64_t end, Act act) {
    std::uint64_t start = 0;
    for (const Piece piece : pieces) {
        const std::uint64_t from = std::max(first, start);
        const std::uint64_t to = std::min(end, start + piece.size);
        if (from < to) act(piece.at + (from - start), from - first, to - from);
        start += piece.size;
    }
}

}  // namespace

/// For a part of a call that no call has: only a judge can be told of one.
Errno Context::refuse() {
    tree_.refuse();
    return Errno::io;
}

/// Fills the buffers of arguments 1 and 2 from `offset` of the file or of standard input.
Errno Context::read_at(Call& call, Descriptor& from, std::uint64_t offset, std::uint64_t& done) {
    ByteView content;
    Content key = Content::input;
    if (from.stream == Stream::none) {
        content = tree_.node(from.inode).content();
        key = content_of(from.inode);
    } else if (input_.standard_input) {
        content = *input_.standard_input;
    }
    offset = std::min<std::uint64_t>(offset, content.size());
    const std::uint64_t first = call.progress();
    if (first == 0) {
        const Errno error = begin_transfer(call);
        if (error != Errno::success) return error;
        transfer_.size = std::min<std::uint64_t>(transfer_.size, content.size() - offset);
        if (!call.charge(transfer_.size / 16)) return Errno::io;
    }
    if (first > transfer_.size || transfer_.size > content.size() - offset) return refuse();
    const std::uint64_t end = std::min(transfer_.size, first + wasm::step_bytes_max);
    if (!tree_.touch(key, content, offset + first, end - first)) return Errno::io;
    each_part(transfer_.pieces, first, end,
              [&](std::uint64_t at, std::uint64_t skipped, std::uint64_t size) {
                  (void)call.memory().write(at, content.subspan(offset + first + skipped, size));
              });
    done = transfer_.size;
    (void)call.is_finished(end, transfer_.size);
    return Errno::success;
}

/// Writes the buffers of arguments 1 and 2. Null `offset`: at the descriptor's own position, which
/// moves. A descriptor in append mode always writes at the end.
Errno Context::write_at(Call& call, Descriptor& to, std::optional<std::uint64_t> offset,
                        std::uint64_t& done) {
    const bool is_stream = to.stream != Stream::none;
    const std::uint64_t first = call.progress();
    if (first == 0) {
        Errno error = begin_transfer(call);
        if (error != Errno::success) return error;
        const std::uint64_t total = transfer_.size;
        if (is_stream) {
            if (!call.charge(total / 16)) return Errno::io;
            if (!tree_.charge_stream(total)) return Errno::nospc;
        } else {
            const std::uint64_t size = tree_.node(to.inode).size();
            std::uint64_t position = offset.value_or(to.offset);
            if ((to.flags & fdflag::append) != 0) position = size;
            std::uint64_t end = 0;
            if (__builtin_add_overflow(position, total, &end)) return Errno::fbig;
            const std::uint64_t hidden =
                total == 0 ? 0 : tree_.hidden_work(to.inode, std::max(end, size));
            if (!call.charge((total + hidden) / 16)) return Errno::io;
            error = tree_.make_room(to.inode, position, total, realtime_ns(call));
            if (error != Errno::success) return error;
            transfer_.position = position;
        }
    }
    if (first > transfer_.size) return refuse();
    const std::uint64_t end = std::min(transfer_.size, first + wasm::step_bytes_max);
    Bytes& sink = to.stream == Stream::error ? standard_error_ : standard_output_;
    const Content key = to.stream == Stream::error ? Content::error : Content::output;
    if (is_stream && !tree_.touch(key, sink, sink.size(), end - first)) return Errno::io;
    Errno written = Errno::success;
    each_part(transfer_.pieces, first, end,
              [&](std::uint64_t at, std::uint64_t skipped, std::uint64_t size) {
                  const ByteView part = *call.memory().read(at, size);
                  if (is_stream) {
                      sink.insert(sink.end(), part.begin(), part.end());
                  } else if (written == Errno::success) {
                      written = tree_.write(to.inode, transfer_.position + first + skipped, part,
                                            realtime_ns(call));
                  }
              });
    if (written != Errno::success) return written;
    done = transfer_.size;
    if (call.is_finished(end, transfer_.size) && !is_stream && !offset)
        to.offset = transfer_.position + done;
    return Errno::success;
}

Errno Context::fd_read(Call& call) {
    Descriptor* from = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_read, from);
    if (error != Errno::success) return error;
    if (!call.memory().contains(call.u32(3), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno read = read_at(call, *from, from->offset, done);
    if (read != Errno::success || call.out_of_fuel || call.again) return read;
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
    if (!call.memory().contains(call.u32(4), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno read = read_at(call, *from, call.u64(3), done);
    if (read != Errno::success || call.out_of_fuel || call.again) return read;
    (void)call.memory().write_u32(call.u32(4), static_cast<std::uint32_t>(done));
    return Errno::success;
}

Errno Context::fd_write(Call& call) {
    Descriptor* to = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_write, to);
    if (error != Errno::success) return error;
    if (!call.memory().contains(call.u32(3), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno written = write_at(call, *to, std::nullopt, done);
    if (written != Errno::success || call.out_of_fuel || call.again) return written;
    (void)call.memory().write_u32(call.u32(3), static_cast<std::uint32_t>(done));
    return Errno::success;
}

Errno Context::fd_pwrite(Call& call) {
    Descriptor* to = nullptr;
    const Errno error = check_file(call.u32(0), right::fd_write, to);
    if (error != Errno::success) return error;
    if (to->stream != Stream::none) return Errno::spipe;
    if ((to->base & right::fd_seek) == 0) return Errno::notcapable;
    if (!call.memory().contains(call.u32(4), 4)) return Errno::fault;
    std::uint64_t done = 0;
    const Errno written = write_at(call, *to, call.u64(3), done);
    if (written != Errno::success || call.out_of_fuel || call.again) return written;
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
    if (!call.memory().contains(call.u32(1), size) || !call.memory().contains(call.u32(4), 4)) {
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
    const std::uint64_t done = call.progress();
    if (done == 0 && !call.charge(out.size() / 4)) return Errno::io;
    const std::uint64_t end = std::min<std::uint64_t>(out.size(), done + wasm::step_bytes_max);
    if (done < end)
        (void)call.memory().write(call.u32(1) + done, ByteView{out}.subspan(done, end - done));
    if (!call.is_finished(end, out.size())) return Errno::success;
    (void)call.memory().write_u32(call.u32(4), static_cast<std::uint32_t>(out.size()));
    return Errno::success;
}

}  // namespace millrace::wasi
