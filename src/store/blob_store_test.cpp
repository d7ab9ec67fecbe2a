// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/blob_store.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/prng.hpp"
#include "io/child_testing.hpp"
#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "io/temporary_folder.hpp"
#include "types/message.hpp"

namespace millrace::store {
namespace {

using io::TemporaryFolder;

constexpr std::size_t leaf = crypto::blob_leaf_size;

Bytes sample(std::size_t size, std::uint64_t seed = 1) {
    Prng random{seed};
    Bytes content(size);
    for (std::uint8_t& byte : content)
        byte = static_cast<std::uint8_t>(random.next());
    return content;
}

std::unique_ptr<BlobStore> open(const std::string& folder,
                                std::uint64_t bytes_max = BlobStore::cache_bytes_default) {
    auto store = BlobStore::open(folder, bytes_max);
    MILLRACE_ASSERT(store.has_value());
    return std::move(store).value();
}

std::size_t files_in(const std::string& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder}, {}));
}

const std::vector<std::size_t> sizes{
    0, 1, leaf - 1, leaf, leaf + 1, 3 * leaf, 64 * leaf, 64 * leaf + 1, 100 * leaf + 7, 200 * leaf};

TEST(BlobStore, what_is_put_can_be_read_after_a_restart) {
    const TemporaryFolder folder;
    std::vector<BlobId> blobs;
    {
        const auto store = open(folder / "blobs");
        for (const std::size_t size : sizes) {
            const auto blob = store->put(sample(size));
            ASSERT_TRUE(blob) << blob.error().text();
            EXPECT_EQ(*blob, crypto::blob_id(sample(size)));
            blobs.push_back(*blob);
        }
    }
    const auto store = open(folder / "blobs");
    EXPECT_EQ(store->blob_count(), sizes.size());
    for (std::size_t index = 0; index < sizes.size(); ++index) {
        EXPECT_TRUE(store->has(blobs[index]));
        EXPECT_EQ(*store->read(blobs[index], 1u << 30), sample(sizes[index]));
    }
    EXPECT_FALSE(store->read(blobs.back(), 10));
    EXPECT_FALSE(store->has(crypto::blob_id(sample(5, 99))));
    EXPECT_FALSE(store->read(crypto::blob_id(sample(5, 99)), 10));
}

TEST(BlobStore, a_file_and_its_bytes_have_one_address) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs");
    for (const std::size_t size : sizes) {
        ASSERT_TRUE(io::atomic_write_file(folder / "in", sample(size)));
        EXPECT_EQ(*store->put_file(folder / "in"), crypto::blob_id(sample(size)));
    }
    EXPECT_FALSE(store->put_file(folder / "missing"));
    EXPECT_EQ(files_in(folder / "blobs/tmp"), 0u);
}

TEST(BlobStore, every_chunk_carries_a_proof_that_holds) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs");
    for (const std::size_t size : sizes) {
        const Bytes content = sample(size);
        const BlobId blob = *store->put(content);
        for (const std::uint32_t wanted :
             {std::uint32_t{leaf}, std::uint32_t{5 * leaf}, types::blob_chunk_max}) {
            Bytes received;
            while (received.size() < size) {
                const auto chunk = store->read_chunk(blob, received.size(), wanted);
                ASSERT_TRUE(chunk) << chunk.error().text();
                ASSERT_FALSE(chunk->content.empty());
                ASSERT_LE(chunk->content.size(), wanted);
                const std::uint64_t width = std::bit_ceil((size + leaf - 1) / leaf);
                ASSERT_TRUE(crypto::verify_blob_chunk(blob, received.size(), chunk->content,
                                                      width >> chunk->proof.size(), chunk->proof));
                received.insert(received.end(), chunk->content.begin(), chunk->content.end());
            }
            EXPECT_EQ(received, content);
        }
        EXPECT_FALSE(store->read_chunk(blob, 1, leaf));
        EXPECT_FALSE(store->read_chunk(blob, (size / leaf + 1) * leaf, leaf));
        EXPECT_FALSE(store->read_chunk(blob, 0, types::blob_chunk_max + 1));
    }
}

/// Fetches what is missing from `source`, at most `chunks_max` chunks.
void fetch(BlobStore& source, BlobStore& target, const BlobId& blob, std::size_t chunks_max) {
    std::uint64_t next = 0;
    for (std::size_t count = 0; count < chunks_max; ++count) {
        const auto missing = target.next_missing_leaf(blob, next);
        if (!missing) return;
        const auto chunk = source.read_chunk(blob, *missing * leaf, 8 * leaf);
        ASSERT_TRUE(chunk);
        const auto written =
            target.write_chunk(blob, *missing * leaf, chunk->content, chunk->proof);
        ASSERT_TRUE(written) << written.error().text();
        ASSERT_TRUE(*written);
        next = *missing + 1;
    }
}

TEST(BlobStore, a_download_completes_and_resumes_after_a_crash) {
    const TemporaryFolder folder;
    const auto source = open(folder / "source");
    for (const std::size_t size : {leaf + 5, 32 * leaf, 33 * leaf, 200 * leaf + 3}) {
        const BlobId blob = *source->put(sample(size, size));
        const int status = io::in_child([&] {
            const auto target = open(folder / "target");
            if (!target->begin(blob)) return 1;
            fetch(*source, *target, blob, 3);
            ::kill(::getpid(), SIGKILL);
            return 0;
        });
        ASSERT_TRUE(WIFSIGNALED(status));
        const auto target = open(folder / "target");
        EXPECT_FALSE(target->has(blob));
        ASSERT_TRUE(target->begin(blob));
        const auto progress = target->progress(blob);
        ASSERT_TRUE(progress);
        EXPECT_EQ(progress->leaves_present, size > types::blob_chunk_max ? 24u : 0u);
        EXPECT_FALSE(target->complete(blob));
        fetch(*source, *target, blob, 1'000);
        const std::uint64_t events = io::durable_event_count();
        const auto complete = target->complete(blob);
        ASSERT_TRUE(complete) << complete.error().text();
        EXPECT_EQ(io::durable_event_count(), events + 1);
        EXPECT_TRUE(target->complete(blob));
        EXPECT_EQ(*target->read(blob, 1u << 30), sample(size, size));
        EXPECT_FALSE(target->progress(blob));
        EXPECT_EQ(files_in(folder / "target/partial"), 0u);
        // What was fetched can be served on.
        EXPECT_TRUE(target->read_chunk(blob, 0, leaf));
    }
}

TEST(BlobStore, a_wrong_chunk_is_refused_and_nothing_is_written) {
    const TemporaryFolder folder;
    const auto source = open(folder / "source");
    const auto target = open(folder / "target");
    const BlobId blob = *source->put(sample(100 * leaf));
    ASSERT_TRUE(target->begin(blob));
    auto chunk = *source->read_chunk(blob, 0, 8 * leaf);
    chunk.content[5] ^= 1;
    EXPECT_FALSE(*target->write_chunk(blob, 0, chunk.content, chunk.proof));
    chunk.content[5] ^= 1;
    EXPECT_FALSE(*target->write_chunk(blob, 8 * leaf, chunk.content, chunk.proof));
    EXPECT_FALSE(*target->write_chunk(blob, 0, ByteView{chunk.content}.first(leaf), chunk.proof));
    EXPECT_FALSE(*target->write_chunk(blob, 0, chunk.content, {}));
    EXPECT_FALSE(*target->write_chunk(blob, 0, chunk.content, std::vector<Hash32>(200)));
    EXPECT_EQ(target->progress(blob)->leaves_present, 0u);
    EXPECT_EQ(files_in(folder / "target/partial"), 0u);
    EXPECT_TRUE(*target->write_chunk(blob, 0, chunk.content, chunk.proof));
    EXPECT_EQ(target->progress(blob)->leaves_present, 8u);
}

TEST(BlobStore, partial_bytes_lost_by_the_disk_are_fetched_again) {
    const TemporaryFolder folder;
    const auto source = open(folder / "source");
    const BlobId blob = *source->put(sample(100 * leaf));
    {
        const auto target = open(folder / "target");
        ASSERT_TRUE(target->begin(blob));
        fetch(*source, *target, blob, 4);
    }
    for (const auto& entry : std::filesystem::directory_iterator{folder / "target/partial"}) {
        if (entry.path().extension() != ".data") continue;
        const int fd = ::open(entry.path().c_str(), O_WRONLY | O_CLOEXEC);
        const Bytes zeros(leaf);
        ASSERT_EQ(::pwrite(fd, zeros.data(), zeros.size(), 2 * leaf),
                  static_cast<ssize_t>(zeros.size()));
        ::close(fd);
    }
    const auto target = open(folder / "target");
    ASSERT_TRUE(target->begin(blob));
    EXPECT_EQ(target->next_missing_leaf(blob, 0), 2u);
    EXPECT_FALSE(target->present_leaves(blob)[2]);
    fetch(*source, *target, blob, 1'000);
    EXPECT_TRUE(target->complete(blob));
}

TEST(BlobStore, the_least_recently_used_unpinned_blob_goes_first) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs", 3'000);
    const BlobId pinned = *store->put(sample(1'000, 1));
    store->pin(pinned);
    const BlobId old = *store->put(sample(1'000, 2));
    const BlobId used = *store->put(sample(1'000, 3));
    const BlobId third = *store->put(sample(1'000, 4));
    EXPECT_TRUE(store->read(old, 1'000));
    EXPECT_TRUE(store->read(used, 1'000));
    const BlobId fourth = *store->put(sample(1'000, 5));
    EXPECT_FALSE(store->has(third));
    EXPECT_FALSE(store->read(third, 1'000));
    for (const BlobId& blob : {pinned, old, used, fourth})
        EXPECT_TRUE(store->has(blob));
    store->unpin(pinned);
    const BlobId huge = *store->put(sample(50'000, 6));
    EXPECT_TRUE(store->has(huge));
    EXPECT_EQ(store->blob_count(), 2u);  // and the empty one
    EXPECT_EQ(store->stored_bytes(), 50'000u);
}

TEST(BlobStore, pins_count_and_may_come_before_the_blob) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs", 1'000);
    const BlobId blob = crypto::blob_id(sample(900, 1));
    store->pin(blob);
    store->pin(blob);
    ASSERT_TRUE(store->put(sample(900, 1)));
    ASSERT_TRUE(store->put(sample(900, 2)));
    store->unpin(blob);
    ASSERT_TRUE(store->put(sample(900, 3)));
    EXPECT_TRUE(store->has(blob));
    store->unpin(blob);
    store->unpin(blob);  // once too often: no effect
    ASSERT_TRUE(store->put(sample(900, 4)));
    EXPECT_FALSE(store->has(blob));
}

TEST(BlobStore, sealed_content_opens_with_the_key_only) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs");
    crypto::JobKey key;
    key.bytes.fill(7);
    crypto::JobKey wrong;
    wrong.bytes.fill(8);
    for (const std::size_t size : sizes) {
        const Bytes plain = sample(size, size + 1);
        const auto sealed = store->put_sealed(plain, key);
        ASSERT_TRUE(sealed);
        EXPECT_EQ(sealed->plain, crypto::blob_id(plain));
        EXPECT_TRUE(store->has(sealed->sealed()));
        EXPECT_EQ(*store->open_sealed(*sealed, key, 1u << 30), plain);
        ASSERT_TRUE(io::atomic_write_file(folder / "in", plain));
        EXPECT_EQ(*store->put_sealed_file(folder / "in", key), *sealed);
        ASSERT_TRUE(store->open_sealed_to(*sealed, key, folder / "out"));
        EXPECT_EQ(*io::read_file(folder / "out", 1u << 30), plain);
        if (size == 0) continue;
        EXPECT_NE(*store->read(sealed->sealed(), 1u << 30), plain);
        EXPECT_FALSE(store->open_sealed(*sealed, wrong, 1u << 30));
        EXPECT_FALSE(store->open_sealed_to(*sealed, wrong, folder / "wrong"));
        EXPECT_FALSE(io::file_exists(folder / "wrong"));
    }
    EXPECT_EQ(files_in(folder.path()), 3u);
}

TEST(BlobStore, a_full_disk_leaves_nothing_half_written) {
    const TemporaryFolder folder;
    const int status = io::in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const auto source = open(folder / "source");
        const BlobId fetched = *source->put(sample(100 * leaf, 2));
        const auto store = open(folder / "blobs");
        if (!io::atomic_write_file(folder / "in", sample(100 * leaf))) return 1;
        rlimit limit{.rlim_cur = 20 * leaf, .rlim_max = RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const auto put = store->put(sample(100 * leaf));
        if (put || put.error().remedy.empty()) return 2;
        if (store->put_file(folder / "in")) return 3;
        if (!store->begin(fetched)) return 4;
        const auto chunk = *source->read_chunk(fetched, 32 * leaf, 8 * leaf);
        if (store->write_chunk(fetched, 32 * leaf, chunk.content, chunk.proof)) return 5;
        if (store->progress(fetched)->leaves_present != 0) return 6;
        limit.rlim_cur = RLIM_INFINITY;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        if (files_in(folder / "blobs/tmp") != 0 || store->blob_count() != 1) return 7;
        return store->put_file(folder / "in") ? 0 : 8;
    });
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(status, 0);
}

TEST(BlobStore, damage_is_found_set_aside_and_never_served) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs");
    const BlobId sound = *store->put(sample(5'000, 1));
    const BlobId read_one = *store->put(sample(5'000, 2));
    const BlobId verified = *store->put(sample(100 * leaf, 3));
    for (const BlobId& blob : {read_one, verified}) {
        const int fd = ::open(store->path_of(blob)->c_str(), O_WRONLY | O_CLOEXEC);
        ASSERT_EQ(::pwrite(fd, "damage", 6, 100), 6);
        ::close(fd);
    }
    EXPECT_FALSE(store->read(read_one, 5'000));
    EXPECT_FALSE(store->has(read_one));
    EXPECT_EQ(*store->verify(), std::vector<BlobId>{verified});
    EXPECT_FALSE(store->has(verified));
    EXPECT_TRUE(store->has(sound));
    EXPECT_EQ(files_in(folder / "blobs/damaged"), 2u);
    EXPECT_TRUE(store->put(sample(5'000, 2)));
    EXPECT_TRUE(store->has(read_one));
}

TEST(BlobStore, opening_cleans_up_what_a_crash_left) {
    const TemporaryFolder folder;
    BlobId cut;
    {
        const auto store = open(folder / "blobs");
        cut = *store->put(sample(100 * leaf, 1));
        ASSERT_EQ(::truncate(store->path_of(cut)->c_str(), 10), 0);
        ASSERT_TRUE(io::atomic_write_file(folder / "blobs/tmp/17", as_bytes("half")));
    }
    const auto store = open(folder / "blobs");
    EXPECT_FALSE(store->has(cut));
    EXPECT_EQ(files_in(folder / "blobs/tmp"), 0u);
}

TEST(BlobStore, everybody_has_the_empty_blob) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs", 0);
    EXPECT_TRUE(store->has(BlobId{}));
    EXPECT_EQ(*store->read(BlobId{}, 0), Bytes{});
    EXPECT_TRUE(store->begin(BlobId{}));
    EXPECT_TRUE(store->complete(BlobId{}));
    EXPECT_TRUE(store->read_chunk(BlobId{}, 0, 0)->content.empty());
}

TEST(BlobStore, blobs_of_impossible_size_are_refused) {
    const TemporaryFolder folder;
    const auto store = open(folder / "blobs");
    Hash32 root;
    root.bytes.fill(1);
    EXPECT_FALSE(store->begin({.root = root, .size = types::blob_size_max + 1}));
    EXPECT_FALSE(store->begin({.root = root, .size = ~std::uint64_t{0}}));
    EXPECT_FALSE(store->begin({.root = root, .size = 0}));
}

}  // namespace
}  // namespace millrace::store
