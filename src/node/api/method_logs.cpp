// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Logs, filters and subscriptions, as geth's eth/filters answers them.

#include <algorithm>

#include "node/api/filters.hpp"
#include "node/api/method.hpp"

namespace millrace::node {
namespace {

Err<RpcError> too_many_logs(const Call& call) {
    return Err{RpcError{
        RpcError::too_large,
        "query returned more than " + std::to_string(call.api.limits.logs_max) + " results"}};
}

/// Appends what matches in one block; false: more than logs_max.
bool append_logs(const Call& call, JsonWriter& out, const LogFilter& filter, const BlockLogs& block,
                 std::size_t& count) {
    for (const BlockLogs::Entry& entry : block.entries) {
        if (!filter.matches(entry.log)) continue;
        if (++count > call.api.limits.logs_max) return false;
        write_log(out, entry.log, entry.place);
    }
    return true;
}

struct Heights {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

Read<Heights> heights_of(const Call& call, const LogFilter& filter) {
    if (filter.block) {
        const auto height = call.view->height_of(*filter.block);
        if (!height) return server_error("unknown block");
        return Heights{height->value, height->value};
    }
    const std::uint64_t head = call.view->head().header.number;
    const Heights result{filter.from.value_or(head), filter.to.value_or(head)};
    if (filter.from && filter.to && result.first > result.last)
        return invalid_params("invalid block range params");
    if (result.first > head || result.last > head)
        return invalid_params("block range extends beyond current head block");
    if (result.first > result.last) return invalid_params("invalid block range params");
    if (result.last - result.first >= call.api.limits.logs_blocks_max)
        return Err{RpcError{
            RpcError::too_large,
            "exceed maximum block range: " + std::to_string(call.api.limits.logs_blocks_max)}};
    return result;
}

Answer find_logs(const Call& call, const LogFilter& filter) {
    MILLRACE_TRY(const Heights heights, heights_of(call, filter));
    JsonWriter out;
    out.begin('[');
    std::size_t count = 0;
    for (std::uint64_t number = heights.first; number <= heights.last; ++number) {
        if (call.is_late()) return timed_out();
        const auto header = call.view->header(Height{number});
        if (!header) return server_error("header not found");
        if (!filter.may_match(header->logs_bloom)) continue;
        const auto hash = call.view->hash_at(Height{number});
        const auto block = call.view->block(Height{number});
        const auto receipts = call.view->receipts(Height{number});
        if (!hash || !block || !receipts) return server_error("block not found");
        const BlockLogs logs = collect_logs(*block, *hash, *receipts, false);
        if (!append_logs(call, out, filter, logs, count)) return too_many_logs(call);
    }
    out.end(']');
    return std::move(out).take();
}

Answer get_logs(const Call& call) {
    MILLRACE_TRY(const LogFilter filter, read_log_filter(call, 0));
    return find_logs(call, filter);
}

/// What a filter or a subscription of logs to come may say.
Read<LogFilter> read_future_filter(const Call& call, std::size_t index) {
    MILLRACE_TRY(LogFilter filter, read_log_filter(call, index));
    const bool is_backward =
        filter.to && (!filter.from || *filter.from > *filter.to) && !filter.block;
    if (is_backward) return invalid_params("invalid block range params");
    return filter;
}

Answer new_filter(const Call& call, Filters::Kind kind, LogFilter logs, bool full) {
    const auto id =
        call.api.filters.add(kind, std::move(logs), full, call.api.backend.steady_seconds());
    if (!id)
        return server_error("too many filters: at most " +
                            std::to_string(call.api.limits.filters_max) +
                            ", remove one with eth_uninstallFilter");
    return quantity_text(*id);
}

Answer new_log_filter(const Call& call) {
    MILLRACE_TRY(LogFilter filter, read_future_filter(call, 0));
    return new_filter(call, Filters::Kind::logs, std::move(filter), false);
}

Answer new_block_filter(const Call& call) {
    return new_filter(call, Filters::Kind::heads, {}, false);
}

Answer new_pending_filter(const Call& call) {
    bool full = false;
    if (!call.at(0).is_nothing()) {
        MILLRACE_TRY(full, read_bool(call.at(0), {0}));
    }
    return new_filter(call, Filters::Kind::pending, {}, full);
}

/// Ids are text to clients: what is none of ours is an unknown one.
Filters::Id read_id(JsonValueView value) {
    const auto text = value.plain_text();
    const auto number = text ? u256_from_rpc_quantity(*text) : std::nullopt;
    return number.value_or(U256{});
}

/// Whole waiting transactions; those that do not wait any more are left out, as geth does.
std::string pending_text(const Call& call, const std::vector<Hash32>& hashes) {
    JsonWriter out;
    out.begin('[');
    for (const Hash32& hash : hashes) {
        const mempool::PooledPtr pooled = call.api.backend.pending(hash);
        if (pooled == nullptr) continue;
        write_transaction(out, pooled->transaction, pooled->hash, pooled->sender, nullptr, {});
    }
    out.end(']');
    return std::move(out).take();
}

Answer filter_changes(const Call& call) {
    const auto changes =
        call.api.filters.changes(read_id(call.at(0)), call.api.backend.steady_seconds());
    if (!changes) return server_error("filter not found");
    if (changes->full) return pending_text(call, changes->hashes);
    JsonWriter out;
    out.begin('[');
    for (const Hash32& hash : changes->hashes)
        out.data(hash);
    std::size_t count = 0;
    for (const auto& block : changes->blocks) {
        if (!changes->logs.includes(block->number)) continue;
        if (!append_logs(call, out, changes->logs, *block, count)) return too_many_logs(call);
    }
    out.end(']');
    return std::move(out).take();
}

Answer filter_logs(const Call& call) {
    const auto filter =
        call.api.filters.log_filter(read_id(call.at(0)), call.api.backend.steady_seconds());
    if (!filter) return server_error("filter not found");
    return find_logs(call, *filter);
}

Answer uninstall_filter(const Call& call) {
    return std::string{call.api.filters.remove(read_id(call.at(0))) ? "true" : "false"};
}

Err<RpcError> no_notifications() {
    return Err{RpcError{RpcError::method_not_found, "notifications not supported"}};
}

Answer subscribe(const Call& call) {
    if (!call.caller.push) return no_notifications();
    const auto name = call.at(0).plain_text();
    if (!name) return Where{0}.wrong("the name of a subscription is needed");
    Filters::Kind kind = Filters::Kind::heads;
    LogFilter logs;
    if (*name == "logs") {
        kind = Filters::Kind::logs;
        MILLRACE_TRY(logs, read_future_filter(call, 1));
    } else if (*name == "newPendingTransactions") {
        kind = Filters::Kind::pending;
        if (!call.at(1).is_nothing()) {
            MILLRACE_TRY(const bool full, read_bool(call.at(1), {1}));
            if (full)
                return invalid_params(
                    "subscriptions tell hashes only: ask eth_getTransactionByHash, or make a "
                    "filter with eth_newPendingTransactionFilter(true)");
        }
    } else if (*name != "newHeads") {
        return Err{RpcError{RpcError::method_not_found, "no \"" + cut_text(std::string{*name}, 64) +
                                                            "\" subscription in eth namespace"}};
    }
    const auto id = call.api.filters.subscribe(call.caller, kind, std::move(logs));
    if (!id)
        return server_error("too many subscriptions: at most " +
                            std::to_string(call.api.limits.subscriptions_per_session_max) +
                            " a connection, end one with eth_unsubscribe");
    call.after_reply.push_back([&filters = call.api.filters, id = *id] { filters.start(id); });
    return quantity_text(*id);
}

Answer unsubscribe(const Call& call) {
    if (!call.caller.push) return no_notifications();
    if (!call.api.filters.unsubscribe(call.caller.session, read_id(call.at(0))))
        return server_error("subscription not found");
    return std::string{"true"};
}

constexpr Method methods[] = {
    {.name = "eth_getLogs",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = get_logs,
     .summary = "logs of a range of blocks or of one block"},
    {.name = "eth_newFilter",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = new_log_filter,
     .summary = "a filter for logs of blocks to come"},
    {.name = "eth_newBlockFilter",
     .now = new_block_filter,
     .summary = "a filter for hashes of blocks to come"},
    {.name = "eth_newPendingTransactionFilter",
     .arguments_max = 1,
     .now = new_pending_filter,
     .summary = "a filter for transactions that begin to wait"},
    {.name = "eth_getFilterChanges",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = filter_changes,
     .summary = "what a filter found since the last time"},
    {.name = "eth_getFilterLogs",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = filter_logs,
     .summary = "all logs a filter for logs means"},
    {.name = "eth_uninstallFilter",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = uninstall_filter,
     .summary = "ends a filter"},
    {.name = "eth_subscribe",
     .arguments_min = 1,
     .arguments_max = 2,
     .now = subscribe,
     .summary = "tells newHeads, logs or newPendingTransactions as they come"},
    {.name = "eth_unsubscribe",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = unsubscribe,
     .summary = "ends a subscription"},
};

}  // namespace

std::span<const Method> log_methods() {
    return methods;
}

}  // namespace millrace::node
