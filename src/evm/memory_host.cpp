// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/memory_host.hpp"

#include <string>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::evm {
namespace {

bool is_dead(const MemoryHost::Account& account) {
    return account.nonce == 0 && account.balance.is_zero() && account.code->size() == 0;
}

/// Everything but the slots.
MemoryHost::Account without_slots(const MemoryHost::Account& account) {
    MemoryHost::Account copy;
    copy.exists = account.exists;
    copy.is_warm = account.is_warm;
    copy.is_created = account.is_created;
    copy.is_destroyed = account.is_destroyed;
    copy.nonce = account.nonce;
    copy.balance = account.balance;
    copy.code = account.code;
    return copy;
}

}  // namespace

MemoryHost::Account& MemoryHost::account(const Address& address) {
    Account& account = accounts_[address];
    account.exists = true;
    return account;
}

void MemoryHost::put_code(const Address& address, Bytes code) {
    account(address).code = Code::make(std::move(code));
}

void MemoryHost::put_storage(const Address& address, const U256& key, const U256& value) {
    account(address).storage[key] = {value, value, false};
}

void MemoryHost::begin_transaction() {
    for (auto& [address, account] : accounts_) {
        account.is_warm = account.is_created = account.is_destroyed = false;
        account.transient.clear();
        for (auto& [key, slot] : account.storage)
            slot = {slot.current, slot.current, false};
    }
    undo_.clear();
    logs_.clear();
}

const MemoryHost::Account* MemoryHost::find(const Address& address) noexcept {
    if (last_found_ != nullptr && last_found_->first == address) return &last_found_->second;
    const auto found = accounts_.find(address);
    if (found == accounts_.end()) return nullptr;
    last_found_ = &*found;
    return &found->second;
}

const MemoryHost::Slot* MemoryHost::find_slot(const Address& address, const U256& key) noexcept {
    const Account* const account = find(address);
    if (account == nullptr) return nullptr;
    if (account == last_slot_.account && KeyEqual{}(key, last_slot_.key)) return last_slot_.slot;
    const auto found = account->storage.find(key);
    if (found == account->storage.end()) return nullptr;
    last_slot_ = {account, key, &found->second};
    return &found->second;
}

MemoryHost::Account& MemoryHost::change(const Address& address) {
    Account& account = accounts_[address];
    Undo& undo = undo_.emplace_back();
    undo.change = Change::account;
    undo.address = address;
    undo.account = without_slots(account);
    return account;
}

MemoryHost::Slot& MemoryHost::change_slot(const Address& address, const U256& key) {
    Slot& slot = accounts_[address].storage[key];
    Undo& undo = undo_.emplace_back();
    undo.change = Change::storage;
    undo.address = address;
    undo.key = key;
    undo.value = slot.current;
    undo.was_warm = slot.is_warm;
    return slot;
}

bool MemoryHost::exists(const Address& address) {
    const Account* const account = find(address);
    return account != nullptr && account->exists;
}

bool MemoryHost::is_empty(const Address& address) {
    const Account* const account = find(address);
    return account == nullptr || is_dead(*account);
}

U256 MemoryHost::balance(const Address& address) {
    const Account* const account = find(address);
    return account == nullptr ? U256{} : account->balance;
}

std::uint64_t MemoryHost::nonce(const Address& address) {
    const Account* const account = find(address);
    return account == nullptr ? 0 : account->nonce;
}

CodePtr MemoryHost::code(const Address& address) {
    const Account* const account = find(address);
    return account == nullptr ? Code::empty() : account->code;
}

Hash32 MemoryHost::code_hash(const Address& address) {
    return exists(address) ? code(address)->hash() : Hash32{};
}

bool MemoryHost::has_storage(const Address& address) {
    const Account* const account = find(address);
    if (account == nullptr) return false;
    for (const auto& [key, slot] : account->storage)
        if (!slot.current.is_zero()) return true;
    return false;
}

U256 MemoryHost::storage(const Address& address, const U256& key) {
    return slot(address, key).current;
}

SlotValues MemoryHost::slot(const Address& address, const U256& key) {
    const Slot* const slot = find_slot(address, key);
    return slot == nullptr ? SlotValues{} : SlotValues{slot->original, slot->current};
}

void MemoryHost::set_storage(const Address& address, const U256& key, const U256& value) {
    change_slot(address, key).current = value;
}

U256 MemoryHost::transient_storage(const Address& address, const U256& key) {
    const Account* const account = find(address);
    if (account == nullptr) return {};
    const auto found = account->transient.find(key);
    return found == account->transient.end() ? U256{} : found->second;
}

void MemoryHost::set_transient_storage(const Address& address, const U256& key, const U256& value) {
    U256& slot = accounts_[address].transient[key];
    Undo& undo = undo_.emplace_back();
    undo.change = Change::transient;
    undo.address = address;
    undo.key = key;
    undo.value = slot;
    slot = value;
}

AccessStatus MemoryHost::access_account(const Address& address) {
    const Account* const account = find(address);
    if (account != nullptr && account->is_warm) return AccessStatus::warm;
    change(address).is_warm = true;
    return AccessStatus::cold;
}

AccessStatus MemoryHost::access_storage(const Address& address, const U256& key) {
    return access_slot(address, key).before;
}

SlotAccess MemoryHost::access_slot(const Address& address, const U256& key) {
    const Slot* const found = find_slot(address, key);
    if (found != nullptr && found->is_warm)
        return {AccessStatus::warm, {found->original, found->current}};
    Slot& slot = change_slot(address, key);
    slot.is_warm = true;
    return {AccessStatus::cold, {slot.original, slot.current}};
}

void MemoryHost::add_balance(const Address& address, const U256& value) {
    Account& account = change(address);
    account.exists = true;
    account.balance = wrapping_add(account.balance, value);
}

void MemoryHost::subtract_balance(const Address& address, const U256& value) {
    Account& account = change(address);
    MILLRACE_ASSERT(account.balance >= value);
    account.balance = wrapping_sub(account.balance, value);
}

void MemoryHost::set_nonce(const Address& address, std::uint64_t nonce) {
    Account& account = change(address);
    account.exists = true;
    account.nonce = nonce;
}

void MemoryHost::create_contract(const Address& address) {
    Account& account = change(address);
    undo_.back().account->storage = std::move(account.storage);
    undo_.back().has_slots = true;
    account.storage.clear();
    last_slot_ = {};
    account.exists = true;
    account.is_created = true;
    account.nonce = 0;
    account.code = Code::empty();
}

void MemoryHost::set_code(const Address& address, Bytes code) {
    change(address).code = Code::make(std::move(code));
}

bool MemoryHost::created_in_transaction(const Address& address) {
    const Account* const account = find(address);
    return account != nullptr && account->is_created;
}

bool MemoryHost::mark_destroyed(const Address& address) {
    const Account* const account = find(address);
    if (account != nullptr && account->is_destroyed) return false;
    change(address).is_destroyed = true;
    return true;
}

void MemoryHost::add_log(Log log) {
    logs_.push_back(std::move(log));
    undo_.emplace_back().change = Change::log;
}

Hash32 MemoryHost::block_hash(std::uint64_t number) {
    return crypto::keccak256(as_bytes(std::to_string(number)));
}

Host::Checkpoint MemoryHost::checkpoint() {
    return undo_.size();
}

void MemoryHost::undo(Undo& undo) {
    if (undo.change == Change::log) {
        logs_.pop_back();
        return;
    }
    Account& account = accounts_[undo.address];
    if (undo.change == Change::transient) {
        account.transient[undo.key] = undo.value;
    } else if (undo.change == Change::storage) {
        Slot& slot = account.storage[undo.key];
        slot.current = undo.value;
        slot.is_warm = undo.was_warm;
    } else {
        if (!undo.has_slots) undo.account->storage = std::move(account.storage);
        undo.account->transient = std::move(account.transient);
        account = std::move(*undo.account);
        last_slot_ = {};
    }
}

void MemoryHost::revert_to(Checkpoint checkpoint) {
    MILLRACE_ASSERT(checkpoint <= undo_.size());
    while (undo_.size() > checkpoint) {
        undo(undo_.back());
        undo_.pop_back();
    }
}

}  // namespace millrace::evm
