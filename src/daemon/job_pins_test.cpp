// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/job_pins.hpp"

#include <gtest/gtest.h>

#include "io/temporary_folder.hpp"

namespace millrace::daemon {
namespace {

constexpr std::size_t blob_size = 1000;
constexpr std::uint64_t cache_size = 4 * blob_size;

Hash32 job(std::uint8_t number) {
    Hash32 id;
    id.bytes.fill(number);
    return id;
}

std::unique_ptr<store::BlobStore> open(const std::string& folder) {
    auto opened = store::BlobStore::open(folder, cache_size);
    return std::move(*opened);
}

struct Store {
    io::TemporaryFolder folder;
    std::unique_ptr<store::BlobStore> blobs = open(folder / "blobs");
    JobPins pins{*blobs};

    store::BlobId put(std::uint8_t content) { return *blobs->put(Bytes(blob_size, content)); }
};

TEST(JobPins, blobs_of_a_running_job_outlive_any_number_of_others) {
    Store store;
    const auto module = store.put(200);
    store.pins.pin(job(1), module);
    for (std::uint8_t content = 0; content < 20; ++content)
        store.put(content);
    EXPECT_TRUE(store.blobs->has(module));
    EXPECT_LE(store.blobs->stored_bytes(), cache_size + blob_size);
}

TEST(JobPins, the_store_keeps_its_bound_over_many_finished_jobs) {
    Store store;
    for (std::uint8_t number = 1; number <= 30; ++number) {
        for (std::uint8_t part = 0; part < 3; ++part)
            store.pins.pin(job(number), store.put(static_cast<std::uint8_t>(number * 8 + part)));
        store.pins.release(job(number));
        EXPECT_LE(store.blobs->stored_bytes(), cache_size + 3 * blob_size);
    }
    store.put(255);
    EXPECT_LE(store.blobs->stored_bytes(), cache_size);
}

TEST(JobPins, a_blob_that_two_jobs_share_stays_until_both_are_over) {
    Store store;
    const auto shared = store.put(200);
    store.pins.pin(job(1), shared);
    store.pins.pin(job(2), shared);
    store.pins.release(job(1));
    store.pins.unpin(job(1), shared);  // says nothing: job 1 has none any more
    for (std::uint8_t content = 0; content < 20; ++content)
        store.put(content);
    EXPECT_TRUE(store.blobs->has(shared));
    store.pins.release(job(2));
    for (std::uint8_t content = 20; content < 40; ++content)
        store.put(content);
    EXPECT_FALSE(store.blobs->has(shared));
}

}  // namespace
}  // namespace millrace::daemon
