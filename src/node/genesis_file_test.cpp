// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/genesis_file.hpp"

#include <gtest/gtest.h>

#include <array>

#include "node/json_depth.hpp"
#include "state/database.hpp"

namespace millrace::node {
namespace {

constexpr std::string_view sample = R"({
  "config": {"chainId": 5065036, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
             "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "istanbulBlock": 0,
             "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
             "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0,
             "bpo1Time": 100, "blobSchedule": {
               "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
               "bpo1": {"target": 10, "max": 15, "baseFeeUpdateFraction": 8346193}}},
  "nonce": "0x42", "timestamp": "0x0", "extraData": "0x6c6162", "gasLimit": "30000000",
  "baseFeePerGas": "0x7",
  "alloc": {
    "0x00000000000000000000000000000000000000aa": {"balance": "1000", "nonce": "0x1"},
    "00000000000000000000000000000000000000bb": {"balance": "0x0", "code": "0x6001",
        "storage": {"0x1": "0x2", "0x03": "0x00"}},
    "0x00000961ef480eb55e80d19ad83579a64c007002": {"balance": "0", "code": "0x00"},
    "0x0000bbddc7ce488642fb579f8b00f3a590007251": {"balance": "0", "code": "0x00"}},
  "millrace": {"network": "lab", "development": true,
               "producers": ["0x00000000000000000000000000000000000000aa"]}
})";

ledger::Genesis read(std::string_view text) {
    auto genesis = read_genesis(text);
    EXPECT_TRUE(genesis.has_value()) << (genesis ? "" : genesis.error().text());
    return genesis ? std::move(genesis).value() : ledger::Genesis{};
}

std::string refusal(std::string text, std::string_view old_part, std::string_view new_part) {
    const std::size_t at = text.find(old_part);
    EXPECT_NE(at, std::string::npos);
    text.replace(at, old_part.size(), new_part);
    const auto genesis = read_genesis(text);
    EXPECT_FALSE(genesis.has_value()) << new_part;
    return genesis ? "" : genesis.error().text();
}

TEST(GenesisFile, what_is_written_is_what_is_read) {
    const ledger::Genesis genesis = read(sample);
    EXPECT_EQ(genesis.config.chain_id, 5065036U);
    EXPECT_EQ(genesis.config.petersburg_block, 0U);
    EXPECT_EQ(genesis.config.paris_block, 0U);
    EXPECT_EQ(genesis.config.osaka_time, 0U);
    EXPECT_EQ(genesis.config.blob_schedules.at(0).max, 6U);
    EXPECT_EQ(genesis.config.blob_schedules.at(100).target, 10U);
    EXPECT_FALSE(genesis.config.blob_transactions);
    EXPECT_EQ(genesis.network, "lab");
    EXPECT_TRUE(genesis.development);
    ASSERT_EQ(genesis.producers.size(), 1U);
    EXPECT_EQ(genesis.header.gas_limit, 30'000'000U);
    EXPECT_EQ(genesis.header.nonce[7], 0x42);
    EXPECT_EQ(genesis.header.base_fee, U256{7});
    EXPECT_EQ(genesis.header.difficulty, U256{});
    ASSERT_EQ(genesis.state.accounts.size(), 4U);

    const std::string text = write_genesis(genesis);
    const ledger::Genesis again = read(text);
    EXPECT_EQ(again.config, genesis.config) << text;
    EXPECT_EQ(again.header, genesis.header);
    EXPECT_EQ(again.producers, genesis.producers);
    EXPECT_EQ(write_genesis(again), text);
}

TEST(GenesisFile, a_slot_of_zero_is_no_slot) {
    const ledger::Genesis genesis = read(sample);
    const auto contract =
        fixed_from_hex<Address>("00000000000000000000000000000000000000bb").value();
    const auto& storage = genesis.state.accounts.at(contract).storage;
    ASSERT_EQ(storage.size(), 1U);
    EXPECT_EQ(storage.at(U256{1}), U256{2});
}

TEST(GenesisFile, a_wrong_value_is_named_by_its_path) {
    const std::string text{sample};
    EXPECT_NE(refusal(text, "\"londonBlock\": 0", "\"londonBlock\": \"x\"")
                  .find("config.londonBlock is no number"),
              std::string::npos);
    EXPECT_NE(refusal(text, "\"1000\"", "\"ten\"")
                  .find("alloc.0x00000000000000000000000000000000000000aa.balance"),
              std::string::npos);
    EXPECT_NE(refusal(text, "\"target\": 10", "\"target\": 99").find("config.blobSchedule.bpo1"),
              std::string::npos);
    EXPECT_NE(refusal(text, "\"0x1\": \"0x2\"", "\"0x1\": \"y\"").find(".storage.0x1"),
              std::string::npos);
}

TEST(GenesisFile, an_unknown_key_of_millrace_names_the_nearest) {
    EXPECT_NE(refusal(std::string{sample}, "\"development\"", "\"developement\"")
                  .find("did you mean development?"),
              std::string::npos);
}

TEST(GenesisFile, upgrades_stand_in_their_order) {
    const std::string text{sample};
    refusal(text, "\"berlinBlock\": 0", "\"berlinBlock\": 5");
    refusal(text, "\"berlinBlock\": 0,", "");
    refusal(text, "\"cancunTime\": 0", "\"cancunTime\": 9");
    refusal(text, "\"osakaTime\": 0", "\"osakaTime\": 0, \"amsterdamTime\": 9");
    refusal(text, "\"terminalTotalDifficulty\": 0,", "");
    refusal(text, "\"terminalTotalDifficulty\": 0", "\"terminalTotalDifficulty\": 17");
}

TEST(GenesisFile, an_account_stands_once) {
    refusal(std::string{sample}, "00000000000000000000000000000000000000bb",
            "0X00000000000000000000000000000000000000aa");
    refusal(std::string{sample}, "\"00000000000000000000000000000000000000bb",
            "\"00000000000000000000000000000000000000aa");
}

TEST(GenesisFile, without_a_millrace_object_ethereum_rules_hold) {
    std::string text{sample};
    text.replace(text.find("\"millrace\""), 10, "\"other\"");
    const ledger::Genesis genesis = read(text);
    EXPECT_TRUE(genesis.config.blob_transactions);
    EXPECT_FALSE(genesis.development);
}

TEST(GenesisFile, every_cut_is_refused) {
    for (std::size_t size = 0; size < sample.size(); ++size)
        ASSERT_FALSE(read_genesis(sample.substr(0, size)).has_value()) << size;
}

TEST(GenesisFile, contracts_that_must_answer_after_each_block_are_there) {
    // EIP-7002 and EIP-7251: without their code the block is invalid.
    const std::string text{sample};
    for (const std::string_view address : {"0x00000961ef480eb55e80d19ad83579a64c007002",
                                           "0x0000bbddc7ce488642fb579f8b00f3a590007251"}) {
        const std::string told =
            refusal(text, address, "0x0000000000000000000000000000000000000000");
        EXPECT_NE(told.find(address), std::string::npos) << told;
        EXPECT_NE(told.find("millrace node genesis"), std::string::npos) << told;
    }
    refusal(text, "7002\": {\"balance\": \"0\", \"code\": \"0x00\"}",
            "7002\": {\"balance\": \"0\"}");
    // Before prague nobody calls them.
    std::string earlier = text;
    earlier.replace(earlier.find("\"pragueTime\": 0, \"osakaTime\": 0,"), 34, "");
    earlier.replace(earlier.find("7002\""), 4, "7003");
    read(earlier);
}

TEST(GenesisFile, what_is_no_json_is_refused_wherever_it_stands) {
    const std::string text{sample};
    for (const auto& [sound, broken] : std::initializer_list<std::array<const char*, 2>>{
             {"\"1000\"", "\"10\\u00\""},
             {"\"1000\"", "01"},
             {"\"nonce\": \"0x1\"}", "\"nonce\": \"0x1\",}"},
             {"\"nonce\": \"0x1\"}", "\"other\": [}"},
             {"\"0x1\": \"0x2\"", "\"0x1\" \"0x2\""},
             {"\"0x1\": \"0x2\",", "\"0x1\": \"0x2\" \"0x4\": \"0x5\","},
             {"\"0x1\": \"0x2\"", "\"0x1\": 0x2"},
             {"\"extraData\":", "\"extra\x01\": 1, \"extraData\":"},
             {"\"extraData\":", "nothing: 1, \"extraData\":"}}) {
        const std::string told = refusal(text, sound, broken);
        EXPECT_NE(told.find("is not JSON (byte "), std::string::npos) << broken << ": " << told;
    }
    EXPECT_FALSE(read_genesis(text + "x").has_value());
    EXPECT_FALSE(read_genesis("[]").has_value());
}

TEST(GenesisFile, what_stands_beside_the_accounts_is_bounded) {
    std::string text{sample};
    text.replace(text.find("\"nonce\": \"0x42\""), 0,
                 "\"foreign\": \"" + std::string(2u << 20, 'x') + "\", ");
    const auto genesis = read_genesis(text);
    ASSERT_FALSE(genesis.has_value());
    EXPECT_NE(genesis.error().text().find("1 MiB"), std::string::npos);
    const std::string twice{sample};
    EXPECT_NE(refusal(twice, "\"nonce\": \"0x42\"", "\"alloc\": {}").find("given twice"),
              std::string::npos);
}

TEST(GenesisFile, parts_make_up_the_whole_whatever_their_size) {
    const ledger::Genesis whole = read(sample);
    for (const std::size_t rows_max : {1u, 2u, 3u, 100u}) {
        auto file = GenesisFile::open(std::string{sample}, rows_max);
        ASSERT_TRUE(file.has_value());
        ASSERT_TRUE(file->check_accounts().has_value());
        state::StateDiff all;
        std::size_t parts = 0;
        bool ended = false;
        EXPECT_TRUE(file->each_part([&](state::StateDiff part, bool is_last) {
            EXPECT_FALSE(ended);
            EXPECT_LE(part.accounts.size(), rows_max);
            all.merge(std::move(part));
            ended = is_last;
            ++parts;
            return true;
        }));
        EXPECT_TRUE(ended);
        EXPECT_GE(parts, 5 / rows_max);
        EXPECT_EQ(state::StateDatabase::root_of(all), state::StateDatabase::root_of(whole.state));
        EXPECT_EQ(file->state_root(), state::StateDatabase::root_of(whole.state));
    }
}

TEST(JsonDepth, brackets_in_strings_do_not_count) {
    EXPECT_TRUE(json_nests_within("1", 0));
    EXPECT_FALSE(json_nests_within("[]", 0));
    EXPECT_TRUE(json_nests_within("[[],{}]", 2));
    EXPECT_FALSE(json_nests_within("[[],{\"a\":[]}]", 2));
    EXPECT_TRUE(json_nests_within(R"(["[[[[","\"[[[["])", 1));
    EXPECT_FALSE(json_nests_within(R"(["\\",[]])", 1));
    EXPECT_FALSE(json_nests_within(std::string(100'000, '['), 64));
}

}  // namespace
}  // namespace millrace::node
