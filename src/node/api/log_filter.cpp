// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>

#include "node/api/filters.hpp"
#include "node/api/method.hpp"

namespace millrace::node {
namespace {

using Kind = JsonValueView::Kind;

/// Absent: latest.
Read<std::optional<std::uint64_t>> read_bound(JsonValueView value, const Where& where) {
    if (value.is_nothing()) return std::optional<std::uint64_t>{};
    MILLRACE_TRY(const BlockId id, read_block(value, where));
    switch (id.kind) {
        case BlockId::Kind::latest:
            return std::optional<std::uint64_t>{};
        case BlockId::Kind::number:
            return std::optional<std::uint64_t>{id.number};
        case BlockId::Kind::pending:
            return invalid_params("pending logs are not supported");
        case BlockId::Kind::hash:
            break;
    }
    return where.wrong("a block number or tag is needed");
}

Read<std::vector<Address>> read_addresses(JsonValueView value, const Where& where) {
    std::vector<Address> addresses;
    if (value.is_nothing()) return addresses;
    if (value.is(Kind::string)) {
        MILLRACE_TRY(const Address address, read_address(value, where));
        addresses.push_back(address);
        return addresses;
    }
    if (!value.is(Kind::array)) return where.wrong("an address or a list of them is needed");
    if (value.size() > LogFilter::addresses_max) return invalid_params("exceed max addresses");
    addresses.reserve(value.size());
    for (const JsonValueView item : value) {
        MILLRACE_TRY(const Address address, read_address(item, where));
        addresses.push_back(address);
    }
    std::sort(addresses.begin(), addresses.end());
    return addresses;
}

/// One place: null, a topic, or alternatives, of which null is any.
Read<std::vector<Hash32>> read_alternatives(JsonValueView value, const Where& where) {
    std::vector<Hash32> alternatives;
    if (value.is_nothing()) return alternatives;
    if (value.is(Kind::string)) {
        MILLRACE_TRY(const Hash32 topic, read_hash(value, where));
        alternatives.push_back(topic);
        return alternatives;
    }
    if (!value.is(Kind::array)) return where.wrong("a topic or a list of them is needed");
    if (value.size() > LogFilter::alternatives_max) return invalid_params("exceed max topics");
    alternatives.reserve(value.size());
    bool is_any = false;
    for (const JsonValueView item : value) {
        if (item.is_nothing()) {
            is_any = true;
            continue;
        }
        MILLRACE_TRY(const Hash32 topic, read_hash(item, where));
        alternatives.push_back(topic);
    }
    if (is_any) alternatives.clear();
    return alternatives;
}

}  // namespace

bool LogFilter::matches(const types::Log& log) const noexcept {
    if (!addresses.empty() && !std::binary_search(addresses.begin(), addresses.end(), log.address))
        return false;
    if (topics.size() > log.topics.size()) return false;
    for (std::size_t place = 0; place < topics.size(); ++place) {
        const std::vector<Hash32>& allowed = topics[place];
        if (allowed.empty()) continue;
        if (std::find(allowed.begin(), allowed.end(), log.topics[place]) == allowed.end())
            return false;
    }
    return true;
}

bool LogFilter::includes(std::uint64_t number) const noexcept {
    return (!from || number >= *from) && (!to || number <= *to);
}

bool LogFilter::may_match(const types::Bloom& bloom) const noexcept {
    const auto holds = [&bloom](const auto& item) {
        return types::bloom_may_contain(bloom, item.view());
    };
    if (!addresses.empty() && std::none_of(addresses.begin(), addresses.end(), holds)) return false;
    return std::all_of(topics.begin(), topics.end(), [&holds](const std::vector<Hash32>& allowed) {
        return allowed.empty() || std::any_of(allowed.begin(), allowed.end(), holds);
    });
}

Result<LogFilter, RpcError> read_log_filter(const Call& call, std::size_t index) {
    const JsonValueView object = call.at(index);
    LogFilter filter;
    if (object.is_nothing()) return filter;
    if (!object.is(Kind::object)) return Where{index}.wrong("an object is needed");
    const JsonValueView from = object["fromBlock"];
    const JsonValueView to = object["toBlock"];
    if (const JsonValueView block = object["blockHash"]; !block.is_nothing()) {
        if (!from.is_nothing() || !to.is_nothing())
            return invalid_params("can't specify fromBlock/toBlock with blockHash");
        MILLRACE_TRY(const Hash32 hash, read_hash(block, {index, "blockHash"}));
        filter.block = hash;
    }
    MILLRACE_TRY(filter.from, read_bound(from, {index, "fromBlock"}));
    MILLRACE_TRY(filter.to, read_bound(to, {index, "toBlock"}));
    MILLRACE_TRY(filter.addresses, read_addresses(object["address"], {index, "address"}));
    const JsonValueView topics = object["topics"];
    if (topics.is_nothing()) return filter;
    const Where where{index, "topics"};
    if (!topics.is(Kind::array)) return where.wrong("a list is needed");
    if (topics.size() > LogFilter::topics_max) return invalid_params("exceed max topics");
    for (const JsonValueView item : topics) {
        MILLRACE_TRY(std::vector<Hash32> alternatives, read_alternatives(item, where));
        filter.topics.push_back(std::move(alternatives));
    }
    return filter;
}

BlockLogs collect_logs(const types::Block& block, const Hash32& hash,
                       const std::vector<types::TransactionReceipt>& receipts, bool removed) {
    BlockLogs result{.number = block.header.number, .entries = {}};
    std::uint64_t log_index = 0;
    for (std::size_t index = 0; index < receipts.size(); ++index) {
        const std::vector<types::Log>& logs = receipts[index].logs;
        if (logs.empty() || index >= block.transactions.size()) continue;
        LogPlace place{.block_hash = hash,
                       .block_number = block.header.number,
                       .block_timestamp = block.header.timestamp,
                       .transaction_hash = block.transactions[index].hash(),
                       .transaction_index = static_cast<std::uint32_t>(index),
                       .removed = removed};
        for (const types::Log& log : logs) {
            place.log_index = log_index++;
            result.bytes +=
                sizeof(BlockLogs::Entry) + log.data.size() + log.topics.size() * Hash32::size;
            result.entries.push_back({.log = log, .place = place});
        }
    }
    return result;
}

}  // namespace millrace::node
