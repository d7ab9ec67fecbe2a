// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/genesis_setup.hpp"

#include <functional>

#include "base/assert.hpp"
#include "chain/artifacts.hpp"
#include "crypto/development_keys.hpp"
#include "evm/machine.hpp"
#include "market/contract_calls.hpp"
#include "node/genesis_file.hpp"
#include "node/system_contracts.hpp"
#include "state/transaction_state.hpp"

namespace millrace::daemon {

namespace {

/// 'M' 'I' 'L', then zeros and a number.
Address predeploy(std::uint8_t number) {
    Address address;
    address.bytes[0] = 0x4d;
    address.bytes[1] = 0x49;
    address.bytes[2] = 0x4c;
    address.bytes[19] = number;
    return address;
}

/// No accounts at all.
class EmptyState final : public state::StateView {
  public:
    std::optional<state::Account> account(const Address&) const override { return std::nullopt; }
    U256 storage(const Address&, const U256&) const override { return {}; }
    bool has_storage(const Address&) const override { return false; }
    evm::CodePtr code(const Hash32&) const override { return evm::Code::empty(); }
};

void place_code(state::StateDiff& state, const Address& address, Bytes code) {
    const auto analysed = evm::Code::make(std::move(code));
    state::AccountDiff& account = state.accounts[address];
    account.account = state::Account{.nonce = 1, .balance = U256{}, .code_hash = analysed->hash()};
    state.codes[analysed->hash()] = analysed;
}

/// Runs a contract's constructor on the genesis as it stands and puts what it leaves at `target`.
Outcome<void> place_contract(ledger::Genesis& genesis, const char* name, const Bytes& arguments,
                             const Address& target) {
    Bytes code = chain::creation_code(name);
    code.insert(code.end(), arguments.begin(), arguments.end());

    const EmptyState nothing;
    const state::OverlayView view{nothing, genesis.state};
    const state::TransactionState::BlockHashes no_hashes = [](std::uint64_t) { return Hash32{}; };
    const evm::Revision revision =
        ledger::rules_at(genesis.config, 0, genesis.header.timestamp).revision;
    state::TransactionState journal{view, revision, no_hashes};
    const evm::BlockContext block{.number = 0,
                                  .timestamp = genesis.header.timestamp,
                                  .gas_limit = genesis.header.gas_limit,
                                  .coinbase = {},
                                  .difficulty = {},
                                  .prev_randao = {},
                                  .base_fee = {},
                                  .blob_base_fee = U256{1},
                                  .chain_id = genesis.config.chain_id};
    const evm::TransactionContext transaction;
    const auto arena = evm::make_arena();
    evm::Machine machine{revision, block, transaction, journal, *arena};
    evm::Message message;
    message.kind = evm::CallKind::create;
    message.gas = 100'000'000;
    message.input = code;
    const evm::CallResult result = machine.call(message);
    if (result.status != evm::Status::success) {
        return Err{Failure{std::string{"the constructor of "} + name +
                               " failed: " + std::string{evm::to_text(result.status)},
                           "genesis", "check the parameters of the contracts"}};
    }
    auto finished = std::move(journal).finish();
    const auto created = finished.diff.accounts.find(result.created);
    MILLRACE_ASSERT(created != finished.diff.accounts.end());
    MILLRACE_ASSERT(created->second.account.has_value());
    const Hash32 code_hash = created->second.account->code_hash;
    genesis.state.codes[code_hash] = finished.diff.codes.at(code_hash);
    genesis.state.accounts[target] = created->second;
    return {};
}

Outcome<void> place_market(ledger::Genesis& genesis, const chain::DeployParameters& parameters,
                           const Hash32& salt) {
    const Predeploys& at = predeploys();
    market::CapabilitiesView parts;
    parts.version = market::capabilities_version;
    parts.network = salt;
    parts.providers = at.providers;
    parts.deposits = at.deposits;
    parts.jobs = at.jobs;
    MILLRACE_TRY_VOID(place_contract(
        genesis, "Providers",
        market::encode_providers_constructor(at.deposits, at.jobs, parameters.stake_min,
                                             parameters.unbond_delay, parameters.payout_delay),
        at.providers));
    MILLRACE_TRY_VOID(place_contract(
        genesis, "Deposits",
        market::encode_deposits_constructor(salt, at.providers, parameters.expiry_min,
                                            parameters.expiry_max, parameters.withdrawal_delay),
        at.deposits));
    MILLRACE_TRY_VOID(place_contract(genesis, "Jobs",
                                     market::encode_jobs_constructor(salt, at.providers), at.jobs));
    return place_contract(genesis, "Capabilities", market::encode_capabilities_constructor(parts),
                          at.capabilities);
}

}  // namespace

const std::vector<crypto::SecretKey>& development_keys() {
    static const std::vector<crypto::SecretKey> keys = [] {
        std::vector<crypto::SecretKey> made;
        for (const auto text : crypto::development_key_texts) {
            const auto bytes = from_hex(text);
            MILLRACE_ASSERT(bytes.has_value());
            const auto key = crypto::SecretKey::from(*bytes);
            MILLRACE_ASSERT(key.has_value());
            made.push_back(*key);
        }
        return made;
    }();
    return keys;
}

const Predeploys& predeploys() {
    static const Predeploys addresses{.deposits = predeploy(0x01),
                                      .providers = predeploy(0x02),
                                      .jobs = predeploy(0x03),
                                      .capabilities = predeploy(0x05)};
    return addresses;
}

chain::DeployParameters development_parameters() {
    return {.stake_min = *parse_amount("1"),
            .unbond_delay = 60,
            .payout_delay = 60,
            .expiry_min = 60,
            .expiry_max = 30 * 86'400,
            .withdrawal_delay = 60};
}

Outcome<std::string> development_genesis_text(const DevelopmentPlan& plan) {
    GenesisPlan whole{.network = plan.network,
                      .chain_id = plan.chain_id,
                      .timestamp = plan.timestamp,
                      .gas_limit = plan.gas_limit,
                      .funded = {},
                      .contracts = development_parameters(),
                      .development = true};
    for (const auto& key : development_keys()) {
        whole.funded.emplace_back(crypto::address_of(key), *parse_amount("10000"));
    }
    MILLRACE_TRY(const ledger::Genesis genesis, make_genesis(whole));
    return node::write_genesis(genesis);
}

Outcome<ledger::Genesis> make_genesis(const GenesisPlan& plan) {
    ledger::Genesis genesis;
    genesis.network = plan.network;
    genesis.development = plan.development;
    ledger::ChainConfig& config = genesis.config;
    config.chain_id = plan.chain_id;
    for (auto* block :
         {&config.homestead_block, &config.tangerine_whistle_block, &config.spurious_dragon_block,
          &config.byzantium_block, &config.constantinople_block, &config.petersburg_block,
          &config.istanbul_block, &config.berlin_block, &config.london_block,
          &config.paris_block}) {
        *block = 0;
    }
    for (auto* time :
         {&config.shanghai_time, &config.cancun_time, &config.prague_time, &config.osaka_time}) {
        *time = 0;
    }
    // EIP-7691's numbers; no transaction of ours carries blobs, so that their price stays at 1.
    config.blob_schedules[0] = {.target = 6, .max = 9, .base_fee_update_fraction = 5'007'716};
    config.blob_transactions = false;

    genesis.header.timestamp = plan.timestamp;
    genesis.header.gas_limit = plan.gas_limit;
    genesis.header.base_fee = plan.base_fee;
    for (const auto& [address, amount] : plan.funded) {
        genesis.state.accounts[address].account =
            state::Account{.nonce = 0, .balance = amount.wei, .code_hash = evm::empty_code_hash};
    }
    for (const auto& contract : node::system_contracts()) {
        place_code(genesis.state, contract.address, contract.code);
    }
    const Hash32 salt = ledger::make_genesis_block(genesis).header.hash();
    MILLRACE_TRY_VOID(place_market(genesis, plan.contracts, salt));
    return genesis;
}

}  // namespace millrace::daemon
