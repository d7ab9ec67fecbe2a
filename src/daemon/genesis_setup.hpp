// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/failure.hpp"
#include "base/u256.hpp"
#include "chain/deploy.hpp"
#include "crypto/secp256k1.hpp"
#include "ledger/chain_config.hpp"

namespace millrace::daemon {

/// The ten accounts of the mnemonic "test test test test test test test test test test test junk",
/// which anvil and hardhat fund too. Public: they hold nothing on any other network.
const std::vector<crypto::SecretKey>& development_keys();

/// Where the market's contracts stand on our own chains (design.md section 5).
struct Predeploys {
    Address deposits;
    Address providers;
    Address jobs;
    Address capabilities;
};
const Predeploys& predeploys();

struct GenesisPlan {
    std::string network = "local";
    std::uint64_t chain_id = 5'065'036;
    std::uint64_t timestamp = 0;
    std::uint64_t gas_limit = 60'000'000;
    U256 base_fee{1'000'000'000};
    std::vector<std::pair<Address, Amount>> funded;
    chain::DeployParameters contracts;
    bool development = true;
};

/// A genesis with the rules of osaka from the start, Ethereum's system contracts, and the market's
/// contracts in place: their constructors are run here, by the chain's own machine, and what they
/// leave goes into the allocation. The salt of every signature (Capabilities.network()) is the hash
/// of this genesis block without the market's contracts, because a contract cannot hold the hash of
/// the block that holds it (docs/decisions/0007).
Outcome<ledger::Genesis> make_genesis(const GenesisPlan& plan);

/// Short delays, so that every path of the contracts can be walked in minutes.
chain::DeployParameters development_parameters();

/// A genesis file in which each development account holds 10,000 coins.
struct DevelopmentPlan {
    std::string network;
    std::uint64_t chain_id = 5'065'036;
    std::uint64_t timestamp = 0;
    std::uint64_t gas_limit = 60'000'000;
};
Outcome<std::string> development_genesis_text(const DevelopmentPlan& plan);

}  // namespace millrace::daemon
