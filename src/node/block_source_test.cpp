// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/block_source.hpp"

#include <gtest/gtest.h>

namespace millrace::node {
namespace {

using Mode = SoleProducer::Mode;

/// A producer with a clock: what it asks for is made at once unless a test says otherwise.
struct Bench {
    explicit Bench(SoleProducer::Options options)
        : source{options, 1'000, Instant{1'000'000}}, now{1'000'000} {}

    void step(const BlockSource::Event& event) { source.step(event, now, effects); }
    /// Reports the oldest block asked for as made.
    void commit(bool more_wait = false) {
        ASSERT_FALSE(effects.empty());
        const std::uint64_t timestamp = effects.front().timestamp;
        effects.erase(effects.begin());
        made.push_back(timestamp);
        step(BlockSource::BlockCommitted{.timestamp = timestamp, .more_wait = more_wait});
    }
    /// Lets time pass until the next deadline, at most to `until`.
    void pass(Instant until) {
        while (const auto deadline = source.next_deadline()) {
            if (*deadline > until) break;
            now = std::max(now, *deadline);
            step(BlockSource::DeadlineReached{});
            if (!effects.empty()) return;
        }
        now = std::max(now, until);
    }

    SoleProducer source;
    Instant now;
    BlockSource::Effects effects;
    std::vector<std::uint64_t> made;
};

TEST(SoleProducer, instant_blocks_follow_a_transaction_at_once_and_one_at_a_time) {
    Bench bench{{.mode = Mode::instant}};
    EXPECT_EQ(bench.source.next_deadline(), std::nullopt);
    bench.step(BlockSource::TransactionsWait{});
    ASSERT_EQ(bench.effects.size(), 1u);
    bench.step(BlockSource::TransactionsWait{});
    EXPECT_EQ(bench.effects.size(), 1u) << "a second block before the first is reported";
    bench.commit(true);
    EXPECT_EQ(bench.effects.size(), 1u) << "what came meanwhile goes into the next block";
    bench.commit(false);
    EXPECT_TRUE(bench.effects.empty());
    EXPECT_EQ(bench.source.next_deadline(), std::nullopt);
}

TEST(SoleProducer, on_demand_is_quiet_without_transactions_and_keeps_its_distance) {
    Bench bench{{.mode = Mode::on_demand, .interval = Duration{500}}};
    bench.pass(Instant{1'010'000});
    EXPECT_TRUE(bench.effects.empty());
    bench.step(BlockSource::TransactionsWait{});
    bench.commit();
    bench.step(BlockSource::TransactionsWait{});
    EXPECT_TRUE(bench.effects.empty());
    EXPECT_EQ(bench.source.next_deadline(), (Instant{1'010'500}));
    bench.pass(Instant{1'010'500});
    EXPECT_EQ(bench.effects.size(), 1u);
}

TEST(SoleProducer, periodic_blocks_come_empty_too) {
    Bench bench{{.mode = Mode::periodic, .interval = Duration{1'000}}};
    for (int round = 0; round < 3; ++round) {
        bench.pass(Instant{1'000'000 + 1'000 * (round + 1)});
        ASSERT_EQ(bench.effects.size(), 1u);
        bench.commit();
    }
    EXPECT_EQ(bench.made, (std::vector<std::uint64_t>{1'001, 1'002, 1'003}));
}

TEST(SoleProducer, manual_mode_makes_a_block_only_when_asked) {
    Bench bench{{.mode = Mode::manual}};
    bench.step(BlockSource::TransactionsWait{});
    bench.pass(Instant{2'000'000});
    EXPECT_TRUE(bench.effects.empty());
    bench.step(BlockSource::MineNow{.count = 3, .timestamp = {}, .interval_s = 12});
    for (int round = 0; round < 3; ++round)
        bench.commit();
    EXPECT_EQ(bench.made, (std::vector<std::uint64_t>{2'000, 2'012, 2'024}));
    EXPECT_TRUE(bench.effects.empty());
}

TEST(SoleProducer, a_timestamp_is_never_before_the_parents) {
    Bench bench{{.mode = Mode::instant}};
    ASSERT_TRUE(bench.source.set_next_timestamp(5'000, bench.now));
    bench.step(BlockSource::TransactionsWait{});
    bench.commit();
    EXPECT_EQ(bench.made.back(), 5'000u);
    EXPECT_FALSE(bench.source.set_next_timestamp(4'999, bench.now));
    bench.step(BlockSource::TransactionsWait{});
    bench.commit();
    EXPECT_GE(bench.made.back(), 5'000u) << "the clock goes on from the time that was set";
    ASSERT_TRUE(bench.source.increase_time(-10'000));
    bench.step(BlockSource::TransactionsWait{});
    bench.commit();
    EXPECT_GE(bench.made.back(), 5'000u);
}

TEST(SoleProducer, increasing_time_moves_the_blocks_after_it) {
    Bench bench{{.mode = Mode::instant}};
    ASSERT_TRUE(bench.source.increase_time(3'600));
    bench.step(BlockSource::TransactionsWait{});
    bench.commit();
    EXPECT_EQ(bench.made.back(), 4'600u);
    EXPECT_FALSE(bench.source.increase_time(std::int64_t{1} << 50));
}

TEST(SoleProducer, leaving_manual_mode_takes_up_what_waits) {
    Bench bench{{.mode = Mode::manual}};
    bench.step(BlockSource::TransactionsWait{});
    bench.source.change_mode({.mode = Mode::instant}, bench.now);
    bench.pass(bench.now);
    EXPECT_EQ(bench.effects.size(), 1u);
}

TEST(SoleProducer, blocks_asked_for_are_bounded) {
    Bench bench{{.mode = Mode::manual}};
    bench.step(BlockSource::MineNow{.count = ~std::uint64_t{0}, .timestamp = {}, .interval_s = 0});
    for (std::uint64_t index = 0; index < mine_count_max; ++index)
        bench.commit();
    EXPECT_TRUE(bench.effects.empty());
}

}  // namespace
}  // namespace millrace::node
