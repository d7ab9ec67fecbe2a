// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <vector>

#include "base/failure.hpp"
#include "base/u256.hpp"
#include "chain/network_file.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::daemon {

/// Key 0 of the development mnemonic that anvil and hardhat fund ("test test … junk"). Public: it
/// holds nothing on any other network.
crypto::SecretKey development_key();

struct NetworkPlan {
    std::string name;
    std::string rpc_url;
    std::string file;               ///< network.toml, read when there, written when not
    crypto::SecretKey funder;       ///< pays for contracts and first coins
    std::vector<Address> accounts;  ///< each is brought to `coins_each`
    Amount coins_each;
    bool development = true;
};

/// Blocking: checks the chain, deploys the contracts unless the network's file names them and they
/// stand, and funds the accounts.
Outcome<chain::NetworkFile> set_up_network(const NetworkPlan& plan);

/// Blocking: sends `amount` from the funder, and waits for the receipt.
Outcome<Hash32> grant_coins(const std::string& rpc_url, const crypto::SecretKey& funder,
                            const Address& account, const Amount& amount);

}  // namespace millrace::daemon
