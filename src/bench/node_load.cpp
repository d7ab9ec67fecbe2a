// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/node_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/load_client.hpp"
#include "crypto/development_keys.hpp"
#include "crypto/hash.hpp"
#include "types/transaction.hpp"

namespace millrace::bench {
namespace {

using Json = nlohmann::json;

// What runs on the nodes. Written by hand, so that no compiler's version is part of the figures.

/// Stores 42 and answers it.
constexpr std::string_view storage_code =
    "602a600055"      // 00  SSTORE(0, 42)
    "600b6011600039"  // 05  CODECOPY(0, 0x11, 11)
    "600b6000f3"      // 0c  RETURN(0, 11)
    "600054"          // 11  SLOAD(0)
    "600052"          // 14  MSTORE(0, it)
    "60206000f3";     // 17  RETURN(0, 32)
constexpr std::string_view storage_answer =
    "\"0x000000000000000000000000000000000000000000000000000000000000002a\"";

/// Hashes the word at 0 as often as its argument says, from zero on, and answers the word.
constexpr std::string_view loop_code =
    "601e600c600039"  // 00  CODECOPY(0, 0x0c, 30)
    "601e6000f3"      // 07  RETURN(0, 30); from here on it counts from 0 again
    "600035"          // 00  n = CALLDATALOAD(0)
    "5b"              // 03  loop:
    "8015601857"      // 04  if n == 0 goto end
    "60206000"        // 09
    "20"              // 0d  KECCAK256(0, 32)
    "600052"          // 0e  MSTORE(0, it)
    "60019003"        // 11  n = n - 1
    "600356"          // 15  goto loop
    "5b"              // 18  end:
    "60206000f3";     // 19  RETURN(0, 32)
constexpr std::uint64_t loop_rounds = 1'000;

constexpr std::size_t sender_count = crypto::development_key_texts.size();
constexpr std::size_t batch_connections = 5;  ///< each sends for two senders
constexpr std::uint64_t fee_max = 1'000'000'000'000;
constexpr std::uint64_t tip = 1'000'000'000;
constexpr std::uint64_t value_sent = 1'000'000;
/// Asking again whether a transaction is included: each time after an answer, not after a wait.
constexpr std::chrono::seconds included_max{120};

constexpr std::array<FigureMeaning, figure_count> meanings = {{
    {"call_p50_us", "eth_call, storage read, one by one: p50", "us", false},
    {"call_p99_us", "the same: p99", "us", false},
    {"calls_8_per_s", "the same over 8 connections", "calls/s", true},
    {"calls_32_per_s", "the same over 32 connections", "calls/s", true},
    {"loop_p50_us", "eth_call, 1,000 keccak256, one by one: p50", "us", false},
    {"loops_8_per_s", "the same over 8 connections", "calls/s", true},
    {"single_included_per_s", "transfers one by one, included", "txn/s", true},
    {"batch_submit_per_s", "transfers in batches, submitted", "txn/s", true},
    {"batch_included_per_s", "transfers in batches, included", "txn/s", true},
    {"block_ms", "execute and root of one block of them", "ms", false},
}};

double percentile(std::vector<double> values, double share) {
    std::ranges::sort(values);
    const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size()));
    return values[std::min(at, values.size() - 1)];
}

std::optional<std::uint64_t> number_of(const Json& value) {
    if (!value.is_string()) return std::nullopt;
    const auto& text = value.get_ref<const std::string&>();
    std::uint64_t number = 0;
    if (!text.starts_with("0x")) return std::nullopt;
    const auto [end, error] =
        std::from_chars(text.data() + 2, text.data() + text.size(), number, 16);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{number}
                                                                    : std::nullopt;
}

std::string request(std::string_view method, std::string_view parameters) {
    return fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"{}","params":{}}})", method,
                       parameters);
}

Address fresh_recipient(std::uint64_t number) {
    const Hash32 hash = crypto::keccak256(as_bytes("recipient " + std::to_string(number)));
    return *Address::from(hash.view().subspan(12));
}

}  // namespace

const FigureMeaning& meaning(Figure figure) noexcept {
    return meanings[static_cast<std::size_t>(figure)];
}

struct NodeLoad::State {
    std::string url;
    LoadSize size;
    std::unique_ptr<LoadClient> one;  ///< for questions, and for one after the other
    std::string version;
    std::uint64_t chain_id = 0;
    std::uint64_t recipients = 0;
    std::vector<crypto::SecretKey> keys;
    std::array<std::uint64_t, sender_count> nonces{};
    std::string storage_call;
    std::string loop_call;
    std::string loop_answer;

    Outcome<Json> ask(std::string_view method, std::string_view parameters);
    Outcome<std::uint64_t> ask_number(std::string_view method, std::string_view parameters);
    Outcome<void> prepare();
    Outcome<Address> deploy(std::string_view code);
    types::SignedTransaction sign(std::size_t sender, types::Transaction transaction);
    types::SignedTransaction transfer(std::size_t sender);
    Outcome<void> wait_included(const Hash32& hash);

    Outcome<LoadClient::Times> repeat(LoadClient& client, std::string_view call,
                                      std::string_view answer, std::size_t count) const;
    Outcome<void> measure_reads(Figures& figures);
    Outcome<void> measure_singles(Figures& figures);
    Outcome<void> measure_batches(Figures& figures);
    std::vector<std::vector<std::string>> sign_batches();
    Outcome<void> check_all_included();
    [[nodiscard]] Failure wrong(const std::string& what) const {
        return {what, url, "see the node's log"};
    }
};

Outcome<Json> NodeLoad::State::ask(std::string_view method, std::string_view parameters) {
    const std::string body = request(method, parameters);
    std::string answer;
    bool sent = false;
    MILLRACE_TRY_VOID(
        one->run([&](std::size_t) { return std::exchange(sent, true) ? std::string_view{} : body; },
                 [&](std::size_t, std::string_view text) {
                     answer = text;
                     return true;
                 }));
    Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object() || !json.contains("result")) {
        return Err{wrong(fmt::format("{} was answered: {}", method, answer.substr(0, 300)))};
    }
    return std::move(json["result"]);
}

Outcome<std::uint64_t> NodeLoad::State::ask_number(std::string_view method,
                                                   std::string_view parameters) {
    MILLRACE_TRY(const Json result, ask(method, parameters));
    const auto number = number_of(result);
    if (!number) return Err{wrong(fmt::format("{} was answered: {}", method, result.dump()))};
    return *number;
}

types::SignedTransaction NodeLoad::State::sign(std::size_t sender, types::Transaction transaction) {
    transaction.chain_id = chain_id;
    transaction.nonce = nonces[sender]++;
    transaction.max_fee_per_gas = U256{fee_max};
    transaction.max_priority_fee_per_gas = U256{tip};
    return types::sign_transaction(std::move(transaction), keys[sender]);
}

types::SignedTransaction NodeLoad::State::transfer(std::size_t sender) {
    types::Transaction transaction;
    transaction.gas_limit = 21'000;
    transaction.to = fresh_recipient(recipients++);
    transaction.value = Amount{U256{value_sent}};
    return sign(sender, std::move(transaction));
}

Outcome<void> NodeLoad::State::wait_included(const Hash32& hash) {
    const std::string parameters = "[\"" + to_hex0x(hash.view()) + "\"]";
    const auto end = std::chrono::steady_clock::now() + included_max;
    while (std::chrono::steady_clock::now() < end) {
        MILLRACE_TRY(const Json receipt, ask("eth_getTransactionReceipt", parameters));
        if (receipt.is_null()) continue;
        if (receipt.value("status", "") == "0x1") return {};
        return Err{wrong("a transaction failed: " + receipt.dump())};
    }
    return Err{wrong("a transaction was not included within two minutes")};
}

Outcome<Address> NodeLoad::State::deploy(std::string_view code) {
    types::Transaction transaction;
    transaction.gas_limit = 1'000'000;
    transaction.data = *from_hex(code);
    const Address address = types::contract_address(crypto::address_of(keys[0]), nonces[0]);
    const auto signed_one = sign(0, std::move(transaction));
    MILLRACE_TRY_VOID(ask("eth_sendRawTransaction", "[\"" + to_hex0x(signed_one.encode()) + "\"]"));
    MILLRACE_TRY_VOID(wait_included(signed_one.hash()));
    return address;
}

Outcome<void> NodeLoad::State::prepare() {
    MILLRACE_TRY(one, LoadClient::connect(url, 1));
    MILLRACE_TRY(const Json client_version, ask("web3_clientVersion", "[]"));
    version = client_version.is_string() ? client_version.get<std::string>() : "unknown";
    // anvil writes a line for each request unless it is told not to.
    if (version.starts_with("anvil")) {
        MILLRACE_TRY_VOID(ask("anvil_setLoggingEnabled", "[false]"));
    }
    MILLRACE_TRY(chain_id, ask_number("eth_chainId", "[]"));
    for (const std::string_view text : crypto::development_key_texts) {
        keys.push_back(*crypto::SecretKey::from(*from_hex(text)));
        const std::string account = to_hex0x(crypto::address_of(keys.back()).view());
        MILLRACE_TRY(nonces[keys.size() - 1],
                     ask_number("eth_getTransactionCount", "[\"" + account + "\",\"latest\"]"));
        MILLRACE_TRY(const Json balance, ask("eth_getBalance", "[\"" + account + "\",\"latest\"]"));
        if (balance == "0x0") {
            return Err{Failure{"account " + account + " of the development mnemonic has nothing",
                               url, "start the node as a development node"}};
        }
    }
    MILLRACE_TRY(const Address storage, deploy(storage_code));
    MILLRACE_TRY(const Address loop, deploy(loop_code));
    const auto call = [](const Address& to, const std::string& data) {
        return request("eth_call", fmt::format(R"([{{"to":"{}","data":"0x{}"}},"latest"])",
                                               to_hex0x(to.view()), data));
    };
    storage_call = call(storage, "");
    loop_call = call(loop, fmt::format("{:064x}", loop_rounds));
    Hash32 word{};
    for (std::uint64_t round = 0; round < loop_rounds; ++round)
        word = crypto::keccak256(word.view());
    loop_answer = "\"" + to_hex0x(word.view()) + "\"";
    return {};
}

Outcome<LoadClient::Times> NodeLoad::State::repeat(LoadClient& client, std::string_view call,
                                                   std::string_view answer,
                                                   std::size_t count) const {
    return client.run(
        [&, left = count](std::size_t) mutable {
            if (left == 0) return std::string_view{};
            --left;
            return call;
        },
        [&](std::size_t, std::string_view text) {
            return text.find(answer) != std::string_view::npos;
        });
}

Outcome<void> NodeLoad::State::measure_reads(Figures& figures) {
    const auto set = [&](Figure figure, double value) {
        figures[static_cast<std::size_t>(figure)] = value;
    };
    MILLRACE_TRY_VOID(repeat(*one, storage_call, storage_answer, size.calls / 10 + 1));
    MILLRACE_TRY(const auto calls, repeat(*one, storage_call, storage_answer, size.calls));
    set(Figure::call_p50, percentile(calls.latencies_us, 0.5));
    set(Figure::call_p99, percentile(calls.latencies_us, 0.99));
    MILLRACE_TRY(const auto loops, repeat(*one, loop_call, loop_answer, size.loops));
    set(Figure::loop_p50, percentile(loops.latencies_us, 0.5));
    const auto rate = [](const LoadClient::Times& times) {
        return static_cast<double>(times.latencies_us.size()) / times.seconds;
    };
    MILLRACE_TRY(const auto eight, LoadClient::connect(url, 8));
    MILLRACE_TRY(const auto calls_8, repeat(*eight, storage_call, storage_answer, 5 * size.calls));
    set(Figure::calls_8, rate(calls_8));
    MILLRACE_TRY(const auto loops_8, repeat(*eight, loop_call, loop_answer, 2 * size.loops));
    set(Figure::loops_8, rate(loops_8));
    MILLRACE_TRY(const auto many, LoadClient::connect(url, 32));
    MILLRACE_TRY(const auto calls_32, repeat(*many, storage_call, storage_answer, 5 * size.calls));
    set(Figure::calls_32, rate(calls_32));
    return {};
}

/// Each sender has a connection, for its transactions must come in their order.
Outcome<void> NodeLoad::State::measure_singles(Figures& figures) {
    std::array<std::vector<std::string>, sender_count> requests;
    std::array<Hash32, sender_count> last;
    const std::size_t each = std::max<std::size_t>(1, size.singles / sender_count);
    for (std::size_t sender = 0; sender < sender_count; ++sender) {
        for (std::size_t i = 0; i < each; ++i) {
            const auto signed_one = transfer(sender);
            last[sender] = signed_one.hash();
            requests[sender].push_back(
                request("eth_sendRawTransaction", "[\"" + to_hex0x(signed_one.encode()) + "\"]"));
        }
    }
    MILLRACE_TRY(const auto client, LoadClient::connect(url, sender_count));
    std::array<std::size_t, sender_count> turns{};
    const auto start = std::chrono::steady_clock::now();
    MILLRACE_TRY_VOID(client->run(
        [&](std::size_t sender) {
            const std::size_t turn = turns[sender]++;
            return turn < each ? std::string_view{requests[sender][turn]} : std::string_view{};
        },
        [&](std::size_t, std::string_view text) {
            return text.find("\"error\"") == std::string_view::npos;
        }));
    for (const Hash32& hash : last)
        MILLRACE_TRY_VOID(wait_included(hash));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    figures[static_cast<std::size_t>(Figure::single_included)] =
        static_cast<double>(each * sender_count) / took.count();
    return {};
}

/// For each connection the batches of its two senders, whose transactions alternate.
std::vector<std::vector<std::string>> NodeLoad::State::sign_batches() {
    std::vector<std::vector<std::string>> batches(batch_connections);
    std::vector<std::size_t> filled(batch_connections, 0);
    for (std::size_t i = 0; i < size.transfers; ++i) {
        const std::size_t sender = i % sender_count;
        const std::size_t connection = sender % batch_connections;
        std::string text = fmt::format(
            R"({{"jsonrpc":"2.0","id":{},"method":"eth_sendRawTransaction","params":["{}"]}})", i,
            to_hex0x(transfer(sender).encode()));
        auto& mine = batches[connection];
        if (filled[connection]++ % size.batch == 0) {
            if (!mine.empty()) mine.back() += ']';
            mine.emplace_back("[");
        } else {
            mine.back() += ',';
        }
        mine.back() += text;
    }
    for (auto& mine : batches) {
        if (!mine.empty()) mine.back() += ']';
    }
    return batches;
}

/// One block takes them all when the gas limit allows.
Outcome<void> NodeLoad::State::check_all_included() {
    for (std::size_t sender = 0; sender < sender_count; ++sender) {
        const std::string account = to_hex0x(crypto::address_of(keys[sender]).view());
        MILLRACE_TRY(const std::uint64_t count,
                     ask_number("eth_getTransactionCount", "[\"" + account + "\",\"latest\"]"));
        if (count != nonces[sender]) {
            return Err{
                wrong(fmt::format("evm_mine left {} transactions of one sender out of the "
                                  "block: start the node with a gas limit of {}",
                                  nonces[sender] - count, 2 * 21'000 * size.transfers))};
        }
    }
    return {};
}

Outcome<void> NodeLoad::State::measure_batches(Figures& figures) {
    const auto batches = sign_batches();
    MILLRACE_TRY_VOID(ask("evm_setAutomine", "[false]"));
    MILLRACE_TRY(const auto client, LoadClient::connect(url, batch_connections));
    std::array<std::size_t, batch_connections> turns{};
    MILLRACE_TRY(const auto times, client->run(
                                       [&](std::size_t connection) {
                                           const auto& mine = batches[connection];
                                           const std::size_t turn = turns[connection]++;
                                           return turn < mine.size() ? std::string_view{mine[turn]}
                                                                     : std::string_view{};
                                       },
                                       [](std::size_t, std::string_view text) {
                                           return text.find("\"error\"") == std::string_view::npos;
                                       }));
    const auto start = std::chrono::steady_clock::now();
    MILLRACE_TRY_VOID(ask("evm_mine", "[]"));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    MILLRACE_TRY_VOID(check_all_included());
    MILLRACE_TRY_VOID(ask("evm_setAutomine", "[true]"));
    const auto count = static_cast<double>(size.transfers);
    figures[static_cast<std::size_t>(Figure::batch_submit)] = count / times.seconds;
    figures[static_cast<std::size_t>(Figure::batch_included)] =
        count / (times.seconds + took.count());
    figures[static_cast<std::size_t>(Figure::block_ms)] = 1e3 * took.count();
    return {};
}

NodeLoad::NodeLoad(std::unique_ptr<State> state) : state_{std::move(state)} {}
NodeLoad::~NodeLoad() = default;

Outcome<std::unique_ptr<NodeLoad>> NodeLoad::prepare(std::string url, LoadSize size) {
    auto state = std::make_unique<State>();
    state->url = std::move(url);
    state->size = size;
    MILLRACE_TRY_VOID(state->prepare());
    return std::unique_ptr<NodeLoad>{new NodeLoad{std::move(state)}};
}

Outcome<Figures> NodeLoad::measure() {
    Figures figures{};
    MILLRACE_TRY_VOID(state_->measure_reads(figures));
    MILLRACE_TRY_VOID(state_->measure_singles(figures));
    MILLRACE_TRY_VOID(state_->measure_batches(figures));
    return figures;
}

const std::string& NodeLoad::version() const noexcept {
    return state_->version;
}

}  // namespace millrace::bench
