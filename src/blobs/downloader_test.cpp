// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "blobs/downloader.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace millrace::blobs {
namespace {

using crypto::blob_leaf_size;

Bytes content_of(std::size_t size, std::uint64_t seed) {
    Prng prng{seed};
    Bytes content(size);
    for (std::uint8_t& byte : content)
        byte = static_cast<std::uint8_t>(prng.next());
    return content;
}

/// Sources that hold one blob, and the bytes that were written.
struct Bench {
    Bytes content;
    BlobId blob;
    Downloader downloader;
    Instant now{1000};
    Effects pending;
    Bytes written;
    std::vector<bool> leaves_written;
    int completed = 0;
    std::vector<std::string> failures;
    std::vector<SourceFault> faults;
    std::map<SourceId, std::size_t> requests;

    Bench(std::size_t size, Downloader::Config config = {})
        : content{content_of(size, size)},
          blob{crypto::blob_id(content)},
          downloader{config},
          written(size),
          leaves_written(leaf_total(blob)) {}

    void step(const Event& event) { downloader.step(event, now, pending); }

    /// Carries out what is pending; `serve` answers a request (null: silence).
    template <typename Serve>
    void run(Serve serve) {
        while (!pending.empty()) {
            Effects batch;
            batch.swap(pending);
            for (const Effect& effect : batch) {
                if (const auto* send = std::get_if<SendRequest>(&effect)) {
                    ++requests[send->source];
                    const std::optional<types::BlobData> data = serve(*send);
                    if (data) step(DataReceived{send->source, *data});
                } else if (const auto* write = std::get_if<WriteChunk>(&effect)) {
                    std::ranges::copy(write->content,
                                      written.begin() + static_cast<std::ptrdiff_t>(write->offset));
                    for (std::size_t at = 0; at < write->content.size(); at += blob_leaf_size) {
                        const std::size_t leaf = (write->offset + at) / blob_leaf_size;
                        EXPECT_FALSE(leaves_written[leaf]) << "a leaf is written once";
                        leaves_written[leaf] = true;
                    }
                } else if (std::get_if<Completed>(&effect)) {
                    ++completed;
                } else if (const auto* failed = std::get_if<Failed>(&effect)) {
                    failures.push_back(failed->why);
                } else if (const auto* dropped = std::get_if<SourceDropped>(&effect)) {
                    faults.push_back(dropped->fault);
                }
            }
        }
    }
    [[nodiscard]] std::optional<types::BlobData> honest(const SendRequest& send) const {
        return answer_from(content, send.request);
    }
};

const std::vector<std::size_t> sizes{1,
                                     blob_leaf_size - 1,
                                     blob_leaf_size,
                                     blob_leaf_size + 1,
                                     5 * blob_leaf_size,
                                     32 * blob_leaf_size,
                                     32 * blob_leaf_size + 1,
                                     33 * blob_leaf_size,
                                     100 * blob_leaf_size + 17};

TEST(Downloader, every_size_arrives_bit_by_bit) {
    for (const std::size_t size : sizes) {
        Bench bench{size};
        bench.step(Want{bench.blob, {1}, {}});
        bench.run([&](const SendRequest& send) { return bench.honest(send); });
        EXPECT_EQ(bench.completed, 1) << size;
        EXPECT_EQ(bench.written, bench.content) << size;
        EXPECT_EQ(bench.downloader.want_count(), 0u);
        EXPECT_FALSE(bench.downloader.next_deadline());
    }
}

TEST(Downloader, empty_blob_completes_at_once) {
    Downloader downloader;
    Effects out;
    downloader.step(Want{BlobId{}, {}, {}}, Instant{0}, out);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_TRUE(std::holds_alternative<Completed>(out[0]));
}

TEST(Downloader, stored_leaves_are_never_asked_for) {
    for (const std::size_t size : sizes) {
        Bench bench{size};
        const std::uint64_t total = leaf_total(bench.blob);
        std::vector<bool> present(total);
        for (std::size_t leaf = 0; leaf < total; leaf += 3)
            present[leaf] = true;
        bench.step(Want{bench.blob, {1}, present});
        bench.run([&](const SendRequest& send) {
            const std::uint64_t first = send.request.offset / blob_leaf_size;
            const std::uint64_t count = (send.request.size + blob_leaf_size - 1) / blob_leaf_size;
            for (std::uint64_t leaf = first; leaf < first + count; ++leaf)
                EXPECT_FALSE(present[leaf]);
            return bench.honest(send);
        });
        EXPECT_EQ(bench.completed, 1);
        for (std::size_t leaf = 0; leaf < total; ++leaf)
            EXPECT_NE(bench.leaves_written[leaf], present[leaf]);
    }
}

TEST(Downloader, wrong_bytes_drop_the_source_and_another_finishes) {
    Bench bench{100 * blob_leaf_size};
    bench.step(Want{bench.blob, {1, 2}, {}});
    bench.run([&](const SendRequest& send) {
        auto data = bench.honest(send);
        if (send.source == 1) data->content[5] ^= 1;
        return data;
    });
    EXPECT_EQ(bench.completed, 1);
    EXPECT_EQ(bench.written, bench.content);
    EXPECT_EQ(bench.faults, std::vector{SourceFault::bad_proof});
    EXPECT_GT(bench.requests[2], 0u);
}

TEST(Downloader, no_source_left_is_a_failure_with_a_reason) {
    Bench bench{40 * blob_leaf_size};
    bench.step(Want{bench.blob, {1}, {}});
    bench.run([&](const SendRequest& send) {
        return types::BlobData{send.request.sealed.root, send.request.offset, {}, {}};
    });
    EXPECT_EQ(bench.completed, 0);
    EXPECT_EQ(bench.failures, std::vector<std::string>{"the source does not have it"});
    EXPECT_EQ(bench.faults, std::vector{SourceFault::missing});
}

TEST(Downloader, silent_source_is_replaced_when_its_time_is_over) {
    Bench bench{100 * blob_leaf_size};
    bench.step(Want{bench.blob, {1, 2}, {}});
    const auto serve = [&](const SendRequest& send) {
        return send.source == 1 ? std::nullopt : bench.honest(send);
    };
    bench.run(serve);
    EXPECT_EQ(bench.completed, 0);
    const auto deadline = bench.downloader.next_deadline();
    ASSERT_TRUE(deadline);
    bench.now = *deadline;
    bench.step(TimerFired{});
    bench.run(serve);
    EXPECT_EQ(bench.completed, 1);
    EXPECT_EQ(bench.faults, std::vector{SourceFault::stalled});
}

TEST(Downloader, lost_connection_hands_its_work_to_the_others) {
    Bench bench{100 * blob_leaf_size};
    bench.step(Want{bench.blob, {1}, {}});
    bench.pending.clear();  // requests are on the way and never arrive
    bench.step(Want{bench.blob, {2}, {}});
    bench.step(SourceGone{1});
    bench.run([&](const SendRequest& send) { return bench.honest(send); });
    EXPECT_EQ(bench.completed, 1);
    EXPECT_EQ(bench.written, bench.content);
}

TEST(Downloader, window_bounds_what_is_in_flight) {
    Bench bench{1000 * blob_leaf_size, {.requests_per_source = 4, .bytes_per_source = 1u << 20}};
    bench.step(Want{bench.blob, {1}, {}});
    EXPECT_EQ(bench.downloader.in_flight(1), 2u);  // two chunks of 512 KiB fill a window of 1 MiB
    std::uint64_t in_flight = 0;
    for (const Effect& effect : bench.pending)
        in_flight += std::get<SendRequest>(effect).request.size;
    EXPECT_LE(in_flight, 1u << 20);
}

TEST(Downloader, shorter_answers_are_taken_and_the_rest_is_asked_again) {
    Bench bench{33 * blob_leaf_size + 5};
    bench.step(Want{bench.blob, {1}, {}});
    bench.run([&](const SendRequest& send) {
        types::BlobRequest one = send.request;
        one.size = std::min<std::uint32_t>(one.size, blob_leaf_size);
        return answer_from(bench.content, one);
    });
    EXPECT_EQ(bench.completed, 1);
    EXPECT_EQ(bench.written, bench.content);
}

TEST(Downloader, answers_nobody_asked_for_are_ignored) {
    Bench bench{4 * blob_leaf_size};
    const auto data = answer_from(bench.content, chunk_request(bench.blob, 0, 4));
    bench.step(DataReceived{1, *data});
    EXPECT_TRUE(bench.pending.empty());
    bench.step(Want{bench.blob, {1}, {}});
    bench.pending.clear();
    bench.step(DataReceived{2, *data});
    EXPECT_TRUE(bench.pending.empty());
    bench.step(DataReceived{1, *data});
    EXPECT_TRUE(std::holds_alternative<Completed>(bench.pending.back()));
}

TEST(Downloader, cancelled_blob_has_no_further_effect) {
    Bench bench{64 * blob_leaf_size};
    bench.step(Want{bench.blob, {1}, {}});
    bench.pending.clear();
    bench.step(Cancel{bench.blob});
    bench.step(DataReceived{1, *answer_from(bench.content, chunk_request(bench.blob, 0, 32))});
    bench.step(SourceGone{1});
    EXPECT_TRUE(bench.pending.empty());
    EXPECT_FALSE(bench.downloader.next_deadline());
}

TEST(Chunk, every_aligned_run_of_every_size_verifies_and_a_shifted_one_does_not) {
    for (const std::size_t size : sizes) {
        const Bytes content = content_of(size, 3);
        const BlobId blob = crypto::blob_id(content);
        for (std::uint64_t span = 1; span <= chunk_leaves_max; span *= 2) {
            for (std::uint64_t first = 0; first < leaf_total(blob); first += span) {
                auto data = answer_from(content, chunk_request(blob, first, span));
                ASSERT_TRUE(data);
                EXPECT_TRUE(verify_chunk(blob, *data)) << size << ' ' << first << ' ' << span;
                data->offset += blob_leaf_size;
                EXPECT_FALSE(verify_chunk(blob, *data));
            }
        }
    }
}

}  // namespace
}  // namespace millrace::blobs
