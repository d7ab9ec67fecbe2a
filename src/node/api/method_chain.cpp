// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Who the node is and where its chain stands.

#include "crypto/hash.hpp"
#include "node/api/method.hpp"

namespace millrace::node {

namespace {

Answer client_version(const Call& call) {
    return std::move(JsonWriter{}.text(call.api.client)).take();
}

Answer sha3(const Call& call) {
    MILLRACE_TRY(const Bytes data, call.data(0));
    return data_text(crypto::keccak256(data).view());
}

Answer network_version(const Call& call) {
    return '"' + std::to_string(call.view->config().chain_id) + '"';
}

Answer chain_id(const Call& call) {
    return quantity_text(call.view->config().chain_id);
}

Answer block_number(const Call& call) {
    return quantity_text(call.view->head().header.number);
}

Answer accounts(const Call& call) {
    JsonWriter out;
    out.begin('[');
    for (const auto& [address, key] : call.api.accounts)
        out.data(address);
    out.end(']');
    return std::move(out).take();
}

Answer coinbase(const Call& call) {
    return data_text(call.view->head().header.coinbase.view());
}

/// One node has no peers to catch up with.
Answer no(const Call&) {
    return std::string{"false"};
}
Answer yes(const Call&) {
    return std::string{"true"};
}
Answer zero(const Call&) {
    return std::string{"\"0x0\""};
}

Answer modules(const Call& call) {
    JsonWriter out;
    out.begin('{');
    for (const std::string_view name : {"debug", "eth", "net", "rpc", "txpool", "web3"})
        out.key(name).raw("\"1.0\"");
    if (call.api.backend.development()) out.key("evm").raw("\"1.0\"");
    out.end('}');
    return std::move(out).take();
}

constexpr Method methods[] = {
    {.name = "web3_clientVersion", .now = client_version, .summary = "name and version"},
    {.name = "web3_sha3",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = sha3,
     .summary = "Keccak-256 of data"},
    {.name = "net_version", .now = network_version, .summary = "chain id, decimal"},
    {.name = "net_listening", .now = yes, .summary = "true"},
    {.name = "net_peerCount", .now = zero, .summary = "0: one node"},
    {.name = "eth_chainId", .now = chain_id, .summary = "EIP-695"},
    {.name = "eth_syncing", .now = no, .summary = "false: one node"},
    {.name = "eth_accounts", .now = accounts, .summary = "accounts a development node signs for"},
    {.name = "eth_coinbase", .now = coinbase, .summary = "who received the newest block's fees"},
    {.name = "eth_mining", .now = no, .summary = "false: there is no proof of work"},
    {.name = "eth_hashrate", .now = zero, .summary = "0: there is no proof of work"},
    {.name = "eth_blockNumber", .now = block_number, .summary = "height of the newest block"},
    {.name = "rpc_modules", .now = modules, .summary = "groups of methods"},
};

}  // namespace

std::span<const Method> chain_methods() {
    return methods;
}

}  // namespace millrace::node
