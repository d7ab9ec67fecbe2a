// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/transaction_journal.hpp"

namespace millrace::state {

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
    if (revision < evm::Revision::spurious_dragon) return false;
    const bool is_touched =
        entry.is_touched || (ripemd_stays_touched && entry.address == ripemd_address);
    return is_touched && entry.current.is_empty();
}

}  // namespace millrace::state
