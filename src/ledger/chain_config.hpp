// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/quantity.hpp"
#include "base/u256.hpp"
#include "evm/revision.hpp"
#include "state/state_view.hpp"
#include "types/block.hpp"

namespace millrace::ledger {

/// EIP-4844 and EIP-7840, per fork.
struct BlobSchedule {
    std::uint64_t target = 0;
    std::uint64_t max = 0;
    std::uint64_t base_fee_update_fraction = 1;
    bool operator==(const BlobSchedule&) const = default;
};

/// The parameters of one chain, in the terms of geth's genesis file. Heights and times at which the
/// rules of an upgrade begin; absent: never. Upgrades by height end with london/paris, later ones
/// go by the block's timestamp.
struct ChainConfig {
    std::uint64_t chain_id = 1;
    std::optional<std::uint64_t> homestead_block, tangerine_whistle_block, spurious_dragon_block,
        byzantium_block, constantinople_block, petersburg_block, istanbul_block, berlin_block,
        london_block, paris_block;
    std::optional<std::uint64_t> shanghai_time, cancun_time, prague_time, osaka_time;
    /// Blob parameters from a time on (Cancun's, Prague's, Osaka's, BPO forks), ascending.
    std::map<std::uint64_t, BlobSchedule> blob_schedules;
    std::optional<std::uint64_t> dao_fork_block;
    /// Delays of proof of work's difficulty: they change no rule we check, but count in the fork
    /// identifier (EIP-2124).
    std::optional<std::uint64_t> muir_glacier_block, arrow_glacier_block, gray_glacier_block;
    Address deposit_contract;       ///< EIP-6110; zero: none
    bool blob_transactions = true;  ///< false on our networks: type 3 is refused
    bool operator==(const ChainConfig&) const = default;
};

/// The rules of one block, chosen once.
struct Rules {
    evm::Revision revision = evm::Revision::osaka;
    std::uint64_t chain_id = 1;
    BlobSchedule blobs;
    Address deposit_contract;
    bool blob_transactions = true;
};
Rules rules_at(const ChainConfig& config, std::uint64_t number, std::uint64_t timestamp) noexcept;

/// Block 0. The file format is geth's (node/genesis_file.hpp reads it).
struct Genesis {
    ChainConfig config;
    types::Header header;    ///< without state root: make_genesis_block() fills it
    state::StateDiff state;  ///< alloc
    std::string network;     ///< "millrace" object: name shown to people
    bool development = false;
    std::vector<Address> producers;  ///< who may produce blocks; one for now
};
/// The header with roots filled in by the rules at its own timestamp, as geth makes it.
types::Block make_genesis_block(const Genesis& genesis);
/// The same where the root of its state is known; `genesis.state` is not looked at.
types::Block make_genesis_block(const Genesis& genesis, const Hash32& state_root);

}  // namespace millrace::ledger
