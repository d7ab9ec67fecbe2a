// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/layered_roots.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "state/database.hpp"
#include "state/sample_view.hpp"

namespace millrace::state {
namespace {

StateDiff draw(Prng& prng) {
    StateDiff diff;
    for (std::uint64_t count = 1 + prng.below(6); count > 0; --count) {
        AccountDiff& change = diff.accounts[sample_address(prng.below(24))];
        change = {};
        if (prng.chance(150'000)) {
            change.storage_cleared = true;
            continue;
        }
        change.account = Account{.nonce = prng.below(4), .balance = U256{prng.next()}};
        change.storage_cleared = prng.chance(100'000);
        for (std::uint64_t slots = prng.below(5); slots > 0; --slots)
            change.storage[U256{prng.below(12)}] = U256{prng.below(3)};
    }
    return diff;
}

TEST(LayeredRoots, diffs_tried_out_have_the_roots_they_have_when_written) {
    constexpr std::uint64_t count = 40;
    Prng prng{77};
    MemoryStore store;
    StateDatabase database{store};
    std::vector<StateDiff> diffs;
    std::vector<Hash32> roots;
    for (std::uint64_t height = 0; height < count; ++height) {
        diffs.push_back(draw(prng));
        WriteBatch batch;
        roots.push_back(database.stage(Height{height}, diffs.back(), batch));
        ASSERT_TRUE(store.write(batch, Durability::synced));
        database.committed(Height{height});
    }
    const auto snapshot = database.snapshot();
    for (std::uint64_t base = 0; base + 1 < count; base += 3) {
        const auto layered = LayeredRoots::on(snapshot, Height{base});
        ASSERT_NE(layered, nullptr);
        for (std::uint64_t height = base + 1; height < count; ++height)
            ASSERT_EQ(layered->apply(diffs[height]), roots[height]) << base << " to " << height;
    }
}

TEST(LayeredRoots, too_much_change_is_not_undone) {
    MemoryStore store;
    StateDatabase database{store};
    for (std::uint64_t height = 0; height < 3; ++height) {
        StateDiff diff;
        for (std::uint64_t number = 0; number < 4; ++number)
            diff.accounts[sample_address(number)].account =
                Account{.nonce = height + 1, .balance = {}};
        diff.accounts[sample_address(1)].storage[U256{1}] = U256{height + 1};
        WriteBatch batch;
        static_cast<void>(database.stage(Height{height}, diff, batch));
        ASSERT_TRUE(store.write(batch, Durability::synced));
        database.committed(Height{height});
    }
    const auto snapshot = database.snapshot();
    EXPECT_EQ(LayeredRoots::on(snapshot, Height{0}, 4), nullptr) << "four accounts and a slot";
    EXPECT_NE(LayeredRoots::on(snapshot, Height{0}, 5), nullptr) << "each counts once";
    EXPECT_NE(LayeredRoots::on(snapshot, Height{2}, 0), nullptr);
    EXPECT_EQ(LayeredRoots::on(snapshot, Height{3}), nullptr);
}

TEST(LayeredRoots, no_change_keeps_the_root) {
    Prng prng{78};
    MemoryStore store;
    StateDatabase database{store};
    WriteBatch batch;
    const Hash32 root = database.stage(Height{0}, draw(prng), batch);
    ASSERT_TRUE(store.write(batch, Durability::synced));
    database.committed(Height{0});
    EXPECT_EQ(LayeredRoots::on(database.snapshot(), Height{0})->apply({}), root);
}

}  // namespace
}  // namespace millrace::state
