// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "types/block.hpp"

namespace millrace::types {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

constexpr std::size_t topic_count_max = 4;

Result<Log, RlpError> read_log(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView item, reader.read_list());
    Log log;
    MILLRACE_TRY(log.address, item.read_fixed<Address>());
    MILLRACE_TRY(RlpReaderView topics, item.read_list());
    while (!topics.at_end()) {
        if (log.topics.size() == topic_count_max) return Err{RlpError::too_many_items};
        MILLRACE_TRY(const Hash32 topic, topics.read_fixed<Hash32>());
        log.topics.push_back(topic);
    }
    MILLRACE_TRY(const ByteView data, item.read_string());
    log.data = to_bytes(data);
    MILLRACE_TRY_VOID(item.finish());
    return log;
}

void write_outcome(RlpWriter& writer, const TransactionReceipt& receipt) {
    if (receipt.state_root) {
        writer.write(*receipt.state_root);
    } else {
        writer.write(std::uint64_t{receipt.succeeded ? 1U : 0U});
    }
}

Result<void, RlpError> read_outcome(RlpReaderView& list, TransactionReceipt& receipt) {
    RlpReaderView again = list;
    MILLRACE_TRY(const ByteView outcome, list.read_string());
    if (outcome.size() == Hash32::size) {
        receipt.state_root = Hash32::from(outcome);
        return {};
    }
    MILLRACE_TRY(const std::uint64_t status, again.read_u64());
    if (status > 1) return Err{RlpError::bad_value};
    receipt.succeeded = status == 1;
    return {};
}

Result<void, RlpError> read_logs(RlpReaderView& list, TransactionReceipt& receipt) {
    MILLRACE_TRY(RlpReaderView logs, list.read_list());
    while (!logs.at_end()) {
        MILLRACE_TRY(Log log, read_log(logs));
        receipt.logs.push_back(std::move(log));
    }
    return {};
}

/// Calls `use(byte, mask)` for the three bits of an item (Yellow Paper section 4.3.1, M3:2048).
template <typename Use>
void for_bloom_bits(ByteView item, Use use) {
    const Hash32 hash = crypto::keccak256(item);
    for (std::size_t index = 0; index < 6; index += 2) {
        const unsigned bit = ((unsigned{hash.bytes[index]} << 8) | hash.bytes[index + 1]) & 2047U;
        use(std::size_t{255 - bit / 8}, static_cast<std::uint8_t>(1U << (bit % 8)));
    }
}

void add_item(Bloom& bloom, ByteView item) noexcept {
    for_bloom_bits(item, [&bloom](std::size_t byte, std::uint8_t mask) {
        bloom.bytes[byte] = static_cast<std::uint8_t>(bloom.bytes[byte] | mask);
    });
}

}  // namespace

void write_logs(RlpWriter& writer, const std::vector<Log>& logs) {
    const auto list = writer.begin_list();
    for (const Log& log : logs) {
        const auto item = writer.begin_list();
        writer.write(log.address);
        const auto topics = writer.begin_list();
        for (const Hash32& topic : log.topics)
            writer.write(topic);
        writer.end_list(topics);
        writer.write(ByteView{log.data});
        writer.end_list(item);
    }
    writer.end_list(list);
}

Bytes TransactionReceipt::encode() const {
    RlpWriter writer;
    const auto list = writer.begin_list();
    write_outcome(writer, *this);
    writer.write(cumulative_gas_used);
    writer.write(logs_bloom);
    write_logs(writer, logs);
    writer.end_list(list);
    Bytes encoded = std::move(writer).take();
    if (has_type_byte(kind)) encoded.insert(encoded.begin(), static_cast<std::uint8_t>(kind));
    return encoded;
}

Result<TransactionReceipt, RlpError> decode_transaction_receipt(ByteView raw) {
    if (raw.empty()) return Err{RlpError::truncated};
    TransactionReceipt receipt;
    if (raw[0] < 0xc0) {
        if (raw[0] < 1 || raw[0] > 4) return Err{RlpError::bad_value};
        receipt.kind = static_cast<TransactionKind>(raw[0]);
        raw = raw.subspan(1);
    }
    RlpReaderView outer{raw};
    MILLRACE_TRY(RlpReaderView list, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    MILLRACE_TRY_VOID(read_outcome(list, receipt));
    MILLRACE_TRY(receipt.cumulative_gas_used, list.read_u64());
    MILLRACE_TRY(receipt.logs_bloom, list.read_fixed<Bloom>());
    MILLRACE_TRY_VOID(read_logs(list, receipt));
    MILLRACE_TRY_VOID(list.finish());
    return receipt;
}

void write_short(RlpWriter& writer, const TransactionReceipt& receipt) {
    const auto list = writer.begin_list();
    writer.write(static_cast<std::uint64_t>(receipt.kind));
    write_outcome(writer, receipt);
    writer.write(receipt.cumulative_gas_used);
    write_logs(writer, receipt.logs);
    writer.end_list(list);
}

Result<TransactionReceipt, RlpError> read_short(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    TransactionReceipt receipt;
    MILLRACE_TRY(const std::uint64_t kind, list.read_u64());
    if (kind > static_cast<std::uint64_t>(TransactionKind::set_code))
        return Err{RlpError::bad_value};
    receipt.kind = static_cast<TransactionKind>(kind);
    MILLRACE_TRY_VOID(read_outcome(list, receipt));
    MILLRACE_TRY(receipt.cumulative_gas_used, list.read_u64());
    MILLRACE_TRY_VOID(read_logs(list, receipt));
    MILLRACE_TRY_VOID(list.finish());
    for (const Log& log : receipt.logs)
        add_to_bloom(receipt.logs_bloom, log);
    return receipt;
}

void add_to_bloom(Bloom& bloom, const Log& log) noexcept {
    add_item(bloom, log.address.view());
    for (const Hash32& topic : log.topics)
        add_item(bloom, topic.view());
}

bool bloom_may_contain(const Bloom& bloom, ByteView item) noexcept {
    bool all = true;
    for_bloom_bits(item, [&](std::size_t byte, std::uint8_t mask) {
        all = all && (bloom.bytes[byte] & mask) != 0;
    });
    return all;
}

}  // namespace millrace::types
