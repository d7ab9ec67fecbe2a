// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Transactions that wait: txpool_*, as geth has them.

#include "crypto/secp256k1.hpp"
#include "node/api/encode.hpp"
#include "node/api/method.hpp"

namespace millrace::node {
namespace {

using Entries = std::vector<mempool::Pool::Entry>;
using mempool::PooledTransaction;

/// Members by nonce of the entries from `index` on that are of one sender and kind; `index` is
/// behind the sender's last entry afterwards. Entries are ordered by sender and nonce.
template <typename Write>
void write_sender(JsonWriter& out, const Entries& entries, std::size_t& index, bool pending,
                  const Write& write) {
    const Address sender = entries[index].transaction->sender;
    out.begin('{');
    for (; index < entries.size() && entries[index].transaction->sender == sender; ++index) {
        if (entries[index].pending != pending) continue;
        const PooledTransaction& waiting = *entries[index].transaction;
        out.key(std::to_string(waiting.transaction.transaction.nonce));
        write(out, waiting);
    }
    out.end('}');
}

/// Members by sender, for senders that have any of this kind.
template <typename Write>
void write_kind(JsonWriter& out, const Entries& entries, bool pending, const Write& write) {
    out.begin('{');
    std::size_t index = 0;
    while (index < entries.size()) {
        if (entries[index].pending != pending) {
            ++index;
            continue;
        }
        out.key(crypto::checksum_address(entries[index].transaction->sender));
        write_sender(out, entries, index, pending, write);
    }
    out.end('}');
}

template <typename Write>
std::string write_all(const Entries& entries, const Write& write) {
    JsonWriter out;
    out.begin('{').key("pending");
    write_kind(out, entries, true, write);
    out.key("queued");
    write_kind(out, entries, false, write);
    return std::move(out.end('}')).take();
}

void write_whole(JsonWriter& out, const PooledTransaction& waiting) {
    write_transaction(out, waiting.transaction, waiting.hash, waiting.sender, nullptr,
                      std::nullopt);
}

/// One line for people.
void write_line(JsonWriter& out, const PooledTransaction& waiting) {
    const types::Transaction& transaction = waiting.transaction.transaction;
    const std::string target =
        transaction.to ? crypto::checksum_address(*transaction.to) : "contract creation";
    out.text(target + ": " + to_decimal(transaction.value.wei) + " wei + " +
             std::to_string(transaction.gas_limit) + " gas \u00d7 " +
             to_decimal(transaction.max_fee_per_gas) + " wei");
}

Answer status(const Call& call) {
    const auto counts = call.api.backend.pool_status();
    JsonWriter out;
    out.begin('{').key("pending").quantity(std::uint64_t{counts.pending});
    out.key("queued").quantity(std::uint64_t{counts.queued});
    return std::move(out.end('}')).take();
}

Answer content(const Call& call) {
    return write_all(call.api.backend.pool_content(), write_whole);
}

Answer inspect(const Call& call) {
    return write_all(call.api.backend.pool_content(), write_line);
}

Answer content_from(const Call& call) {
    MILLRACE_TRY(const Address sender, call.address(0));
    Entries entries = call.api.backend.pool_content();
    std::erase_if(entries, [&](const mempool::Pool::Entry& entry) {
        return entry.transaction->sender != sender;
    });
    JsonWriter out;
    out.begin('{');
    for (const bool pending : {true, false}) {
        out.key(pending ? "pending" : "queued");
        std::size_t index = 0;
        if (entries.empty()) {
            out.begin('{').end('}');
        } else {
            write_sender(out, entries, index, pending, write_whole);
        }
    }
    return std::move(out.end('}')).take();
}

constexpr Method methods[] = {
    {.name = "txpool_status",
     .now = status,
     .summary = "How many transactions wait, and how many of them behind a gap."},
    {.name = "txpool_content", .now = content, .summary = "All transactions that wait."},
    {.name = "txpool_contentFrom",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = content_from,
     .summary = "The transactions of one sender that wait."},
    {.name = "txpool_inspect", .now = inspect, .summary = "The same, a line each."},
};

}  // namespace

std::span<const Method> pool_methods() {
    return methods;
}

}  // namespace millrace::node
