// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Transactions on their way in (eth_sendRawTransaction, and for the unlocked accounts of a
// development network eth_sendTransaction, eth_signTransaction, eth_sign). As geth, texts included.

#include <algorithm>

#include "crypto/hash.hpp"
#include "ledger/transition.hpp"
#include "node/api/call_request.hpp"
#include "node/api/encode.hpp"
#include "node/api/method.hpp"

namespace millrace::node {
namespace {

using types::Transaction;
using types::TransactionKind;

/// How often a transaction of ours takes the next nonce because another was faster with it.
constexpr unsigned nonce_attempts_max = 64;

Answer answer_of(const Result<Hash32, SubmitError>& submitted) {
    if (!submitted) return server_error(submitted.error().message);
    return data_text(submitted->view());
}

void send_raw(const Call& call, AnswerLater answer) {
    const auto raw = call.data(0);
    if (!raw) return answer(Err{raw.error()});
    if (raw->empty()) return answer(server_error("typed transaction too short"));
    auto transaction = types::decode_transaction(*raw);
    if (!transaction) {
        // From 0xc0 on it is a list: the legacy form.
        const bool has_type = raw->front() < 0xc0;
        const bool is_ours = raw->front() == 1 || raw->front() == 2 || raw->front() == 4;
        if (has_type && !is_ours) return answer(server_error("transaction type not supported"));
        return answer(server_error("rlp: " + std::string{codec::to_text(transaction.error())}));
    }
    const auto sender = transaction->sender();
    if (!sender) return answer(server_error("invalid sender: invalid transaction v, r, s values"));
    call.api.backend.submit(
        std::move(*transaction), *sender,
        [answer = std::move(answer)](const Result<Hash32, SubmitError>& submitted) {
            answer(answer_of(submitted));
        });
}

// --- eth_sendTransaction's object

struct Request {
    const crypto::SecretKey* key = nullptr;
    Address from;
    Transaction transaction;
    bool has_gas = false;
    bool has_nonce = false;
    bool has_fees = false;
};

const crypto::SecretKey* key_of(const Call& call, const Address& address) {
    for (const auto& [account, key] : call.api.accounts) {
        if (account == address) return key;
    }
    return nullptr;
}

Read<Bytes> read_input(JsonValueView object) {
    const JsonValueView input = object["input"];
    const JsonValueView data = object["data"];
    if (input.is_nothing() && data.is_nothing()) return Bytes{};
    if (input.is_nothing()) return read_data(data, {0, "data"});
    MILLRACE_TRY(Bytes bytes, read_data(input, {0, "input"}));
    if (!data.is_nothing()) {
        MILLRACE_TRY(const Bytes other, read_data(data, {0, "data"}));
        if (other != bytes) {
            return server_error(
                R"(both "data" and "input" are set and not equal. Please use "input" to pass )"
                "transaction call data");
        }
    }
    return bytes;
}

/// The fees, those that are absent filled in from the market, and with them the kind.
Read<void> read_fees(const Call& call, JsonValueView object, Request& request) {
    Transaction& transaction = request.transaction;
    const JsonValueView price = object["gasPrice"];
    const JsonValueView fee = object["maxFeePerGas"];
    const JsonValueView tip = object["maxPriorityFeePerGas"];
    request.has_fees = !price.is_nothing() || (!fee.is_nothing() && !tip.is_nothing());
    const auto& head = call.view->head().header;
    const auto rules =
        ledger::rules_at(call.view->config(), head.number + 1, call.api.backend.now());
    const bool is_dynamic = rules.revision >= evm::Revision::london && price.is_nothing();
    if (!price.is_nothing() && !(fee.is_nothing() && tip.is_nothing())) {
        return server_error("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    }
    if (!is_dynamic) {
        if (!fee.is_nothing() || !tip.is_nothing()) {
            return server_error(
                "maxFeePerGas and maxPriorityFeePerGas are not valid before London is active");
        }
        if (price.is_nothing()) {
            transaction.max_fee_per_gas = suggest_tip(call);
        } else {
            MILLRACE_TRY(transaction.max_fee_per_gas, read_quantity(price, {0, "gasPrice"}));
        }
        if (rules.revision >= evm::Revision::london && transaction.max_fee_per_gas.is_zero())
            return server_error("gasPrice must be non-zero after london fork");
        transaction.kind = object["accessList"].is_nothing() ? TransactionKind::legacy
                                                             : TransactionKind::access_list;
        transaction.max_priority_fee_per_gas = U256{};
        return {};
    }
    transaction.kind = object["authorizationList"].is_nothing() ? TransactionKind::dynamic_fee
                                                                : TransactionKind::set_code;
    if (tip.is_nothing()) {
        transaction.max_priority_fee_per_gas = suggest_tip(call);
    } else {
        MILLRACE_TRY(transaction.max_priority_fee_per_gas,
                     read_quantity(tip, {0, "maxPriorityFeePerGas"}));
    }
    if (fee.is_nothing()) {
        const U256 base = next_fee(call);
        const auto twice = checked_add(base, base).value_or(~U256{});
        transaction.max_fee_per_gas =
            checked_add(twice, transaction.max_priority_fee_per_gas).value_or(~U256{});
    } else {
        MILLRACE_TRY(transaction.max_fee_per_gas, read_quantity(fee, {0, "maxFeePerGas"}));
        // A tip of ours gives way to a fee of the caller's.
        if (tip.is_nothing()) {
            transaction.max_priority_fee_per_gas =
                std::min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas);
        }
    }
    if (transaction.max_fee_per_gas.is_zero()) {
        return server_error("maxFeePerGas must be non-zero");
    }
    if (transaction.max_fee_per_gas < transaction.max_priority_fee_per_gas) {
        return server_error("maxFeePerGas (" + to_decimal(transaction.max_fee_per_gas) +
                            ") < maxPriorityFeePerGas (" +
                            to_decimal(transaction.max_priority_fee_per_gas) + ")");
    }
    return {};
}

Read<Request> read_request(const Call& call) {
    const JsonValueView object = call.at(0);
    if (!object.is(JsonValueView::Kind::object)) return Where{0}.wrong("not an object");
    Request request;
    Transaction& transaction = request.transaction;
    MILLRACE_TRY(request.from, read_address(object["from"], {0, "from"}));
    request.key = key_of(call, request.from);
    if (request.key == nullptr) return server_error("unknown account");
    if (const auto to = object["to"]; !to.is_nothing()) {
        MILLRACE_TRY(transaction.to, read_address(to, {0, "to"}));
    }
    if (const auto value = object["value"]; !value.is_nothing()) {
        MILLRACE_TRY(transaction.value.wei, read_quantity(value, {0, "value"}));
    }
    if (const auto gas = object["gas"]; !gas.is_nothing()) {
        MILLRACE_TRY(transaction.gas_limit, read_u64(gas, {0, "gas"}));
        request.has_gas = true;
    }
    if (const auto nonce = object["nonce"]; !nonce.is_nothing()) {
        MILLRACE_TRY(transaction.nonce, read_u64(nonce, {0, "nonce"}));
        request.has_nonce = true;
    }
    MILLRACE_TRY(transaction.data, read_input(object));
    if (!transaction.to && transaction.data.empty()) {
        return server_error("contract creation without any data provided");
    }
    const std::uint64_t our_chain = call.view->config().chain_id;
    if (const auto chain = object["chainId"]; !chain.is_nothing()) {
        MILLRACE_TRY(const std::uint64_t wanted, read_u64(chain, {0, "chainId"}));
        if (wanted != our_chain) {
            return server_error("chainId does not match node's (have=" + std::to_string(wanted) +
                                ", want=" + std::to_string(our_chain) + ")");
        }
    }
    transaction.chain_id = our_chain;
    if (const auto list = object["accessList"]; !list.is_nothing()) {
        MILLRACE_TRY(transaction.access_list, read_access_list(list, {0, "accessList"}));
    }
    if (const auto list = object["authorizationList"]; !list.is_nothing()) {
        if (!object["gasPrice"].is_nothing()) {
            return server_error("authorizationList needs maxFeePerGas instead of gasPrice");
        }
        MILLRACE_TRY(transaction.authorizations,
                     read_authorizations(list, {0, "authorizationList"}));
    }
    MILLRACE_TRY_VOID(read_fees(call, object, request));
    return request;
}

/// What eth_estimateGas says to the same request.
Read<std::uint64_t> estimate(const Call& call) {
    const Method* method = find_method("eth_estimateGas");
    if (method == nullptr || method->now == nullptr) return server_error("gas not specified");
    MILLRACE_TRY(const std::string answer, method->now(call));
    const auto gas =
        answer.size() > 2
            ? u256_from_rpc_quantity(std::string_view{answer}.substr(1, answer.size() - 2))
            : std::nullopt;
    if (!gas || !gas->fits_u64()) return server_error("gas cannot be estimated");
    return gas->words[0];
}

// --- and what is done with it

std::uint64_t next_nonce(const Backend& backend, const Address& sender) {
    if (const auto pending = backend.pending_nonce(sender)) return *pending;
    const auto view = backend.view();
    const auto state = view->state(Height{view->head().header.number});
    const auto account = state == nullptr ? std::nullopt : state->account(sender);
    return account ? account->nonce : 0;
}

bool is_about_nonce(std::string_view message) {
    return message.starts_with("nonce too low") || message.starts_with("already known") ||
           message.starts_with("replacement transaction underpriced");
}

/// Signs and submits. A nonce of ours that another request has taken meanwhile is chosen anew.
/// The backend outlives all replies, and with it the keys.
void sign_and_submit(Backend& backend, Request request, AnswerLater answer, unsigned attempt) {
    if (!request.has_nonce) request.transaction.nonce = next_nonce(backend, request.from);
    const Address from = request.from;
    auto transaction = types::sign_transaction(request.transaction, *request.key);
    backend.submit(std::move(transaction), from,
                   [&backend, request = std::move(request), answer = std::move(answer),
                    attempt](const Result<Hash32, SubmitError>& submitted) {
                       const bool again = !submitted && !request.has_nonce &&
                                          attempt < nonce_attempts_max &&
                                          is_about_nonce(submitted.error().message);
                       if (!again) return answer(answer_of(submitted));
                       sign_and_submit(backend, request, answer, attempt + 1);
                   });
}

void send(const Call& call, AnswerLater answer) {
    auto request = read_request(call);
    if (!request) return answer(Err{std::move(request).error()});
    if (!request->has_gas) {
        const auto gas = estimate(call);
        if (!gas) return answer(Err{gas.error()});
        request->transaction.gas_limit = *gas;
    }
    sign_and_submit(call.api.backend, std::move(*request), std::move(answer), 1);
}

Answer sign_only(const Call& call) {
    MILLRACE_TRY(const Request request, read_request(call));
    if (!request.has_gas) return server_error("gas not specified");
    if (!request.has_fees) {
        return server_error("missing gasPrice or maxFeePerGas/maxPriorityFeePerGas");
    }
    if (!request.has_nonce) return server_error("nonce not specified");
    const auto transaction = types::sign_transaction(request.transaction, *request.key);
    JsonWriter out;
    out.begin('{').key("raw").data(transaction.encode()).key("tx");
    write_transaction(out, transaction, transaction.hash(), request.from, nullptr, next_fee(call));
    return std::move(out.end('}')).take();
}

/// EIP-191, version 0x45.
Answer sign_message(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    MILLRACE_TRY(const Bytes message, call.data(1));
    const crypto::SecretKey* key = key_of(call, address);
    if (key == nullptr) return server_error("unknown account");
    const std::string prefix =
        "\x19"
        "Ethereum Signed Message:\n" +
        std::to_string(message.size());
    return data_text(crypto::sign(*key, crypto::keccak256(as_bytes(prefix), message)).view());
}

constexpr Method methods[] = {
    {.name = "eth_sendRawTransaction",
     .arguments_min = 1,
     .arguments_max = 1,
     .later = send_raw,
     .summary = "Hands in a signed transaction."},
    {.name = "eth_sendTransaction",
     .arguments_min = 1,
     .arguments_max = 1,
     .later = send,
     .summary = "Signs with an unlocked account's key and hands in."},
    {.name = "eth_signTransaction",
     .arguments_min = 1,
     .arguments_max = 1,
     .now = sign_only,
     .summary = "Signs a transaction with an unlocked account's key."},
    {.name = "eth_sign",
     .arguments_min = 2,
     .arguments_max = 2,
     .now = sign_message,
     .summary = "Signs a message (EIP-191) with an unlocked account's key."},
};

}  // namespace

std::span<const Method> send_methods() {
    return methods;
}

}  // namespace millrace::node
