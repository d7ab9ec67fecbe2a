// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "node/sample_node.hpp"
#include "node/still_backend.hpp"

namespace millrace::node {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

struct Bench {
    explicit Bench(bool development = true, Api::Limits limits = Api::Limits{})
        : backend{*node.chain, development} {
        backend.keys = {sample_key(1), sample_key(2)};
        api = std::make_unique<Api>(backend, limits, "Millrace/test", secret);
    }

    std::string text(const std::string& body, const Api::Caller& caller = {}) {
        std::string answer = "none";
        int answers = 0;
        api->handle(caller, body, [&](std::string reply) {
            answer = std::move(reply);
            ++answers;
        });
        EXPECT_EQ(answers, 1) << body;
        return answer;
    }
    Json ask(const std::string& method, const Json& params = Json::array(),
             const Api::Caller& caller = {}) {
        const Json request{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
        return Json::parse(text(request.dump(), caller));
    }
    Json result(const std::string& method, const Json& params = Json::array()) {
        const Json answer = ask(method, params);
        EXPECT_TRUE(answer.contains("result")) << method << ": " << answer.dump();
        return answer.value("result", Json{});
    }
    int error(const std::string& method, const Json& params = Json::array()) {
        const Json answer = ask(method, params);
        EXPECT_TRUE(answer.contains("error")) << method << ": " << answer.dump();
        return answer.contains("error") ? answer["error"]["code"].get<int>() : 0;
    }
    std::string send(const types::SignedTransaction& transaction) {
        return result("eth_sendRawTransaction", {to_hex0x(transaction.encode())});
    }
    int code_of(const std::string& body) {
        return Json::parse(text(body))["error"]["code"].get<int>();
    }

    static constexpr Hash32 secret{{1, 2, 3}};
    Node node;
    StillBackend backend;
    std::unique_ptr<Api> api;
};

TEST(Api, errors_have_the_codes_of_the_specification) {
    Bench bench;
    EXPECT_EQ(bench.code_of("{"), -32700);
    EXPECT_EQ(bench.code_of(""), -32700);
    EXPECT_EQ(bench.code_of("[]"), -32600);
    EXPECT_EQ(bench.code_of("7"), -32600);
    EXPECT_EQ(bench.code_of(R"({"jsonrpc":"1.0","id":1,"method":"eth_chainId"})"), -32600);
    EXPECT_EQ(bench.code_of(R"({"jsonrpc":"2.0","id":1,"method":7})"), -32600);
    EXPECT_EQ(bench.error("eth_fillTransaction"), -32601);
    EXPECT_EQ(bench.error("eth_getBalance"), -32602);
    EXPECT_EQ(bench.error("eth_getBalance", {"0x12", "latest"}), -32602);
    EXPECT_EQ(bench.error("eth_getBlockByNumber", {"0x01", false}), -32602);
    EXPECT_EQ(bench.code_of(R"({"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}})"),
              -32602);
}

TEST(Api, an_id_comes_back_as_it_was) {
    Bench bench;
    for (const char* id : {"1", "\"a b\"", "1.5e3", "-7", "\"\\u00e4\""}) {
        const std::string answer = bench.text(std::string{R"({"jsonrpc":"2.0","id":)"} + id +
                                              R"(,"method":"eth_chainId"})");
        EXPECT_THAT(answer, HasSubstr(std::string{"\"id\":"} + id + ","));
    }
}

TEST(Api, a_notification_gets_no_answer) {
    Bench bench;
    EXPECT_EQ(bench.text(R"({"jsonrpc":"2.0","method":"eth_chainId"})"), "");
    EXPECT_EQ(bench.text(R"([{"jsonrpc":"2.0","method":"eth_chainId"}])"), "");
}

TEST(Api, a_batch_is_answered_in_its_order_and_is_bounded) {
    Bench bench{true, {.batch_max = 3}};
    const Json answers = Json::parse(bench.text(
        R"([{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},7,{"jsonrpc":"2.0","id":3,"method":"eth_blockNumber"}])"));
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0]["result"], "0x1267");
    EXPECT_EQ(answers[1]["error"]["code"], -32600);
    EXPECT_EQ(answers[2]["id"], 3);
    EXPECT_EQ(bench.code_of("[1,2,3,4]"), -32600);
}

TEST(Api, a_batch_over_its_size_refuses_the_rest_by_their_ids) {
    Bench bench{true, {.batch_answer_max = 100}};
    const std::uint64_t before = bench.node.chain->head().header.number;
    const Json answers = Json::parse(bench.text(
        R"([{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},)"
        R"({"jsonrpc":"2.0","id":"b","method":"eth_getBlockByNumber","params":["0x0",false]},)"
        R"({"jsonrpc":"2.0","method":"evm_mine"},{"jsonrpc":"2.0","id":4,"method":"evm_mine"}])"));
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0]["result"], "0x1267");
    EXPECT_EQ(answers[1]["id"], "b");
    EXPECT_EQ(answers[1]["error"]["code"], -32003);
    EXPECT_EQ(answers[2]["id"], 4);
    EXPECT_EQ(answers[2]["error"]["code"], -32003);
    EXPECT_EQ(bench.node.chain->head().header.number, before);
}

TEST(Api, a_long_foreign_name_is_cut_between_characters) {
    Bench bench;
    for (std::size_t size = 120; size < 130; ++size) {
        const Json answer = bench.ask(std::string(size, 'a') + "\u00e4\U0001f600\u00e4");
        EXPECT_EQ(answer["error"]["code"], -32601);
    }
}

TEST(Api, deep_nesting_is_refused_before_it_is_walked) {
    Bench bench;
    EXPECT_EQ(bench.code_of(std::string(100'000, '[')), -32700);
    EXPECT_EQ(bench.code_of(R"({"jsonrpc":"2.0","id":1,"method":"eth_call","params":)" +
                            std::string(1'000, '[') + std::string(1'000, ']') + "}"),
              -32700);
}

TEST(Api, development_methods_exist_on_development_networks_only) {
    Bench open;
    EXPECT_TRUE(open.ask("evm_mine").contains("result"));
    Bench closed{false};
    EXPECT_EQ(closed.error("evm_mine"), -32601);
    EXPECT_EQ(closed.error("anvil_setBalance", {"0x1", "0x1"}), -32601);
}

TEST(Api, a_transfer_is_seen_by_every_reading_method) {
    Bench bench;
    const auto transfer = sample_transfer(1, 0, 77, 1'000);
    const std::string hash = bench.send(transfer);
    EXPECT_EQ(bench.result("eth_blockNumber"), "0x1");
    EXPECT_EQ(bench.result("eth_getBalance", {to_hex0x(transfer.transaction.to->view()), "latest"}),
              "0x3e8");
    EXPECT_EQ(bench.result("eth_getBalance", {to_hex0x(transfer.transaction.to->view()), "0x0"}),
              "0x0");
    EXPECT_EQ(bench.result("eth_getTransactionCount",
                           {to_hex0x(crypto::address_of(sample_key(1)).view()), "latest"}),
              "0x1");
    const Json receipt = bench.result("eth_getTransactionReceipt", {hash});
    EXPECT_EQ(receipt["status"], "0x1");
    EXPECT_EQ(receipt["gasUsed"], "0x5208");
    EXPECT_EQ(receipt["blockNumber"], "0x1");
    const Json block = bench.result("eth_getBlockByNumber", {"latest", true});
    ASSERT_EQ(block["transactions"].size(), 1u);
    EXPECT_EQ(block["transactions"][0]["hash"], hash);
    EXPECT_EQ(block["transactions"][0]["from"], to_hex0x(crypto::address_of(sample_key(1)).view()));
    EXPECT_EQ(bench.result("eth_getBlockByHash", Json::array({block["hash"], false}))["number"],
              "0x1");
    EXPECT_EQ(bench.result("eth_getBlockReceipts", {"0x1"}).size(), 1u);
    EXPECT_EQ(bench.result("eth_getRawTransactionByHash", {hash}), to_hex0x(transfer.encode()));
    EXPECT_TRUE(bench.result("eth_getBlockByNumber", {"0x2", false}).is_null());
    EXPECT_TRUE(bench.result("eth_getTransactionReceipt", {"0x" + std::string(64, '1')}).is_null());
}

TEST(Api, a_refused_transaction_says_why_in_words_clients_know) {
    Bench bench;
    bench.send(sample_transfer(1, 0, 77, 1'000));
    const auto refusal = [&](const types::SignedTransaction& transaction) {
        return bench
            .ask("eth_sendRawTransaction", {to_hex0x(transaction.encode())})["error"]["message"]
            .get<std::string>();
    };
    EXPECT_THAT(refusal(sample_transfer(1, 0, 78, 1)), HasSubstr("nonce too low"));
    EXPECT_EQ(bench.error("eth_sendRawTransaction", {"0x1234"}), -32000);
}

TEST(Api, a_call_that_reverts_carries_its_reason_and_data) {
    Bench bench;
    // Reverts with Error("no"): PUSH the encoded words, MSTORE, REVERT.
    const std::string reason =
        "08c379a0"
        "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "6e6f000000000000000000000000000000000000000000000000000000000000";
    std::string code;
    for (std::size_t at = 0; at * 64 < reason.size(); ++at) {
        std::string word = reason.substr(at * 64, 64);
        word.resize(64, '0');
        const char* digits = "0123456789abcdef";
        const std::size_t offset = at * 32;
        code += "7f" + word + "60" + digits[offset / 16] + digits[offset % 16] + "52";
    }
    code += "60646000fd";
    const Json answer = bench.ask("eth_call", {{{"data", "0x" + code}}, "latest"});
    ASSERT_TRUE(answer.contains("error")) << answer.dump();
    EXPECT_EQ(answer["error"]["code"], 3);
    EXPECT_EQ(answer["error"]["message"], "execution reverted: no");
    EXPECT_EQ(answer["error"]["data"], "0x" + reason);
    EXPECT_EQ(bench.error("eth_estimateGas", {{{"data", "0x" + code}}}), 3);
}

TEST(Api, gas_of_a_transfer_is_estimated_exactly) {
    Bench bench;
    EXPECT_EQ(bench.result("eth_estimateGas",
                           {{{"from", to_hex0x(crypto::address_of(sample_key(1)).view())},
                             {"to", "0x00000000000000000000000000000000000000ff"},
                             {"value", "0x1"}}}),
              "0x5208");
}

TEST(Api, filters_tell_each_change_once_and_end_when_asked) {
    Bench bench;
    const Json blocks = bench.result("eth_newBlockFilter");
    const Json pending = bench.result("eth_newPendingTransactionFilter");
    const std::string hash = bench.send(sample_transfer(1, 0, 77, 1));
    EXPECT_EQ(bench.result("eth_getFilterChanges", Json::array({blocks})).size(), 1u);
    EXPECT_EQ(bench.result("eth_getFilterChanges", Json::array({blocks})).size(), 0u);
    EXPECT_EQ(bench.result("eth_getFilterChanges", Json::array({pending})), Json::array({hash}));
    EXPECT_EQ(bench.result("eth_uninstallFilter", Json::array({blocks})), true);
    EXPECT_EQ(bench.result("eth_uninstallFilter", Json::array({blocks})), false);
    EXPECT_EQ(bench.error("eth_getFilterChanges", Json::array({blocks})), -32000);
}

TEST(Api, a_filter_that_nobody_uses_ends) {
    Bench bench;
    const Json filter = bench.result("eth_newBlockFilter");
    bench.backend.clock += 10'000;
    EXPECT_EQ(bench.error("eth_getFilterChanges", Json::array({filter})), -32000);
}

TEST(Api, a_message_that_takes_too_long_is_answered_with_what_is_left_refused) {
    Bench bench;
    for (int block = 0; block < 20; ++block)
        bench.backend.make_block();
    int asked = 0;
    int asked_max = 5;
    Api::Caller caller;
    caller.is_late = [&] { return ++asked > asked_max; };
    const Json logs = Json::array({{{"fromBlock", "0x0"}, {"toBlock", "0x14"}}});
    EXPECT_EQ(bench.ask("eth_getLogs", logs, caller)["error"]["code"], -32002);
    EXPECT_EQ(asked, asked_max + 1) << "the search ends where it is";
    asked = 0;
    asked_max = 1'000;
    EXPECT_TRUE(bench.ask("eth_getLogs", logs, caller).contains("result"));

    asked = 0;
    asked_max = 2;
    Json batch = Json::array();
    for (int id = 0; id < 5; ++id)
        batch.push_back({{"jsonrpc", "2.0"}, {"id", id}, {"method", "eth_chainId"}});
    const Json answers = Json::parse(bench.text(batch.dump(), caller));
    ASSERT_EQ(answers.size(), 5u);
    EXPECT_TRUE(answers[1].contains("result"));
    for (std::size_t index = 2; index < 5; ++index) {
        EXPECT_EQ(answers[index]["id"], index);
        EXPECT_EQ(answers[index]["error"]["message"], "request timed out");
    }
}

TEST(Api, an_access_list_is_refused_before_signatures_its_gas_does_not_pay_for) {
    Bench bench;
    Json authorizations = Json::array();
    for (int count = 0; count < 3; ++count)
        authorizations.push_back({{"chainId", "0x1267"},
                                  {"address", "0x00000000000000000000000000000000000000aa"},
                                  {"nonce", "0x0"},
                                  {"yParity", "0x0"},
                                  {"r", "0x1"},
                                  {"s", "0x1"}});
    const Json request{{"from", to_hex0x(crypto::address_of(sample_key(1)).view())},
                       {"to", "0x00000000000000000000000000000000000000aa"},
                       {"gas", "0x17318"},
                       {"maxFeePerGas", "0x1"},
                       {"maxPriorityFeePerGas", "0x2"},  // wrong too, but looked at later
                       {"authorizationList", authorizations}};
    const Json answer = bench.ask("eth_createAccessList", Json::array({request}));
    ASSERT_TRUE(answer.contains("error")) << answer.dump();
    EXPECT_THAT(answer["error"]["message"].get<std::string>(),
                HasSubstr("intrinsic gas too low: have 95000, want 96000"));
}

TEST(Api, nothing_is_proven_of_a_state_that_no_block_has_the_root_of) {
    Bench bench;
    const Json asked =
        Json::array({"0x00000000000000000000000000000000000000aa", Json::array(), "latest"});
    EXPECT_EQ(bench.result("eth_getProof", asked)["balance"], "0x0");
    state::StateDiff diff;
    diff.accounts[*fixed_from_hex<Address>("00000000000000000000000000000000000000aa")].account =
        state::Account{.nonce = 0, .balance = U256{7}};
    bench.node.chain->override_state(std::move(diff));
    EXPECT_THAT(bench.ask("eth_getProof", asked)["error"]["message"].get<std::string>(),
                HasSubstr("evm_mine"));
    bench.backend.make_block();
    EXPECT_EQ(bench.result("eth_getProof", asked)["balance"], "0x7");
}

TEST(Api, subscriptions_need_a_connection_and_end_with_it) {
    Bench bench;
    EXPECT_NE(bench.error("eth_subscribe", {"newHeads"}), 0);
    std::vector<Json> pushed;
    const Api::Caller caller{.session = 5, .push = [&](std::string message) {
                                 pushed.push_back(Json::parse(message));
                                 return true;
                             }};
    const Json answer = bench.ask("eth_subscribe", {"newHeads"}, caller);
    ASSERT_TRUE(answer.contains("result")) << answer.dump();
    bench.send(sample_transfer(1, 0, 77, 1));
    ASSERT_EQ(pushed.size(), 1u);
    EXPECT_EQ(pushed[0]["method"], "eth_subscription");
    EXPECT_EQ(pushed[0]["params"]["subscription"], answer["result"]);
    EXPECT_EQ(pushed[0]["params"]["result"]["number"], "0x1");
    bench.api->session_closed(5);
    bench.send(sample_transfer(1, 1, 77, 1));
    EXPECT_EQ(pushed.size(), 1u);
}

TEST(Api, subscriptions_of_one_connection_are_bounded) {
    Bench bench{true, {.subscriptions_per_session_max = 2}};
    const Api::Caller caller{.session = 5, .push = [](const std::string&) { return true; }};
    EXPECT_TRUE(bench.ask("eth_subscribe", {"newHeads"}, caller).contains("result"));
    EXPECT_TRUE(bench.ask("eth_subscribe", {"newHeads"}, caller).contains("result"));
    EXPECT_TRUE(bench.ask("eth_subscribe", {"newHeads"}, caller).contains("error"));
}

TEST(Api, fees_are_suggested_above_what_a_block_asks) {
    Bench bench;
    const Json block = bench.result("eth_getBlockByNumber", {"latest", false});
    const auto base = u256_from_rpc_quantity(block["baseFeePerGas"].get<std::string>());
    const auto price = u256_from_rpc_quantity(bench.result("eth_gasPrice").get<std::string>());
    ASSERT_TRUE(base && price);
    EXPECT_GT(*price, U256{});
    const Json history = bench.result("eth_feeHistory", {"0x1", "latest", Json::array({50})});
    EXPECT_EQ(history["baseFeePerGas"].size(), 2u);
}

TEST(Api, an_unlocked_account_signs_on_development_networks) {
    Bench bench;
    const std::string from = to_hex0x(crypto::address_of(sample_key(1)).view());
    EXPECT_EQ(bench.result("eth_accounts").size(), 2u);
    const Json hash = bench.result(
        "eth_sendTransaction",
        {{{"from", from}, {"to", "0x00000000000000000000000000000000000000ff"}, {"value", "0x5"}}});
    EXPECT_EQ(bench.result("eth_getTransactionReceipt", Json::array({hash}))["status"], "0x1");
    EXPECT_NE(bench.error("eth_sendTransaction",
                          {{{"from", "0x00000000000000000000000000000000000000ee"}}}),
              0);
}

TEST(Api, a_proof_of_an_account_comes_with_its_values) {
    Bench bench;
    bench.send(sample_transfer(1, 0, 77, 1'000));
    const Json proof = bench.result(
        "eth_getProof",
        {to_hex0x(crypto::address_of(sample_key(1)).view()), Json::array({"0x0"}), "latest"});
    EXPECT_EQ(proof["nonce"], "0x1");
    EXPECT_FALSE(proof["accountProof"].empty());
    EXPECT_EQ(proof["storageProof"][0]["value"], "0x0");
}

TEST(Api, any_cut_of_a_request_gets_one_answer) {
    Bench bench;
    const std::string request =
        R"([{"jsonrpc":"2.0","id":"x","method":"eth_call","params":[{"to":"0x00000000000000000000000000000000000000ff"},"latest"]}])";
    for (std::size_t size = 0; size <= request.size(); ++size)
        EXPECT_FALSE(bench.text(request.substr(0, size)).empty());
}

}  // namespace
}  // namespace millrace::node
