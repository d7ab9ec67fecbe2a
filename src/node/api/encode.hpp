// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: blocks, transactions and receipts as JSON, field by field as
// ethereum/execution-apis (src/schemas) and geth write them.

#include <span>

#include "ledger/chain_config.hpp"
#include "node/json_writer.hpp"
#include "types/block.hpp"

namespace millrace::node {

/// Where a transaction stands; absent fields of a waiting one are null.
struct BlockPlace {
    Hash32 hash;
    const types::Header* header = nullptr;
    std::uint32_t index = 0;
};
/// `place` null: the transaction waits; `base_fee` is the next block's.
void write_transaction(JsonWriter& out, const types::SignedTransaction& signed_transaction,
                       const Hash32& hash, const Address& sender, const BlockPlace* place,
                       const std::optional<U256>& base_fee);
/// What eth_sendTransaction's caller gets to see of gas prices (EIP-1559).
U256 effective_gas_price(const types::Transaction& transaction,
                         const std::optional<U256>& base_fee) noexcept;

/// The members of a header, without brackets; `hash` null: a pending block.
void write_header_members(JsonWriter& out, const types::Header& header, const Hash32* hash);
void write_block(JsonWriter& out, const types::Block& block, const Hash32* hash, bool full);
void write_withdrawals(JsonWriter& out, const std::vector<types::Withdrawal>& withdrawals);
/// The members of a block, without brackets. `senders`, if any are given, are the transactions';
/// else they are recovered.
void write_block_members(JsonWriter& out, const types::Block& block, const Hash32* hash, bool full,
                         std::span<const Address> senders = {});
/// An ommer: a block without a body.
void write_ommer(JsonWriter& out, const types::Header& header);

struct LogPlace {
    Hash32 block_hash;
    std::uint64_t block_number = 0;
    std::uint64_t block_timestamp = 0;
    Hash32 transaction_hash;
    std::uint32_t transaction_index = 0;
    std::uint64_t log_index = 0;
    bool removed = false;
};
void write_log(JsonWriter& out, const types::Log& log, const LogPlace& place);
/// The receipt of transaction `index`; the logs of earlier ones are counted here.
void write_receipt(JsonWriter& out, const types::Block& block, const Hash32& hash,
                   const std::vector<types::TransactionReceipt>& receipts, std::size_t index,
                   const std::optional<U256>& blob_base_fee);

/// Sender as recovered; the zero address for what no block would hold.
Address sender_of(const types::SignedTransaction& transaction);

}  // namespace millrace::node
