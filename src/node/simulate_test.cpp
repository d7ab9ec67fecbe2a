// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// eth_simulateV1 and testing_buildBlockV1 on a chain in memory.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "node/api.hpp"
#include "node/sample_node.hpp"
#include "node/still_backend.hpp"

namespace millrace::node {
namespace {

using Json = nlohmann::json;

const std::string alice = "0xc000000000000000000000000000000000000000";
const std::string bob = "0xc100000000000000000000000000000000000000";

struct Bench {
    Bench() : backend{*node.chain}, api{backend, Api::Limits{}, "Millrace/test", Hash32{}} {}

    Json ask(const std::string& method, const Json& params) {
        const Json request{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
        Json answer;
        api.handle({}, request.dump(),
                   [&](const std::string& text) { answer = Json::parse(text); });
        return answer;
    }
    Json simulate(const Json& blocks, Json options = Json::object()) {
        options["blockStateCalls"] = blocks;
        return ask("eth_simulateV1", Json::array({options, "latest"}));
    }
    Json blocks(const Json& asked, const Json& options = Json::object()) {
        const Json answer = simulate(asked, options);
        EXPECT_TRUE(answer.contains("result")) << answer.dump();
        return answer.value("result", Json::array());
    }
    int code(const Json& asked, const Json& options = Json::object()) {
        const Json answer = simulate(asked, options);
        return answer.contains("error") ? answer["error"]["code"].get<int>() : 0;
    }

    Node node;
    StillBackend backend;
    Api api;
};

Json rich(const std::string& account) {
    return {{account, {{"balance", "0xffffffffffffffff"}}}};
}

TEST(Simulate, nothing_of_it_stays) {
    Bench bench;
    const Hash32 head = bench.node.chain->head().hash;
    const Json made =
        bench.blocks({{{"stateOverrides", rich(alice)},
                       {"calls", {{{"from", alice}, {"to", bob}, {"value", "0x5"}}}}}});
    EXPECT_EQ(made[0]["calls"][0]["status"], "0x1");
    EXPECT_EQ(made[0]["number"], "0x1");
    EXPECT_EQ(bench.node.chain->head().hash, head);
    EXPECT_EQ(bench.ask("eth_getBalance", {bob, "latest"})["result"], "0x0");
}

TEST(Simulate, a_block_tried_out_is_the_block_that_would_be_built) {
    Bench bench;
    const Json head = bench.ask("eth_getBlockByNumber", {"latest", false})["result"];
    const Json built =
        bench.ask("testing_buildBlockV1", {head["hash"],
                                           {{"timestamp", "0x500"},
                                            {"prevRandao", head["mixHash"]},
                                            {"suggestedFeeRecipient", bob},
                                            {"withdrawals", Json::array()},
                                            {"parentBeaconBlockRoot", head["mixHash"]}},
                                           Json::array()})["result"]["executionPayload"];
    const Json made = bench.blocks(
        {{{"blockOverrides",
           {{"time", "0x500"}, {"feeRecipient", bob}, {"gasLimit", built["gasLimit"]}}}}},
        {{"validation", true}});
    EXPECT_EQ(made[0]["hash"], built["blockHash"]);
    EXPECT_EQ(made[0]["stateRoot"], built["stateRoot"]);
}

TEST(Simulate, what_happens_stays_for_the_calls_and_blocks_after_it) {
    Bench bench;
    const Json call{{"from", alice}, {"to", bob}, {"value", "0x5"}};
    const Json made =
        bench.blocks({{{"stateOverrides", rich(alice)}, {"calls", {call, call}}},
                      {{"calls", {{{"from", bob}, {"to", alice}, {"value", "0xa"}}}}}},
                     {{"returnFullTransactions", true}});
    ASSERT_EQ(made.size(), 2U);
    EXPECT_EQ(made[0]["transactions"][1]["nonce"], "0x1");
    EXPECT_EQ(made[1]["transactions"][0]["from"], bob);
    EXPECT_EQ(made[1]["parentHash"], made[0]["hash"]);
    EXPECT_EQ(bench.code({{{"calls", {{{"from", bob}, {"to", alice}, {"value", "0xb"}}}}}}),
              -38014);
}

TEST(Simulate, gaps_between_numbers_are_filled) {
    Bench bench;
    const Json made = bench.blocks({{{"blockOverrides", {{"number", "0x4"}}}}});
    ASSERT_EQ(made.size(), 4U);
    for (std::size_t index = 1; index < made.size(); ++index) {
        EXPECT_EQ(made[index]["parentHash"], made[index - 1]["hash"]);
        EXPECT_EQ(made[index]["number"], to_rpc_quantity(U256{index + 1}));
    }
}

TEST(Simulate, numbers_and_times_ascend_within_bounds) {
    Bench bench;
    const auto number = [](const char* text) {
        return Json{{"blockOverrides", {{"number", text}}}};
    };
    const auto time = [](const char* text) { return Json{{"blockOverrides", {{"time", text}}}}; };
    EXPECT_EQ(bench.code(Json::array({number("0x0")})), -38020);
    EXPECT_EQ(bench.code(Json::array({number("0x3"), number("0x3")})), -38020);
    EXPECT_EQ(bench.code(Json::array({number("0x100")})), 0);
    EXPECT_EQ(bench.code(Json::array({number("0x101")})), -38026);
    EXPECT_EQ(bench.code(Json::array({number("0xffffffffffffffffffff")})), -38026);
    EXPECT_EQ(bench.code(Json::array({time("0x1")})), -38021);
    EXPECT_EQ(bench.code(Json::array({time("0x500"), time("0x500")})), -38021);
    EXPECT_EQ(bench.code(Json::array({time("0xffffffffffffffff"), Json::object()})), -38021);
    EXPECT_EQ(bench.code(Json::array()), -32602);
    EXPECT_EQ(bench.code({{{"calls", Json(5'001, Json::object())}}}), -38026);
}

TEST(Simulate, refusals_have_the_codes_of_the_specification) {
    Bench bench;
    const auto code = [&](Json call, bool validation) {
        call["from"] = alice;
        if (!call.contains("to")) call["to"] = bob;
        return bench.code({{{"stateOverrides", rich(alice)}, {"calls", {call}}}},
                          {{"validation", validation}});
    };
    EXPECT_EQ(code({{"nonce", "0x1"}, {"maxFeePerGas", "0xffffffff"}}, true), -38011);
    EXPECT_EQ(code({{"nonce", "0x1"}}, false), 0);
    EXPECT_EQ(code(Json::object(), true), -38012);
    EXPECT_EQ(code({{"gas", "0x5207"}}, false), -38013);
    EXPECT_EQ(code({{"gas", "0xffffffffffff"}}, false), -38015);
    EXPECT_EQ(code({{"maxFeePerGas", "0x1"}, {"maxPriorityFeePerGas", "0x2"}}, false), -32602);
    EXPECT_EQ(code({{"maxFeePerGas", "0x1"}, {"gasPrice", "0x2"}}, false), -32602);
}

TEST(Simulate, transfers_stand_between_the_logs_unless_their_frame_fails) {
    Bench bench;
    // LOG0, then 3 wei to alice, then LOG0.
    const Json sender{{"code",
                       "0x60006000a0"
                       "600060006000600060037"
                       "3c0" +
                           std::string(38, '0') + "5af15060006000a000"},
                      {"balance", "0xff"}};
    const Json failing{{"code", "0x60006000fd"}, {"balance", "0xff"}};
    const Json call{{"from", alice}, {"to", bob}, {"value", "0x7"}};
    Json overrides = rich(alice);
    overrides[bob] = sender;
    const Json one = bench.blocks({{{"stateOverrides", overrides}, {"calls", {call}}}},
                                  {{"traceTransfers", true}})[0]["calls"][0];
    ASSERT_EQ(one["status"], "0x1") << one.dump();
    ASSERT_EQ(one["logs"].size(), 4U);
    const std::string ether = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
    EXPECT_EQ(one["logs"][0]["address"], ether);
    EXPECT_EQ(one["logs"][1]["address"], bob);
    EXPECT_EQ(one["logs"][2]["address"], ether);
    EXPECT_EQ(one["logs"][3]["logIndex"], "0x3");
    overrides[bob] = failing;
    const Json two = bench.blocks({{{"stateOverrides", overrides}, {"calls", {call}}}},
                                  {{"traceTransfers", true}})[0]["calls"][0];
    EXPECT_EQ(two["status"], "0x0");
    EXPECT_EQ(two["error"]["code"], 3);
    EXPECT_TRUE(two["logs"].empty());
}

TEST(Simulate, a_moved_precompile_answers_there_and_no_more_at_home) {
    Bench bench;
    const std::string home = "0x0000000000000000000000000000000000000004";
    const Json calls = {{{"from", alice}, {"to", home}, {"input", "0x1234"}},
                        {{"from", alice}, {"to", bob}, {"input", "0x1234"}}};
    const Json made = bench.blocks(
        {{{"stateOverrides", {{home, {{"movePrecompileToAddress", bob}}}}}, {"calls", calls}},
         {{"calls", calls}}});
    EXPECT_EQ(made[0]["calls"][0]["returnData"], "0x");
    EXPECT_EQ(made[0]["calls"][1]["returnData"], "0x1234");
    EXPECT_EQ(made[1]["calls"][0]["returnData"], "0x1234");
    EXPECT_EQ(made[1]["calls"][1]["returnData"], "0x");
    EXPECT_EQ(bench.code({{{"stateOverrides", {{bob, {{"movePrecompileToAddress", alice}}}}}}}),
              -32000);
}

TEST(Simulate, all_calls_together_have_a_bound_of_gas) {
    Bench bench;
    // Runs until its gas is gone.
    const Json spender{{"stateOverrides", {{bob, {{"code", "0x5b600056"}}}}},
                       {"calls", {{{"from", alice}, {"to", bob}}}}};
    const Json answer = bench.simulate({spender, spender, spender});
    ASSERT_TRUE(answer.contains("error")) << answer.dump().substr(0, 400);
    EXPECT_EQ(answer["error"]["code"], -38013);  // 30 M, 20 M, nothing left
}

TEST(BuildBlock, a_transaction_that_cannot_be_in_it_is_an_error) {
    Bench bench;
    const Json head = bench.ask("eth_getBlockByNumber", {"latest", false})["result"];
    const Json attributes{{"timestamp", "0x500"},
                          {"prevRandao", head["mixHash"]},
                          {"suggestedFeeRecipient", bob},
                          {"withdrawals", Json::array()},
                          {"parentBeaconBlockRoot", head["mixHash"]}};
    const auto build = [&](std::uint64_t nonce) {
        const std::string raw = to_hex0x(sample_transfer(1, nonce, 9, 5).encode());
        return bench.ask("testing_buildBlockV1", {head["hash"], attributes, Json::array({raw})});
    };
    EXPECT_EQ(build(7)["error"]["code"], -32000);
    const Json built = build(0)["result"];
    EXPECT_EQ(built["executionPayload"]["gasUsed"], "0x5208");
    EXPECT_EQ(built["blockValue"], "0x5208");  // a tip of 1 wei
    EXPECT_EQ(bench.ask("eth_blockNumber", Json::array())["result"], "0x0");
}

}  // namespace
}  // namespace millrace::node
