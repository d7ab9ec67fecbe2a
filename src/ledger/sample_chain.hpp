// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <memory>

#include "crypto/secp256k1.hpp"
#include "evm/code.hpp"
#include "ledger/transition.hpp"
#include "state/database.hpp"

// A small world for the tests of this area.
namespace millrace::ledger {

class NothingView final : public state::StateView {
  public:
    std::optional<state::Account> account(const Address&) const override { return {}; }
    U256 storage(const Address&, const U256&) const override { return {}; }
    bool has_storage(const Address&) const override { return false; }
    evm::CodePtr code(const Hash32&) const override { return evm::Code::empty(); }
};

inline Address numbered(std::uint8_t number) {
    Address address;
    address.bytes.fill(number);
    return address;
}

inline constexpr std::uint64_t ether = 1'000'000'000'000'000'000;

/// All upgrades up to osaka from the beginning.
inline ChainConfig osaka_config() {
    ChainConfig config;
    config.chain_id = 1;
    for (auto* begin :
         {&config.homestead_block, &config.tangerine_whistle_block, &config.spurious_dragon_block,
          &config.byzantium_block, &config.constantinople_block, &config.petersburg_block,
          &config.istanbul_block, &config.berlin_block, &config.london_block, &config.paris_block,
          &config.shanghai_time, &config.cancun_time, &config.prague_time, &config.osaka_time}) {
        *begin = 0;
    }
    config.blob_schedules[0] = {.target = 6, .max = 9, .base_fee_update_fraction = 5'007'716};
    return config;
}

struct World {
    ChainConfig config = osaka_config();
    Rules rules = rules_at(config, 1, 1);
    crypto::SecretKey key = *crypto::SecretKey::from(Bytes(32, 0x46));
    Address sender = crypto::address_of(key);
    Address coinbase = numbered(0xcb);
    state::StateDiff accounts;
    NothingView nothing;
    BlockEnvironment environment;
    std::shared_ptr<evm::Arena> arena = evm::make_arena();
    state::TransactionState::BlockHashes hashes = [](std::uint64_t) { return Hash32{}; };

    World() {
        give(sender, U256{ether});
        environment.context.number = 1;
        environment.context.timestamp = 1;
        environment.context.gas_limit = 30'000'000;
        environment.context.coinbase = coinbase;
        environment.context.base_fee = U256{7};
        environment.context.blob_base_fee = U256{1};
    }
    void give(const Address& address, const U256& balance) {
        state::Account account;
        account.balance = balance;
        accounts.accounts[address].account = account;
    }
    void deploy(const Address& address, const Bytes& code) {
        const evm::CodePtr made = evm::Code::make(code);
        state::Account account;
        account.nonce = 1;
        account.code_hash = made->hash();
        accounts.accounts[address].account = account;
        accounts.codes[made->hash()] = made;
    }
    [[nodiscard]] types::Transaction transfer() const {
        types::Transaction transaction;
        transaction.kind = types::TransactionKind::dynamic_fee;
        transaction.chain_id = 1;
        transaction.max_fee_per_gas = U256{100};
        transaction.max_priority_fee_per_gas = U256{2};
        transaction.gas_limit = 21'000;
        transaction.to = numbered(0x77);
        transaction.value.wei = U256{1'000};
        return transaction;
    }
    Result<TransactionResult, TransactionError> apply(const types::Transaction& transaction,
                                                      const ExecutionOptions& options = {}) {
        const state::OverlayView view{nothing, accounts};
        return apply_transaction(rules, environment, transaction, sender,
                                 environment.context.gas_limit, 9 * 131'072, view, hashes, *arena,
                                 options);
    }
    [[nodiscard]] static U256 balance(const state::StateDiff& diff, const Address& address) {
        const auto found = diff.accounts.find(address);
        if (found == diff.accounts.end() || !found->second.account) return U256{};
        return found->second.account->balance;
    }
};

}  // namespace millrace::ledger
