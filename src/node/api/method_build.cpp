// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// testing_buildBlockV1: a block made as a producer would make it, of given transactions, and not
// kept. For development networks and conformance suites.

#include <algorithm>

#include "base/quantity.hpp"
#include "ledger/transition.hpp"
#include "node/api/call_request.hpp"
#include "node/api/encode.hpp"
#include "node/api/method.hpp"
#include "node/api/refusal.hpp"

namespace millrace::node {
namespace {

using Kind = JsonValueView::Kind;
using evm::Revision;

constexpr std::uint64_t gas_limit_aim = 60'000'000;  // EIP-7935
constexpr std::uint64_t gas_limit_change_denominator = 1'024;
constexpr std::size_t extra_data_size_max = 32;

struct Attributes {
    std::uint64_t timestamp = 0;
    Hash32 prev_randao;
    Address fee_recipient;
    std::optional<std::vector<types::Withdrawal>> withdrawals;
    std::optional<Hash32> beacon_root;
};

Read<Attributes> read_attributes(JsonValueView value) {
    const auto where = [](std::string_view name) { return Where{1, name}; };
    if (!value.is(Kind::object)) return Where{1}.wrong("payload attributes are an object");
    Attributes out;
    MILLRACE_TRY(out.timestamp, read_u64(value["timestamp"], where("timestamp")));
    MILLRACE_TRY(out.prev_randao, read_hash(value["prevRandao"], where("prevRandao")));
    MILLRACE_TRY(out.fee_recipient,
                 read_address(value["suggestedFeeRecipient"], where("suggestedFeeRecipient")));
    if (const auto list = value["withdrawals"]; !list.is_nothing()) {
        MILLRACE_TRY(out.withdrawals, read_withdrawals(list, where("withdrawals")));
    }
    if (const auto root = value["parentBeaconBlockRoot"]; !root.is_nothing()) {
        MILLRACE_TRY(out.beacon_root, read_hash(root, where("parentBeaconBlockRoot")));
    }
    return out;
}

/// As near to the aim as one block may go (Yellow Paper, 4.4.4).
std::uint64_t next_gas_limit(std::uint64_t parent) noexcept {
    const std::uint64_t step = parent / gas_limit_change_denominator;
    const std::uint64_t change = step == 0 ? 0 : step - 1;
    return parent < gas_limit_aim ? std::min(gas_limit_aim, parent + change)
                                  : std::max(gas_limit_aim, parent - change);
}

Read<types::Header> make_header(const Call& call, const types::Header& parent,
                                const Hash32& parent_hash, const Attributes& attributes) {
    const ledger::ChainConfig& config = call.view->config();
    const auto rules = ledger::rules_at(config, parent.number + 1, attributes.timestamp);
    if (attributes.timestamp <= parent.timestamp) {
        return server_error("invalid timestamp, parent " + std::to_string(parent.timestamp) +
                            " given " + std::to_string(attributes.timestamp));
    }
    if (rules.revision < Revision::paris)
        return server_error("blocks before the merge cannot be built");
    if (attributes.withdrawals.has_value() != (rules.revision >= Revision::shanghai))
        return Where{1, "withdrawals"}.wrong("they are there from shanghai on, and not before");
    if (attributes.beacon_root.has_value() != (rules.revision >= Revision::cancun))
        return Where{1, "parentBeaconBlockRoot"}.wrong("it is there from cancun on, not before");
    types::Header header;
    header.parent_hash = parent_hash;
    header.number = parent.number + 1;
    header.timestamp = attributes.timestamp;
    header.coinbase = attributes.fee_recipient;
    header.mix_hash = attributes.prev_randao;
    header.gas_limit = next_gas_limit(parent.gas_limit);
    header.base_fee = ledger::next_base_fee(config, parent);
    if (rules.revision >= Revision::cancun) {
        header.blob_gas_used = 0;
        header.excess_blob_gas = ledger::next_excess_blob_gas(rules, parent);
        header.parent_beacon_block_root = attributes.beacon_root;
    }
    if (!call.at(3).is_nothing()) {
        MILLRACE_TRY(header.extra_data, call.data(3));
        if (header.extra_data.size() > extra_data_size_max)
            return Where{3}.wrong("extra data is at most 32 bytes");
    }
    return header;
}

struct Body {
    std::vector<types::SignedTransaction> transactions;
    bool is_given = true;  ///< else of the pool: what does not fit is left out
};

Read<Body> read_body(const Call& call) {
    const JsonValueView list = call.at(2);
    if (list.is_nothing())
        return Body{.transactions = call.api.backend.pending_block().transactions,
                    .is_given = false};
    if (!list.is(Kind::array)) return Where{2}.wrong("an array of transactions is expected");
    Body body;
    for (const JsonValueView item : list) {
        MILLRACE_TRY(const Bytes raw, read_data(item, {2}));
        auto transaction = types::decode_transaction(raw);
        if (!transaction) return Where{2}.wrong("a transaction that cannot be decoded");
        if (transaction->transaction.kind == types::TransactionKind::blob)
            return Where{2}.wrong("blob transactions need a sidecar, which this node lacks");
        body.transactions.push_back(std::move(*transaction));
    }
    return body;
}

/// What the producer earns with a transaction.
U256 value_of(const types::Transaction& transaction, const U256& base_fee, std::uint64_t gas) {
    const U256 price = effective_gas_price(transaction, base_fee);
    return wrapping_mul(checked_sub(price, base_fee).value_or(U256{}), U256{gas});
}

void write_payload(JsonWriter& out, const types::Block& block) {
    const types::Header& header = block.header;
    out.begin('{').key("parentHash").data(header.parent_hash);
    out.key("feeRecipient").data(header.coinbase).key("stateRoot").data(header.state_root);
    out.key("receiptsRoot").data(header.receipts_root).key("logsBloom").data(header.logs_bloom);
    out.key("prevRandao").data(header.mix_hash).key("blockNumber").quantity(header.number);
    out.key("gasLimit").quantity(header.gas_limit).key("gasUsed").quantity(header.gas_used);
    out.key("timestamp").quantity(header.timestamp).key("extraData").data(header.extra_data);
    out.key("baseFeePerGas").quantity(header.base_fee.value_or(U256{}));
    out.key("blockHash").data(header.hash()).key("transactions").begin('[');
    for (const types::SignedTransaction& transaction : block.transactions)
        out.data(transaction.encode());
    out.end(']');
    if (block.withdrawals) {
        out.key("withdrawals");
        write_withdrawals(out, *block.withdrawals);
    }
    if (header.blob_gas_used) out.key("blobGasUsed").quantity(*header.blob_gas_used);
    if (header.excess_blob_gas) out.key("excessBlobGas").quantity(*header.excess_blob_gas);
    out.end('}');
}

std::string payload_answer(const ledger::BlockBuilder::Built& built, const U256& value) {
    JsonWriter out;
    out.begin('{').key("executionPayload");
    write_payload(out, built.block);
    out.key("blockValue").quantity(value);
    out.key("blobsBundle").begin('{');
    for (const std::string_view name : {"commitments", "proofs", "blobs"})
        out.key(name).begin('[').end(']');
    out.end('}').key("executionRequests").begin('[');
    for (std::size_t type = 0; type < built.result.requests.size(); ++type) {
        if (built.result.requests[type].empty()) continue;
        Bytes request = {static_cast<std::uint8_t>(type)};
        request.insert(request.end(), built.result.requests[type].begin(),
                       built.result.requests[type].end());
        out.data(request);
    }
    return std::move(out.end(']').key("shouldOverrideBuilder").boolean(false).end('}')).take();
}

Answer build_block(const Call& call) {
    MILLRACE_TRY(const Hash32 parent_hash, call.hash(0));
    MILLRACE_TRY(const Attributes attributes, read_attributes(call.at(1)));
    MILLRACE_TRY(const Body body, read_body(call));
    const BlockId id{.kind = BlockId::Kind::hash, .number = 0, .hash = parent_hash};
    MILLRACE_TRY(const Height height, call.require(id));
    MILLRACE_TRY(const auto state, call.state(id));
    const auto parent = call.view->header(height);
    auto roots = call.view->roots(height);
    if (!parent) return server_error("header not found");
    if (roots == nullptr) return no_tries_of(height);
    MILLRACE_TRY(const types::Header header, make_header(call, *parent, parent_hash, attributes));

    const ledger::ChainConfig& config = call.view->config();
    const auto rules = ledger::rules_at(config, header.number, header.timestamp);
    const auto environment = ledger::environment_of(rules, header);
    const state::TransactionState::BlockHashes block_hashes = [&](std::uint64_t number) {
        return call.view->hash_at(Height{number}).value_or(Hash32{});
    };
    const Api::State::ArenaLease lease{call.api};
    ledger::BlockBuilder builder{config, header, *state, block_hashes, lease.arena()};
    U256 value;
    std::uint64_t gas_before = 0;
    for (const types::SignedTransaction& transaction : body.transactions) {
        const auto sender = transaction.sender();
        if (!sender && body.is_given) return server_error("invalid sender");
        if (!sender) continue;
        const auto receipt = builder.add(transaction, *sender);
        if (!receipt && body.is_given) {
            return server_error(refusal_text(receipt.error(), rules, environment.context,
                                             transaction.transaction, *sender, builder.state()));
        }
        if (!receipt) continue;
        const std::uint64_t gas = receipt->cumulative_gas_used - gas_before;
        gas_before = receipt->cumulative_gas_used;
        value = wrapping_add(value, value_of(transaction.transaction, *header.base_fee, gas));
    }
    auto built = std::move(builder).finish(attributes.withdrawals);
    if (!built) return server_error(std::string{to_text(built.error().error)});
    built->block.header.state_root = roots->apply(built->result.diff);
    return payload_answer(*built, value);
}

constexpr Method methods[] = {
    {.name = "testing_buildBlockV1",
     .arguments_min = 2,
     .arguments_max = 4,
     .now = build_block,
     .development = true,
     .summary = "Makes a block of given transactions and tells it; it is not kept."},
};

}  // namespace

std::span<const Method> build_methods() {
    return methods;
}

}  // namespace millrace::node
