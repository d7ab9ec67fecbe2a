// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/transaction.hpp"

#include <algorithm>

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
    std::vector<AccessListEntry> entries;  // bounded by the input
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

void write_authorizations(RlpWriter& writer, const std::vector<Authorization>& authorizations) {
    const auto list = writer.begin_list();
    for (const Authorization& authorization : authorizations) {
        const auto item = writer.begin_list();
        writer.write(authorization.chain_id);
        writer.write(authorization.address);
        writer.write(authorization.nonce);
        writer.write(std::uint64_t{authorization.y_parity});
        writer.write(authorization.r);
        writer.write(authorization.s);
        writer.end_list(item);
    }
    writer.end_list(list);
}

Result<std::vector<Authorization>, RlpError> read_authorizations(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::vector<Authorization> authorizations;  // bounded by the input
    while (!list.at_end()) {
        MILLRACE_TRY(RlpReaderView item, list.read_list());
        Authorization authorization;
        MILLRACE_TRY(authorization.chain_id, item.read_u256());
        MILLRACE_TRY(authorization.address, item.read_fixed<Address>());
        MILLRACE_TRY(authorization.nonce, item.read_u64());
        MILLRACE_TRY(const std::uint64_t y_parity, item.read_u64());
        if (y_parity > 255) return Err{RlpError::wrong_size};
        authorization.y_parity = static_cast<std::uint8_t>(y_parity);
        MILLRACE_TRY(authorization.r, item.read_u256());
        MILLRACE_TRY(authorization.s, item.read_u256());
        MILLRACE_TRY_VOID(item.finish());
        authorizations.push_back(authorization);
    }
    return authorizations;
}

/// EIP-4844: the fields after the access list.
void write_blob_fields(RlpWriter& writer, const Transaction& transaction) {
    writer.write(transaction.max_fee_per_blob_gas);
    const auto list = writer.begin_list();
    for (const Hash32& hash : transaction.blob_hashes)
        writer.write(hash);
    writer.end_list(list);
}

Result<void, RlpError> read_blob_fields(RlpReaderView& reader, Transaction& transaction) {
    MILLRACE_TRY(transaction.max_fee_per_blob_gas, reader.read_u256());
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    while (!list.at_end()) {
        MILLRACE_TRY(const Hash32 hash, list.read_fixed<Hash32>());
        transaction.blob_hashes.push_back(hash);
    }
    return {};
}

/// The fields up to the signature, inside the caller's list.
void write_fields(RlpWriter& writer, const Transaction& transaction) {
    const bool legacy = transaction.kind == TransactionKind::legacy;
    MILLRACE_ASSERT(legacy || transaction.chain_id.has_value());
    MILLRACE_ASSERT(!legacy || transaction.access_list.empty());
    if (!legacy) writer.write(*transaction.chain_id);
    writer.write(transaction.nonce);
    if (has_dynamic_fee(transaction.kind)) writer.write(transaction.max_priority_fee_per_gas);
    writer.write(transaction.max_fee_per_gas);
    writer.write(transaction.gas_limit);
    write_target(writer, transaction.to);
    writer.write(transaction.value.wei);
    writer.write(ByteView{transaction.data});
    if (!legacy) write_access_list(writer, transaction.access_list);
    if (transaction.kind == TransactionKind::blob) write_blob_fields(writer, transaction);
    if (transaction.kind == TransactionKind::set_code) {
        write_authorizations(writer, transaction.authorizations);
    }
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
    if (has_dynamic_fee(kind)) {
        MILLRACE_TRY(transaction.max_priority_fee_per_gas, reader.read_u256());
    }
    MILLRACE_TRY(transaction.max_fee_per_gas, reader.read_u256());
    MILLRACE_TRY(transaction.gas_limit, reader.read_u64());
    MILLRACE_TRY(transaction.to, read_target(reader));
    MILLRACE_TRY(transaction.value.wei, reader.read_u256());
    MILLRACE_TRY(const ByteView data, reader.read_string());
    transaction.data = to_bytes(data);
    if (!legacy) {
        MILLRACE_TRY(transaction.access_list, read_access_list(reader));
    }
    if (kind == TransactionKind::blob) MILLRACE_TRY_VOID(read_blob_fields(reader, transaction));
    if (kind == TransactionKind::set_code) {
        MILLRACE_TRY(transaction.authorizations, read_authorizations(reader));
    }
    return transaction;
}

/// The type byte in front of typed transactions (EIP-2718), then the list.
Bytes with_type(const Transaction& transaction, RlpWriter&& writer) {
    Bytes encoded = std::move(writer).take();
    if (has_type_byte(transaction.kind)) {
        encoded.insert(encoded.begin(), static_cast<std::uint8_t>(transaction.kind));
    }
    return encoded;
}

std::uint64_t legacy_v(const Transaction& transaction, std::uint8_t y_parity) {
    if (y_parity == unsigned_parity) return 0;
    if (!transaction.chain_id) return std::uint64_t{27} + y_parity;
    MILLRACE_ASSERT(*transaction.chain_id <= chain_id_max);
    return *transaction.chain_id * 2 + 35 + y_parity;
}

std::optional<Address> recover(const Hash32& digest, unsigned y_parity, const U256& r,
                               const U256& s) {
    crypto::Signature signature;
    const Hash32 r_word = to_word(r);
    const Hash32 s_word = to_word(s);
    std::copy(r_word.bytes.begin(), r_word.bytes.end(), signature.bytes.begin());
    std::copy(s_word.bytes.begin(), s_word.bytes.end(), signature.bytes.begin() + 32);
    signature.bytes[64] = static_cast<std::uint8_t>(27 + y_parity);
    return crypto::recover(digest, signature);
}

/// The order n of secp256k1's group (SEC 2, section 2.4.1).
constexpr U256 group_order = [] {
    U256 order;
    order.words = {0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff};
    return order;
}();

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
    MILLRACE_ASSERT(y_parity <= 1 || y_parity == unsigned_parity);
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
    return recover(signing_hash(transaction), y_parity, r, s);
}

std::optional<Address> SignedTransaction::sender_before_homestead() const {
    const auto mirrored = checked_sub(group_order, s);
    if (!mirrored || *mirrored >= s) return sender();
    // (r, s, v) and (r, n - s, 1 - v) recover the same key.
    return recover(signing_hash(transaction), y_parity ^ 1, r, *mirrored);
}

std::optional<Address> Authorization::authority() const {
    if (y_parity > 1) return std::nullopt;
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(chain_id);
    writer.write(address);
    writer.write(nonce);
    writer.end_list(list);
    Bytes signed_bytes = std::move(writer).take();
    signed_bytes.insert(signed_bytes.begin(), 0x05);
    return recover(crypto::keccak256(signed_bytes), y_parity, r, s);
}

Result<SignedTransaction, RlpError> decode_transaction(ByteView raw) {
    if (raw.empty()) return Err{RlpError::truncated};
    TransactionKind kind = TransactionKind::legacy;
    if (raw[0] < 0xc0) {
        if (raw[0] < 1 || raw[0] > 4) return Err{RlpError::bad_value};
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
