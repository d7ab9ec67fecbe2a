// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "ledger/transition.hpp"
#include "trie/root.hpp"

namespace millrace::ledger {
namespace {

template <typename T>
Hash32 root_of_list(const std::vector<T>& items) {
    std::vector<Bytes> encoded(items.size());
    std::ranges::transform(items, encoded.begin(), [](const T& item) { return item.encode(); });
    return trie::indexed_root(encoded);
}

}  // namespace

Hash32 transactions_root(const std::vector<types::SignedTransaction>& transactions) {
    return root_of_list(transactions);
}

Hash32 receipts_root(const std::vector<types::TransactionReceipt>& receipts) {
    return root_of_list(receipts);
}

Hash32 withdrawals_root(const std::vector<types::Withdrawal>& withdrawals) {
    return root_of_list(withdrawals);
}

}  // namespace millrace::ledger
