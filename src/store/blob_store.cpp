// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/blob_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <ctime>
#include <memory>

#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "io/log.hpp"
#include "store/blob_state.hpp"
#include "types/message.hpp"

namespace millrace::store {
namespace {

/// A partial download nobody has gone on with for so long is removed at start.
constexpr std::int64_t partial_age_seconds_max = 7 * 24 * 3'600;

std::vector<std::string> entries_of(const std::string& folder) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(folder.c_str()), ::closedir};
    if (open == nullptr) return names;
    while (const dirent* entry = ::readdir(open.get())) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
    }
    return names;
}

Failure too_large(const std::string& where) {
    return {"a blob cannot be larger than " + std::to_string(types::blob_size_max) + " bytes",
            where, "split the file"};
}

}  // namespace

Failure absent_blob(const BlobId& blob) {
    return {"the blob is not stored here", blob_name(blob), {}};
}

BlobStore::BlobStore() = default;
BlobStore::~BlobStore() = default;

Outcome<std::unique_ptr<BlobStore>> BlobStore::open(const std::string& folder,
                                                    std::uint64_t cache_bytes_max) {
    for (const char* part : {"", "/tmp", "/partial", "/damaged"}) {
        MILLRACE_TRY_VOID(io::make_folder(folder + part, 0700));
    }
    for (const std::string& name : entries_of(folder + "/tmp")) {
        MILLRACE_TRY_VOID(io::remove_file(folder + "/tmp/" + name));
    }
    std::unique_ptr<BlobStore> store{new BlobStore};
    store->state_ = std::make_unique<State>(folder, cache_bytes_max);
    State& state = *store->state_;

    struct Found {
        BlobId blob;
        std::int64_t time = 0;
    };
    std::vector<Found> found;
    for (const std::string& shelf : entries_of(folder)) {
        if (shelf.size() != 2) continue;
        for (const std::string& name : entries_of(folder + "/" + shelf)) {
            const std::string path = folder + "/" + shelf + "/" + name;
            struct stat status {};
            if (::stat(path.c_str(), &status) != 0) continue;
            const bool tree = name.ends_with(".tree");
            const auto blob =
                parse_blob_name(tree ? std::string_view{name}.substr(0, name.size() - 5) : name);
            if (!blob) continue;
            if (tree) {
                // A crash between the two renames leaves a tree alone.
                if (!io::file_exists(state.path_of(*blob))) ::unlink(path.c_str());
            } else if (static_cast<std::uint64_t>(status.st_size) != blob->size) {
                state.set_aside(*blob);
            } else {
                found.push_back({*blob, status.st_mtime});
            }
        }
    }
    std::ranges::stable_sort(found, {}, &Found::time);
    for (const Found& one : found) {
        for (const BlobId& evicted : state.index.add(one.blob))
            state.remove_files(evicted);
    }
    for (const std::string& name : entries_of(folder + "/partial")) {
        const std::string path = folder + "/partial/" + name;
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0 &&
            std::time(nullptr) - status.st_mtime > partial_age_seconds_max) {
            ::unlink(path.c_str());
        }
    }
    if (!store->has(BlobId{})) {
        MILLRACE_TRY_VOID(store->put({}));
    }
    store->pin(BlobId{});  // everybody has the empty blob, always
    return store;
}

Outcome<void> BlobStore::State::publish(const std::string& finished, const BlobId& blob,
                                        const std::vector<Hash32>& leaves) {
    const std::string shelf = shelf_of(blob);
    {
        const std::lock_guard lock{place_mutex};
        const bool new_shelf = !io::file_exists(shelf);
        MILLRACE_TRY_VOID(io::make_folder(shelf, 0700));
        if (blob.size > treeless_size_max) {
            MILLRACE_TRY_VOID(
                io::atomic_write_file(tree_path_of(blob), encode_tree(blob.size, leaves), 0600));
        }
        if (::rename(finished.c_str(), path_of(blob).c_str()) != 0) {
            return Err{io::system_failure("cannot put the blob in place", path_of(blob), errno)};
        }
        MILLRACE_TRY_VOID(io::sync_folder(shelf));
        if (new_shelf) {
            MILLRACE_TRY_VOID(io::sync_folder(folder));
        }
        for (const BlobId& evicted : index.add(blob))
            remove_files(evicted);
    }
    io::durable_event("blob");
    return {};
}

Outcome<void> BlobStore::State::publish(BlobWriter writer) {
    const BlobId blob = writer.id();
    if (index.touch(blob)) return {};
    MILLRACE_TRY_VOID(writer.finish());
    MILLRACE_TRY_VOID(publish(writer.path(), blob, writer.leaves()));
    writer.release();
    return {};
}

void BlobStore::State::remove_files(const BlobId& blob) const {
    ::unlink(path_of(blob).c_str());
    if (blob.size > treeless_size_max) ::unlink(tree_path_of(blob).c_str());
}

Failure BlobStore::State::set_aside(const BlobId& blob) {
    const std::string target = folder + "/damaged/" + blob_name(blob);
    const std::lock_guard lock{place_mutex};
    index.remove(blob);
    ::rename(path_of(blob).c_str(), target.c_str());
    ::unlink(tree_path_of(blob).c_str());
    io::log(io::LogLevel::error, "a stored blob is damaged and was set aside", {{"file", target}});
    return {"a stored blob is damaged", target,
            "check the disk; the blob is fetched again when it is needed"};
}

Outcome<File> BlobStore::State::open_complete(const BlobId& blob) {
    if (!index.touch(blob)) return Err{absent_blob(blob)};
    auto file = File::open(path_of(blob), O_RDONLY);
    if (!file) {
        // Another thread may have evicted it meanwhile; a file removed by hand counts the same.
        const std::lock_guard lock{place_mutex};
        if (!io::file_exists(path_of(blob))) {
            index.remove(blob);
            return Err{absent_blob(blob)};
        }
    }
    return file;
}

Outcome<BlobId> BlobStore::put(ByteView content) {
    if (content.size() > types::blob_size_max) return Err{too_large("content")};
    const BlobId blob = crypto::blob_id(content);
    if (state_->index.touch(blob)) return blob;
    MILLRACE_TRY(BlobWriter writer, BlobWriter::create(state_->new_temporary()));
    MILLRACE_TRY_VOID(writer.append(content));
    MILLRACE_TRY_VOID(state_->publish(std::move(writer)));
    return blob;
}

Outcome<BlobId> BlobStore::put_file(const std::string& path) {
    MILLRACE_TRY(const File source, File::open(path, O_RDONLY));
    MILLRACE_TRY(BlobWriter writer, BlobWriter::create(state_->new_temporary()));
    Bytes buffer(stream_step);
    for (std::uint64_t offset = 0;; offset += stream_step) {
        MILLRACE_TRY(const std::size_t count, source.read_up_to(path, offset, buffer));
        if (offset + count > types::blob_size_max) return Err{too_large(path)};
        MILLRACE_TRY_VOID(writer.append(ByteView{buffer}.first(count)));
        if (count < buffer.size()) break;
    }
    const BlobId blob = writer.id();
    MILLRACE_TRY_VOID(state_->publish(std::move(writer)));
    return blob;
}

bool BlobStore::has(const BlobId& blob) const {
    return state_->index.has(blob);
}

Outcome<Bytes> BlobStore::read(const BlobId& blob, std::uint64_t size_max) {
    if (blob.size > size_max) {
        return Err{Failure{
            "the blob is longer than " + std::to_string(size_max) + " bytes", blob_name(blob), {}}};
    }
    MILLRACE_TRY(const File file, state_->open_complete(blob));
    Bytes content(static_cast<std::size_t>(blob.size));
    const auto read = file.read_at(state_->path_of(blob), 0, content);
    if (!read || crypto::blob_id(content) != blob) return Err{state_->set_aside(blob)};
    return content;
}

Outcome<Bytes> BlobStore::read_range(const BlobId& blob, std::uint64_t offset, std::uint64_t size) {
    MILLRACE_TRY(const File file, state_->open_complete(blob));
    if (offset > blob.size) {
        return Err{Failure{"the range begins behind the blob's end", blob_name(blob), {}}};
    }
    Bytes content(static_cast<std::size_t>(std::min(size, blob.size - offset)));
    MILLRACE_TRY_VOID(file.read_at(state_->path_of(blob), offset, content));
    return content;
}

Outcome<BlobChunk> BlobStore::read_chunk(const BlobId& blob, std::uint64_t offset,
                                         std::uint32_t size) {
    const bool behind = offset >= blob.size && !(offset == 0 && blob.size == 0);
    if (offset % crypto::blob_leaf_size != 0 || behind || size > types::blob_chunk_max) {
        return Err{Failure{"the request for a part of a blob is malformed", blob_name(blob), {}}};
    }
    const std::uint64_t leaf_first = offset / crypto::blob_leaf_size;
    const std::uint64_t width = std::bit_ceil(leaf_count_of(blob.size));
    const auto content_of = [&](std::uint64_t leaves) {
        return std::min(leaves * crypto::blob_leaf_size, blob.size - offset);
    };
    std::uint64_t leaf_count = 1;
    while (leaf_count < width && leaf_first % (leaf_count * 2) == 0 &&
           content_of(leaf_count * 2) <= size) {
        leaf_count *= 2;
    }
    if (blob.size <= treeless_size_max) {
        MILLRACE_TRY(const Bytes whole, read(blob, treeless_size_max));
        const auto part = ByteView{whole}.subspan(static_cast<std::size_t>(offset),
                                                  static_cast<std::size_t>(content_of(leaf_count)));
        return BlobChunk{.content = to_bytes(part),
                         .proof = crypto::blob_proof(crypto::blob_leaves(whole),
                                                     static_cast<std::size_t>(leaf_first),
                                                     static_cast<std::size_t>(leaf_count))};
    }
    BlobChunk chunk;
    MILLRACE_TRY(chunk.content, read_range(blob, offset, content_of(leaf_count)));
    MILLRACE_TRY(chunk.proof,
                 read_proof(state_->tree_path_of(blob), blob.size, leaf_first, leaf_count));
    return chunk;
}

std::optional<std::string> BlobStore::path_of(const BlobId& blob) const {
    if (!state_->index.touch(blob)) return std::nullopt;
    return state_->path_of(blob);
}

void BlobStore::pin(const BlobId& blob) {
    state_->index.pin(blob);
}
void BlobStore::unpin(const BlobId& blob) {
    state_->index.unpin(blob);
}
std::uint64_t BlobStore::stored_bytes() const noexcept {
    return state_->index.bytes();
}
std::uint64_t BlobStore::blob_count() const noexcept {
    return state_->index.count();
}

Outcome<std::vector<BlobId>> BlobStore::verify() {
    std::vector<BlobId> damaged;
    Bytes buffer(stream_step);
    for (const BlobId& blob : state_->index.all()) {
        auto file = state_->open_complete(blob);
        if (!file) continue;  // evicted meanwhile
        std::vector<Hash32> leaves;
        bool sound = true;
        for (std::uint64_t offset = 0; offset < blob.size && sound; offset += stream_step) {
            const auto part = std::span{buffer}.first(
                static_cast<std::size_t>(std::min<std::uint64_t>(stream_step, blob.size - offset)));
            sound = file->read_at(state_->path_of(blob), offset, part).has_value();
            const auto added = crypto::blob_leaves(part);
            leaves.insert(leaves.end(), added.begin(), added.end());
        }
        sound = sound && crypto::blob_root(leaves) == blob.root;
        if (sound && blob.size > treeless_size_max) {
            const Bytes tree = encode_tree(blob.size, leaves);
            const auto stored = io::read_file(state_->tree_path_of(blob), tree.size());
            if (!stored || *stored != tree) {
                MILLRACE_TRY_VOID(io::atomic_write_file(state_->tree_path_of(blob), tree, 0600));
            }
        }
        if (sound) continue;
        state_->set_aside(blob);
        damaged.push_back(blob);
    }
    return damaged;
}

}  // namespace millrace::store
