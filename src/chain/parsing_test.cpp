// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gtest/gtest.h>

#include "chain/artifacts.hpp"
#include "chain/http.hpp"
#include "chain/network_file.hpp"
#include "chain/revert_reason.hpp"
#include "chain/send_status.hpp"
#include "chain/wallet_store.hpp"
#include "codec/abi.hpp"
#include "io/files.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::chain {
namespace {

TEST(HttpUrl, is_taken_apart) {
    const auto plain = parse_http_url("http://127.0.0.1:8545");
    ASSERT_TRUE(plain.has_value());
    EXPECT_EQ(plain->host, "127.0.0.1");
    EXPECT_EQ(plain->port, "8545");
    EXPECT_EQ(plain->target, "/");
    EXPECT_FALSE(plain->tls);
    const auto keyed = parse_http_url("https://node.example/v3/0123?x=1");
    ASSERT_TRUE(keyed.has_value());
    EXPECT_TRUE(keyed->tls);
    EXPECT_EQ(keyed->port, "443");
    EXPECT_EQ(keyed->target, "/v3/0123?x=1");
    EXPECT_EQ(keyed->name(), "https://node.example:443") << "without the key in its path";
    EXPECT_EQ(parse_http_url("http://[::1]:80/")->name(), "http://[::1]:80");
    EXPECT_EQ(parse_http_url("http://h?k=1")->target, "/?k=1");
}

TEST(HttpUrl, others_are_refused) {
    for (const char* bad :
         {"", "127.0.0.1:8545", "ws://x", "http://", "http://:80", "http://a:b", "http://a:123456",
          "http://user:secret@host", "ftp://user:secret@host", "ws://host/secret", "http://a b",
          "http://[::1", "http://[::1]x", "http://a\r\nHost:b"}) {
        const auto url = parse_http_url(bad);
        ASSERT_FALSE(url.has_value()) << bad;
        EXPECT_EQ(url.error().text().find("secret"), std::string::npos);
    }
    EXPECT_FALSE(parse_http_url("http://" + std::string(3000, 'a')).has_value());
}

Bytes joined(std::string_view signature, const codec::AbiList& values) {
    return codec::abi_call(signature, values).value();
}

TEST(RevertReason, names_errors_of_our_contracts_with_arguments) {
    using codec::AbiValue;
    EXPECT_EQ(revert_reason(
                  joined("OverCap(uint256,uint256)", {AbiValue::number(12), AbiValue::number(10)})),
              "OverCap(12, 10)");
    EXPECT_EQ(revert_reason(joined("ProofInvalid()", {})), "ProofInvalid");
    EXPECT_EQ(revert_reason(joined("NotThePayee(address)", {AbiValue::address(Address{{1}})})),
              "NotThePayee(0x0100000000000000000000000000000000000000)");
}

TEST(RevertReason, reads_the_standard_ones_and_survives_the_rest) {
    using codec::AbiValue;
    EXPECT_EQ(revert_reason({}), "without a reason");
    EXPECT_EQ(revert_reason(Bytes{1, 2}), "error 0x0102");
    EXPECT_EQ(revert_reason(Bytes{1, 2, 3, 4, 5}), "error 0x01020304");
    EXPECT_EQ(revert_reason(joined("Error(string)", {AbiValue::text("no\nway")})), "no?way");
    EXPECT_EQ(revert_reason(joined("Panic(uint256)", {AbiValue::number(0x11)})),
              "an arithmetic overflow (panic 0x11)");
    const Bytes cut =
        joined("OverCap(uint256,uint256)", {AbiValue::number(12), AbiValue::number(10)});
    for (std::size_t size = 4; size + 1 < cut.size(); ++size) {
        EXPECT_EQ(revert_reason(ByteView{cut}.first(size)), "OverCap");
    }
    EXPECT_LE(
        revert_reason(joined("Error(string)", {AbiValue::text(std::string(5000, 'a'))})).size(),
        400U);
}

TEST(SendStatus, knows_the_nodes_phrases) {
    struct Case {
        const char* words;
        SendStatus status;
    };
    constexpr Case cases[] = {
        {"already known", SendStatus::accepted},
        {"transaction already imported", SendStatus::accepted},
        {"Known transaction: 0x01", SendStatus::accepted},
        {"nonce too low: next nonce 5, tx nonce 3", SendStatus::nonce_too_low},
        {"Nonce too low. Expected nonce to be 5 but got 3.", SendStatus::nonce_too_low},
        {"Nonce too high. Expected nonce to be 5 but got 7.", SendStatus::nonce_too_high},
        {"replacement transaction underpriced", SendStatus::underpriced},
        {"max fee per gas less than block base fee: address 0x", SendStatus::underpriced},
        {"insufficient funds for gas * price + value", SendStatus::insufficient_funds},
        {"Sender doesn't have enough funds to send tx.", SendStatus::insufficient_funds},
        {"exceeds block gas limit", SendStatus::refused},
        {"", SendStatus::refused}};
    for (const Case& item : cases) {
        EXPECT_EQ(classify_send_error(item.words), item.status) << item.words;
    }
}

TEST(Artifacts, hold_code_for_every_contract) {
    ASSERT_EQ(artifacts().size(), 4U);
    for (const Artifact& artifact : artifacts()) {
        const Bytes code = creation_code(artifact.name);
        EXPECT_GT(code.size(), 500U) << artifact.name;
        EXPECT_TRUE(code[0] == 0x60 || code[0] == 0x61) << "solc begins with a push";
    }
}

NetworkFile sample_network() {
    NetworkFile network;
    network.name = "local";
    network.rpc_url = "http://127.0.0.1:8545";
    network.domain.chain_id = U256{5065036};
    network.domain.genesis = Hash32{{1, 2, 3}};
    network.domain.capabilities = Address{{1}};
    network.domain.providers = Address{{2}};
    network.domain.deposits = Address{{3}};
    network.domain.jobs = Address{{0xab, 0xcd}};
    network.dev = true;
    network.finality = {.use_tag = false, .depth = 0};
    return network;
}

TEST(NetworkFile, comes_back_as_written) {
    const io::TemporaryFolder folder;
    NetworkFile network = sample_network();
    for (const Finality finality : {Finality{.use_tag = false, .depth = 12}, Finality{}}) {
        network.finality = finality;
        const std::string path = folder / "network.toml";
        ASSERT_TRUE(write_network_file(path, network).has_value());
        const auto read = read_network_file(path);
        ASSERT_TRUE(read.has_value()) << read.error().text();
        EXPECT_EQ(*read, network);
    }
}

std::string problem(std::string text, std::string_view from, std::string_view to) {
    const std::size_t position = text.find(from);
    EXPECT_NE(position, std::string::npos) << from;
    text.replace(position, from.size(), to);
    const auto read = parse_network_file(text, "network.toml");
    EXPECT_FALSE(read.has_value()) << to;
    return read.has_value() ? "" : read.error().text();
}

TEST(NetworkFile, mistakes_name_line_and_key) {
    const std::string good = format_network_file(sample_network());
    const auto has = [](const std::string& message, const char* part) {
        return message.find(part) != std::string::npos;
    };
    EXPECT_TRUE(has(problem(good, "rpc_url", "rpc_ulr"), "did you mean rpc_url?"));
    EXPECT_TRUE(has(problem(good, "rpc_url", "rpc_ulr"), "network.toml:3"));
    EXPECT_TRUE(has(problem(good, "deposits =", "deposit ="), "did you mean contracts.deposits?"));
    EXPECT_TRUE(has(problem(good, "version = 1", "version = 2"), "newer"));
    EXPECT_TRUE(has(problem(good, "chain_id = 5065036", "chain_id = -1"), "chain_id"));
    EXPECT_TRUE(has(problem(good, "chain_id = 5065036\n", ""), "lacks chain_id"));
    EXPECT_TRUE(has(problem(good, "dev = true", "dev = 1"), "neither true nor false"));
    EXPECT_TRUE(has(problem(good, "finality = 0", "finality = \"soon\""), "finality"));
    EXPECT_TRUE(has(problem(good, "0x0102", "0x01"), "genesis"));
    EXPECT_TRUE(has(problem(good, "\n\n[contracts]", "\n[contracts"), "no TOML"));
    EXPECT_TRUE(has(problem(good, "\n\n[contracts]", "\n\n[[["), "no TOML"));
    EXPECT_TRUE(has(read_network_file("/nonexistent/network.toml").error().text(), "millrace up"));
}

TEST(WalletStore, keys_are_private_whole_and_never_overwritten) {
    const io::TemporaryFolder folder;
    const std::string path = wallet_path(folder.path(), "mine").value();
    const auto key = create_key(path, "secret", crypto::scrypt_light);
    ASSERT_TRUE(key.has_value()) << key.error().text();
    const auto loaded = load_key(path, "secret");
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(to_hex(loaded->bytes()), to_hex(key->bytes()));
    EXPECT_EQ(address_of_file(path).value(), crypto::address_of(*key));
    EXPECT_FALSE(create_key(path, "secret", crypto::scrypt_light).has_value());
    const auto wrong = load_key(path, "Secret");
    ASSERT_FALSE(wrong.has_value());
    EXPECT_NE(wrong.error().what.find("password"), std::string::npos);
    EXPECT_NE(load_key(folder / "none.json", "x").error().what.find("no key file"),
              std::string::npos);
    const auto again = load_or_create_key(path, "secret");
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(crypto::address_of(*again), crypto::address_of(*key));
}

TEST(WalletStore, names_stay_inside_the_folder) {
    for (const char* bad : {"", "..", ".hidden", "a/b", "../x", "A", "a b"}) {
        EXPECT_FALSE(wallet_path("/home", bad).has_value()) << bad;
    }
    EXPECT_EQ(wallet_path("/home", "a.b-c_1").value(), "/home/wallets/a.b-c_1.json");
}

TEST(WalletStore, a_password_file_is_its_first_line) {
    const io::TemporaryFolder folder;
    const std::string path = folder / "password";
    ASSERT_TRUE(io::atomic_write_file(path, as_bytes("pa ss\r\nmore\n")).has_value());
    EXPECT_EQ(read_password_file(path).value(), "pa ss");
}

}  // namespace
}  // namespace millrace::chain
