// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/state_view.hpp"

#include <algorithm>

namespace millrace::state {

void StateDiff::merge(StateDiff later) {
    for (auto& [address, change] : later.accounts) {
        const auto [found, is_new] = accounts.try_emplace(address);
        AccountDiff& mine = found->second;
        if (is_new) {
            mine = std::move(change);
            continue;
        }
        mine.account = change.account;
        if (change.storage_cleared || !change.account) {
            mine.storage_cleared = mine.storage_cleared || change.storage_cleared;
            mine.storage = std::move(change.storage);
            continue;
        }
        for (const auto& [key, value] : change.storage)
            mine.storage.insert_or_assign(key, value);
    }
    codes.merge(later.codes);
}

std::optional<Account> OverlayView::account(const Address& address) const {
    const auto found = diff_.accounts.find(address);
    return found == diff_.accounts.end() ? base_.account(address) : found->second.account;
}

U256 OverlayView::storage(const Address& address, const U256& key) const {
    const auto found = diff_.accounts.find(address);
    if (found == diff_.accounts.end()) return base_.storage(address, key);
    const AccountDiff& change = found->second;
    const auto slot = change.storage.find(key);
    if (slot != change.storage.end()) return slot->second;
    if (change.storage_cleared || !change.account) return U256{};
    return base_.storage(address, key);
}

bool OverlayView::has_storage(const Address& address) const {
    const auto found = diff_.accounts.find(address);
    if (found == diff_.accounts.end()) return base_.has_storage(address);
    const AccountDiff& change = found->second;
    const bool writes_any = std::ranges::any_of(
        change.storage, [](const auto& slot) { return !slot.second.is_zero(); });
    if (writes_any) return true;
    if (change.storage_cleared || !change.account) return false;
    return base_.has_storage(address);
}

evm::CodePtr OverlayView::code(const Hash32& hash) const {
    const auto found = diff_.codes.find(hash);
    return found == diff_.codes.end() ? base_.code(hash) : found->second;
}

}  // namespace millrace::state
