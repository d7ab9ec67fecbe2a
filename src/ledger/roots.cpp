// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "crypto/hash.hpp"
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

/// From here on a block is worth waking others for.
constexpr std::size_t parallel_from = 64;

}  // namespace

std::size_t encoded_size_bound(const types::Transaction& transaction) noexcept {
    std::size_t size = 400 + transaction.data.size() + transaction.blob_hashes.size() * 33 +
                       transaction.authorizations.size() * 140;
    for (const types::AccessListEntry& entry : transaction.access_list)
        size += 40 + entry.storage_keys.size() * 33;
    return size;
}

EncodedBody encode_body(const std::vector<types::SignedTransaction>& transactions,
                        const std::vector<types::TransactionReceipt>& receipts,
                        const ParallelFor& parallel_for) {
    EncodedBody encoded;
    encoded.transactions.resize(transactions.size());
    encoded.transaction_hashes.resize(transactions.size());
    encoded.receipts.resize(receipts.size());
    const std::size_t part_count = transactions.size() < parallel_from ? 1 : 16;
    for_each_part(
        parallel_for, transactions.size(), part_count, [&](std::size_t first, std::size_t last) {
            for (std::size_t index = first; index < last; ++index) {
                encoded.transactions[index] = transactions[index].encode();
                encoded.transaction_hashes[index] = crypto::keccak256(encoded.transactions[index]);
            }
        });
    for_each_part(parallel_for, receipts.size(), part_count,
                  [&](std::size_t first, std::size_t last) {
                      for (std::size_t index = first; index < last; ++index)
                          encoded.receipts[index] = receipts[index].encode();
                  });
    return encoded;
}

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
