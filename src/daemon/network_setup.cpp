// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/network_setup.hpp"

#include "chain/chain_client.hpp"
#include "chain/deploy.hpp"
#include "chain/transaction_sender.hpp"
#include "daemon/genesis_setup.hpp"
#include "io/files.hpp"

namespace millrace::daemon {

namespace {

constexpr Duration transaction_time_max{60'000};

Outcome<void> fund(chain::ChainClient& client, chain::TransactionSender& sender,
                   const std::vector<Address>& accounts, const Amount& coins_each) {
    std::vector<Hash32> sent;
    for (const auto& account : accounts) {
        MILLRACE_TRY(const Amount balance, client.balance(account));
        // Half is enough: a network that comes up again is not topped up for what it spent.
        const auto doubled = checked_add(balance, balance);
        if (doubled && *doubled >= coins_each) continue;
        MILLRACE_TRY(const Hash32 hash, sender.submit({.to = account,
                                                       .value = coins_each,
                                                       .data = {},
                                                       .purpose = "fund",
                                                       .gas_limit = std::nullopt}));
        sent.push_back(hash);
    }
    for (const auto& hash : sent)
        MILLRACE_TRY_VOID(sender.wait(hash, transaction_time_max));
    return {};
}

}  // namespace

crypto::SecretKey development_key() {
    return development_keys().front();
}

Outcome<chain::NetworkFile> set_up_network(const NetworkPlan& plan) {
    chain::NetworkFile network;
    if (io::file_exists(plan.file)) {
        MILLRACE_TRY(network, chain::read_network_file(plan.file));
        network.rpc_url = plan.rpc_url;
        const auto client = chain::connect_to_network(network);
        if (!client) {
            Failure failure = client.error();
            failure.remedy += (failure.remedy.empty() ? "" : "; ");
            failure.remedy += "if this development network may be thrown away: millrace up --reset";
            return Err{failure};
        }
        MILLRACE_TRY_VOID(chain::write_network_file(plan.file, network));
        chain::TransactionSender sender{**client, plan.funder};
        MILLRACE_TRY_VOID(fund(**client, sender, plan.accounts, plan.coins_each));
        return network;
    }
    MILLRACE_TRY(const auto client, chain::ChainClient::connect(plan.rpc_url));
    chain::TransactionSender sender{*client, plan.funder};
    network.name = plan.name;
    network.rpc_url = plan.rpc_url;
    // Our own chains hold the contracts from their genesis on; elsewhere they are deployed.
    MILLRACE_TRY(const Bytes predeployed, client->code(predeploys().capabilities));
    if (predeployed.empty()) {
        MILLRACE_TRY(const auto deployment,
                     chain::deploy_contracts(*client, sender, development_parameters(),
                                             transaction_time_max));
        network.domain = deployment.domain;
    } else {
        MILLRACE_TRY(network.domain, chain::read_capabilities(*client, predeploys().capabilities));
    }
    network.dev = plan.development;
    MILLRACE_TRY_VOID(fund(*client, sender, plan.accounts, plan.coins_each));
    MILLRACE_TRY_VOID(chain::write_network_file(plan.file, network));
    return network;
}

Outcome<Hash32> grant_coins(const std::string& rpc_url, const crypto::SecretKey& funder,
                            const Address& account, const Amount& amount) {
    MILLRACE_TRY(const auto client, chain::ChainClient::connect(rpc_url));
    chain::TransactionSender sender{*client, funder};
    MILLRACE_TRY(const auto receipt, sender.send({.to = account,
                                                  .value = amount,
                                                  .data = {},
                                                  .purpose = "faucet",
                                                  .gas_limit = std::nullopt},
                                                 transaction_time_max));
    return receipt.transaction;
}

}  // namespace millrace::daemon
