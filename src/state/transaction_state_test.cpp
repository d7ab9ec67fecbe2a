// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/transaction_state.hpp"

#include <gtest/gtest.h>

#include "state/sample_view.hpp"

namespace millrace::state {
namespace {

using evm::AccessStatus;
using evm::Revision;

const TransactionState::BlockHashes no_hashes = [](std::uint64_t) { return Hash32{}; };

/// Two accounts: 0x…0a with code, nonce 1, balance 100, slot 1 = 11, slot 2 = 22;
/// 0x…0b with balance 50.
class TransactionStateTest : public testing::Test {
  protected:
    const Address contract = sample_address(0x2a);
    const Address person = sample_address(0x2b);
    const Address nobody = sample_address(0x2c);
    StateDiff base_diff;
    EmptyView nothing;
    OverlayView base{nothing, base_diff};

    TransactionStateTest() {
        const evm::CodePtr code = evm::Code::make({0x60, 0x00});
        base_diff.accounts[contract] = {
            .account = Account{.nonce = 1, .balance = U256{100}, .code_hash = code->hash()},
            .storage = {{U256{1}, U256{11}}, {U256{2}, U256{22}}}};
        base_diff.accounts[person] = {.account = Account{.nonce = 0, .balance = U256{50}},
                                      .storage = {}};
        base_diff.codes[code->hash()] = code;
    }
    TransactionState begin(Revision revision = Revision::osaka) const {
        return {base, revision, no_hashes};
    }
};

TEST_F(TransactionStateTest, without_a_write_there_is_no_diff) {
    TransactionState state = begin();
    EXPECT_EQ(state.balance(contract), U256{100});
    EXPECT_EQ(state.storage(contract, U256{2}), U256{22});
    EXPECT_EQ(state.code(contract)->size(), 2u);
    EXPECT_FALSE(state.exists(nobody));
    EXPECT_TRUE(std::move(state).finish().diff.empty());
}

TEST_F(TransactionStateTest, a_write_of_the_old_value_is_no_change) {
    TransactionState state = begin();
    state.set_storage(contract, U256{1}, U256{5});
    state.set_storage(contract, U256{1}, U256{11});
    state.add_balance(person, U256{7});
    state.subtract_balance(person, U256{7});
    EXPECT_TRUE(std::move(state).finish().diff.empty());
}

TEST_F(TransactionStateTest, revert_restores_everything_since_the_checkpoint) {
    TransactionState state = begin();
    state.set_storage(contract, U256{1}, U256{5});
    const auto checkpoint = state.checkpoint();
    state.set_storage(contract, U256{1}, U256{6});
    state.set_storage(contract, U256{9}, U256{9});
    state.set_transient_storage(contract, U256{1}, U256{3});
    state.add_balance(nobody, U256{1});
    state.set_nonce(person, 4);
    state.set_code(person, {0x00});
    state.add_log({contract, {}, {1}});
    EXPECT_EQ(state.access_account(nobody), AccessStatus::cold);
    EXPECT_EQ(state.access_storage(contract, U256{1}), AccessStatus::cold);
    EXPECT_TRUE(state.mark_destroyed(contract));
    state.create_contract(nobody);
    state.set_storage(nobody, U256{1}, U256{1});
    state.revert_to(checkpoint);

    EXPECT_EQ(state.storage(contract, U256{1}), U256{5});
    EXPECT_EQ(state.storage(contract, U256{9}), U256{});
    EXPECT_EQ(state.transient_storage(contract, U256{1}), U256{});
    EXPECT_FALSE(state.exists(nobody));
    EXPECT_EQ(state.nonce(person), 0u);
    EXPECT_EQ(state.code(person)->size(), 0u);
    EXPECT_TRUE(state.logs().empty());
    EXPECT_EQ(state.access_account(nobody), AccessStatus::cold);
    EXPECT_EQ(state.access_storage(contract, U256{1}), AccessStatus::cold);
    EXPECT_FALSE(state.created_in_transaction(nobody));
    EXPECT_TRUE(state.mark_destroyed(nobody));
    const StateDiff diff = std::move(state).finish().diff;
    ASSERT_EQ(diff.accounts.size(), 1u);
    const AccountDiff& change = diff.accounts.at(contract);
    EXPECT_EQ(change.storage, (decltype(change.storage){{U256{1}, U256{5}}}));
    EXPECT_EQ(change.account->balance, U256{100});
}

TEST_F(TransactionStateTest, a_contract_created_anew_keeps_its_balance_and_no_slot) {
    TransactionState state = begin();
    state.create_contract(contract);
    EXPECT_TRUE(state.created_in_transaction(contract));
    EXPECT_EQ(state.balance(contract), U256{100});
    EXPECT_EQ(state.slot(contract, U256{1}).original, U256{});
    EXPECT_EQ(state.slot(contract, U256{1}).current, U256{});
    EXPECT_FALSE(state.has_storage(contract));
    EXPECT_EQ(state.code(contract)->size(), 0u);
    state.set_storage(contract, U256{2}, U256{22});
    EXPECT_EQ(state.slot(contract, U256{2}).original, U256{});
    const StateDiff diff = std::move(state).finish().diff;
    const AccountDiff& change = diff.accounts.at(contract);
    EXPECT_TRUE(change.storage_cleared);
    EXPECT_EQ(change.storage, (decltype(change.storage){{U256{2}, U256{22}}}));
    const OverlayView after{base, diff};
    EXPECT_EQ(after.storage(contract, U256{1}), U256{});
    EXPECT_EQ(after.storage(contract, U256{2}), U256{22});
}

TEST_F(TransactionStateTest, slots_of_a_reverted_creation_do_not_come_back_in_the_next) {
    TransactionState state = begin();
    const auto checkpoint = state.checkpoint();
    state.create_contract(contract);
    state.set_storage(contract, U256{1}, U256{7});
    state.revert_to(checkpoint);
    EXPECT_EQ(state.slot(contract, U256{1}).original, U256{11});
    EXPECT_EQ(state.storage(contract, U256{1}), U256{11});
    state.create_contract(contract);
    EXPECT_EQ(state.storage(contract, U256{1}), U256{});
}

TEST_F(TransactionStateTest, destroyed_account_goes_with_its_storage_at_the_end) {
    TransactionState state = begin();
    state.set_storage(contract, U256{3}, U256{3});
    EXPECT_TRUE(state.mark_destroyed(contract));
    EXPECT_FALSE(state.mark_destroyed(contract));
    EXPECT_TRUE(state.exists(contract));
    EXPECT_EQ(state.storage(contract, U256{3}), U256{3});
    const StateDiff diff = std::move(state).finish().diff;
    const AccountDiff& change = diff.accounts.at(contract);
    EXPECT_FALSE(change.account);
    EXPECT_TRUE(change.storage_cleared);
    EXPECT_TRUE(change.storage.empty());
    const OverlayView after{base, diff};
    EXPECT_FALSE(after.has_storage(contract));
}

TEST_F(TransactionStateTest, created_and_destroyed_in_one_transaction_leaves_nothing) {
    TransactionState state = begin();
    state.create_contract(nobody);
    state.set_storage(nobody, U256{1}, U256{1});
    EXPECT_TRUE(state.mark_destroyed(nobody));
    EXPECT_TRUE(std::move(state).finish().diff.empty());
}

TEST_F(TransactionStateTest, touched_empty_account_stays_before_spurious_dragon_only) {
    TransactionState old_rules = begin(Revision::tangerine_whistle);
    old_rules.add_balance(nobody, U256{});
    EXPECT_TRUE(old_rules.exists(nobody));
    EXPECT_TRUE(std::move(old_rules).finish().diff.accounts.at(nobody).account);
    TransactionState new_rules = begin(Revision::spurious_dragon);
    new_rules.add_balance(nobody, U256{});
    EXPECT_FALSE(new_rules.exists(nobody));
    EXPECT_TRUE(std::move(new_rules).finish().diff.empty());
}

TEST_F(TransactionStateTest, only_a_touched_empty_account_is_deleted) {
    base_diff.accounts[nobody] = {.account = Account{}, .storage = {}};
    TransactionState reads = begin();
    EXPECT_TRUE(reads.is_empty(nobody));
    EXPECT_TRUE(std::move(reads).finish().diff.empty());
    TransactionState reverted = begin();
    const auto checkpoint = reverted.checkpoint();
    reverted.add_balance(nobody, U256{});
    reverted.revert_to(checkpoint);
    EXPECT_TRUE(std::move(reverted).finish().diff.empty());
    TransactionState touches = begin();
    touches.add_balance(nobody, U256{});
    EXPECT_FALSE(std::move(touches).finish().diff.accounts.at(nobody).account);
}

TEST_F(TransactionStateTest, touch_of_ripemd_survives_its_revert) {
    const Address ripemd = sample_address(3);
    base_diff.accounts[ripemd] = {.account = Account{}, .storage = {}};
    TransactionState state = begin(Revision::spurious_dragon);
    const auto checkpoint = state.checkpoint();
    state.add_balance(ripemd, U256{});
    state.revert_to(checkpoint);
    EXPECT_FALSE(std::move(state).finish().diff.accounts.at(ripemd).account);
}

TEST_F(TransactionStateTest, new_code_is_in_the_diff_and_removed_code_is_not) {
    TransactionState state = begin();
    state.set_code(person, {0xef, 0x01, 0x00});
    state.set_code(contract, {});
    const Hash32 hash = state.code_hash(person);
    const StateDiff diff = std::move(state).finish().diff;
    ASSERT_EQ(diff.codes.size(), 1u);
    EXPECT_EQ(diff.codes.at(hash)->size(), 3u);
    EXPECT_EQ(diff.accounts.at(contract).account->code_hash, evm::empty_code_hash);
}

TEST_F(TransactionStateTest, precompiled_contracts_are_warm_from_the_beginning) {
    TransactionState state = begin();
    EXPECT_EQ(state.access_account(sample_address(1)), AccessStatus::warm);
    EXPECT_EQ(state.access_account(sample_address(0x7f)), AccessStatus::cold);
    EXPECT_EQ(state.accessed().size(), 1u) << "and nobody needs to list them";
}

TEST_F(TransactionStateTest, accessed_lists_what_was_asked_for_even_if_undone) {
    TransactionState state = begin();
    const auto checkpoint = state.checkpoint();
    state.access_account(person);
    state.access_storage(contract, U256{2});
    state.revert_to(checkpoint);
    state.balance(nobody);
    const auto accessed = state.accessed();
    ASSERT_EQ(accessed.size(), 2u);
    EXPECT_EQ(accessed[0].first, person);
    EXPECT_EQ(accessed[1].first, contract);
    EXPECT_EQ(accessed[1].second, std::vector{U256{2}});
}

TEST_F(TransactionStateTest, many_accounts_and_slots_are_found_again) {
    TransactionState state = begin();
    for (std::uint64_t index = 0; index < 3000; ++index) {
        state.add_balance(sample_address(1000 + index), U256{index + 1});
        state.set_storage(contract, U256{index << 20}, U256{index + 1});
    }
    for (std::uint64_t index = 0; index < 3000; ++index) {
        EXPECT_EQ(state.balance(sample_address(1000 + index)), U256{index + 1});
        EXPECT_EQ(state.storage(contract, U256{index << 20}), U256{index + 1});
    }
}

TEST_F(TransactionStateTest, merged_diffs_read_as_the_overlay_of_the_later_on_the_earlier) {
    TransactionState first = begin();
    first.set_storage(contract, U256{1}, U256{5});
    first.add_balance(nobody, U256{9});
    StateDiff merged = std::move(first).finish().diff;
    StateDiff later;
    {
        const OverlayView middle{base, merged};
        TransactionState second{middle, Revision::osaka, no_hashes};
        second.create_contract(contract);
        second.set_storage(contract, U256{4}, U256{4});
        second.subtract_balance(nobody, U256{9});
        later = std::move(second).finish().diff;
    }
    merged.merge(std::move(later));
    const OverlayView after{base, merged};
    EXPECT_FALSE(after.account(nobody));
    for (std::uint64_t key = 1; key <= 3; ++key)
        EXPECT_EQ(after.storage(contract, U256{key}), U256{});
    EXPECT_EQ(after.storage(contract, U256{4}), U256{4});
}

}  // namespace
}  // namespace millrace::state
