// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "mempool/pool.hpp"

#include <gtest/gtest.h>

#include <array>

#include "mempool/sample_transactions.hpp"

namespace millrace::mempool {
namespace {

constexpr std::uint64_t rich = 1'000'000;
const SenderState fresh{0, U256{rich}};

std::vector<Hash32> chosen(const Pool& pool, std::uint64_t base_fee) {
    std::vector<Hash32> hashes;
    auto selection = pool.select(U256{base_fee});
    while (const PooledPtr next = selection.next())
        hashes.push_back(next->hash);
    return hashes;
}

std::vector<Hash32> hashes_of(const std::vector<Sample>& samples) {
    std::vector<Hash32> hashes;
    for (const Sample& one : samples)
        hashes.push_back(sample(one).hash);
    return hashes;
}

std::vector<Hash32> hashes_of(const std::vector<PooledPtr>& pooled) {
    std::vector<Hash32> hashes;
    for (const PooledPtr& one : pooled)
        hashes.push_back(one->hash);
    return hashes;
}

std::optional<PoolError> refusal(Pool& pool, const Sample& wanted, SenderState state = fresh) {
    const auto added = pool.add(sample(wanted), state);
    return added ? std::nullopt : std::optional{added.error()};
}

TEST(Pool, a_gap_makes_what_follows_wait_until_it_is_filled) {
    Pool pool{{}};
    EXPECT_TRUE(pool.add(sample({.nonce = 0}), fresh)->pending);
    EXPECT_FALSE(pool.add(sample({.nonce = 2}), fresh)->pending);
    EXPECT_EQ(pool.next_nonce(sample_address(0)), 1u);
    EXPECT_EQ(pool.status().queued, 1u);
    EXPECT_TRUE(pool.add(sample({.nonce = 1}), fresh)->pending);
    EXPECT_EQ(pool.next_nonce(sample_address(0)), 3u);
    EXPECT_EQ(pool.status().pending, 3u);
    EXPECT_EQ(pool.status().queued, 0u);
    EXPECT_EQ(chosen(pool, 0), hashes_of({Sample{.nonce = 0}, {.nonce = 1}, {.nonce = 2}}));
}

TEST(Pool, the_best_tip_goes_first_and_each_sender_in_order_of_nonce) {
    Pool pool{{}};
    const std::vector<Sample> samples{{.sender = 1, .nonce = 0, .tip = 1},
                                      {.sender = 1, .nonce = 1, .tip = 90},
                                      {.sender = 2, .nonce = 0, .tip = 5},
                                      {.sender = 3, .nonce = 0, .tip = 7}};
    for (const Sample& one : samples)
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    EXPECT_EQ(chosen(pool, 0), hashes_of({samples[3], samples[2], samples[0], samples[1]}));
}

TEST(Pool, equal_tips_go_in_order_of_arrival) {
    Pool pool{{}};
    for (const std::uint8_t sender : std::array<std::uint8_t, 3>{9, 4, 7})
        ASSERT_TRUE(pool.add(sample({.sender = sender}), fresh).has_value());
    EXPECT_EQ(chosen(pool, 0), hashes_of({Sample{.sender = 9}, {.sender = 4}, {.sender = 7}}));
}

TEST(Pool, the_tip_is_what_the_base_fee_leaves_and_who_cannot_pay_it_is_left_out) {
    Pool pool{{}};
    const Sample narrow{.sender = 1, .fee = 52, .tip = 50};
    const Sample modest{.sender = 2, .fee = 100, .tip = 10};
    const Sample poor{.sender = 3, .fee = 49, .tip = 49};
    for (const Sample& one : {narrow, modest, poor})
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    EXPECT_EQ(chosen(pool, 0), hashes_of({narrow, poor, modest}));
    EXPECT_EQ(chosen(pool, 50), hashes_of({modest, narrow}));
}

TEST(Pool, a_sender_can_be_skipped_and_the_pool_may_change_meanwhile) {
    Pool pool{{}};
    for (const Sample& one : {Sample{.sender = 1, .nonce = 0, .tip = 9},
                              {.sender = 1, .nonce = 1, .tip = 9},
                              {.sender = 2, .nonce = 0, .tip = 8},
                              {.sender = 3, .nonce = 0, .tip = 7},
                              {.sender = 4, .nonce = 0, .tip = 6}})
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    auto selection = pool.select(U256{});
    EXPECT_EQ(selection.next()->sender, sample_address(1));
    selection.skip_sender();
    EXPECT_EQ(selection.next()->sender, sample_address(2));
    EXPECT_TRUE(pool.remove(sample({.sender = 3, .nonce = 0, .tip = 7}).hash));
    EXPECT_EQ(selection.next()->sender, sample_address(4));
    EXPECT_EQ(selection.next(), nullptr);
}

TEST(Pool, a_replacement_outbids_both_fees_by_a_tenth) {
    Pool pool{{}};
    const Sample first{.fee = 100, .tip = 10};
    ASSERT_TRUE(pool.add(sample(first), fresh).has_value());
    for (const auto& [fee, tip] : {std::pair{109, 11}, {110, 10}, {100, 10}, {200, 5}})
        EXPECT_EQ(refusal(pool, {.fee = static_cast<std::uint64_t>(fee),
                                 .tip = static_cast<std::uint64_t>(tip),
                                 .value = 1}),
                  PoolError::replacement_underpriced);
    const auto replaced = pool.add(sample({.fee = 110, .tip = 11}), fresh);
    ASSERT_TRUE(replaced.has_value());
    EXPECT_EQ(hashes_of(replaced->evicted), hashes_of({first}));
    EXPECT_EQ(pool.find(sample(first).hash), nullptr);
    EXPECT_EQ(pool.status().pending, 1u);
}

TEST(Pool, a_sender_never_promises_more_than_it_has) {
    Pool pool{{}};
    const SenderState state{0, U256{250}};
    EXPECT_EQ(refusal(pool, {.fee = 100, .value = 151}, state), PoolError::insufficient_funds);
    ASSERT_TRUE(pool.add(sample({.nonce = 0}), state).has_value());
    ASSERT_TRUE(pool.add(sample({.nonce = 1}), state).has_value());
    EXPECT_EQ(refusal(pool, {.nonce = 2}, state), PoolError::insufficient_funds);
    EXPECT_EQ(refusal(pool, {.nonce = 1, .fee = 151, .tip = 11}, state),
              PoolError::insufficient_funds);
    EXPECT_TRUE(pool.add(sample({.nonce = 1, .fee = 150, .tip = 11}), state).has_value());
}

TEST(Pool, sums_beyond_256_bits_are_not_affordable) {
    Pool pool{{}};
    PooledTransaction huge = sample({.gas = 2});
    huge.transaction.transaction.max_fee_per_gas = ~U256{};
    EXPECT_EQ(pool.add(huge, {0, ~U256{}}).error(), PoolError::insufficient_funds);
}

TEST(Pool, bounds_of_a_single_transaction_are_kept) {
    Pool pool{
        {.sender_count_max = 2, .nonce_gap_max = 4, .gas_limit_max = 50, .tip_floor = U256{3}}};
    EXPECT_EQ(refusal(pool, {.gas = 51}), PoolError::gas_limit_too_high);
    EXPECT_EQ(refusal(pool, {.size = 128 * 1024 + 1}), PoolError::too_large);
    EXPECT_EQ(refusal(pool, {.tip = 2}), PoolError::underpriced);
    EXPECT_EQ(refusal(pool, {.nonce = 4}, {5, U256{rich}}), PoolError::nonce_too_low);
    EXPECT_EQ(refusal(pool, {.nonce = 5}), PoolError::nonce_too_high);
    EXPECT_EQ(refusal(pool, {.nonce = ~std::uint64_t{0}}, {~std::uint64_t{0}, U256{rich}}),
              PoolError::nonce_too_high);
    EXPECT_EQ(refusal(pool, {.nonce = 4}), std::nullopt);
    EXPECT_EQ(refusal(pool, {.nonce = 4}), PoolError::already_known);
    EXPECT_EQ(refusal(pool, {.nonce = 0}), std::nullopt);
    EXPECT_EQ(refusal(pool, {.nonce = 1}), PoolError::sender_full);
    EXPECT_EQ(pool.status().pending + pool.status().queued, 2u);
}

TEST(Pool, a_full_pool_lets_the_cheapest_last_one_go) {
    Pool pool{{.count_max = 3}};
    const Sample cheap{.sender = 1, .fee = 20};
    for (const Sample& one : {cheap, {.sender = 2, .fee = 30}, {.sender = 3, .fee = 40}})
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    EXPECT_EQ(refusal(pool, {.sender = 4, .fee = 19}), PoolError::underpriced);
    EXPECT_EQ(refusal(pool, {.sender = 4, .fee = 20}), PoolError::underpriced);
    EXPECT_EQ(pool.status().pending, 3u);
    const auto added = pool.add(sample({.sender = 4, .fee = 21}), fresh);
    ASSERT_TRUE(added.has_value());
    EXPECT_EQ(hashes_of(added->evicted), hashes_of({cheap}));
    EXPECT_EQ(pool.status().pending, 3u);
}

TEST(Pool, what_stands_behind_a_gap_goes_before_anything_that_could_be_in_a_block) {
    Pool pool{{.count_max = 2}};
    const Sample unreachable{.sender = 1, .nonce = 5, .fee = 9'000};
    ASSERT_TRUE(pool.add(sample(unreachable), fresh).has_value());
    ASSERT_TRUE(pool.add(sample({.sender = 2, .fee = 10}), fresh).has_value());
    const auto added = pool.add(sample({.sender = 3, .fee = 10}), fresh);
    ASSERT_TRUE(added.has_value());
    EXPECT_EQ(hashes_of(added->evicted), hashes_of({unreachable}));
}

TEST(Pool, a_dear_last_one_does_not_protect_cheap_ones_in_front_of_it) {
    Pool pool{{.count_max = 3}};
    const Sample guard{.sender = 1, .nonce = 1, .fee = 5'000};
    for (const Sample& one :
         {Sample{.sender = 1, .nonce = 0, .fee = 10}, guard, {.sender = 2, .fee = 50}})
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    const auto added = pool.add(sample({.sender = 3, .fee = 20}), fresh);
    ASSERT_TRUE(added.has_value());
    EXPECT_EQ(hashes_of(added->evicted), hashes_of({guard}));
}

TEST(Pool, a_newcomer_that_is_not_worth_its_bytes_changes_nothing) {
    Pool pool{{.bytes_max = 300}};
    const std::vector<Sample> samples{
        {.sender = 1, .fee = 20}, {.sender = 2, .fee = 30}, {.sender = 3, .fee = 60}};
    for (const Sample& one : samples)
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    EXPECT_EQ(refusal(pool, {.sender = 4, .fee = 40, .size = 300}), PoolError::underpriced);
    EXPECT_EQ(chosen(pool, 0), hashes_of(samples));
    EXPECT_EQ(pool.status().bytes, 300u);
    const auto added = pool.add(sample({.sender = 4, .fee = 40, .size = 200}), fresh);
    ASSERT_TRUE(added.has_value());
    EXPECT_EQ(hashes_of(added->evicted), hashes_of({samples[0], samples[1]}));
}

TEST(Pool, a_block_takes_what_it_used_and_what_can_no_longer_be_paid) {
    Pool pool{{}};
    std::vector<Sample> samples;
    for (std::uint64_t nonce = 0; nonce < 4; ++nonce)
        samples.push_back({.nonce = nonce});
    for (const Sample& one : samples)
        ASSERT_TRUE(pool.add(sample(one), fresh).has_value());
    EXPECT_TRUE(pool.update(sample_address(0), fresh).empty());
    EXPECT_EQ(hashes_of(pool.update(sample_address(0), {1, U256{250}})),
              hashes_of({samples[0], samples[3]}));
    EXPECT_EQ(pool.next_nonce(sample_address(0)), 3u);
    EXPECT_EQ(pool.update(sample_address(0), {9, U256{250}}).size(), 2u);
    EXPECT_EQ(pool.next_nonce(sample_address(0)), std::nullopt);
    EXPECT_EQ(pool.status().bytes, 0u);
}

TEST(Pool, a_block_undone_leaves_a_gap) {
    Pool pool{{}};
    ASSERT_TRUE(pool.add(sample({.nonce = 7}), {7, U256{rich}})->pending);
    EXPECT_TRUE(pool.update(sample_address(0), {5, U256{rich}}).empty());
    EXPECT_EQ(pool.status().queued, 1u);
    EXPECT_TRUE(pool.update(sample_address(0), {7, U256{rich}}).empty());
    EXPECT_EQ(pool.status().pending, 1u);
}

TEST(Pool, a_transaction_removed_makes_later_ones_wait) {
    Pool pool{{}};
    for (std::uint64_t nonce = 0; nonce < 3; ++nonce)
        ASSERT_TRUE(pool.add(sample({.nonce = nonce}), fresh).has_value());
    EXPECT_TRUE(pool.remove(sample({.nonce = 1}).hash));
    EXPECT_FALSE(pool.remove(sample({.nonce = 1}).hash));
    EXPECT_EQ(pool.status().pending, 1u);
    EXPECT_EQ(pool.status().queued, 1u);
    const auto content = pool.content();
    ASSERT_EQ(content.size(), 2u);
    EXPECT_TRUE(content[0].pending);
    EXPECT_FALSE(content[1].pending);
}

TEST(Pool, a_legacy_price_is_fee_and_tip) {
    Pool pool{{}};
    PooledTransaction legacy = sample({.sender = 1, .fee = 60, .tip = 0});
    legacy.transaction.transaction.kind = types::TransactionKind::legacy;
    ASSERT_TRUE(pool.add(legacy, fresh).has_value());
    ASSERT_TRUE(pool.add(sample({.sender = 2, .fee = 100, .tip = 59}), fresh).has_value());
    EXPECT_EQ(chosen(pool, 0).front(), legacy.hash);
}

TEST(Pool, as_many_as_the_pool_holds_come_out_in_order) {
    Pool pool{{}};
    constexpr std::uint64_t nonces = 512;
    for (std::uint64_t nonce = nonces; nonce-- > 0;)
        for (std::uint8_t sender = 0; sender < 128; ++sender)
            ASSERT_TRUE(
                pool.add(sample({.sender = sender, .nonce = nonce, .fee = 1'000, .tip = sender}),
                         fresh)
                    .has_value());
    EXPECT_EQ(pool.status().pending, 65'536u);
    const auto order = chosen(pool, 0);
    ASSERT_EQ(order.size(), 65'536u);
    EXPECT_EQ(order.front(), sample({.sender = 127, .nonce = 0, .fee = 1'000, .tip = 127}).hash);
    EXPECT_EQ(order.back(),
              sample({.sender = 0, .nonce = nonces - 1, .fee = 1'000, .tip = 0}).hash);
    EXPECT_EQ(refusal(pool, {.sender = 200, .fee = 1'000, .tip = 0}), PoolError::underpriced);
    EXPECT_EQ(pool.add(sample({.sender = 200, .fee = 1'001}), fresh)->evicted.size(), 1u);
}

}  // namespace
}  // namespace millrace::mempool
