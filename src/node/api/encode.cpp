// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/api/encode.hpp"

#include <algorithm>

namespace millrace::node {
namespace {

using types::TransactionKind;

constexpr std::uint64_t gas_per_blob = 131'072;

/// v of EIP-155, or 27 and 28 without a chain.
U256 legacy_v(const types::SignedTransaction& transaction) {
    const auto& chain_id = transaction.transaction.chain_id;
    if (transaction.y_parity == types::unsigned_parity) return U256{};
    if (!chain_id) return U256{27U + transaction.y_parity};
    return wrapping_add(wrapping_add(U256{*chain_id}, U256{*chain_id}),
                        U256{35U + transaction.y_parity});
}

void write_access_list(JsonWriter& out, const std::vector<types::AccessListEntry>& entries) {
    out.key("accessList").begin('[');
    for (const auto& entry : entries) {
        out.begin('{').key("address").data(entry.address).key("storageKeys").begin('[');
        for (const Hash32& key : entry.storage_keys)
            out.data(key);
        out.end(']').end('}');
    }
    out.end(']');
}

void write_authorizations(JsonWriter& out, const std::vector<types::Authorization>& list) {
    out.key("authorizationList").begin('[');
    for (const types::Authorization& entry : list) {
        out.begin('{').key("chainId").quantity(entry.chain_id).key("address").data(entry.address);
        out.key("nonce").quantity(entry.nonce).key("yParity").quantity(entry.y_parity);
        out.key("r").quantity(entry.r).key("s").quantity(entry.s).end('}');
    }
    out.end(']');
}

}  // namespace

U256 effective_gas_price(const types::Transaction& transaction,
                         const std::optional<U256>& base_fee) noexcept {
    const bool has_tip = transaction.kind >= TransactionKind::dynamic_fee;
    if (!has_tip || !base_fee) return transaction.max_fee_per_gas;
    const auto price = checked_add(*base_fee, transaction.max_priority_fee_per_gas);
    return price ? std::min(*price, transaction.max_fee_per_gas) : transaction.max_fee_per_gas;
}

Address sender_of(const types::SignedTransaction& transaction) {
    return transaction.sender().value_or(Address{});
}

void write_transaction(JsonWriter& out, const types::SignedTransaction& signed_transaction,
                       const Hash32& hash, const Address& sender, const BlockPlace* place,
                       const std::optional<U256>& base_fee) {
    const types::Transaction& transaction = signed_transaction.transaction;
    out.begin('{');
    if (place != nullptr) {
        out.key("blockHash").data(place->hash);
        out.key("blockNumber").quantity(place->header->number);
        out.key("blockTimestamp").quantity(place->header->timestamp);
    } else {
        out.key("blockHash").null().key("blockNumber").null();
    }
    out.key("from").data(sender).key("gas").quantity(transaction.gas_limit);
    const bool has_tip = transaction.kind >= TransactionKind::dynamic_fee;
    out.key("gasPrice")
        .quantity(place != nullptr ? effective_gas_price(transaction, base_fee)
                                   : transaction.max_fee_per_gas);
    if (has_tip) {
        out.key("maxFeePerGas").quantity(transaction.max_fee_per_gas);
        out.key("maxPriorityFeePerGas").quantity(transaction.max_priority_fee_per_gas);
    }
    if (transaction.kind == TransactionKind::blob)
        out.key("maxFeePerBlobGas").quantity(transaction.max_fee_per_blob_gas);
    out.key("hash").data(hash).key("input").data(transaction.data);
    out.key("nonce").quantity(transaction.nonce).key("to").data_or_null(transaction.to);
    if (place != nullptr) {
        out.key("transactionIndex").quantity(place->index);
    } else {
        out.key("transactionIndex").null();
    }
    out.key("value").quantity(transaction.value.wei);
    out.key("type").quantity(static_cast<std::uint64_t>(transaction.kind));
    if (transaction.kind != TransactionKind::legacy)
        write_access_list(out, transaction.access_list);
    if (transaction.chain_id) out.key("chainId").quantity(*transaction.chain_id);
    if (transaction.kind == TransactionKind::blob) {
        out.key("blobVersionedHashes").begin('[');
        for (const Hash32& blob : transaction.blob_hashes)
            out.data(blob);
        out.end(']');
    }
    if (transaction.kind == TransactionKind::set_code)
        write_authorizations(out, transaction.authorizations);
    const bool is_legacy = transaction.kind == TransactionKind::legacy;
    out.key("v").quantity(is_legacy ? legacy_v(signed_transaction)
                                    : U256{signed_transaction.y_parity});
    out.key("r").quantity(signed_transaction.r).key("s").quantity(signed_transaction.s);
    if (!is_legacy) out.key("yParity").quantity(signed_transaction.y_parity);
    out.end('}');
}

void write_header_members(JsonWriter& out, const types::Header& header, const Hash32* hash) {
    if (header.base_fee) out.key("baseFeePerGas").quantity(*header.base_fee);
    if (header.blob_gas_used) out.key("blobGasUsed").quantity(*header.blob_gas_used);
    out.key("difficulty").quantity(header.difficulty);
    if (header.excess_blob_gas) out.key("excessBlobGas").quantity(*header.excess_blob_gas);
    out.key("extraData").data(header.extra_data);
    out.key("gasLimit").quantity(header.gas_limit).key("gasUsed").quantity(header.gas_used);
    if (hash != nullptr) {
        out.key("hash").data(*hash);
    } else {
        out.key("hash").null();
    }
    out.key("logsBloom").data(header.logs_bloom).key("miner").data(header.coinbase);
    out.key("mixHash").data(header.mix_hash);
    if (hash != nullptr) {
        out.key("nonce").data(ByteView{header.nonce});
    } else {
        out.key("nonce").null();
    }
    out.key("number").quantity(header.number);
    if (header.parent_beacon_block_root)
        out.key("parentBeaconBlockRoot").data(*header.parent_beacon_block_root);
    out.key("parentHash").data(header.parent_hash);
    out.key("receiptsRoot").data(header.receipts_root);
    if (header.requests_hash) out.key("requestsHash").data(*header.requests_hash);
    out.key("sha3Uncles").data(header.ommers_hash).key("stateRoot").data(header.state_root);
    out.key("timestamp").quantity(header.timestamp);
    out.key("transactionsRoot").data(header.transactions_root);
    if (header.withdrawals_root) out.key("withdrawalsRoot").data(*header.withdrawals_root);
}

void write_block(JsonWriter& out, const types::Block& block, const Hash32* hash, bool full) {
    out.begin('{');
    write_block_members(out, block, hash, full);
    out.end('}');
}

void write_block_members(JsonWriter& out, const types::Block& block, const Hash32* hash, bool full,
                         std::span<const Address> senders) {
    const types::Header& header = block.header;
    write_header_members(out, header, hash);
    out.key("size").quantity(block.encode().size());
    out.key("transactions").begin('[');
    for (std::size_t index = 0; index < block.transactions.size(); ++index) {
        const types::SignedTransaction& transaction = block.transactions[index];
        if (!full) {
            out.data(transaction.hash());
            continue;
        }
        BlockPlace place{.hash = {}, .header = &header, .index = static_cast<std::uint32_t>(index)};
        if (hash != nullptr) place.hash = *hash;
        const Address sender = senders.empty() ? sender_of(transaction) : senders[index];
        write_transaction(out, transaction, transaction.hash(), sender,
                          hash == nullptr ? nullptr : &place, header.base_fee);
    }
    out.end(']').key("uncles").begin('[');
    for (const types::Header& ommer : block.ommers)
        out.data(ommer.hash());
    out.end(']');
    if (block.withdrawals) {
        out.key("withdrawals");
        write_withdrawals(out, *block.withdrawals);
    }
}

void write_withdrawals(JsonWriter& out, const std::vector<types::Withdrawal>& withdrawals) {
    out.begin('[');
    for (const types::Withdrawal& withdrawal : withdrawals) {
        out.begin('{').key("index").quantity(withdrawal.index);
        out.key("validatorIndex").quantity(withdrawal.validator);
        out.key("address").data(withdrawal.address);
        out.key("amount").quantity(withdrawal.gwei).end('}');
    }
    out.end(']');
}

void write_ommer(JsonWriter& out, const types::Header& header) {
    const Hash32 hash = header.hash();
    out.begin('{');
    write_header_members(out, header, &hash);
    types::Block block;
    block.header = header;
    out.key("size").quantity(block.encode().size()).key("uncles").begin('[').end(']').end('}');
}

void write_log(JsonWriter& out, const types::Log& log, const LogPlace& place) {
    out.begin('{').key("address").data(log.address).key("topics").begin('[');
    for (const Hash32& topic : log.topics)
        out.data(topic);
    out.end(']').key("data").data(log.data).key("blockNumber").quantity(place.block_number);
    out.key("transactionHash").data(place.transaction_hash);
    out.key("transactionIndex").quantity(place.transaction_index);
    out.key("blockHash").data(place.block_hash);
    out.key("blockTimestamp").quantity(place.block_timestamp);
    out.key("logIndex").quantity(place.log_index).key("removed").boolean(place.removed).end('}');
}

void write_receipt(JsonWriter& out, const types::Block& block, const Hash32& hash,
                   const std::vector<types::TransactionReceipt>& receipts, std::size_t index,
                   const std::optional<U256>& blob_base_fee) {
    const types::SignedTransaction& signed_transaction = block.transactions[index];
    const types::Transaction& transaction = signed_transaction.transaction;
    const types::TransactionReceipt& receipt = receipts[index];
    LogPlace place{.block_hash = hash,
                   .block_number = block.header.number,
                   .block_timestamp = block.header.timestamp,
                   .transaction_hash = signed_transaction.hash(),
                   .transaction_index = static_cast<std::uint32_t>(index),
                   .log_index = 0};
    for (std::size_t before = 0; before < index; ++before)
        place.log_index += receipts[before].logs.size();
    const std::uint64_t gas_before = index == 0 ? 0 : receipts[index - 1].cumulative_gas_used;
    const Address sender = sender_of(signed_transaction);

    out.begin('{');
    if (transaction.kind == TransactionKind::blob) {
        if (blob_base_fee) out.key("blobGasPrice").quantity(*blob_base_fee);
        out.key("blobGasUsed").quantity(gas_per_blob * transaction.blob_hashes.size());
    }
    out.key("blockHash").data(hash).key("blockNumber").quantity(block.header.number);
    if (transaction.to) {
        out.key("contractAddress").null();
    } else {
        out.key("contractAddress").data(types::contract_address(sender, transaction.nonce));
    }
    out.key("cumulativeGasUsed").quantity(receipt.cumulative_gas_used);
    out.key("effectiveGasPrice").quantity(effective_gas_price(transaction, block.header.base_fee));
    out.key("from").data(sender).key("gasUsed").quantity(receipt.cumulative_gas_used - gas_before);
    out.key("logs").begin('[');
    for (const types::Log& log : receipt.logs) {
        write_log(out, log, place);
        ++place.log_index;
    }
    out.end(']').key("logsBloom").data(receipt.logs_bloom);
    if (receipt.state_root) {
        out.key("root").data(*receipt.state_root);
    } else {
        out.key("status").quantity(receipt.succeeded ? 1U : 0U);
    }
    out.key("to").data_or_null(transaction.to);
    out.key("transactionHash").data(place.transaction_hash);
    out.key("transactionIndex").quantity(place.transaction_index);
    out.key("type").quantity(static_cast<std::uint64_t>(transaction.kind)).end('}');
}

}  // namespace millrace::node
