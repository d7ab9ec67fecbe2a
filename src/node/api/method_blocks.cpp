// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Blocks, their ommers and receipts.

#include "ledger/fees.hpp"
#include "node/api/stored_block.hpp"

namespace millrace::node {

std::optional<StoredBlock> block_at(const Call& call, Height height) {
    auto block = call.view->block(height);
    const auto hash = call.view->hash_at(height);
    if (!block || !hash) return std::nullopt;
    return StoredBlock{std::move(*block), *hash, false};
}

Read<std::optional<StoredBlock>> block_by_any(const Call& call, std::size_t index) {
    MILLRACE_TRY(const BlockId id, call.block(index));
    if (id.kind == BlockId::Kind::pending)
        return std::optional{StoredBlock{call.api.backend.pending_block(), {}, true}};
    const auto height = call.find(id);
    if (!height) return std::optional<StoredBlock>{};
    return block_at(call, *height);
}

Read<std::optional<StoredBlock>> block_by_number(const Call& call, std::size_t index) {
    MILLRACE_TRY(const BlockId id, call.block(index));
    if (id.kind == BlockId::Kind::hash)
        return Where{index}.wrong("a block number or tag is needed");
    return block_by_any(call, index);
}

Read<std::optional<StoredBlock>> block_by_hash(const Call& call, std::size_t index) {
    MILLRACE_TRY(const Hash32 hash, call.hash(index));
    const auto height = call.view->height_of(hash);
    if (!height) return std::optional<StoredBlock>{};
    return block_at(call, *height);
}

std::optional<U256> blob_fee_of(const Call& call, const types::Header& header) {
    if (!header.excess_blob_gas) return std::nullopt;
    const ledger::Rules rules =
        ledger::rules_at(call.view->config(), header.number, header.timestamp);
    return ledger::blob_base_fee(rules, *header.excess_blob_gas);
}

namespace {

using Found = std::optional<StoredBlock>;

std::string null_text() {
    return "null";
}

Read<bool> wants_full(const Call& call) {
    if (call.at(1).is_nothing()) return false;
    return read_bool(call.at(1), {1});
}

std::string block_text(const StoredBlock& found, bool full) {
    JsonWriter out;
    write_block(out, found.block, found.pending ? nullptr : &found.hash, full);
    return std::move(out).take();
}

Answer get_block_by_hash(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_hash(call, 0));
    MILLRACE_TRY(const bool full, wants_full(call));
    return found ? block_text(*found, full) : null_text();
}

Answer get_block_by_number(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_number(call, 0));
    MILLRACE_TRY(const bool full, wants_full(call));
    return found ? block_text(*found, full) : null_text();
}

Answer transaction_count_by_hash(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_hash(call, 0));
    return found ? quantity_text(found->block.transactions.size()) : null_text();
}

Answer transaction_count_by_number(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_number(call, 0));
    return found ? quantity_text(found->block.transactions.size()) : null_text();
}

Answer ommer_count_by_hash(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_hash(call, 0));
    return found ? quantity_text(found->block.ommers.size()) : null_text();
}

Answer ommer_count_by_number(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_number(call, 0));
    return found ? quantity_text(found->block.ommers.size()) : null_text();
}

Answer ommer_text(const Call& call, const Found& found) {
    MILLRACE_TRY(const std::uint64_t index, call.u64(1));
    if (!found || index >= found->block.ommers.size()) return null_text();
    JsonWriter out;
    write_ommer(out, found->block.ommers[index]);
    return std::move(out).take();
}

Answer ommer_by_hash(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_hash(call, 0));
    return ommer_text(call, found);
}

Answer ommer_by_number(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_number(call, 0));
    return ommer_text(call, found);
}

Answer get_block_receipts(const Call& call) {
    MILLRACE_TRY(const Found found, block_by_any(call, 0));
    if (!found || found->pending) return null_text();
    const auto receipts = call.view->receipts(Height{found->block.header.number});
    if (!receipts) return null_text();
    const std::optional<U256> blob_fee = blob_fee_of(call, found->block.header);
    JsonWriter out;
    out.begin('[');
    for (std::size_t index = 0; index < found->block.transactions.size(); ++index)
        write_receipt(out, found->block, found->hash, *receipts, index, blob_fee);
    out.end(']');
    return std::move(out).take();
}

constexpr Method methods[] = {
    {.name = "eth_getBlockByHash",
     .arguments_min = 1,
     .arguments_max = 2,
     .now = get_block_by_hash,
     .summary = "a block, with hashes or whole transactions"},
    {.name = "eth_getBlockByNumber",
     .arguments_min = 1,
     .arguments_max = 2,
     .now = get_block_by_number,
     .summary = "a block, with hashes or whole transactions"},
    {.name = "eth_getBlockTransactionCountByHash",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = transaction_count_by_hash,
     .summary = "how many transactions a block has"},
    {.name = "eth_getBlockTransactionCountByNumber",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = transaction_count_by_number,
     .summary = "how many transactions a block has"},
    {.name = "eth_getUncleCountByBlockHash",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = ommer_count_by_hash,
     .summary = "how many ommers a block has"},
    {.name = "eth_getUncleCountByBlockNumber",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = ommer_count_by_number,
     .summary = "how many ommers a block has"},
    {.name = "eth_getUncleByBlockHashAndIndex",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = ommer_by_hash,
     .summary = "an ommer of a block"},
    {.name = "eth_getUncleByBlockNumberAndIndex",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = ommer_by_number,
     .summary = "an ommer of a block"},
    {.name = "eth_getBlockReceipts",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = get_block_receipts,
     .summary = "all receipts of a block"},
};

}  // namespace

std::span<const Method> block_methods() {
    return methods;
}

}  // namespace millrace::node
