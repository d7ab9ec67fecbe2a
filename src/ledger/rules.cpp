// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <array>
#include <utility>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "ledger/chain_config.hpp"
#include "ledger/fees.hpp"
#include "ledger/transition.hpp"
#include "state/database.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;

bool reached(const std::optional<std::uint64_t>& begin, std::uint64_t now) noexcept {
    return begin && now >= *begin;
}

Revision revision_at(const ChainConfig& config, std::uint64_t number,
                     std::uint64_t timestamp) noexcept {
    // Newest first: the first that has begun counts.
    const std::array<std::pair<const std::optional<std::uint64_t>*, Revision>, 4> by_time{{
        {&config.osaka_time, Revision::osaka},
        {&config.prague_time, Revision::prague},
        {&config.cancun_time, Revision::cancun},
        {&config.shanghai_time, Revision::shanghai},
    }};
    const std::array<std::pair<const std::optional<std::uint64_t>*, Revision>, 10> by_number{{
        {&config.paris_block, Revision::paris},
        {&config.london_block, Revision::london},
        {&config.berlin_block, Revision::berlin},
        {&config.istanbul_block, Revision::istanbul},
        {&config.petersburg_block, Revision::petersburg},
        {&config.constantinople_block, Revision::constantinople},
        {&config.byzantium_block, Revision::byzantium},
        {&config.spurious_dragon_block, Revision::spurious_dragon},
        {&config.tangerine_whistle_block, Revision::tangerine_whistle},
        {&config.homestead_block, Revision::homestead},
    }};
    // As in geth: what goes by time needs london as well, so that a genesis time in the far past
    // does not start it early.
    if (reached(config.london_block, number)) {
        for (const auto& [begin, revision] : by_time) {
            if (reached(*begin, timestamp)) return revision;
        }
    }
    for (const auto& [begin, revision] : by_number) {
        if (reached(*begin, number)) return revision;
    }
    return Revision::frontier;
}

}  // namespace

Rules rules_at(const ChainConfig& config, std::uint64_t number, std::uint64_t timestamp) noexcept {
    Rules rules;
    rules.revision = revision_at(config, number, timestamp);
    rules.chain_id = config.chain_id;
    rules.deposit_contract = config.deposit_contract;
    rules.blob_transactions = config.blob_transactions;
    const auto after = config.blob_schedules.upper_bound(timestamp);
    if (after != config.blob_schedules.begin()) rules.blobs = std::prev(after)->second;
    return rules;
}

BlockEnvironment environment_of(const Rules& rules, const types::Header& header) {
    BlockEnvironment environment;
    environment.context = {.number = header.number,
                           .timestamp = header.timestamp,
                           .gas_limit = header.gas_limit,
                           .coinbase = header.coinbase,
                           .difficulty = header.difficulty,
                           .prev_randao = header.mix_hash,
                           .base_fee = header.base_fee.value_or(U256{}),
                           .blob_base_fee = {},
                           .chain_id = rules.chain_id};
    environment.excess_blob_gas = header.excess_blob_gas.value_or(0);
    if (rules.revision >= Revision::cancun) {
        environment.context.blob_base_fee = blob_base_fee(rules, environment.excess_blob_gas);
    }
    return environment;
}

types::Block make_genesis_block(const Genesis& genesis) {
    return make_genesis_block(genesis, state::StateDatabase::root_of(genesis.state));
}

types::Block make_genesis_block(const Genesis& genesis, const Hash32& state_root) {
    types::Block block;
    types::Header& header = block.header;
    header = genesis.header;
    const Revision revision = rules_at(genesis.config, header.number, header.timestamp).revision;
    header.state_root = state_root;
    header.ommers_hash = types::ommers_hash({});
    header.transactions_root = transactions_root({});
    header.receipts_root = receipts_root({});
    if (revision >= Revision::london && !header.base_fee) header.base_fee = initial_base_fee;
    if (revision >= Revision::shanghai) {
        block.withdrawals.emplace();
        header.withdrawals_root = withdrawals_root({});
    }
    if (revision >= Revision::cancun) {
        if (!header.blob_gas_used) header.blob_gas_used = 0;
        if (!header.excess_blob_gas) header.excess_blob_gas = 0;
        if (!header.parent_beacon_block_root) header.parent_beacon_block_root = Hash32{};
    }
    if (revision >= Revision::prague) header.requests_hash = crypto::sha256({});
    return block;
}

}  // namespace millrace::ledger
