// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/chain_client.hpp"

#include <algorithm>

#include "chain/json_rpc.hpp"
#include "chain/revert_reason.hpp"
#include "chain/send_status.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::chain {
namespace {

using nlohmann::json;

constexpr std::size_t logs_max = 100'000;
constexpr std::uint64_t gas_limit_max = std::uint64_t{1} << 40;

std::string hex(const Address& address) {
    return to_hex0x(address.view());
}
std::string hex(const Hash32& hash) {
    return to_hex0x(hash.view());
}

json call_object(const CallRequest& request) {
    json object = json::object();
    if (request.from) object["from"] = hex(*request.from);
    if (request.to) object["to"] = hex(*request.to);
    if (!request.value.wei.is_zero()) object["value"] = to_rpc_quantity(request.value.wei);
    // Old nodes read only `data`, and newer ones take it beside `input`.
    object["data"] = to_hex0x(request.data);
    return object;
}

/// Revert data hides in error.data, error.data.data, or a text that ends in it.
std::optional<Bytes> revert_data(const RpcError& error) {
    const json* data = &error.data;
    if (const json* const inner = json_member(*data, "data")) data = inner;
    if (data->is_string()) {
        const std::string& text = data->get_ref<const std::string&>();
        const std::size_t start = text.find("0x");
        if (start != std::string::npos) return from_hex(std::string_view{text}.substr(start));
    }
    return std::nullopt;
}

bool says_reverted(const RpcError& error) {
    return error.code == 3 || error.message.find("revert") != std::string::npos ||
           error.message.find("VM Exception") != std::string::npos;
}

/// The reason in words: from the data where there is some, else the node's own.
std::string reason_of(const RpcError& error) {
    const auto data = revert_data(error);
    if (data && !data->empty()) return revert_reason(*data);
    return error.message;
}

std::optional<LogEntry> read_log(const json& object) {
    LogEntry entry;
    const auto address = json_fixed<Address>(json_member(object, "address"));
    const json* const topics = json_member(object, "topics");
    const json* const data = json_member(object, "data");
    if (!address || !topics || !topics->is_array() || topics->size() > 4 || !data) {
        return std::nullopt;
    }
    entry.address = *address;
    for (const json& topic : *topics) {
        const auto hash = json_fixed<Hash32>(&topic);
        if (!hash) return std::nullopt;
        entry.topics.push_back(*hash);
    }
    const auto bytes = json_bytes(*data);
    if (!bytes) return std::nullopt;
    entry.data = *bytes;
    if (const json* const block = json_member(object, "blockNumber")) {
        entry.block = json_u64(*block).value_or(0);
    }
    entry.transaction =
        json_fixed<Hash32>(json_member(object, "transactionHash")).value_or(Hash32{});
    if (const json* const index = json_member(object, "logIndex")) {
        entry.index = json_u64(*index).value_or(0);
    }
    return entry;
}

std::optional<std::vector<LogEntry>> read_logs(const json& list) {
    if (!list.is_array() || list.size() > logs_max) return std::nullopt;
    std::vector<LogEntry> entries;
    for (const json& object : list) {
        const json* const removed = json_member(object, "removed");
        if (removed && removed->is_boolean() && removed->get<bool>()) continue;
        auto entry = read_log(object);
        if (!entry) return std::nullopt;
        entries.push_back(std::move(*entry));
    }
    return entries;
}

std::optional<TransactionReceipt> read_receipt(const json& object) {
    TransactionReceipt receipt;
    const auto transaction = json_fixed<Hash32>(json_member(object, "transactionHash"));
    const auto block_hash = json_fixed<Hash32>(json_member(object, "blockHash"));
    const json* const status = json_member(object, "status");
    const json* const block = json_member(object, "blockNumber");
    const json* const gas = json_member(object, "gasUsed");
    const json* const logs = json_member(object, "logs");
    if (!transaction || !block_hash || !status || !block || !gas || !logs) return std::nullopt;
    const auto succeeded = json_u64(*status);
    const auto height = json_u64(*block);
    const auto used = json_u64(*gas);
    auto entries = read_logs(*logs);
    if (!succeeded || !height || !used || !entries) return std::nullopt;
    receipt.transaction = *transaction;
    receipt.block_hash = *block_hash;
    receipt.succeeded = *succeeded == 1;
    receipt.block = *height;
    receipt.gas_used = *used;
    receipt.logs = std::move(*entries);
    if (const json* const price = json_member(object, "effectiveGasPrice")) {
        receipt.gas_price = json_quantity(*price).value_or(U256{});
    }
    receipt.contract = json_fixed<Address>(json_member(object, "contractAddress"));
    return receipt;
}

}  // namespace

struct ChainClient::State {
    JsonRpc rpc;
    Finality finality;
    std::uint64_t chain_id = 0;

    State(HttpUrl url, const Options& options)
        : rpc{std::move(url), options.timeout}, finality{options.finality} {}

    Outcome<U256> quantity(const char* method, json parameters) {
        MILLRACE_TRY(const json value, rpc.require(method, std::move(parameters)));
        const auto number = json_quantity(value);
        if (!number) return Err{rpc.malformed(method)};
        return *number;
    }

    Outcome<std::uint64_t> quantity_u64(const char* method, json parameters) {
        MILLRACE_TRY(const U256 number, quantity(method, std::move(parameters)));
        if (!number.fits_u64()) return Err{rpc.malformed(method)};
        return number.words[0];
    }

    /// The tag as this chain and our Finality want it on the wire.
    Outcome<std::string> wire_tag(BlockTag tag) {
        if (tag == BlockTag::latest) return std::string{"latest"};
        if (tag == BlockTag::pending) return std::string{"pending"};
        if (!finality.use_tag && finality.depth == 0) return std::string{"latest"};
        MILLRACE_TRY(const std::uint64_t height, finalized_height());
        return to_rpc_quantity(U256{height});
    }

    Outcome<std::uint64_t> finalized_height() {
        if (finality.use_tag) {
            MILLRACE_TRY(const RpcAnswer answer,
                         rpc.ask("eth_getBlockByNumber", {"finalized", false}));
            if (const json* const block = std::get_if<json>(&answer)) {
                if (const json* const number = json_member(*block, "number")) {
                    if (const auto height = json_u64(*number)) return *height;
                }
            }
        }
        // No such tag here, or nothing finalized yet: count blocks.
        MILLRACE_TRY(const std::uint64_t newest, quantity_u64("eth_blockNumber", json::array()));
        return newest - std::min(newest, finality.depth);
    }

    Outcome<json> block(const std::string& tag) {
        MILLRACE_TRY(json object, rpc.require("eth_getBlockByNumber", {tag, false}));
        if (!object.is_object()) return Err{rpc.malformed("eth_getBlockByNumber")};
        return object;
    }
};

ChainClient::ChainClient(std::unique_ptr<State> state) : state_{std::move(state)} {}
ChainClient::~ChainClient() = default;

Outcome<std::unique_ptr<ChainClient>> ChainClient::connect(const std::string& url,
                                                           Options options) {
    MILLRACE_TRY(HttpUrl parsed, parse_http_url(url));
    auto state = std::make_unique<State>(std::move(parsed), options);
    MILLRACE_TRY(state->chain_id, state->quantity_u64("eth_chainId", json::array()));
    return std::unique_ptr<ChainClient>{new ChainClient{std::move(state)}};
}

std::uint64_t ChainClient::chain_id() const noexcept {
    return state_->chain_id;
}
const std::string& ChainClient::name() const noexcept {
    return state_->rpc.name();
}
const Finality& ChainClient::finality() const noexcept {
    return state_->finality;
}

Outcome<Hash32> ChainClient::genesis_hash() {
    MILLRACE_TRY(const json block, state_->block("0x0"));
    const auto hash = json_fixed<Hash32>(json_member(block, "hash"));
    if (!hash) return Err{state_->rpc.malformed("eth_getBlockByNumber")};
    return *hash;
}

Outcome<std::string> ChainClient::client_version() {
    MILLRACE_TRY(const json text, state_->rpc.require("web3_clientVersion", json::array()));
    if (!text.is_string()) return Err{state_->rpc.malformed("web3_clientVersion")};
    return printable(text.get_ref<const std::string&>(), 200);
}

Outcome<std::uint64_t> ChainClient::block_number() {
    return state_->quantity_u64("eth_blockNumber", json::array());
}

Outcome<std::uint64_t> ChainClient::finalized_height() {
    return state_->finalized_height();
}

Outcome<std::uint64_t> ChainClient::block_time() {
    MILLRACE_TRY(const json block, state_->block("latest"));
    const json* const time = json_member(block, "timestamp");
    const auto seconds = time ? json_u64(*time) : std::nullopt;
    if (!seconds) return Err{state_->rpc.malformed("eth_getBlockByNumber")};
    return *seconds;
}

Outcome<Amount> ChainClient::balance(const Address& account, BlockTag tag) {
    MILLRACE_TRY(const std::string wire, state_->wire_tag(tag));
    MILLRACE_TRY(const U256 wei, state_->quantity("eth_getBalance", {hex(account), wire}));
    return Amount{wei};
}

Outcome<std::uint64_t> ChainClient::nonce(const Address& account, BlockTag tag) {
    MILLRACE_TRY(const std::string wire, state_->wire_tag(tag));
    return state_->quantity_u64("eth_getTransactionCount", {hex(account), wire});
}

Outcome<Bytes> ChainClient::code(const Address& account, BlockTag tag) {
    MILLRACE_TRY(const std::string wire, state_->wire_tag(tag));
    MILLRACE_TRY(const json text, state_->rpc.require("eth_getCode", {hex(account), wire}));
    const auto bytes = json_bytes(text);
    if (!bytes) return Err{state_->rpc.malformed("eth_getCode")};
    return *bytes;
}

Outcome<CallAnswer> ChainClient::try_call(const CallRequest& request, BlockTag tag) {
    MILLRACE_TRY(const std::string wire, state_->wire_tag(tag));
    MILLRACE_TRY(const RpcAnswer answer,
                 state_->rpc.ask("eth_call", json::array({call_object(request), wire})));
    if (const RpcError* const error = std::get_if<RpcError>(&answer)) {
        const auto data = revert_data(*error);
        if (!data && !says_reverted(*error)) {
            return Err{state_->rpc.failure_of("eth_call", *error)};
        }
        return CallAnswer{
            .reverted = true, .output = data.value_or(Bytes{}), .reason = reason_of(*error)};
    }
    const auto output = json_bytes(std::get<json>(answer));
    if (!output) return Err{state_->rpc.malformed("eth_call")};
    return CallAnswer{.reverted = false, .output = *output, .reason = {}};
}

Outcome<Bytes> ChainClient::call(const Address& to, ByteView data, BlockTag tag) {
    CallRequest request;
    request.to = to;
    request.data = to_bytes(data);
    MILLRACE_TRY(CallAnswer answer, try_call(request, tag));
    if (answer.reverted) {
        return Err{Failure{"the contract refused the call: " + answer.reason,
                           crypto::checksum_address(to), ""}};
    }
    return std::move(answer.output);
}

Outcome<std::uint64_t> ChainClient::estimate_gas(const CallRequest& request) {
    MILLRACE_TRY(const RpcAnswer answer,
                 state_->rpc.ask("eth_estimateGas", json::array({call_object(request)})));
    if (const RpcError* const error = std::get_if<RpcError>(&answer)) {
        if (classify_send_error(error->message) == SendStatus::insufficient_funds) {
            return Err{Failure{"the account cannot pay for this transaction: " + error->message,
                               request.from ? crypto::checksum_address(*request.from) : "",
                               "send coins to it first"}};
        }
        if (!revert_data(*error) && !says_reverted(*error)) {
            return Err{state_->rpc.failure_of("eth_estimateGas", *error)};
        }
        return Err{Failure{"the contract would refuse the transaction: " + reason_of(*error),
                           request.to ? crypto::checksum_address(*request.to) : "", ""}};
    }
    const auto gas = json_u64(std::get<json>(answer));
    if (!gas || *gas > gas_limit_max) return Err{state_->rpc.malformed("eth_estimateGas")};
    return *gas;
}

Outcome<FeeSuggestion> ChainClient::suggest_fees() {
    MILLRACE_TRY(const json block, state_->block("latest"));
    FeeSuggestion fees;
    const json* const base = json_member(block, "baseFeePerGas");
    if (base == nullptr) {
        fees.dynamic = false;
        MILLRACE_TRY(fees.max_fee_per_gas, state_->quantity("eth_gasPrice", json::array()));
        return fees;
    }
    const auto base_fee = json_quantity(*base);
    if (!base_fee) return Err{state_->rpc.malformed("eth_getBlockByNumber")};
    fees.max_priority_fee_per_gas = U256{1'000'000'000};
    MILLRACE_TRY(const RpcAnswer tip, state_->rpc.ask("eth_maxPriorityFeePerGas", json::array()));
    if (const json* const value = std::get_if<json>(&tip)) {
        if (const auto wei = json_quantity(*value)) fees.max_priority_fee_per_gas = *wei;
    }
    const auto twice = checked_add(*base_fee, *base_fee);
    const auto sum = twice ? checked_add(*twice, fees.max_priority_fee_per_gas) : std::nullopt;
    if (!sum) return Err{state_->rpc.malformed("eth_maxPriorityFeePerGas")};
    fees.max_fee_per_gas = *sum;
    return fees;
}

SendAnswer ChainClient::send_raw(ByteView raw) {
    const auto answer = state_->rpc.ask("eth_sendRawTransaction", json::array({to_hex0x(raw)}));
    if (!answer.has_value()) return {SendStatus::unknown, answer.error().text()};
    const RpcError* const error = std::get_if<RpcError>(&*answer);
    if (error == nullptr) return {SendStatus::accepted, ""};
    SendStatus status = classify_send_error(error->message);
    if (status == SendStatus::accepted) return {status, ""};
    if (status == SendStatus::refused && (revert_data(*error) || says_reverted(*error))) {
        return {SendStatus::reverted, reason_of(*error)};
    }
    return {status, error->message};
}

Outcome<std::optional<TransactionReceipt>> ChainClient::receipt(const Hash32& transaction) {
    MILLRACE_TRY(const json object,
                 state_->rpc.require("eth_getTransactionReceipt", json::array({hex(transaction)})));
    if (object.is_null()) return std::optional<TransactionReceipt>{};
    auto receipt = read_receipt(object);
    if (!receipt || receipt->transaction != transaction) {
        return Err{state_->rpc.malformed("eth_getTransactionReceipt")};
    }
    return receipt;
}

Outcome<bool> ChainClient::knows_transaction(const Hash32& transaction) {
    MILLRACE_TRY(const json object,
                 state_->rpc.require("eth_getTransactionByHash", json::array({hex(transaction)})));
    return !object.is_null();
}

Outcome<std::vector<LogEntry>> ChainClient::logs(const LogFilter& filter) {
    json topics = json::array();
    for (const auto& topic : filter.topics) {
        topics.push_back(topic ? json(hex(*topic)) : json(nullptr));
    }
    const json object = {{"fromBlock", to_rpc_quantity(U256{filter.block_first})},
                         {"toBlock", to_rpc_quantity(U256{filter.block_last})},
                         {"address", hex(filter.address)},
                         {"topics", std::move(topics)}};
    MILLRACE_TRY(const json list, state_->rpc.require("eth_getLogs", json::array({object})));
    auto entries = read_logs(list);
    if (!entries) return Err{state_->rpc.malformed("eth_getLogs")};
    return std::move(*entries);
}

}  // namespace millrace::chain
