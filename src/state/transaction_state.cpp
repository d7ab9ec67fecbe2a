// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/transaction_state.hpp"

#include "base/assert.hpp"
#include "evm/precompiles.hpp"
#include "state/flat_index.hpp"

namespace millrace::state {
namespace {

using evm::AccessStatus;
using evm::Revision;

/// RIPEMD-160. A call to it once ran out of gas after touching it, and the clients of that time
/// forgot to undo the touch; the deletion is part of the chain (EIP-161, block 2,675,119).
constexpr Address ripemd_address = [] {
    Address address;
    address.bytes[19] = 3;
    return address;
}();

struct AccountEntry {
    Address address;
    Account original;
    Account current;
    evm::CodePtr code;       ///< of current.code_hash; null: not read yet
    std::uint32_t life = 0;  ///< counts create_contract(); slots of an earlier life are 0
    bool existed = false;
    bool exists = false;
    bool is_touched = false;
    bool is_warm = false;
    bool was_accessed = false;  ///< stays when the access is undone
    bool is_created = false;
    bool is_destroyed = false;
};

struct SlotEntry {
    U256 key;
    U256 original;
    U256 current;
    std::uint32_t account = 0;
    std::uint32_t life = 0;  ///< of the account, when original and current were set
    bool is_warm = false;
    bool was_accessed = false;
};

struct TransientEntry {
    U256 key;
    U256 value;
    std::uint32_t account = 0;
};

/// What to put back.
enum class Undo : std::uint8_t {
    balance,
    nonce,
    code,
    existence,
    touch,
    warm_account,
    creation,
    destruction,
    slot_origin,
    slot_value,
    warm_slot,
    transient,
    log,
};

struct Record {
    Undo undo;
    bool flag = false;
    std::uint32_t index = 0;
    std::uint64_t number = 0;
    U256 value;
};

struct SavedCode {
    Hash32 hash;
    evm::CodePtr code;
};

std::uint32_t hash_of(const Address& address) noexcept {
    std::uint64_t words[2];
    std::uint32_t tail = 0;
    std::memcpy(words, address.bytes.data(), 16);
    std::memcpy(&tail, address.bytes.data() + 16, 4);
    return static_cast<std::uint32_t>(fold(words[0] ^ tail, words[1]));
}

std::uint32_t hash_of(std::uint32_t account, const U256& key) noexcept {
    const std::uint64_t low = fold(key.words[0] + account, key.words[1]);
    return static_cast<std::uint32_t>(fold(low ^ key.words[2], key.words[3]));
}

}  // namespace

struct TransactionState::Journal {
    const StateView& view;
    const Revision revision;
    const BlockHashes& block_hashes;

    std::vector<AccountEntry> accounts;
    FlatIndex account_index;
    std::vector<SlotEntry> slots;
    FlatIndex slot_index;
    std::vector<TransientEntry> transients;
    FlatIndex transient_index;
    std::vector<Record> records;
    std::vector<SavedCode> saved_codes;
    std::vector<evm::Log> logs;
    bool ripemd_stays_touched = false;
    std::uint32_t last_account = 0;  ///< most calls are about the same account as the one before

    Journal(const StateView& state_view, Revision rules, const BlockHashes& hashes)
        : view{state_view}, revision{rules}, block_hashes{hashes} {}

    std::uint32_t index_of(const Address& address) {
        if (last_account < accounts.size() && accounts[last_account].address == address)
            return last_account;
        const std::uint32_t hash = hash_of(address);
        const auto found = account_index.find(
            hash, [&](std::uint32_t index) { return accounts[index].address == address; });
        last_account = found ? *found : load(address, hash);
        return last_account;
    }

    std::uint32_t load(const Address& address, std::uint32_t hash) {
        const std::size_t index = accounts.size();
        AccountEntry& entry = accounts.emplace_back();
        entry.address = address;
        if (const auto account = view.account(address)) {
            entry.original = *account;
            entry.current = *account;
            entry.existed = true;
            entry.exists = true;
        }
        account_index.insert(hash, index);
        return static_cast<std::uint32_t>(index);
    }

    AccountEntry& account(const Address& address) { return accounts[index_of(address)]; }

    std::uint32_t slot_of(std::uint32_t account, const U256& key) {
        const std::uint32_t hash = hash_of(account, key);
        const auto found = slot_index.find(hash, [&](std::uint32_t index) {
            return slots[index].account == account && slots[index].key == key;
        });
        if (found) return *found;
        const std::size_t index = slots.size();
        const AccountEntry& owner = accounts[account];
        SlotEntry& entry = slots.emplace_back();
        entry.key = key;
        entry.account = account;
        if (owner.existed) entry.original = view.storage(owner.address, key);
        entry.current = entry.original;
        slot_index.insert(hash, index);
        return static_cast<std::uint32_t>(index);
    }

    [[nodiscard]] evm::SlotValues values(const SlotEntry& slot) const {
        if (slot.life != accounts[slot.account].life) return {};
        return {slot.original, slot.current};
    }

    void record(Undo undo, std::uint32_t index) {
        records.push_back({.undo = undo, .index = index, .value = {}});
    }

    /// Before every write to an account.
    AccountEntry& touch(const Address& address) {
        const std::uint32_t index = index_of(address);
        AccountEntry& entry = accounts[index];
        if (!entry.is_touched) {
            record(Undo::touch, index);
            entry.is_touched = true;
        }
        if (!entry.exists) {
            record(Undo::existence, index);
            entry.exists = true;
        }
        return entry;
    }

    void set_balance(AccountEntry& entry, const U256& value) {
        if (entry.current.balance == value) return;
        records.push_back(
            {.undo = Undo::balance, .index = index_in(entry), .value = entry.current.balance});
        entry.current.balance = value;
    }

    void set_nonce(AccountEntry& entry, std::uint64_t value) {
        if (entry.current.nonce == value) return;
        records.push_back({.undo = Undo::nonce,
                           .index = index_in(entry),
                           .number = entry.current.nonce,
                           .value = {}});
        entry.current.nonce = value;
    }

    void set_code(AccountEntry& entry, evm::CodePtr code) {
        if (entry.current.code_hash == code->hash()) return;
        saved_codes.push_back({entry.current.code_hash, std::move(entry.code)});
        record(Undo::code, index_in(entry));
        entry.current.code_hash = code->hash();
        entry.code = std::move(code);
    }

    [[nodiscard]] std::uint32_t index_in(const AccountEntry& entry) const noexcept {
        return static_cast<std::uint32_t>(&entry - accounts.data());
    }

    void undo(const Record& record);
    [[nodiscard]] bool is_removed(const AccountEntry& entry) const noexcept;
};

void TransactionState::Journal::undo(const Record& record) {
    switch (record.undo) {
        case Undo::balance:
            accounts[record.index].current.balance = record.value;
            return;
        case Undo::nonce:
            accounts[record.index].current.nonce = record.number;
            return;
        case Undo::code:
            accounts[record.index].current.code_hash = saved_codes.back().hash;
            accounts[record.index].code = std::move(saved_codes.back().code);
            saved_codes.pop_back();
            return;
        case Undo::existence:
            accounts[record.index].exists = false;
            return;
        case Undo::touch:
            accounts[record.index].is_touched = false;
            return;
        case Undo::warm_account:
            accounts[record.index].is_warm = false;
            return;
        case Undo::creation:
            accounts[record.index].is_created = record.flag;
            accounts[record.index].life = static_cast<std::uint32_t>(record.number);
            return;
        case Undo::destruction:
            accounts[record.index].is_destroyed = false;
            return;
        case Undo::slot_origin:
            slots[record.index].original = record.value;
            slots[record.index].life = static_cast<std::uint32_t>(record.number);
            return;
        case Undo::slot_value:
            slots[record.index].current = record.value;
            return;
        case Undo::warm_slot:
            slots[record.index].is_warm = false;
            return;
        case Undo::transient:
            transients[record.index].value = record.value;
            return;
        case Undo::log:
            logs.pop_back();
            return;
    }
}

/// Whether the account is gone after the transaction.
bool TransactionState::Journal::is_removed(const AccountEntry& entry) const noexcept {
    if (!entry.exists || entry.is_destroyed) return true;
    if (revision < Revision::spurious_dragon) return false;
    const bool is_touched =
        entry.is_touched || (ripemd_stays_touched && entry.address == ripemd_address);
    return is_touched && entry.current.is_empty();
}

TransactionState::TransactionState(const StateView& view, evm::Revision revision,
                                   const BlockHashes& block_hashes)
    : journal_{std::make_unique<Journal>(view, revision, block_hashes)} {}

TransactionState::~TransactionState() = default;

bool TransactionState::exists(const Address& address) {
    const AccountEntry& entry = journal_->account(address);
    if (!entry.exists) return false;
    if (journal_->revision < Revision::spurious_dragon) return true;
    return !(entry.is_touched && entry.current.is_empty());
}

bool TransactionState::is_empty(const Address& address) {
    const AccountEntry& entry = journal_->account(address);
    return !entry.exists || entry.current.is_empty();
}

U256 TransactionState::balance(const Address& address) {
    return journal_->account(address).current.balance;
}

std::uint64_t TransactionState::nonce(const Address& address) {
    return journal_->account(address).current.nonce;
}

evm::CodePtr TransactionState::code(const Address& address) {
    AccountEntry& entry = journal_->account(address);
    if (!entry.code) {
        entry.code = entry.current.code_hash == evm::empty_code_hash
                         ? evm::Code::empty()
                         : journal_->view.code(entry.current.code_hash);
    }
    return entry.code;
}

Hash32 TransactionState::code_hash(const Address& address) {
    const AccountEntry& entry = journal_->account(address);
    if (!entry.exists) return Hash32{};
    // EIP-1052: an empty account counts as absent.
    if (journal_->revision >= Revision::spurious_dragon && entry.current.is_empty())
        return Hash32{};
    return entry.current.code_hash;
}

bool TransactionState::has_storage(const Address& address) {
    const std::uint32_t index = journal_->index_of(address);
    for (const SlotEntry& slot : journal_->slots) {
        if (slot.account == index && !journal_->values(slot).current.is_zero()) return true;
    }
    const AccountEntry& entry = journal_->accounts[index];
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
    SlotEntry& entry = journal_->slots[index];
    if (journal_->values(entry).current == value) return;
    const std::uint32_t life = journal_->accounts[account].life;
    if (entry.life != life) {
        journal_->records.push_back({.undo = Undo::slot_origin,
                                     .index = index,
                                     .number = entry.life,
                                     .value = entry.original});
        entry.life = life;
        entry.original = U256{};
    }
    journal_->records.push_back({.undo = Undo::slot_value, .index = index, .value = entry.current});
    entry.current = value;
}

U256 TransactionState::transient_storage(const Address& address, const U256& key) {
    const std::uint32_t account = journal_->index_of(address);
    const auto found =
        journal_->transient_index.find(hash_of(account, key), [&](std::uint32_t index) {
            const TransientEntry& entry = journal_->transients[index];
            return entry.account == account && entry.key == key;
        });
    return found ? journal_->transients[*found].value : U256{};
}

void TransactionState::set_transient_storage(const Address& address, const U256& key,
                                             const U256& value) {
    const std::uint32_t account = journal_->index_of(address);
    const std::uint32_t hash = hash_of(account, key);
    auto index = journal_->transient_index.find(hash, [&](std::uint32_t candidate) {
        const TransientEntry& entry = journal_->transients[candidate];
        return entry.account == account && entry.key == key;
    });
    if (!index) {
        index = static_cast<std::uint32_t>(journal_->transients.size());
        journal_->transients.push_back({.key = key, .value = {}, .account = account});
        journal_->transient_index.insert(hash, *index);
    }
    TransientEntry& entry = journal_->transients[*index];
    if (entry.value == value) return;
    journal_->records.push_back({.undo = Undo::transient, .index = *index, .value = entry.value});
    entry.value = value;
}

AccessStatus TransactionState::access_account(const Address& address) {
    // Warm from the beginning, and never worth a read of the state.
    if (evm::is_precompile(journal_->revision, address)) return AccessStatus::warm;
    const std::uint32_t index = journal_->index_of(address);
    AccountEntry& entry = journal_->accounts[index];
    entry.was_accessed = true;
    if (entry.is_warm) return AccessStatus::warm;
    journal_->record(Undo::warm_account, index);
    entry.is_warm = true;
    return AccessStatus::cold;
}

AccessStatus TransactionState::access_storage(const Address& address, const U256& key) {
    const std::uint32_t account = journal_->index_of(address);
    const std::uint32_t index = journal_->slot_of(account, key);
    SlotEntry& entry = journal_->slots[index];
    entry.was_accessed = true;
    if (entry.is_warm) return AccessStatus::warm;
    journal_->record(Undo::warm_slot, index);
    entry.is_warm = true;
    return AccessStatus::cold;
}

void TransactionState::add_balance(const Address& address, const U256& value) {
    AccountEntry& entry = journal_->touch(address);
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
    AccountEntry& entry = journal_->touch(address);
    const auto rest = checked_sub(entry.current.balance, value);
    MILLRACE_ASSERT(rest.has_value());
    journal_->set_balance(entry, *rest);
}

void TransactionState::set_nonce(const Address& address, std::uint64_t nonce) {
    journal_->set_nonce(journal_->touch(address), nonce);
}

void TransactionState::create_contract(const Address& address) {
    AccountEntry& entry = journal_->touch(address);
    journal_->records.push_back({.undo = Undo::creation,
                                 .flag = entry.is_created,
                                 .index = journal_->index_in(entry),
                                 .number = entry.life,
                                 .value = {}});
    entry.is_created = true;
    ++entry.life;
    journal_->set_code(entry, evm::Code::empty());
}

void TransactionState::set_code(const Address& address, Bytes code) {
    AccountEntry& entry = journal_->touch(address);
    journal_->set_code(entry, code.empty() ? evm::Code::empty() : evm::Code::make(std::move(code)));
}

bool TransactionState::created_in_transaction(const Address& address) {
    return journal_->account(address).is_created;
}

bool TransactionState::mark_destroyed(const Address& address) {
    AccountEntry& entry = journal_->account(address);
    if (entry.is_destroyed) return false;
    journal_->record(Undo::destruction, journal_->index_in(entry));
    entry.is_destroyed = true;
    return true;
}

void TransactionState::add_log(evm::Log log) {
    journal_->record(Undo::log, 0);
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
    for (const SlotEntry& slot : journal_->slots)
        if (slot.was_accessed) place_of(slot.account).push_back(slot.key);
    return result;
}

const std::vector<evm::Log>& TransactionState::logs() const noexcept {
    return journal_->logs;
}

TransactionState::Finished TransactionState::finish() && {
    Finished result;
    for (const AccountEntry& entry : journal_->accounts) {
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
    for (const SlotEntry& slot : journal_->slots) {
        const AccountEntry& owner = journal_->accounts[slot.account];
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
