// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/transaction_state.hpp"

#include "base/assert.hpp"
#include "evm/precompiles.hpp"
#include "state/transaction_journal.hpp"

namespace millrace::state {
namespace {

using evm::AccessStatus;
using evm::Revision;

}  // namespace

TransactionState::TransactionState(const StateView& view, evm::Revision revision,
                                   const BlockHashes& block_hashes)
    : journal_{std::make_unique<Journal>(view, revision, block_hashes)} {}

TransactionState::~TransactionState() = default;

bool TransactionState::exists(const Address& address) {
    const Journal::AccountEntry& entry = journal_->account(address);
    if (!entry.exists) return false;
    if (journal_->revision < Revision::spurious_dragon) return true;
    return !(entry.is_touched && entry.current.is_empty());
}

bool TransactionState::is_empty(const Address& address) {
    const Journal::AccountEntry& entry = journal_->account(address);
    return !entry.exists || entry.current.is_empty();
}

U256 TransactionState::balance(const Address& address) {
    return journal_->account(address).current.balance;
}

std::uint64_t TransactionState::nonce(const Address& address) {
    return journal_->account(address).current.nonce;
}

evm::CodePtr TransactionState::code(const Address& address) {
    Journal::AccountEntry& entry = journal_->account(address);
    if (!entry.code) {
        entry.code = entry.current.code_hash == evm::empty_code_hash
                         ? evm::Code::empty()
                         : journal_->view.code(entry.current.code_hash);
    }
    return entry.code;
}

Hash32 TransactionState::code_hash(const Address& address) {
    const Journal::AccountEntry& entry = journal_->account(address);
    if (!entry.exists) return Hash32{};
    // EIP-1052: an empty account counts as absent.
    if (journal_->revision >= Revision::spurious_dragon && entry.current.is_empty())
        return Hash32{};
    return entry.current.code_hash;
}

bool TransactionState::has_storage(const Address& address) {
    const std::uint32_t index = journal_->index_of(address);
    for (const Journal::SlotEntry& slot : journal_->slots) {
        if (slot.account == index && !journal_->values(slot).current.is_zero()) return true;
    }
    const Journal::AccountEntry& entry = journal_->accounts[index];
    return entry.existed && entry.life == 0 && journal_->view.has_storage(address);
}

U256 TransactionState::storage(const Address& address, const U256& key) {
    return slot(address, key).current;
}

evm::SlotValues TransactionState::slot(const Address& address, const U256& key) {
    const std::uint32_t index = journal_->slot_of(journal_->index_of(address), key);
    return journal_->values(journal_->slots[index]);
}

void TransactionState::set_storage(const Address& address, const U256& key, const U256& value) {
    const std::uint32_t account = journal_->index_in(journal_->touch(address));
    const std::uint32_t index = journal_->slot_of(account, key);
    Journal::SlotEntry& entry = journal_->slots[index];
    if (journal_->values(entry).current == value) return;
    const std::uint32_t life = journal_->accounts[account].life;
    if (entry.life != life) {
        journal_->records.push_back({.undo = Journal::Undo::slot_origin,
                                     .index = index,
                                     .number = entry.life,
                                     .value = entry.original});
        entry.life = life;
        entry.original = U256{};
    }
    journal_->records.push_back(
        {.undo = Journal::Undo::slot_value, .index = index, .value = entry.current});
    entry.current = value;
}

U256 TransactionState::transient_storage(const Address& address, const U256& key) {
    const std::uint32_t account = journal_->index_of(address);
    const auto found =
        journal_->transient_index.find(Journal::hash_of(account, key), [&](std::uint32_t index) {
            const Journal::TransientEntry& entry = journal_->transients[index];
            return entry.account == account && entry.key == key;
        });
    return found ? journal_->transients[*found].value : U256{};
}

void TransactionState::set_transient_storage(const Address& address, const U256& key,
                                             const U256& value) {
    const std::uint32_t account = journal_->index_of(address);
    const std::uint32_t hash = Journal::hash_of(account, key);
    auto index = journal_->transient_index.find(hash, [&](std::uint32_t candidate) {
        const Journal::TransientEntry& entry = journal_->transients[candidate];
        return entry.account == account && entry.key == key;
    });
    if (!index) {
        index = static_cast<std::uint32_t>(journal_->transients.size());
        journal_->transients.push_back({.key = key, .value = {}, .account = account});
        journal_->transient_index.insert(hash, *index);
    }
    Journal::TransientEntry& entry = journal_->transients[*index];
    if (entry.value == value) return;
    journal_->records.push_back(
        {.undo = Journal::Undo::transient, .index = *index, .value = entry.value});
    entry.value = value;
}

AccessStatus TransactionState::access_account(const Address& address) {
    // Warm from the beginning, and never worth a read of the state.
    if (evm::is_precompile(journal_->revision, address)) return AccessStatus::warm;
    const std::uint32_t index = journal_->index_of(address);
    Journal::AccountEntry& entry = journal_->accounts[index];
    entry.was_accessed = true;
    if (entry.is_warm) return AccessStatus::warm;
    journal_->record(Journal::Undo::warm_account, index);
    entry.is_warm = true;
    return AccessStatus::cold;
}

AccessStatus TransactionState::access_storage(const Address& address, const U256& key) {
    return access_slot(address, key).before;
}

evm::SlotAccess TransactionState::access_slot(const Address& address, const U256& key) {
    const std::uint32_t account = journal_->index_of(address);
    const std::uint32_t index = journal_->slot_of(account, key);
    Journal::SlotEntry& entry = journal_->slots[index];
    entry.was_accessed = true;
    const AccessStatus before = entry.is_warm ? AccessStatus::warm : AccessStatus::cold;
    if (!entry.is_warm) journal_->record(Journal::Undo::warm_slot, index);
    entry.is_warm = true;
    return {before, journal_->values(entry)};
}

void TransactionState::add_balance(const Address& address, const U256& value) {
    Journal::AccountEntry& entry = journal_->touch(address);
    if (value.is_zero()) {
        if (address == ripemd_address && entry.current.is_empty())
            journal_->ripemd_stays_touched = true;
        return;
    }
    const auto sum = checked_add(entry.current.balance, value);
    MILLRACE_ASSERT(sum.has_value());
    journal_->set_balance(entry, *sum);
}

void TransactionState::subtract_balance(const Address& address, const U256& value) {
    Journal::AccountEntry& entry = journal_->touch(address);
    const auto rest = checked_sub(entry.current.balance, value);
    MILLRACE_ASSERT(rest.has_value());
    journal_->set_balance(entry, *rest);
}

void TransactionState::set_nonce(const Address& address, std::uint64_t nonce) {
    journal_->set_nonce(journal_->touch(address), nonce);
}

void TransactionState::create_contract(const Address& address) {
    Journal::AccountEntry& entry = journal_->touch(address);
    journal_->records.push_back({.undo = Journal::Undo::creation,
                                 .flag = entry.is_created,
                                 .index = journal_->index_in(entry),
                                 .number = entry.life,
                                 .value = {}});
    entry.is_created = true;
    ++entry.life;
    journal_->set_code(entry, evm::Code::empty());
}

void TransactionState::set_code(const Address& address, Bytes code) {
    Journal::AccountEntry& entry = journal_->touch(address);
    journal_->set_code(entry, code.empty() ? evm::Code::empty() : evm::Code::make(std::move(code)));
}

bool TransactionState::created_in_transaction(const Address& address) {
    return journal_->account(address).is_created;
}

bool TransactionState::mark_destroyed(const Address& address) {
    Journal::AccountEntry& entry = journal_->account(address);
    if (entry.is_destroyed) return false;
    journal_->record(Journal::Undo::destruction, journal_->index_in(entry));
    entry.is_destroyed = true;
    return true;
}

void TransactionState::add_log(evm::Log log) {
    journal_->record(Journal::Undo::log, 0);
    journal_->logs.push_back(std::move(log));
}

Hash32 TransactionState::block_hash(std::uint64_t number) {
    return journal_->block_hashes(number);
}

evm::Host::Checkpoint TransactionState::checkpoint() {
    return journal_->records.size();
}

void TransactionState::revert_to(Checkpoint checkpoint) {
    MILLRACE_ASSERT(checkpoint <= journal_->records.size());
    while (journal_->records.size() > checkpoint) {
        journal_->undo(journal_->records.back());
        journal_->records.pop_back();
    }
}

std::vector<std::pair<Address, std::vector<U256>>> TransactionState::accessed() const {
    constexpr std::size_t absent = SIZE_MAX;
    std::vector<std::pair<Address, std::vector<U256>>> result;
    std::vector<std::size_t> places(journal_->accounts.size(), absent);
    const auto place_of = [&](std::size_t account) -> std::vector<U256>& {
        if (places[account] == absent) {
            places[account] = result.size();
            result.push_back({journal_->accounts[account].address, {}});
        }
        return result[places[account]].second;
    };
    for (std::size_t index = 0; index < journal_->accounts.size(); ++index)
        if (journal_->accounts[index].was_accessed) static_cast<void>(place_of(index));
    for (const Journal::SlotEntry& slot : journal_->slots)
        if (slot.was_accessed) place_of(slot.account).push_back(slot.key);
    return result;
}

const std::vector<evm::Log>& TransactionState::logs() const noexcept {
    return journal_->logs;
}

TransactionState::Finished TransactionState::finish() && {
    Finished result;
    for (const Journal::AccountEntry& entry : journal_->accounts) {
        if (journal_->is_removed(entry)) {
            if (!entry.existed) continue;
            AccountDiff& change = result.diff.accounts[entry.address];
            change.storage_cleared = journal_->view.has_storage(entry.address);
            continue;
        }
        const bool clears =
            entry.life != 0 && entry.existed && journal_->view.has_storage(entry.address);
        if (entry.existed && entry.current == entry.original && !clears) continue;
        AccountDiff& change = result.diff.accounts[entry.address];
        change.account = entry.current;
        change.storage_cleared = clears;
        const Hash32& code_hash = entry.current.code_hash;
        if (code_hash != entry.original.code_hash && code_hash != evm::empty_code_hash)
            result.diff.codes.insert_or_assign(code_hash, entry.code);
    }
    for (const Journal::SlotEntry& slot : journal_->slots) {
        const Journal::AccountEntry& owner = journal_->accounts[slot.account];
        const evm::SlotValues values = journal_->values(slot);
        if (values.current == values.original || journal_->is_removed(owner)) continue;
        AccountDiff& change = result.diff.accounts[owner.address];
        change.account = owner.current;
        change.storage.insert_or_assign(slot.key, values.current);
    }
    result.logs = std::move(journal_->logs);
    return result;
}

}  // namespace millrace::state
