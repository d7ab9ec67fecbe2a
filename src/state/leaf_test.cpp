// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// What the threads that stage one block share: the trie nodes the writer keeps.
// Labelled "tsan": run under the thread sanitizer (docs/operations.md).
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/parallel_testing.hpp"
#include "base/prng.hpp"
#include "state/database.hpp"
#include "state/node_cache.hpp"
#include "state/sample_view.hpp"

namespace millrace::state {
namespace {

/// A key as rows of nodes have them: two bytes of name, then the path.
Bytes node_key(std::uint64_t number) {
    return {0, 1, static_cast<std::uint8_t>(number << 4), static_cast<std::uint8_t>(number >> 4)};
}

TEST(Leaf, a_node_that_is_found_is_the_one_put_under_its_key) {
    NodeCache cache{64u << 10};  // too small for all: nodes leave while others come
    constexpr std::uint64_t key_count = 600;
    a_thread_each()(6, [&cache](std::size_t thread) {
        Prng prng{thread};
        for (int step = 0; step < 4'000; ++step) {
            const std::uint64_t number = prng.below(key_count);
            const Bytes key = node_key(number);
            if (prng.chance(50'000)) {
                cache.erase(key);
            } else if (prng.chance(500'000)) {
                cache.put(key, Bytes(1 + number % 90, static_cast<std::uint8_t>(number)));
            } else if (const auto found = cache.find(key)) {
                ASSERT_EQ(*found, Bytes(1 + number % 90, static_cast<std::uint8_t>(number)));
            }
            if (thread == 0 && step % 1'000 == 999) cache.clear();
        }
    });
}

TEST(Leaf, threads_that_stage_blocks_while_others_read_leave_the_roots_of_one_thread) {
    MemoryStore store;
    StateDatabase database{store, {.node_cache_size_max = 100'000}};
    MemoryStore other_store;
    StateDatabase other{other_store};
    Prng prng{3};
    for (std::uint64_t height = 0; height < 6; ++height) {
        StateDiff diff;
        for (int count = 0; count < 120; ++count) {
            AccountDiff& change = diff.accounts[sample_address(prng.below(300))];
            change.account = Account{.nonce = height, .balance = U256{prng.below(9)}};
            change.storage[U256{prng.below(20)}] = U256{prng.below(4)};
        }
        WriteBatch rows;
        WriteBatch other_rows;
        const Hash32 wanted = other.stage(Height{height}, diff, other_rows);
        const auto latest = height == 0 ? nullptr : database.latest();
        std::jthread reader{[&latest] {
            for (std::uint64_t number = 0; latest && number < 300; ++number) {
                const auto account = latest->account(sample_address(number));
                EXPECT_TRUE(!account || account->balance < U256{9});
            }
        }};
        EXPECT_EQ(database.stage(Height{height}, diff, rows, a_thread_each()), wanted);
        reader.join();
        ASSERT_TRUE(store.write(rows, Durability::synced));
        ASSERT_TRUE(other_store.write(other_rows, Durability::synced));
        database.committed(Height{height});
        other.committed(Height{height});
    }
    EXPECT_EQ(database.verify().problem, "");
}

}  // namespace
}  // namespace millrace::state
