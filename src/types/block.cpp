// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/block.hpp"

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::types {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

/// Writes a field that is there; `open` turns false at the first that is not. A field after an
/// absent one is our own bug: no header has such a form.
template <typename T>
void write_optional(RlpWriter& writer, const std::optional<T>& field, bool& open) {
    if (field) {
        MILLRACE_ASSERT(open);
        writer.write(*field);
    } else {
        open = false;
    }
}

void write_header(RlpWriter& writer, const Header& header) {
    const auto list = writer.begin_list();
    writer.write(header.parent_hash);
    writer.write(header.ommers_hash);
    writer.write(header.coinbase);
    writer.write(header.state_root);
    writer.write(header.transactions_root);
    writer.write(header.receipts_root);
    writer.write(header.logs_bloom);
    writer.write(header.difficulty);
    writer.write(header.number);
    writer.write(header.gas_limit);
    writer.write(header.gas_used);
    writer.write(header.timestamp);
    writer.write(ByteView{header.extra_data});
    writer.write(header.mix_hash);
    writer.write(ByteView{header.nonce});
    bool open = true;
    write_optional(writer, header.base_fee, open);
    write_optional(writer, header.withdrawals_root, open);
    write_optional(writer, header.blob_gas_used, open);
    write_optional(writer, header.excess_blob_gas, open);
    write_optional(writer, header.parent_beacon_block_root, open);
    write_optional(writer, header.requests_hash, open);
    writer.end_list(list);
}

/// The fields that came with upgrades after frontier; each may be where the header ends.
Result<void, RlpError> read_later_fields(RlpReaderView& reader, Header& header) {
    if (reader.at_end()) return {};
    MILLRACE_TRY(header.base_fee, reader.read_u256());
    if (reader.at_end()) return {};
    MILLRACE_TRY(header.withdrawals_root, reader.read_fixed<Hash32>());
    if (reader.at_end()) return {};
    MILLRACE_TRY(header.blob_gas_used, reader.read_u64());
    if (reader.at_end()) return {};
    MILLRACE_TRY(header.excess_blob_gas, reader.read_u64());
    if (reader.at_end()) return {};
    MILLRACE_TRY(header.parent_beacon_block_root, reader.read_fixed<Hash32>());
    if (reader.at_end()) return {};
    MILLRACE_TRY(header.requests_hash, reader.read_fixed<Hash32>());
    return reader.finish();
}

Result<SignedTransaction, RlpError> read_transaction(RlpReaderView& reader) {
    if (reader.next_is_list()) {
        MILLRACE_TRY(const ByteView raw, reader.read_raw());
        return decode_transaction(raw);
    }
    MILLRACE_TRY(const ByteView raw, reader.read_string());
    // A legacy transaction wrapped in a string would be a second form of the same block.
    if (!raw.empty() && raw[0] >= 0xc0) return Err{RlpError::bad_value};
    return decode_transaction(raw);
}

Result<Withdrawal, RlpError> read_withdrawal(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView item, reader.read_list());
    Withdrawal withdrawal;
    MILLRACE_TRY(withdrawal.index, item.read_u64());
    MILLRACE_TRY(withdrawal.validator, item.read_u64());
    MILLRACE_TRY(withdrawal.address, item.read_fixed<Address>());
    MILLRACE_TRY(withdrawal.gwei, item.read_u64());
    MILLRACE_TRY_VOID(item.finish());
    return withdrawal;
}

/// A list of what `read_item` reads; bounded by the input.
template <typename T, typename ReadItem>
Result<std::vector<T>, RlpError> read_all(RlpReaderView& reader, ReadItem read_item) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::vector<T> items;
    while (!list.at_end()) {
        MILLRACE_TRY(T item, read_item(list));
        items.push_back(std::move(item));
    }
    return items;
}

}  // namespace

Bytes Header::encode() const {
    RlpWriter writer;
    write_header(writer, *this);
    return std::move(writer).take();
}

Hash32 Header::hash() const {
    return crypto::keccak256(encode());
}

Result<Header, RlpError> decode_header(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    Header header;
    MILLRACE_TRY(header.parent_hash, list.read_fixed<Hash32>());
    MILLRACE_TRY(header.ommers_hash, list.read_fixed<Hash32>());
    MILLRACE_TRY(header.coinbase, list.read_fixed<Address>());
    MILLRACE_TRY(header.state_root, list.read_fixed<Hash32>());
    MILLRACE_TRY(header.transactions_root, list.read_fixed<Hash32>());
    MILLRACE_TRY(header.receipts_root, list.read_fixed<Hash32>());
    MILLRACE_TRY(header.logs_bloom, list.read_fixed<Bloom>());
    MILLRACE_TRY(header.difficulty, list.read_u256());
    MILLRACE_TRY(header.number, list.read_u64());
    MILLRACE_TRY(header.gas_limit, list.read_u64());
    MILLRACE_TRY(header.gas_used, list.read_u64());
    MILLRACE_TRY(header.timestamp, list.read_u64());
    MILLRACE_TRY(const ByteView extra_data, list.read_string());
    header.extra_data = to_bytes(extra_data);
    MILLRACE_TRY(header.mix_hash, list.read_fixed<Hash32>());
    MILLRACE_TRY(const ByteView nonce, list.read_string());
    if (nonce.size() != header.nonce.size()) return Err{RlpError::wrong_size};
    std::memcpy(header.nonce.data(), nonce.data(), nonce.size());
    MILLRACE_TRY_VOID(read_later_fields(list, header));
    return header;
}

static void write_transactions(RlpWriter& writer,
                               const std::vector<SignedTransaction>& transactions) {
    const auto list = writer.begin_list();
    for (const SignedTransaction& transaction : transactions) {
        const Bytes raw = transaction.encode();
        if (has_type_byte(transaction.transaction.kind)) {
            writer.write(ByteView{raw});
        } else {
            writer.write_raw(raw);
        }
    }
    writer.end_list(list);
}

static void write_ommers(RlpWriter& writer, const std::vector<Header>& ommers) {
    const auto list = writer.begin_list();
    for (const Header& ommer : ommers)
        write_header(writer, ommer);
    writer.end_list(list);
}

static void write_withdrawal(RlpWriter& writer, const Withdrawal& withdrawal) {
    const auto item = writer.begin_list();
    writer.write(withdrawal.index);
    writer.write(withdrawal.validator);
    writer.write(withdrawal.address);
    writer.write(withdrawal.gwei);
    writer.end_list(item);
}

Bytes Withdrawal::encode() const {
    RlpWriter writer;
    write_withdrawal(writer, *this);
    return std::move(writer).take();
}

Bytes Block::encode() const {
    RlpWriter writer;
    const auto list = writer.begin_list();
    write_header(writer, header);
    write_transactions(writer, transactions);
    write_ommers(writer, ommers);
    if (withdrawals) {
        const auto items = writer.begin_list();
        for (const Withdrawal& withdrawal : *withdrawals)
            write_withdrawal(writer, withdrawal);
        writer.end_list(items);
    }
    writer.end_list(list);
    return std::move(writer).take();
}

Hash32 ommers_hash(const std::vector<Header>& ommers) {
    RlpWriter writer;
    write_ommers(writer, ommers);
    return crypto::keccak256(writer.view());
}

Result<Block, RlpError> decode_block(ByteView raw) {
    if (raw.size() > block_size_max) return Err{RlpError::wrong_size};
    RlpReaderView outer{raw};
    MILLRACE_TRY(RlpReaderView list, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    Block block;
    MILLRACE_TRY(block.header, decode_header(list));
    MILLRACE_TRY(block.transactions, read_all<SignedTransaction>(list, read_transaction));
    MILLRACE_TRY(block.ommers, read_all<Header>(list, decode_header));
    if (!list.at_end()) {
        MILLRACE_TRY(block.withdrawals, read_all<Withdrawal>(list, read_withdrawal));
    }
    MILLRACE_TRY_VOID(list.finish());
    return block;
}

}  // namespace millrace::types
