// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <unordered_map>

#include "state/flat_index.hpp"
#include "state/rows.hpp"

namespace millrace::state {

/// Accounts and slots as the head has them, remembered for whoever asks next: the next transaction
/// of a block, staging, the next block. Bounded: what does not fit is read again.
///
/// One writer. While nothing else is called, the const ones may be called by several threads.
class HeadRows {
  public:
    /// Of both kinds together; some 200 bytes each.
    static constexpr std::size_t count_max = 131'072;

    explicit HeadRows(const KeyValueView& store) noexcept : store_{store} {}

    [[nodiscard]] std::optional<AccountRow> account(const Address& address) {
        if (const auto known = accounts_.find(address); known != accounts_.end())
            return known->second;
        auto row = read(address);
        if (has_room()) accounts_.emplace(address, row);
        return row;
    }
    [[nodiscard]] U256 slot(const Address& address, const U256& key) {
        if (const auto known = slots_.find({address, key}); known != slots_.end())
            return known->second;
        const U256 value = read(address, key);
        if (has_room()) slots_.emplace(Slot{address, key}, value);
        return value;
    }

    /// The same without remembering.
    [[nodiscard]] std::optional<AccountRow> peek(const Address& address) const {
        const auto known = accounts_.find(address);
        return known == accounts_.end() ? read(address) : known->second;
    }
    [[nodiscard]] U256 peek(const Address& address, const U256& key) const {
        const auto known = slots_.find({address, key});
        return known == slots_.end() ? read(address, key) : known->second;
    }

    /// What a block has made of the head.
    struct Changes {
        std::vector<std::pair<Address, std::optional<AccountRow>>> accounts;
        struct SlotChange {
            Address address;
            U256 key;
            U256 value;
        };
        std::vector<SlotChange> slots;
        bool clears_storage = false;  ///< of some account, whose slots are not listed
    };
    void apply(const Changes& changes) {
        // Half of the room is the next block's.
        if (2 * (accounts_.size() + slots_.size()) > count_max) return clear();
        for (const auto& [address, row] : changes.accounts) {
            const auto known = accounts_.find(address);
            if (known != accounts_.end()) known->second = row;
        }
        if (changes.clears_storage) return slots_.clear();
        for (const auto& change : changes.slots) {
            const auto known = slots_.find({change.address, change.key});
            if (known != slots_.end()) known->second = change.value;
        }
    }
    void clear() {
        accounts_.clear();
        slots_.clear();
    }

  private:
    struct Slot {
        Address address;
        U256 key;
        bool operator==(const Slot&) const = default;
    };
    struct SlotHash {
        std::size_t operator()(const Slot& slot) const noexcept {
            return static_cast<std::size_t>(
                fold(AddressHash{}(slot.address), U256Hash{}(slot.key)));
        }
    };

    [[nodiscard]] bool has_room() const noexcept {
        return accounts_.size() + slots_.size() < count_max;
    }
    [[nodiscard]] std::optional<AccountRow> read(const Address& address) const {
        return read_account_row(address.view(), store_.get(Table::accounts, address.view()));
    }
    [[nodiscard]] U256 read(const Address& address, const U256& key) const {
        const Bytes row_key = storage_key(address, key);
        return read_storage_row(row_key, store_.get(Table::storage, row_key));
    }

    const KeyValueView& store_;
    std::unordered_map<Address, std::optional<AccountRow>, AddressHash> accounts_;
    std::unordered_map<Slot, U256, SlotHash> slots_;
};

}  // namespace millrace::state
