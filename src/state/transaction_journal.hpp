// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/u256.hpp"
#include "evm/code.hpp"
#include "state/flat_index.hpp"
#include "state/transaction_state.hpp"

namespace millrace::state {

/// RIPEMD-160. A call to it once ran out of gas after touching it, and the clients of that time
/// forgot to undo the touch; the deletion is part of the chain (EIP-161, block 2,675,119).
inline constexpr Address ripemd_address = [] {
    Address address;
    address.bytes[19] = 3;
    return address;
}();

/// What a TransactionState keeps: each account, slot and transient slot that was asked for, as it
/// was and as it is, and the records by which changes are taken back. For transaction_state.cpp
/// alone.
struct TransactionState::Journal {
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

    const StateView& view;
    const evm::Revision revision;
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

    Journal(const StateView& state_view, evm::Revision rules, const BlockHashes& hashes)
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

    static std::uint32_t hash_of(const Address& address) noexcept {
        std::uint64_t words[2];
        std::uint32_t tail = 0;
        std::memcpy(words, address.bytes.data(), 16);
        std::memcpy(&tail, address.bytes.data() + 16, 4);
        return static_cast<std::uint32_t>(fold(words[0] ^ tail, words[1]));
    }

    static std::uint32_t hash_of(std::uint32_t account, const U256& key) noexcept {
        const std::uint64_t low = fold(key.words[0] + account, key.words[1]);
        return static_cast<std::uint32_t>(fold(low ^ key.words[2], key.words[3]));
    }
};

}  // namespace millrace::state
