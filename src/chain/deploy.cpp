// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/deploy.hpp"

#include "chain/artifacts.hpp"
#include "crypto/secp256k1.hpp"
#include "market/contract_calls.hpp"
#include "types/transaction.hpp"

namespace millrace::chain {
namespace {

struct Creation {
    const char* name;
    Address address;  ///< where it must come to be
    Bytes arguments;
};

/// The contracts in the order of docs/formats/contracts.md, at the addresses that follow from the
/// account's next nonce.
std::vector<Creation> plan(const types::SettlementDomain& domain,
                           const DeployParameters& parameters) {
    market::CapabilitiesView parts;
    parts.version = market::capabilities_version;
    parts.network = domain.genesis;
    parts.providers = domain.providers;
    parts.deposits = domain.deposits;
    parts.jobs = domain.jobs;
    return {
        {"Capabilities", domain.capabilities, market::encode_capabilities_constructor(parts)},
        {"Providers", domain.providers,
         market::encode_providers_constructor(domain.deposits, domain.jobs, parameters.stake_min,
                                              parameters.unbond_delay, parameters.payout_delay)},
        {"Deposits", domain.deposits,
         market::encode_deposits_constructor(domain.genesis, domain.providers,
                                             parameters.expiry_min, parameters.expiry_max,
                                             parameters.withdrawal_delay)},
        {"Jobs", domain.jobs, market::encode_jobs_constructor(domain.genesis, domain.providers)}};
}

}  // namespace

Outcome<Deployment> deploy_contracts(ChainClient& client, TransactionSender& sender,
                                     const DeployParameters& parameters, Duration timeout) {
    Deployment deployment;
    types::SettlementDomain& domain = deployment.domain;
    domain.chain_id = U256{client.chain_id()};
    MILLRACE_TRY(domain.genesis, client.genesis_hash());
    MILLRACE_TRY(const std::uint64_t nonce, client.nonce(sender.account(), BlockTag::pending));
    domain.capabilities = types::contract_address(sender.account(), nonce);
    domain.providers = types::contract_address(sender.account(), nonce + 1);
    domain.deposits = types::contract_address(sender.account(), nonce + 2);
    domain.jobs = types::contract_address(sender.account(), nonce + 3);

    for (const Creation& creation : plan(domain, parameters)) {
        TransactionSender::Request request;
        request.data = creation_code(creation.name);
        request.data.insert(request.data.end(), creation.arguments.begin(),
                            creation.arguments.end());
        request.purpose = std::string{"deploy "} + creation.name;
        MILLRACE_TRY(const TransactionReceipt receipt, sender.send(request, timeout));
        if (receipt.contract != creation.address) {
            return Err{Failure{std::string{creation.name} + " came to be at another address",
                               crypto::checksum_address(creation.address),
                               "another program sent from this account; deploy again"}};
        }
        deployment.transactions.push_back(receipt.transaction);
        const auto cost = checked_mul(receipt.gas_price, U256{receipt.gas_used});
        deployment.gas_cost = wrapping_add(deployment.gas_cost, cost.value_or(U256{}));
    }
    MILLRACE_TRY(const types::SettlementDomain found,
                 read_capabilities(client, domain.capabilities));
    if (found != domain) {
        return Err{Failure{"the deployed contracts do not name each other as they should",
                           crypto::checksum_address(domain.capabilities), "deploy again"}};
    }
    return deployment;
}

Outcome<types::SettlementDomain> read_capabilities(ChainClient& client,
                                                   const Address& capabilities) {
    MILLRACE_TRY(const Bytes output, client.call(capabilities, market::encode_capabilities_all()));
    const auto parts = market::decode_capabilities(output);
    if (!parts.has_value()) {
        const bool newer = parts.error() == codec::AbiError::out_of_range;
        return Err{Failure{newer ? "the Capabilities contract is newer than this program knows"
                                 : "there is no Capabilities contract at this address",
                           crypto::checksum_address(capabilities),
                           newer ? "use a newer millrace" : "check the address and the chain"}};
    }
    types::SettlementDomain domain;
    domain.chain_id = U256{client.chain_id()};
    domain.genesis = parts->network;
    domain.capabilities = capabilities;
    domain.providers = parts->providers;
    domain.deposits = parts->deposits;
    domain.jobs = parts->jobs;
    return domain;
}

}  // namespace millrace::chain
