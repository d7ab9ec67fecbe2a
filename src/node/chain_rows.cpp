// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/chain_rows.hpp"

#include "base/assert.hpp"
#include "codec/rlp.hpp"
#include "state/rows.hpp"

namespace millrace::node {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;
using state::Table;

Result<HeadRow, RlpError> read_head(ByteView row) {
    RlpReaderView whole{row};
    MILLRACE_TRY(RlpReaderView items, whole.read_list());
    HeadRow read;
    MILLRACE_TRY(read.format, items.read_u64());
    // What a newer format has behind its number is not ours to read.
    if (read.format > chain_format) return read;
    MILLRACE_TRY(read.height.value, items.read_u64());
    MILLRACE_TRY(read.hash, items.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(items.finish());
    MILLRACE_TRY_VOID(whole.finish());
    return read;
}

Result<GenesisRow, RlpError> read_genesis_row(ByteView row) {
    RlpReaderView whole{row};
    MILLRACE_TRY(RlpReaderView items, whole.read_list());
    GenesisRow read;
    MILLRACE_TRY(read.format, items.read_u64());
    if (read.format > chain_format) return read;
    MILLRACE_TRY(read.hash, items.read_fixed<Hash32>());
    MILLRACE_TRY(read.chain_id, items.read_u64());
    MILLRACE_TRY_VOID(items.finish());
    MILLRACE_TRY_VOID(whole.finish());
    return read;
}

/// The items of a list, still encoded.
Result<std::vector<ByteView>, RlpError> read_items(ByteView list) {
    RlpReaderView whole{list};
    MILLRACE_TRY(RlpReaderView items, whole.read_list());
    MILLRACE_TRY_VOID(whole.finish());
    std::vector<ByteView> found;
    while (!items.at_end()) {
        MILLRACE_TRY(const ByteView item, items.read_raw());
        found.push_back(item);
    }
    return found;
}

Result<std::vector<types::TransactionReceipt>, RlpError> read_receipts(ByteView row) {
    RlpReaderView whole{row};
    MILLRACE_TRY(RlpReaderView items, whole.read_list());
    MILLRACE_TRY_VOID(whole.finish());
    std::vector<types::TransactionReceipt> receipts;
    while (!items.at_end()) {
        if (items.next_is_list()) {
            MILLRACE_TRY(types::TransactionReceipt receipt, types::read_short(items));
            receipts.push_back(std::move(receipt));
        } else {
            MILLRACE_TRY(const ByteView item, items.read_string());
            MILLRACE_TRY(types::TransactionReceipt receipt,
                         types::decode_transaction_receipt(item));
            receipts.push_back(std::move(receipt));
        }
    }
    return receipts;
}

template <typename T>
std::optional<T> or_null(Result<T, RlpError> read) {
    if (!read) return std::nullopt;
    return std::move(read).value();
}

}  // namespace

Bytes encode_head_row(const HeadRow& row) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(row.format);
    writer.write(row.height.value);
    writer.write(row.hash);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<HeadRow> decode_head_row(ByteView row) {
    return or_null(read_head(row));
}

Bytes encode_genesis_row(const GenesisRow& row) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(row.format);
    writer.write(row.hash);
    writer.write(row.chain_id);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<GenesisRow> decode_genesis_row(ByteView row) {
    return or_null(read_genesis_row(row));
}

Bytes encode_body_row(const types::Block& block) {
    return encode_body_row(block, ledger::encode_body(block.transactions, {}).transactions);
}

Bytes encode_body_row(const types::Block& block, const std::vector<Bytes>& transactions) {
    MILLRACE_ASSERT(transactions.size() == block.transactions.size());
    types::Block rest;
    rest.ommers = block.ommers;
    rest.withdrawals = block.withdrawals;
    const Bytes whole = rest.encode();
    const auto items = read_items(whole);
    MILLRACE_ASSERT(items.has_value());
    MILLRACE_ASSERT(items->size() >= 2);
    RlpWriter writer;
    const auto list = writer.begin_list();
    const auto transaction_list = writer.begin_list();
    for (std::size_t index = 0; index < transactions.size(); ++index) {
        if (types::has_type_byte(block.transactions[index].transaction.kind)) {
            writer.write(ByteView{transactions[index]});
        } else {
            writer.write_raw(transactions[index]);
        }
    }
    writer.end_list(transaction_list);
    for (const ByteView item : std::span{*items}.subspan(2))
        writer.write_raw(item);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<types::Block> decode_block_rows(ByteView header, ByteView body) {
    const auto items = read_items(body);
    if (!items) return std::nullopt;
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_raw(header);
    for (const ByteView item : *items)
        writer.write_raw(item);
    writer.end_list(list);
    return or_null(types::decode_block(writer.view()));
}

Bytes encode_receipts_row(const std::vector<types::TransactionReceipt>& receipts) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    for (const types::TransactionReceipt& receipt : receipts)
        types::write_short(writer, receipt);
    writer.end_list(list);
    return std::move(writer).take();
}

std::optional<std::vector<types::TransactionReceipt>> decode_receipts_row(ByteView row) {
    return or_null(read_receipts(row));
}

Bytes encode_place_row(Height height, std::uint32_t index) {
    Bytes row = state::height_key(height);
    for (int shift = 24; shift >= 0; shift -= 8)
        row.push_back(static_cast<std::uint8_t>(index >> shift));
    return row;
}

std::optional<PlaceRow> decode_place_row(ByteView row) {
    if (row.size() != 12) return std::nullopt;
    const auto height = state::decode_height_key(row.first(8));
    if (!height) return std::nullopt;
    PlaceRow place{.height = *height};
    for (const std::uint8_t byte : row.subspan(8))
        place.index = place.index << 8 | byte;
    return place;
}

std::optional<types::Header> decode_header_row(ByteView row) {
    RlpReaderView reader{row};
    auto header = types::decode_header(reader);
    if (!header || !reader.at_end()) return std::nullopt;
    return std::move(header).value();
}

void put_block(state::WriteBatch& batch, const types::Block& block, const Hash32& hash,
               const std::vector<types::TransactionReceipt>& receipts,
               const ledger::EncodedBody& encoded) {
    const Height height{block.header.number};
    const Bytes key = state::height_key(height);
    batch.put(Table::headers, key, block.header.encode());
    batch.put(Table::bodies, key, encode_body_row(block, encoded.transactions));
    batch.put(Table::receipts, key, encode_receipts_row(receipts));
    batch.put(Table::block_numbers, hash.view(), key);
    std::uint32_t index = 0;
    for (const Hash32& transaction : encoded.transaction_hashes)
        batch.put(Table::transactions, transaction.view(), encode_place_row(height, index++));
    batch.put(Table::meta, as_bytes(head_key), encode_head_row({.height = height, .hash = hash}));
}

void erase_block(state::WriteBatch& batch, const types::Block& block, const Hash32& hash) {
    const Bytes key = state::height_key(Height{block.header.number});
    batch.erase(Table::headers, key);
    batch.erase(Table::bodies, key);
    batch.erase(Table::receipts, key);
    batch.erase(Table::block_numbers, hash.view());
    for (const types::SignedTransaction& transaction : block.transactions)
        batch.erase(Table::transactions, transaction.hash().view());
}

}  // namespace millrace::node
