// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// The index of blobs is the one structure here that threads share (src/store/blob_index.hpp).
// Labelled "tsan": run under the thread sanitizer (docs/operations.md).
#include <gtest/gtest.h>

#include <thread>

#include "io/temporary_folder.hpp"
#include "store/blob_store.hpp"

namespace millrace::store {
namespace {

TEST(Leaf, threads_may_put_read_pin_and_evict_at_the_same_time) {
    const io::TemporaryFolder folder;
    const auto store = BlobStore::open(folder / "blobs", 20'000);
    ASSERT_TRUE(store);
    BlobStore& blobs = **store;
    std::vector<std::thread> threads;
    for (std::uint8_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (std::uint8_t round = 0; round < 40; ++round) {
                // Half of the contents are the same in all threads.
                const Bytes content(1'000u + round, static_cast<std::uint8_t>(round % 2 * thread));
                const BlobId blob = crypto::blob_id(content);
                blobs.pin(blob);
                const auto put = blobs.put(content);
                ASSERT_TRUE(put) << put.error().text();
                const auto read = blobs.read(blob, 10'000);
                ASSERT_TRUE(read) << read.error().text();
                EXPECT_EQ(*read, content);
                blobs.unpin(blob);
                EXPECT_LE(blobs.blob_count(), 200u);
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_TRUE(blobs.verify()->empty());
    // What an unpin leaves over the bound goes when the next blob comes.
    ASSERT_TRUE(blobs.put(Bytes(1'000, 99)));
    EXPECT_LE(blobs.stored_bytes(), 20'000u);
}

}  // namespace
}  // namespace millrace::store
