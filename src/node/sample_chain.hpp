// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// A small network for tests: rules of osaka from the genesis on, three funded keys.

#include "crypto/secp256k1.hpp"
#include "node/chain.hpp"
#include "node/system_contracts.hpp"

namespace millrace::node {

inline crypto::SecretKey sample_key(std::uint8_t number) {
    Hash32 bytes;
    bytes.bytes.back() = number;
    const auto key = crypto::SecretKey::from(bytes.view());
    MILLRACE_ASSERT(key.has_value());
    return *key;
}

inline ledger::Genesis sample_genesis() {
    ledger::Genesis genesis;
    ledger::ChainConfig& config = genesis.config;
    config.chain_id = 4'711;
    for (auto* begin :
         {&config.homestead_block, &config.tangerine_whistle_block, &config.spurious_dragon_block,
          &config.byzantium_block, &config.constantinople_block, &config.petersburg_block,
          &config.istanbul_block, &config.berlin_block, &config.london_block, &config.paris_block,
          &config.shanghai_time, &config.cancun_time, &config.prague_time, &config.osaka_time})
        *begin = 0;
    config.blob_schedules[0] = {.target = 6, .max = 9, .base_fee_update_fraction = 5'007'716};
    config.blob_transactions = false;
    genesis.header.gas_limit = 30'000'000;
    genesis.header.timestamp = 1'000;
    genesis.development = true;
    genesis.network = "sample";
    for (const SystemContract& contract : system_contracts()) {
        const evm::CodePtr code = evm::Code::make(contract.code);
        genesis.state.accounts[contract.address].account =
            state::Account{.nonce = 1, .balance = {}, .code_hash = code->hash()};
        genesis.state.codes[code->hash()] = code;
    }
    for (std::uint8_t number = 1; number <= 3; ++number) {
        state::AccountDiff& funded = genesis.state.accounts[crypto::address_of(sample_key(number))];
        funded.account = state::Account{.nonce = 0, .balance = U256{10'000'000'000'000'000'000u}};
    }
    return genesis;
}

/// Sends wei from key `from` to an address that ends in `to`.
inline types::SignedTransaction sample_transfer(std::uint8_t from, std::uint64_t nonce,
                                                std::uint8_t to, std::uint64_t wei) {
    types::Transaction transaction;
    transaction.chain_id = 4'711;
    transaction.nonce = nonce;
    transaction.max_fee_per_gas = U256{2'000'000'000};
    transaction.max_priority_fee_per_gas = U256{1};
    transaction.gas_limit = 21'000;
    transaction.to = Address{};
    transaction.to->bytes.back() = to;
    transaction.to->bytes.front() = 0xee;
    transaction.value = Amount{U256{wei}};
    return types::sign_transaction(transaction, sample_key(from));
}

}  // namespace millrace::node
