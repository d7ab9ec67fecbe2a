// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api/filters.hpp"

#include <gtest/gtest.h>

#include <set>

namespace millrace::node {
namespace {

NewHead head_of(std::uint64_t number, std::uint8_t salt, bool removed) {
    types::Block block;
    block.header.number = number;
    block.header.extra_data = {salt};
    const Hash32 hash = block.header.hash();
    return {.block = std::make_shared<const types::Block>(std::move(block)),
            .hash = hash,
            .receipts = std::make_shared<const std::vector<types::TransactionReceipt>>(),
            .removed = removed};
}

constexpr Api::Limits limits;

TEST(Filters, ids_are_of_128_bits_and_nobody_guesses_the_next) {
    Filters filters{limits, Hash32{{1}}};
    Filters others{limits, Hash32{{2}}};
    std::set<U256> seen;
    for (int count = 0; count < 1'000; ++count) {
        const auto id = filters.add(Filters::Kind::heads, {}, false, 0);
        const auto other = others.add(Filters::Kind::heads, {}, false, 0);
        ASSERT_TRUE(id && other);
        EXPECT_FALSE(id->fits_u64()) << "one in 2^64";
        EXPECT_EQ(id->words[2] | id->words[3], 0u);
        EXPECT_TRUE(seen.insert(*id).second);
        EXPECT_TRUE(seen.insert(*other).second) << "it follows from the secret alone";
    }
}

TEST(Filters, heads_after_a_rollback_are_told_and_removed_ones_are_not) {
    // As geth tells a reorganisation: newHeads and block filters say the new blocks, whose numbers
    // may be lower; only logs are taken back.
    Filters filters{limits, Hash32{}};
    std::vector<std::string> pushed;
    const Api::Caller caller{.session = 1, .push = [&](std::string message) {
                                 pushed.push_back(std::move(message));
                                 return true;
                             }};
    const auto subscription = filters.subscribe(caller, Filters::Kind::heads, {});
    ASSERT_TRUE(subscription.has_value());
    filters.start(*subscription);
    const auto filter = filters.add(Filters::Kind::heads, {}, false, 0);
    ASSERT_TRUE(filter.has_value());

    const NewHead first = head_of(5, 1, false);
    const NewHead second = head_of(5, 2, false);
    filters.on_event(first);
    NewHead undone = first;
    undone.removed = true;
    filters.on_event(undone);
    filters.on_event(second);
    const auto changes = filters.changes(*filter, 0);
    ASSERT_TRUE(changes.has_value());
    EXPECT_EQ(changes->hashes, (std::vector<Hash32>{first.hash, second.hash}));
    ASSERT_EQ(pushed.size(), 2u);
    EXPECT_NE(pushed[1].find(to_hex0x(second.hash.view())), std::string::npos);
}

}  // namespace
}  // namespace millrace::node
