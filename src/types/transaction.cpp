// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/transaction.hpp"

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::types {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

/// EIP-155 puts chain_id * 2 + 36 into 64 bits.
constexpr std::uint64_t chain_id_max = (~std::uint64_t{0} - 36) / 2;

void write_target(RlpWriter& writer, const std::optional<Address>& to) {
    if (to) {
        writer.write(*to);
    } else {
        writer.write(ByteView{});
    }
}

Result<std::optional<Address>, RlpError> read_target(RlpReaderView& reader) {
    MILLRACE_TRY(const ByteView bytes, reader.read_string());
    if (bytes.empty()) return std::optional<Address>{};
    const auto address = Address::from(bytes);
    if (!address) return Err{RlpError::wrong_size};
    return address;
}

void write_access_list(RlpWriter& writer, const std::vector<AccessListEntry>& entries) {
    const auto list = writer.begin_list();
    for (const AccessListEntry& entry : entries) {
        const auto item = writer.begin_list();
        writer.write(entry.address);
        const auto keys = writer.begin_list();
        for (const Hash32& key : entry.storage_keys)
            writer.write(key);
        writer.end_list(keys);
        writer.end_list(item);
    }
    writer.end_list(list);
}

Result<std::vector<AccessListEntry>, RlpError> read_access_list(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::vector<AccessListEntry> entries;  // bounded by transaction_size_max
    while (!list.at_end()) {
        MILLRACE_TRY(RlpReaderView item, list.read_list());
        AccessListEntry entry;
        MILLRACE_TRY(entry.address, item.read_fixed<Address>());
        MILLRACE_TRY(RlpReaderView keys, item.read_list());
        while (!keys.at_end()) {
            MILLRACE_TRY(const Hash32 key, keys.read_fixed<Hash32>());
            entry.storage_keys.push_back(key);
        }
        MILLRACE_TRY_VOID(item.finish());
        entries.push_back(std::move(entry));
    }
    return entries;
}

/// The fields up to the signature, inside the caller's list.
void write_fields(RlpWriter& writer, const Transaction& transaction) {
    const bool legacy = transaction.kind == TransactionKind::legacy;
    MILLRACE_ASSERT(legacy || transaction.chain_id.has_value());
    MILLRACE_ASSERT(!legacy || transaction.access_list.empty());
    if (!legacy) writer.write(*transaction.chain_id);
    writer.write(transaction.nonce);
    if (transaction.kind == TransactionKind::dynamic_fee) {
        writer.write(transaction.max_priority_fee_per_gas);
    }
    writer.write(transaction.max_fee_per_gas);
    writer.write(transaction.gas_limit);
    write_target(writer, transaction.to);
    writer.write(transaction.value.wei);
    writer.write(ByteView{transaction.data});
    if (!legacy) write_access_list(writer, transaction.access_list);
}

Result<Transaction, RlpError> read_fields(RlpReaderView& reader, TransactionKind kind) {
    Transaction transaction;
    transaction.kind = kind;
    const bool legacy = kind == TransactionKind::legacy;
    if (!legacy) {
        MILLRACE_TRY(const std::uint64_t chain_id, reader.read_u64());
        if (chain_id > chain_id_max) return Err{RlpError::bad_value};
        transaction.chain_id = chain_id;
    }
    MILLRACE_TRY(transaction.nonce, reader.read_u64());
    if (kind == TransactionKind::dynamic_fee) {
        MILLRACE_TRY(transaction.max_priority_fee_per_gas, reader.read_u256());
    }
    MILLRACE_TRY(transaction.max_fee_per_gas, reader.read_u256());
    MILLRACE_TRY(transaction.gas_limit, reader.read_u64());
    MILLRACE_TRY(transaction.to, read_target(reader));
    MILLRACE_TRY(transaction.value.wei, reader.read_u256());
    MILLRACE_TRY(transaction.data, reader.read_bytes(transaction_size_max));
    if (!legacy) {
        MILLRACE_TRY(transaction.access_list, read_access_list(reader));
    }
    return transaction;
}

/// The type byte in front of typed transactions (EIP-2718), then the list.
Bytes with_type(const Transaction& transaction, RlpWriter&& writer) {
    Bytes encoded = std::move(writer).take();
    if (transaction.kind != TransactionKind::legacy) {
        encoded.insert(encoded.begin(), static_cast<std::uint8_t>(transaction.kind));
    }
    return encoded;
}

std::uint64_t legacy_v(const Transaction& transaction, std::uint8_t y_parity) {
    if (!transaction.chain_id) return std::uint64_t{27} + y_parity;
    MILLRACE_ASSERT(*transaction.chain_id <= chain_id_max);
    return *transaction.chain_id * 2 + 35 + y_parity;
}

Result<void, RlpError> read_signature(RlpReaderView& reader, SignedTransaction& result) {
    MILLRACE_TRY(const std::uint64_t v, reader.read_u64());
    if (result.transaction.kind != TransactionKind::legacy) {
        if (v > 1) return Err{RlpError::bad_value};
        result.y_parity = static_cast<std::uint8_t>(v);
    } else if (v == 27 || v == 28) {
        result.y_parity = static_cast<std::uint8_t>(v - 27);
    } else {
        if (v < 35) return Err{RlpError::bad_value};
        result.y_parity = static_cast<std::uint8_t>((v - 35) % 2);
        result.transaction.chain_id = (v - 35) / 2;
    }
    MILLRACE_TRY(result.r, reader.read_u256());
    MILLRACE_TRY(result.s, reader.read_u256());
    return {};
}

}  // namespace

Hash32 signing_hash(const Transaction& transaction) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    write_fields(writer, transaction);
    if (transaction.kind == TransactionKind::legacy && transaction.chain_id) {
        writer.write(*transaction.chain_id);  // EIP-155
        writer.write(std::uint64_t{0});
        writer.write(std::uint64_t{0});
    }
    writer.end_list(list);
    return crypto::keccak256(with_type(transaction, std::move(writer)));
}

SignedTransaction sign_transaction(Transaction transaction, const crypto::SecretKey& key) {
    const crypto::Signature signature = crypto::sign(key, signing_hash(transaction));
    SignedTransaction result;
    result.transaction = std::move(transaction);
    result.r = *u256_from_big_endian(signature.view().first(32));
    result.s = *u256_from_big_endian(signature.view().subspan(32, 32));
    result.y_parity = static_cast<std::uint8_t>(signature.bytes[64] - 27);
    return result;
}

Bytes SignedTransaction::encode() const {
    MILLRACE_ASSERT(y_parity <= 1);
    RlpWriter writer;
    const auto list = writer.begin_list();
    write_fields(writer, transaction);
    writer.write(transaction.kind == TransactionKind::legacy ? legacy_v(transaction, y_parity)
                                                             : std::uint64_t{y_parity});
    writer.write(r);
    writer.write(s);
    writer.end_list(list);
    return with_type(transaction, std::move(writer));
}

Hash32 SignedTransaction::hash() const {
    return crypto::keccak256(encode());
}

std::optional<Address> SignedTransaction::sender() const {
    crypto::Signature signature;
    const Hash32 r_word = to_word(r);
    const Hash32 s_word = to_word(s);
    std::copy(r_word.bytes.begin(), r_word.bytes.end(), signature.bytes.begin());
    std::copy(s_word.bytes.begin(), s_word.bytes.end(), signature.bytes.begin() + 32);
    signature.bytes[64] = static_cast<std::uint8_t>(27 + y_parity);
    return crypto::recover(signing_hash(transaction), signature);
}

Result<SignedTransaction, RlpError> decode_transaction(ByteView raw) {
    if (raw.empty()) return Err{RlpError::truncated};
    if (raw.size() > transaction_size_max) return Err{RlpError::wrong_size};
    TransactionKind kind = TransactionKind::legacy;
    if (raw[0] < 0xc0) {
        if (raw[0] != 1 && raw[0] != 2) return Err{RlpError::bad_value};
        kind = static_cast<TransactionKind>(raw[0]);
        raw = raw.subspan(1);
    }
    RlpReaderView outer{raw};
    MILLRACE_TRY(RlpReaderView reader, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    SignedTransaction result;
    MILLRACE_TRY(result.transaction, read_fields(reader, kind));
    MILLRACE_TRY_VOID(read_signature(reader, result));
    MILLRACE_TRY_VOID(reader.finish());
    return result;
}

Address contract_address(const Address& creator, std::uint64_t nonce) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(creator);
    writer.write(nonce);
    writer.end_list(list);
    const Hash32 hash = crypto::keccak256(writer.view());
    return *Address::from(hash.view().subspan(12));
}

}  // namespace millrace::types
