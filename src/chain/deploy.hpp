// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <vector>

#include "chain/chain_client.hpp"
#include "chain/network_file.hpp"
#include "chain/transaction_sender.hpp"

namespace millrace::chain {

/// Parameters of the contracts' constructors (docs/formats/contracts.md). Times in seconds.
struct DeployParameters {
    Amount stake_min{};
    std::uint64_t unbond_delay = 7 * 86'400;
    std::uint64_t payout_delay = 86'400;
    std::uint64_t expiry_min = 600;
    std::uint64_t expiry_max = 30 * 86'400;
    std::uint64_t withdrawal_delay = 86'400;
};

struct Deployment {
    types::SettlementDomain domain;
    std::vector<Hash32> transactions;
    U256 gas_cost;  ///< wei paid
};

/// Deploys Capabilities, Providers, Deposits and Jobs from the sender's account, which must send
/// nothing else meanwhile: the contracts' addresses follow from its next nonce. Checks afterwards
/// that Capabilities names what was deployed.
Outcome<Deployment> deploy_contracts(ChainClient& client, TransactionSender& sender,
                                     const DeployParameters& parameters, Duration timeout);

/// What the Capabilities contract at this address says, with the chain id from the chain: for
/// networks that others deployed, and for our own chains, whose genesis holds the contracts. A
/// Failure when there is none or it is newer than we know.
Outcome<types::SettlementDomain> read_capabilities(ChainClient& client,
                                                   const Address& capabilities);

}  // namespace millrace::chain
