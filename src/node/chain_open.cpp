// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "node/chain_rows.hpp"
#include "node/chain_state.hpp"
#include "node/genesis_file.hpp"
#include "state/rows.hpp"
#include "trie/node.hpp"

namespace millrace::node {
namespace {

using state::Table;

constexpr std::uint64_t gas_limit_min = 5'000;

Failure damaged(std::string what) {
    return {"the chain's store does not fit together: " + std::move(what),
            {},
            "run 'millrace node verify'; restore a backup, or import the blocks anew "
            "(docs/operations.md, Recovery)"};
}

Failure newer(std::uint64_t format) {
    return {"this chain was written by a newer millrace (format " + std::to_string(format) +
                ", this program knows " + std::to_string(chain_format) + ")",
            {},
            "use the newer program, or a backup made before the upgrade"};
}

/// The stored chain is the one that `genesis` begins.
Outcome<void> check_genesis(const state::KeyValueView& store, const Hash32& hash,
                            std::uint64_t chain_id) {
    const auto row = store.get(Table::meta, as_bytes(genesis_key));
    const auto stored = row ? decode_genesis_row(*row) : std::nullopt;
    if (!stored) return Err{damaged("it does not tell its genesis block")};
    if (stored->format > chain_format) return Err{newer(stored->format)};
    if (stored->hash != hash)
        return Err{Failure{"the store holds another chain: its genesis block is " +
                               to_hex0x(stored->hash.view()) + ", the one asked for is " +
                               to_hex0x(hash.view()),
                           {},
                           "give the genesis file it was made with, or another folder"}};
    if (stored->chain_id != chain_id)
        return Err{Failure{"the store's chain has the id " + std::to_string(stored->chain_id) +
                               ", the one asked for " + std::to_string(chain_id),
                           {},
                           "give the genesis file it was made with, or another folder"}};
    return {};
}

/// The root that the state's tables have at the head.
Hash32 stored_state_root(const state::KeyValueView& store) {
    const auto root =
        store.get(Table::nodes, state::TrieName::accounts().node_key(trie::Nibbles{}));
    return root ? crypto::keccak256(*root) : trie::empty_root;
}

/// The head, whose rows are all there and whose state the tables hold.
Outcome<Head> read_head(const state::KeyValueView& store, ByteView head_row) {
    const auto named = decode_head_row(head_row);
    if (!named) return Err{damaged("the row of its head cannot be read")};
    if (named->format > chain_format) return Err{newer(named->format)};
    const Bytes key = state::height_key(named->height);
    const std::string block = "block " + std::to_string(named->height.value);
    const auto header_row = store.get(Table::headers, key);
    const auto header = header_row ? decode_header_row(*header_row) : std::nullopt;
    if (!header || header->number != named->height.value ||
        crypto::keccak256(*header_row) != named->hash)
        return Err{damaged("the header of its head, " + block + ", is missing or another one")};
    if (!store.get(Table::bodies, key) || !store.get(Table::receipts, key))
        return Err{damaged("the body or the receipts of its head, " + block + ", are missing")};
    if (state::read_state_height(store, state::state_head_key()) != named->height)
        return Err{damaged("the state is not that of its head, " + block)};
    if (stored_state_root(store) != header->state_root)
        return Err{damaged("the state's root is not that of its head, " + block)};
    return Head{.header = *header, .hash = named->hash};
}

Outcome<void> check_empty(const state::KeyValueView& store) {
    const bool is_empty = !store.get(Table::meta, as_bytes(genesis_key)) &&
                          !store.get(Table::meta, state::state_head_key()) &&
                          !store.get(Table::headers, state::height_key(Height{}));
    if (!is_empty) return Err{damaged("it has rows, but no head")};
    return {};
}

Outcome<void> check_header(const ledger::Genesis& genesis) {
    if (genesis.header.number != 0)
        return Err{
            Failure{"the genesis block has the number " + std::to_string(genesis.header.number),
                    {},
                    "a genesis block has the number 0"}};
    if (genesis.header.gas_limit < gas_limit_min)
        return Err{
            Failure{"the genesis block's gas limit is " + std::to_string(genesis.header.gas_limit),
                    {},
                    "blocks need at least 5,000"}};
    return {};
}

Failure cannot_write(const state::KeyValueStore& store) {
    return {"the genesis block cannot be written: " + store.why(),
            {},
            "free space on that disk, then start again"};
}

/// Takes away what a genesis in parts has left that was never finished.
Outcome<void> erase_unfinished(state::KeyValueStore& store) {
    constexpr std::size_t rows_max = 10'000;
    for (const Table table : {Table::accounts, Table::storage, Table::codes, Table::nodes}) {
        for (bool is_done = false; !is_done;) {
            state::WriteBatch batch;
            {
                const auto cursor = store.cursor(table);
                for (cursor->seek({}); cursor->valid(); cursor->next()) {
                    if (batch.size() == rows_max) break;
                    batch.erase(table, to_bytes(cursor->key()));
                }
                is_done = batch.size() < rows_max;
            }
            if (!batch.empty() && !store.write(batch, state::Durability::logged))
                return Err{cannot_write(store)};
        }
    }
    return {};
}

/// The last batch of a genesis, whose state it holds or completes: the chain begins with it.
Outcome<Head> begin(state::KeyValueStore& store, const ledger::Genesis& genesis, const Hash32& root,
                    state::WriteBatch& batch) {
    const types::Block first = ledger::make_genesis_block(genesis, root);
    const Hash32 hash = first.header.hash();
    put_block(batch, first, hash, {}, {});
    batch.put(Table::meta, as_bytes(genesis_key),
              encode_genesis_row({.hash = hash, .chain_id = genesis.config.chain_id}));
    if (!store.write(batch, state::Durability::synced)) return Err{cannot_write(store)};
    return Head{.header = first.header, .hash = hash};
}

/// Puts the accounts of a file into an empty store, all but the last part by themselves.
Outcome<Head> begin_with(state::KeyValueStore& store, state::StateDatabase& database,
                         const GenesisFile& file) {
    bool in_parts = store.get(Table::meta, as_bytes(genesis_begun_key)).has_value();
    if (in_parts) MILLRACE_TRY_VOID(erase_unfinished(store));
    Outcome<Head> result = Err{Failure{}};
    const bool whole = file.each_part([&](const state::StateDiff& part, bool is_last) {
        state::WriteBatch batch;
        if (is_last) {
            const Hash32 root = database.stage(Height{}, part, batch);
            if (in_parts) batch.erase(Table::meta, as_bytes(genesis_begun_key));
            batch.put(Table::meta, as_bytes(genesis_text_key), file.text_hash().view());
            result = begin(store, file.genesis(), root, batch);
            return result.has_value();
        }
        if (!in_parts) batch.put(Table::meta, as_bytes(genesis_begun_key), Bytes{1});
        in_parts = true;
        database.stage_part(part, batch);
        if (!store.write(batch, state::Durability::logged)) {
            result = Err{cannot_write(store)};
            return false;
        }
        database.part_committed();
        return true;
    });
    MILLRACE_ASSERT(whole == result.has_value());
    return result;
}

/// The genesis block's hash that a file stands for; its accounts are read only when the store was
/// begun with another text.
Outcome<Hash32> hash_of(state::KeyValueStore& store, GenesisFile& file) {
    const auto known = store.get(Table::meta, as_bytes(genesis_text_key));
    if (known && std::ranges::equal(*known, file.text_hash().view())) {
        const auto row = store.get(Table::meta, as_bytes(genesis_key));
        const auto stored = row ? decode_genesis_row(*row) : std::nullopt;
        if (stored) return stored->hash;
    }
    MILLRACE_TRY_VOID(file.check_accounts());
    return ledger::make_genesis_block(file.genesis(), file.state_root()).header.hash();
}

}  // namespace

Outcome<std::unique_ptr<Chain>> Chain::open(state::KeyValueStore& store,
                                            const ledger::Genesis& genesis, Options options) {
    MILLRACE_TRY_VOID(check_header(genesis));
    if (store.get(Table::meta, as_bytes(head_key))) {
        const Hash32 hash = ledger::make_genesis_block(genesis).header.hash();
        return continued(store, genesis, hash, options);
    }
    MILLRACE_TRY_VOID(check_empty(store));
    auto state = std::make_unique<State>(store, genesis, options);
    state::WriteBatch batch;
    const Hash32 root = state->database.stage(Height{}, genesis.state, batch);
    MILLRACE_TRY(const Head head, begin(store, genesis, root, batch));
    state->database.committed(Height{});
    state->genesis_hash = head.hash;
    state->load_head(head);
    return std::unique_ptr<Chain>{new Chain{std::move(state)}};
}

Outcome<std::unique_ptr<Chain>> Chain::open(state::KeyValueStore& store, GenesisFile& genesis,
                                            Options options) {
    MILLRACE_TRY_VOID(check_header(genesis.genesis()));
    if (store.get(Table::meta, as_bytes(head_key))) {
        MILLRACE_TRY(const Hash32 hash, hash_of(store, genesis));
        return continued(store, genesis.genesis(), hash, options);
    }
    MILLRACE_TRY_VOID(check_empty(store));
    MILLRACE_TRY_VOID(genesis.check_accounts());
    auto state = std::make_unique<State>(store, genesis.genesis(), options);
    MILLRACE_TRY(const Head head, begin_with(store, state->database, genesis));
    state->database.committed(Height{});
    state->genesis_hash = head.hash;
    state->load_head(head);
    return std::unique_ptr<Chain>{new Chain{std::move(state)}};
}

Outcome<std::unique_ptr<Chain>> Chain::continued(state::KeyValueStore& store,
                                                 const ledger::Genesis& genesis, const Hash32& hash,
                                                 Options options) {
    const auto head_row = store.get(Table::meta, as_bytes(head_key));
    MILLRACE_ASSERT(head_row.has_value());
    MILLRACE_TRY_VOID(check_genesis(store, hash, genesis.config.chain_id));
    MILLRACE_TRY(const Head head, read_head(store, *head_row));
    auto state = std::make_unique<State>(store, genesis, options);
    state->genesis_hash = hash;
    state->load_head(head);
    return std::unique_ptr<Chain>{new Chain{std::move(state)}};
}

}  // namespace millrace::node
