// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// Sealed blobs of BlobStore: what leaves this machine is enciphered with the job's key.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "io/files.hpp"
#include "store/blob_state.hpp"

namespace millrace::store {
namespace {

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Failure wrong_content(const std::string& where) {
    return {"the deciphered content is not what was promised", where,
            "the key or the sender's description is wrong"};
}

/// Reads `path` front to back and gives each piece (whole leaves but the last) to `use`.
template <typename Use>
Outcome<void> stream_file(const std::string& path, Use use) {
    MILLRACE_TRY(const File source, File::open(path, O_RDONLY));
    Bytes buffer(stream_step);
    for (std::uint64_t offset = 0;; offset += stream_step) {
        MILLRACE_TRY(const std::size_t count, source.read_up_to(path, offset, buffer));
        if (offset + count > types::blob_size_max) {
            return Err{
                Failure{"the file is larger than a blob may be (4 GiB)", path, "split the file"}};
        }
        MILLRACE_TRY_VOID(use(std::span{buffer}.first(count), offset));
        if (count < buffer.size()) return {};
    }
}

}  // namespace

Outcome<types::SealedBlob> BlobStore::put_sealed(ByteView plain, const crypto::JobKey& key) {
    const BlobId plain_id = crypto::blob_id(plain);
    Bytes sealed = to_bytes(plain);
    crypto::xor_stream(sealed, key, plain_id.root, 0);
    MILLRACE_TRY(const BlobId sealed_id, put(sealed));
    return types::SealedBlob{.plain = plain_id, .sealed_root = sealed_id.root};
}

Outcome<types::SealedBlob> BlobStore::put_sealed_file(const std::string& path,
                                                      const crypto::JobKey& key) {
    // The key stream depends on the plain root: one pass to find it, one to encipher.
    std::vector<Hash32> leaves;
    std::uint64_t size = 0;
    MILLRACE_TRY_VOID(stream_file(path, [&](ByteView piece, std::uint64_t) -> Outcome<void> {
        const auto added = crypto::blob_leaves(piece);
        leaves.insert(leaves.end(), added.begin(), added.end());
        size += piece.size();
        return {};
    }));
    const BlobId plain_id{.root = crypto::blob_root(leaves), .size = size};

    MILLRACE_TRY(BlobWriter writer, BlobWriter::create(state_->new_temporary()));
    std::vector<Hash32> leaves_again;
    MILLRACE_TRY_VOID(stream_file(
        path, [&](std::span<std::uint8_t> piece, std::uint64_t offset) -> Outcome<void> {
            const auto added = crypto::blob_leaves(piece);
            leaves_again.insert(leaves_again.end(), added.begin(), added.end());
            crypto::xor_stream(piece, key, plain_id.root, offset);
            return writer.append(piece);
        }));
    // Two texts under one key stream would give both away: nothing of it is kept.
    if (leaves_again != leaves) {
        return Err{Failure{"the file changed while it was read", path,
                           "try again when nobody writes to it"}};
    }
    const types::SealedBlob result{.plain = plain_id, .sealed_root = writer.id().root};
    MILLRACE_TRY_VOID(state_->publish(std::move(writer)));
    return result;
}

Outcome<Bytes> BlobStore::open_sealed(const types::SealedBlob& sealed, const crypto::JobKey& key,
                                      std::uint64_t size_max) {
    MILLRACE_TRY(Bytes content, read(sealed.sealed(), size_max));
    crypto::xor_stream(content, key, sealed.plain.root, 0);
    if (crypto::blob_id(content) != sealed.plain) {
        return Err{wrong_content(blob_name(sealed.plain))};
    }
    return content;
}

Outcome<void> BlobStore::open_sealed_to(const types::SealedBlob& sealed, const crypto::JobKey& key,
                                        const std::string& path) {
    const BlobId source_id = sealed.sealed();
    MILLRACE_TRY(const File source, state_->open_complete(source_id));
    const std::string temporary = path + ".tmp." + std::to_string(::getpid()) + "." +
                                  std::to_string(++state_->temporary_last);
    MILLRACE_TRY(BlobWriter writer, BlobWriter::create(temporary));
    Bytes buffer(stream_step);
    for (std::uint64_t offset = 0; offset < source_id.size; offset += stream_step) {
        const auto piece = std::span{buffer}.first(static_cast<std::size_t>(
            std::min<std::uint64_t>(stream_step, source_id.size - offset)));
        MILLRACE_TRY_VOID(source.read_at(state_->path_of(source_id), offset, piece));
        crypto::xor_stream(piece, key, sealed.plain.root, offset);
        MILLRACE_TRY_VOID(writer.append(piece));
    }
    if (writer.id() != sealed.plain) return Err{wrong_content(blob_name(sealed.plain))};
    MILLRACE_TRY_VOID(writer.finish());
    if (::chmod(temporary.c_str(), 0644) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
        return Err{io::system_failure("cannot put the file in place", path, errno)};
    }
    writer.release();
    return io::sync_folder(parent_of(path));
}

}  // namespace millrace::store
