// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Transactions and their receipts, as JSON and as they were encoded.

#include "node/api/stored_block.hpp"

namespace millrace::node {
namespace {

using Found = std::optional<StoredBlock>;

std::string null_text() {
    return "null";
}

/// Data without bytes: geth's answer for a raw transaction that is not there.
std::string nothing_text() {
    return data_text({});
}

std::string transaction_text(const StoredBlock& found, std::size_t index) {
    const types::SignedTransaction& transaction = found.block.transactions[index];
    const BlockPlace place{.hash = found.hash,
                           .header = &found.block.header,
                           .index = static_cast<std::uint32_t>(index)};
    JsonWriter out;
    write_transaction(out, transaction, transaction.hash(), sender_of(transaction),
                      found.pending ? nullptr : &place, found.block.header.base_fee);
    return std::move(out).take();
}

/// A transaction of the chain.
struct Placed {
    StoredBlock in;
    std::size_t index = 0;
};
std::optional<Placed> find_placed(const Call& call, const Hash32& hash) {
    const auto place = call.view->place_of(hash);
    if (!place) return std::nullopt;
    auto found = block_at(call, place->height);
    if (!found || place->index >= found->block.transactions.size()) return std::nullopt;
    return Placed{std::move(*found), place->index};
}

Answer get_transaction(const Call& call) {
    MILLRACE_TRY(const Hash32 hash, call.hash(0));
    if (const auto placed = find_placed(call, hash))
        return transaction_text(placed->in, placed->index);
    const mempool::PooledPtr pooled = call.api.backend.pending(hash);
    if (pooled == nullptr) return null_text();
    JsonWriter out;
    write_transaction(out, pooled->transaction, pooled->hash, pooled->sender, nullptr, {});
    return std::move(out).take();
}

Answer transaction_at(const Call& call, const Found& found) {
    MILLRACE_TRY(const std::uint64_t index, call.u64(1));
    if (!found || index >= found->block.transactions.size()) return null_text();
    return transaction_text(*found, index);
}

Answer transaction_by_block_hash(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_hash(call, 0));
    return transaction_at(call, found);
}

Answer transaction_by_block_number(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_number(call, 0));
    return transaction_at(call, found);
}

Answer get_receipt(const Call& call) {
    MILLRACE_TRY(const Hash32 hash, call.hash(0));
    const auto placed = find_placed(call, hash);
    if (!placed) return null_text();
    const types::Header& header = placed->in.block.header;
    const auto receipts = call.view->receipts(Height{header.number});
    if (!receipts || placed->index >= receipts->size()) return null_text();
    JsonWriter out;
    write_receipt(out, placed->in.block, placed->in.hash, *receipts, placed->index,
                  blob_fee_of(call, header));
    return std::move(out).take();
}

Answer get_raw_transaction(const Call& call) {
    MILLRACE_TRY(const Hash32 hash, call.hash(0));
    if (const auto placed = find_placed(call, hash))
        return data_text(placed->in.block.transactions[placed->index].encode());
    const mempool::PooledPtr pooled = call.api.backend.pending(hash);
    return pooled == nullptr ? nothing_text() : data_text(pooled->transaction.encode());
}

Answer raw_transaction_at(const Call& call, const Found& found) {
    MILLRACE_TRY(const std::uint64_t index, call.u64(1));
    if (!found || index >= found->block.transactions.size()) return nothing_text();
    return data_text(found->block.transactions[index].encode());
}

Answer raw_transaction_by_block_hash(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_hash(call, 0));
    return raw_transaction_at(call, found);
}

Answer raw_transaction_by_block_number(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_number(call, 0));
    return raw_transaction_at(call, found);
}

Answer raw_block(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_any(call, 0));
    if (!found) return server_error("block not found");
    return data_text(found->block.encode());
}

Answer raw_header(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_any(call, 0));
    if (!found) return server_error("header not found");
    return data_text(found->block.header.encode());
}

Answer raw_receipts(const Call& call) {
    MILLRACE_TRY(const BlockId id, call.block(0));
    MILLRACE_TRY(const Height height, call.require(id));
    const auto receipts = call.view->receipts(height);
    if (!receipts) return server_error("block not found");
    JsonWriter out;
    out.begin('[');
    for (const types::TransactionReceipt& receipt : *receipts)
        out.data(ByteView{receipt.encode()});
    out.end(']');
    return std::move(out).take();
}

constexpr Method methods[] = {
    {.name = "eth_getTransactionByHash",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = get_transaction,
     .summary = "a transaction, waiting ones included"},
    {.name = "eth_getTransactionByBlockHashAndIndex",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = transaction_by_block_hash,
     .summary = "a transaction of a block"},
    {.name = "eth_getTransactionByBlockNumberAndIndex",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = transaction_by_block_number,
     .summary = "a transaction of a block"},
    {.name = "eth_getTransactionReceipt",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = get_receipt,
     .summary = "what a transaction did"},
    {.name = "eth_getRawTransactionByHash",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = get_raw_transaction,
     .summary = "a transaction as it was encoded"},
    {.name = "eth_getRawTransactionByBlockHashAndIndex",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = raw_transaction_by_block_hash,
     .summary = "a transaction as it was encoded"},
    {.name = "eth_getRawTransactionByBlockNumberAndIndex",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = raw_transaction_by_block_number,
     .summary = "a transaction as it was encoded"},
};

constexpr Method raw_methods[] = {
    {.name = "debug_getRawBlock",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = raw_block,
     .summary = "a block in RLP"},
    {.name = "debug_getRawHeader",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = raw_header,
     .summary = "a header in RLP"},
    {.name = "debug_getRawReceipts",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = raw_receipts,
     .summary = "the receipts of a block as their trie holds them"},
    {.name = "debug_getRawTransaction",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = get_raw_transaction,
     .summary = "a transaction as it was encoded"},
};

}  // namespace

std::span<const Method> transaction_methods() {
    return methods;
}

std::span<const Method> debug_methods() {
    return raw_methods;
}

}  // namespace millrace::node
