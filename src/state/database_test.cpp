// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/database.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/parallel_testing.hpp"
#include "base/prng.hpp"
#include "state/rows.hpp"
#include "state/sample_view.hpp"
#include "state/trie_values.hpp"
#include "trie/proof.hpp"

namespace millrace::state {
namespace {

using Rows = std::map<std::pair<std::size_t, Bytes>, Bytes>;

Rows all_rows(const KeyValueView& view) {
    Rows rows;
    for (std::size_t table = 0; table < table_count; ++table) {
        const auto cursor = view.cursor(static_cast<Table>(table));
        for (cursor->seek({}); cursor->valid(); cursor->next())
            rows[{table, to_bytes(cursor->key())}] = to_bytes(cursor->value());
    }
    return rows;
}

/// Whole states as plain maps.
struct Model {
    struct Entry {
        Account account;
        std::map<U256, U256> slots;
    };
    std::map<Address, Entry> accounts;

    void apply(const StateDiff& diff) {
        for (const auto& [address, change] : diff.accounts) {
            if (!change.account) {
                accounts.erase(address);
                continue;
            }
            Entry& entry = accounts[address];
            entry.account = *change.account;
            if (change.storage_cleared) entry.slots.clear();
            for (const auto& [key, value] : change.storage) {
                if (value.is_zero()) {
                    entry.slots.erase(key);
                } else {
                    entry.slots[key] = value;
                }
            }
        }
    }
    [[nodiscard]] Hash32 root() const {
        StateDiff whole;
        for (const auto& [address, entry] : accounts) {
            AccountDiff& change = whole.accounts[address];
            change.account = entry.account;
            change.storage.insert(entry.slots.begin(), entry.slots.end());
        }
        return StateDatabase::root_of(whole);
    }
};

constexpr std::uint64_t address_count = 40;
constexpr std::uint64_t slot_count = 12;

StateDiff draw_diff(Prng& prng, const Model& model) {
    StateDiff diff;
    for (std::uint64_t count = 1 + prng.below(8); count > 0; --count) {
        const Address address = sample_address(prng.below(address_count));
        AccountDiff& change = diff.accounts[address];
        change = {};
        const auto known = model.accounts.find(address);
        if (known != model.accounts.end() && prng.chance(200'000)) {
            change.storage_cleared = prng.chance(500'000) || !known->second.slots.empty();
            continue;
        }
        change.account = known == model.accounts.end() ? Account{} : known->second.account;
        change.account->nonce += prng.below(3);
        change.account->balance = U256{prng.next()};
        change.storage_cleared = prng.chance(150'000);
        if (prng.chance(300'000)) {
            const evm::CodePtr code = evm::Code::make(Bytes(1 + prng.below(4), 0x5b));
            change.account->code_hash = code->hash();
            diff.codes[code->hash()] = code;
        }
        for (std::uint64_t slots = prng.below(6); slots > 0; --slots)
            change.storage[U256{prng.below(slot_count)}] = U256{prng.below(3) * prng.next()};
    }
    return diff;
}

void expect_same(const StateView& view, const Model& model) {
    for (std::uint64_t number = 0; number < address_count; ++number) {
        const Address address = sample_address(number);
        const auto known = model.accounts.find(address);
        const auto account = view.account(address);
        ASSERT_EQ(account.has_value(), known != model.accounts.end());
        ASSERT_EQ(view.has_storage(address),
                  known != model.accounts.end() && !known->second.slots.empty());
        for (std::uint64_t slot = 0; slot < slot_count; ++slot) {
            U256 wanted;
            if (known != model.accounts.end() && known->second.slots.contains(U256{slot}))
                wanted = known->second.slots.at(U256{slot});
            ASSERT_EQ(view.storage(address, U256{slot}), wanted);
        }
        if (!account) continue;
        ASSERT_EQ(*account, known->second.account);
        ASSERT_EQ(view.code(account->code_hash)->hash(), account->code_hash);
    }
}

Hash32 write_block(MemoryStore& store, StateDatabase& database, Height height,
                   const StateDiff& diff) {
    WriteBatch batch;
    const Hash32 root = database.stage(height, diff, batch);
    EXPECT_TRUE(store.write(batch, Durability::synced));
    database.committed(height);
    return root;
}

void expect_proof(const StateDatabase& database, Height height, const Model& model,
                  const Hash32& root, std::uint64_t number) {
    const Address address = sample_address(number);
    std::vector<U256> keys;
    keys.reserve(slot_count);
    for (std::uint64_t slot = 0; slot < slot_count; ++slot)
        keys.emplace_back(slot);
    const auto proof = database.prove(height, address, keys);
    ASSERT_TRUE(proof);
    const auto leaf = trie::verify_proof(root, hashed_key(address).view(), proof->proof);
    ASSERT_TRUE(leaf) << trie::to_text(leaf.error());
    const auto known = model.accounts.find(address);
    ASSERT_EQ(leaf->has_value(), known != model.accounts.end());
    if (*leaf) {
        ASSERT_EQ(**leaf, account_leaf(known->second.account, proof->storage_root));
    }
    for (const auto& slot : proof->storage) {
        const auto value =
            trie::verify_proof(proof->storage_root, hashed_key(slot.key).view(), slot.proof);
        ASSERT_TRUE(value) << trie::to_text(value.error());
        ASSERT_EQ(value->has_value(), !slot.value.is_zero());
        if (*value) {
            ASSERT_EQ(**value, storage_leaf(slot.value));
        }
    }
}

class DatabaseRuns : public testing::TestWithParam<std::size_t> {};

TEST_P(DatabaseRuns, roots_views_proofs_rollback_and_pruning_agree_with_plain_maps) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        Prng prng{seed};
        MemoryStore store;
        StateDatabase database{
            store, {.code_cache_size_max = GetParam(), .node_cache_size_max = GetParam()}};
        std::vector<Model> models;
        std::vector<Hash32> roots;
        std::vector<Rows> rows;
        Height pruned;
        for (std::size_t step = 0; step < 60; ++step) {
            Model model = models.empty() ? Model{} : models.back();
            const StateDiff diff = draw_diff(prng, model);
            model.apply(diff);
            const Height height{models.size()};
            if (prng.chance(100'000)) {
                WriteBatch abandoned;
                static_cast<void>(database.stage(height, draw_diff(prng, model), abandoned));
            }
            roots.push_back(write_block(store, database, height, diff));
            models.push_back(std::move(model));
            rows.push_back(all_rows(store));
            ASSERT_EQ(roots.back(), models.back().root());
            expect_same(*database.latest(), models.back());
            expect_same(*database.working(), models.back());

            if (prng.chance(100'000)) {
                const Height target{pruned.value + prng.below(height.value - pruned.value + 1)};
                WriteBatch batch;
                ASSERT_TRUE(database.stage_rollback(target, batch));
                ASSERT_TRUE(store.write(batch, Durability::synced));
                database.rolled_back(target);
                models.resize(target.value + 1);
                roots.resize(target.value + 1);
                rows.resize(target.value + 1);
                if (pruned.value == 0) {
                    ASSERT_EQ(all_rows(store), rows.back());
                }
                expect_same(*database.latest(), models.back());
                expect_same(*database.working(), models.back());
            }
            const Height head{models.size() - 1};
            if (seed % 2 == 1 && prng.chance(150'000)) {
                const Height target{prng.below(head.value + 1)};
                bool is_done = false;
                while (!is_done) {
                    WriteBatch batch;
                    is_done = database.stage_prune(target, 1 + prng.below(20), batch);
                    ASSERT_TRUE(store.write(batch, Durability::synced));
                }
                pruned = std::max(pruned, target);
                // Taken anew, so that the bound is seen.
                StateDatabase again{store};
                ASSERT_EQ(again.snapshot()->oldest(), pruned);
                ASSERT_EQ(pruned > Height{0} && again.at(Height{pruned.value - 1}) != nullptr,
                          false);
                if (pruned > Height{0}) {
                    WriteBatch batch;
                    ASSERT_FALSE(again.stage_rollback(Height{pruned.value - 1}, batch));
                }
            }
            for (std::uint64_t at = pruned.value; at <= head.value; at += 1 + prng.below(7)) {
                const auto view = database.at(Height{at});
                ASSERT_TRUE(view);
                expect_same(*view, models[at]);
                expect_proof(database, Height{at}, models[at], roots[at],
                             prng.below(address_count));
            }
            ASSERT_FALSE(database.at(Height{head.value + 1}));
            ASSERT_FALSE(database.prove(Height{head.value + 1}, sample_address(1), {}));
        }
        const auto verification = database.verify();
        EXPECT_EQ(verification.problem, "");
        EXPECT_EQ(verification.root, roots.back());
        EXPECT_EQ(verification.accounts, models.back().accounts.size());
    }
}

INSTANTIATE_TEST_SUITE_P(Caches, DatabaseRuns, testing::Values(0, 2000, 64u << 20));

StateDiff sample_state() {
    StateDiff diff;
    for (std::uint64_t number = 0; number < 60; ++number) {
        AccountDiff& change = diff.accounts[sample_address(number)];
        change.account = Account{.nonce = 1, .balance = U256{number}};
        for (std::uint64_t slot = 0; slot < number % 5; ++slot)
            change.storage[U256{slot}] = U256{slot + 1};
    }
    const evm::CodePtr code = evm::Code::make({0x00, 0x5b});
    diff.codes[code->hash()] = code;
    diff.accounts[sample_address(7)].account->code_hash = code->hash();
    return diff;
}

TEST(Database, views_and_snapshots_do_not_see_later_blocks) {
    MemoryStore store;
    StateDatabase database{store};
    const auto before_genesis = database.latest();
    write_block(store, database, Height{0}, sample_state());
    const auto snapshot = database.snapshot();
    const auto view = database.latest();
    StateDiff diff;
    diff.accounts[sample_address(1)].account = Account{.nonce = 9, .balance = U256{}};
    write_block(store, database, Height{1}, diff);
    EXPECT_FALSE(before_genesis->account(sample_address(1)));
    EXPECT_EQ(view->account(sample_address(1))->nonce, 1u);
    EXPECT_EQ(snapshot->latest()->account(sample_address(1))->nonce, 1u);
    EXPECT_FALSE(snapshot->at(Height{1}));
    EXPECT_EQ(database.latest()->account(sample_address(1))->nonce, 9u);
    EXPECT_EQ(database.at(Height{0})->account(sample_address(1))->nonce, 1u);
}

TEST(Database, opens_again_where_the_last_written_block_left_it) {
    MemoryStore store;
    Hash32 root;
    {
        StateDatabase database{store};
        root = write_block(store, database, Height{0}, sample_state());
        WriteBatch unwritten;
        static_cast<void>(database.stage(Height{1}, sample_state(), unwritten));
    }
    StateDatabase database{store};
    EXPECT_EQ(database.verify().root, root);
    EXPECT_EQ(database.snapshot()->head(), Height{0});
    EXPECT_EQ(write_block(store, database, Height{1}, StateDiff{}), root);
}

TEST(Database, verify_names_every_kind_of_damage) {
    MemoryStore whole;
    StateDatabase writer{whole};
    write_block(whole, writer, Height{0}, sample_state());
    Prng prng{11};
    for (const Table table : {Table::accounts, Table::storage, Table::nodes, Table::codes}) {
        const Rows rows = all_rows(whole);
        for (const auto& [key, value] : rows) {
            if (key.first != static_cast<std::size_t>(table)) continue;
            const auto damaged = [&](std::optional<Bytes> row) {
                WriteBatch batch;
                for (const auto& [place, content] : rows)
                    batch.put(static_cast<Table>(place.first), place.second, content);
                if (row) {
                    batch.put(table, key.second, *row);
                } else {
                    batch.erase(table, key.second);
                }
                MemoryStore store;
                EXPECT_TRUE(store.write(batch, Durability::synced));
                return StateDatabase{store}.verify();
            };
            EXPECT_NE(damaged(std::nullopt).problem, "");
            Bytes changed = value;
            changed[prng.below(changed.size())] ^= 0x01;
            EXPECT_NE(damaged(changed).problem, "");
        }
    }
    EXPECT_EQ(writer.verify().problem, "");
}

TEST(Database, verify_finds_rows_that_belong_to_nothing) {
    const auto with = [](Table table, Bytes key, Bytes value) {
        MemoryStore store;
        StateDatabase database{store};
        write_block(store, database, Height{0}, sample_state());
        WriteBatch batch;
        batch.put(table, std::move(key), std::move(value));
        EXPECT_TRUE(store.write(batch, Durability::synced));
        return StateDatabase{store}.verify().problem;
    };
    EXPECT_NE(with(Table::storage, storage_key(sample_address(1000), U256{1}), {1}), "");
    EXPECT_NE(with(Table::storage, storage_key(sample_address(1), U256{99}), {1}), "");
    EXPECT_NE(with(Table::storage, Bytes(3, 1), {1}), "");
    EXPECT_NE(with(Table::nodes, TrieName::accounts().node_key(trie::Nibbles::of(Bytes(32))), {1}),
              "");
    EXPECT_EQ(with(Table::codes, Bytes(32, 1), {1}), "");  // of an account that is gone
}

TEST(DatabaseDeathTest, a_damaged_row_ends_the_process_with_its_name) {
    MemoryStore store;
    StateDatabase writer{store};
    write_block(store, writer, Height{0}, sample_state());
    WriteBatch batch;
    batch.put(Table::accounts, sample_address(3).view(), Bytes{0x01});
    ASSERT_TRUE(store.write(batch, Durability::synced));
    StateDatabase database{store};
    EXPECT_DEATH(static_cast<void>(database.latest()->account(sample_address(3))),
                 "store is damaged.*table=1 key=0000000000000000000000000000000000000003");
}

TEST(DatabaseDeathTest, a_newer_format_is_refused) {
    MemoryStore store;
    WriteBatch batch;
    batch.put(Table::meta, state_head_key(), Bytes{0xc2, 0x02, 0x05});
    ASSERT_TRUE(store.write(batch, Durability::synced));
    EXPECT_DEATH(StateDatabase{store}, "format 1");
}

TEST(Database, views_are_read_by_many_threads_while_blocks_are_written) {
    MemoryStore store;
    StateDatabase database{store, {.code_cache_size_max = 2000, .node_cache_size_max = 64u << 20}};
    write_block(store, database, Height{0}, sample_state());
    const Hash32 code_hash = database.latest()->account(sample_address(7))->code_hash;
    std::array<std::thread, 3> readers;
    for (std::thread& reader : readers) {
        reader = std::thread{[&] {
            std::uint64_t last = 0;
            while (last < 100) {
                const auto snapshot = database.snapshot();
                const std::uint64_t nonce = snapshot->latest()->account(sample_address(1))->nonce;
                EXPECT_GE(nonce, last);
                last = nonce;
                EXPECT_EQ(snapshot->at(Height{0})->account(sample_address(1))->nonce, 1u);
                EXPECT_EQ(snapshot->latest()->code(code_hash)->size(), 2u);
                EXPECT_TRUE(snapshot->prove(*snapshot->head(), sample_address(1), {U256{1}}));
            }
        }};
    }
    for (std::uint64_t height = 1; height <= 100; ++height) {
        StateDiff diff;
        diff.accounts[sample_address(1)].account = Account{.nonce = height, .balance = U256{}};
        write_block(store, database, Height{height}, diff);
    }
    for (std::thread& reader : readers)
        reader.join();
}

TEST(StateDatabase, a_genesis_in_parts_leaves_the_rows_of_a_whole_one) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Prng prng{seed};
        StateDiff whole;
        for (std::uint64_t number = 0; number < 200; ++number) {
            AccountDiff& entry = whole.accounts[sample_address(number)];
            entry.account = Account{.nonce = 1, .balance = U256{prng.next()}};
            for (std::uint64_t slots = prng.below(9); slots > 0; --slots)
                entry.storage[U256{prng.next()}] = U256{prng.next()};
        }
        MemoryStore store;
        StateDatabase database{store};
        WriteBatch batch;
        const Hash32 root = database.stage(Height{}, whole, batch);
        ASSERT_TRUE(store.write(batch, Durability::synced));

        MemoryStore other;
        StateDatabase parts{other};
        StateDiff part;
        for (const auto& [address, entry] : whole.accounts) {
            part.accounts[address].account = entry.account;
            for (const auto& [slot, value] : entry.storage) {
                part.accounts[address].account = entry.account;
                part.accounts[address].storage[slot] = value;
                if (!prng.chance(100'000)) continue;
                WriteBatch rows;
                parts.stage_part(part, rows);
                ASSERT_TRUE(other.write(rows, Durability::logged));
                parts.part_committed();
                part = {};
            }
        }
        WriteBatch last;
        EXPECT_EQ(parts.stage(Height{}, part, last), root);
        ASSERT_TRUE(other.write(last, Durability::synced));
        parts.committed(Height{});
        EXPECT_EQ(all_rows(other), all_rows(store));
    }
}

TEST(Database, a_block_staged_by_several_threads_is_the_same_rows_in_the_same_order) {
    const ParallelFor threads = a_thread_each();
    Prng prng{5};
    MemoryStore store;
    StateDatabase database{store};
    MemoryStore other_store;
    StateDatabase other{other_store};
    for (std::uint64_t height = 0; height < 8; ++height) {
        StateDiff diff;
        for (std::uint64_t count = 30 + prng.below(300); count > 0; --count) {
            AccountDiff& change = diff.accounts[sample_address(prng.below(400))];
            if (height > 0 && prng.chance(100'000)) {
                change = {};
                change.storage_cleared = true;
                continue;
            }
            change.account = Account{.nonce = height, .balance = U256{prng.below(3)}};
            for (std::uint64_t slots = prng.below(4); slots > 0; --slots)
                change.storage[U256{prng.below(9)}] = U256{prng.below(4)};
        }
        // What was read before is taken from there, and is the same.
        const auto working = other.working();
        for (const auto& [address, change] : diff.accounts) {
            if (prng.chance(500'000)) continue;
            EXPECT_EQ(working->account(address), database.latest()->account(address));
            for (const auto& [slot, value] : change.storage)
                EXPECT_EQ(working->storage(address, slot),
                          database.latest()->storage(address, slot));
        }
        WriteBatch rows;
        WriteBatch other_rows;
        EXPECT_EQ(database.stage(Height{height}, diff, rows),
                  other.stage(Height{height}, diff, other_rows, threads));
        EXPECT_EQ(WriteBatch{rows}.take().bytes, WriteBatch{other_rows}.take().bytes);
        ASSERT_TRUE(store.write(rows, Durability::synced));
        ASSERT_TRUE(other_store.write(other_rows, Durability::synced));
        database.committed(Height{height});
        other.committed(Height{height});
    }
    EXPECT_EQ(other.verify().problem, "");
}

}  // namespace
}  // namespace millrace::state
