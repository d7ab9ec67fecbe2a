// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Blocks and receipts: the decoders take exactly what naive twins take, and have one writing for
// it.

#include "base/assert.hpp"
#include "rlp_naive_twin.hpp"
#include "types/block.hpp"

namespace {

using millrace::fuzz::is_bytes;
using millrace::fuzz::is_number;
using millrace::fuzz::Item;

bool is_header(const Item& header) {
    if (!header.is_list || header.items.size() < 15 || header.items.size() > 21) return false;
    // Sizes of fixed fields; 0: a number of 256 bits, 1: of 64 bits, 2: any bytes.
    constexpr std::size_t shape[] = {32, 32, 20, 32, 32, 32, 256, 0, 1,  1, 1,
                                     1,  2,  32, 8,  0,  32, 1,   1, 32, 32};
    for (std::size_t index = 0; index < header.items.size(); ++index) {
        const Item& field = header.items[index];
        if (field.is_list) return false;
        if (shape[index] == 0 && !is_number(field, 32)) return false;
        if (shape[index] == 1 && !is_number(field, 8)) return false;
        if (shape[index] > 2 && !is_bytes(field, shape[index])) return false;
    }
    return true;
}

/// The tree has lost the bytes; a legacy transaction is written again to be judged.
std::string write(const Item& item) {
    std::string payload = item.text;
    for (const Item& inner : item.items)
        payload += write(inner);
    if (!item.is_list && payload.size() == 1 && static_cast<unsigned char>(payload[0]) < 0x80) {
        return payload;
    }
    const unsigned base = item.is_list ? 0xc0 : 0x80;
    std::string head;
    if (payload.size() <= 55) {
        head += static_cast<char>(base + payload.size());
    } else {
        std::string digits;
        for (std::size_t rest = payload.size(); rest > 0; rest /= 256)
            digits.insert(digits.begin(), static_cast<char>(rest % 256));
        head += static_cast<char>(base + 55 + digits.size());
        head += digits;
    }
    return head + payload;
}

bool is_body_transaction(const Item& item) {
    if (item.is_list) return millrace::fuzz::is_transaction(write(item));
    if (item.text.empty() || static_cast<unsigned char>(item.text[0]) >= 0xc0) return false;
    return millrace::fuzz::is_transaction(item.text);
}

bool is_block(const std::string& raw) {
    const auto tree = millrace::fuzz::read_tree(raw);
    if (!tree || !tree->is_list) return false;
    const std::vector<Item>& parts = tree->items;
    if (parts.size() < 3 || parts.size() > 4 || !is_header(parts[0])) return false;
    if (!parts[1].is_list || !parts[2].is_list) return false;
    for (const Item& transaction : parts[1].items)
        if (!is_body_transaction(transaction)) return false;
    for (const Item& ommer : parts[2].items)
        if (!is_header(ommer)) return false;
    if (parts.size() == 3) return true;
    if (!parts[3].is_list) return false;
    for (const Item& w : parts[3].items) {
        if (!w.is_list || w.items.size() != 4) return false;
        if (!is_number(w.items[0], 8) || !is_number(w.items[1], 8)) return false;
        if (!is_bytes(w.items[2], 20) || !is_number(w.items[3], 8)) return false;
    }
    return true;
}

bool are_logs(const Item& logs) {
    if (!logs.is_list) return false;
    for (const Item& log : logs.items) {
        if (!log.is_list || log.items.size() != 3 || !is_bytes(log.items[0], 20)) return false;
        if (!log.items[1].is_list || log.items[1].items.size() > 4) return false;
        for (const Item& topic : log.items[1].items)
            if (!is_bytes(topic, 32)) return false;
        if (log.items[2].is_list) return false;
    }
    return true;
}

bool is_outcome(const Item& item) {
    return (is_number(item, 1) && millrace::fuzz::number_of(item) <= 1) || is_bytes(item, 32);
}

bool is_short_receipt(const std::string& raw) {
    const auto tree = millrace::fuzz::read_tree(raw);
    if (!tree || !tree->is_list || tree->items.size() != 4) return false;
    const std::vector<Item>& f = tree->items;
    return is_number(f[0], 1) && millrace::fuzz::number_of(f[0]) <= 4 && is_outcome(f[1]) &&
           is_number(f[2], 8) && are_logs(f[3]);
}

bool is_receipt(const std::string& raw) {
    if (raw.empty()) return false;
    const auto first = static_cast<unsigned char>(raw[0]);
    if (first < 0xc0 && (first < 1 || first > 4)) return false;
    const auto tree = millrace::fuzz::read_tree(first < 0xc0 ? raw.substr(1) : raw);
    if (!tree || !tree->is_list || tree->items.size() != 4) return false;
    const std::vector<Item>& f = tree->items;
    return is_outcome(f[0]) && is_number(f[1], 8) && is_bytes(f[2], 256) && are_logs(f[3]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const millrace::ByteView input{data, size};
    const std::string raw{millrace::as_text(input)};
    const auto block = millrace::types::decode_block(input);
    MILLRACE_ASSERT(block.has_value() == is_block(raw));
    if (block) MILLRACE_ASSERT(block->encode() == millrace::to_bytes(input));
    const auto receipt = millrace::types::decode_transaction_receipt(input);
    MILLRACE_ASSERT(receipt.has_value() == is_receipt(raw));
    if (receipt) MILLRACE_ASSERT(receipt->encode() == millrace::to_bytes(input));
    millrace::codec::RlpReaderView reader{input};
    const auto kept = millrace::types::read_short(reader);
    MILLRACE_ASSERT((kept.has_value() && reader.at_end()) == is_short_receipt(raw));
    if (kept && reader.at_end()) {
        millrace::codec::RlpWriter writer;
        write_short(writer, *kept);
        MILLRACE_ASSERT(std::move(writer).take() == millrace::to_bytes(input));
    }
    return 0;
}
