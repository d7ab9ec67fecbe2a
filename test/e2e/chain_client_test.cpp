// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The chain client against a real development node, whose address is in MILLRACE_TEST_RPC:
//     node contracts/test/support/chain.mjs anvil|hardhat build/…/millrace_chain_node_test
// Every test brings its own accounts, so their order does not matter.

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "chain/chain_client.hpp"
#include "chain/deploy.hpp"
#include "chain/http.hpp"
#include "chain/transaction_sender.hpp"
#include "crypto/merkle.hpp"
#include "io/entropy.hpp"
#include "market/contract_calls.hpp"

namespace millrace::chain {
namespace {

constexpr Duration patience{60'000};

/// Key 0 of the mnemonic that anvil and hardhat fund.
crypto::SecretKey rich_key() {
    const auto bytes = from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    return *crypto::SecretKey::from(*bytes);
}

crypto::SecretKey fresh_key() {
    for (;;) {
        const auto key = crypto::SecretKey::from(io::random_hash().view());
        if (key) return *key;
    }
}

Amount coins(const char* text) {
    return *parse_amount(text);
}

class ChainNode : public testing::Test {
  protected:
    void SetUp() override {
        const char* url = std::getenv("MILLRACE_TEST_RPC");
        if (url == nullptr) GTEST_SKIP() << "no node: set MILLRACE_TEST_RPC (see this file's head)";
        url_ = url;
        auto client = ChainClient::connect(
            url_, {.timeout = Duration{20'000}, .finality = {.use_tag = false, .depth = 0}});
        ASSERT_TRUE(client.has_value()) << client.error().text();
        client_ = std::move(*client);
    }

    /// Methods that only development nodes have.
    void node(const std::string& method, const std::string& parameters = "[]") {
        HttpClient http{*parse_http_url(url_)};
        const auto answer = http.post(
            R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + parameters + "}",
            patience);
        ASSERT_TRUE(answer.has_value());
        ASSERT_EQ(answer->find("\"error\""), std::string::npos) << *answer;
    }

    crypto::SecretKey funded(const char* amount) {
        const crypto::SecretKey key = fresh_key();
        node("hardhat_setBalance", R"([")" + to_hex0x(crypto::address_of(key).view()) + R"(",")" +
                                       to_rpc_quantity(coins(amount).wei) + R"("])");
        return key;
    }

    Amount balance(const Address& account) { return client_->balance(account).value(); }

    TransactionSender::Request payment(const Address& to, const char* amount) {
        TransactionSender::Request request;
        request.to = to;
        request.value = coins(amount);
        request.purpose = "pay";
        return request;
    }

    std::string url_;
    std::unique_ptr<ChainClient> client_;
};

TEST_F(ChainNode, answers_the_plain_questions) {
    EXPECT_EQ(client_->chain_id(), 31337U);
    EXPECT_FALSE(client_->genesis_hash()->is_zero());
    EXPECT_FALSE(client_->client_version()->empty());
    EXPECT_GT(client_->block_time().value(), 1'600'000'000U);
    EXPECT_GT(balance(crypto::address_of(rich_key())), coins("100"));
    EXPECT_EQ(client_->finalized_height().value(), client_->block_number().value());
    EXPECT_TRUE(client_->code(Address{{0x77}})->empty());
    const auto tagged = ChainClient::connect(url_);
    ASSERT_TRUE(tagged.has_value());
    EXPECT_LE((*tagged)->finalized_height().value(), (*tagged)->block_number().value());
    EXPECT_TRUE((*tagged)->balance(Address{{0x77}}, BlockTag::finalized).has_value());
    EXPECT_FALSE(client_->receipt(Hash32{{1}})->has_value());
    EXPECT_FALSE(client_->knows_transaction(Hash32{{1}}).value());
}

TEST_F(ChainNode, a_payment_arrives_once_and_the_books_balance) {
    const auto key = funded("10");
    const Address target = crypto::address_of(fresh_key());
    TransactionSender sender{*client_, key};
    const auto receipt = sender.send(payment(target, "1.5"), patience);
    ASSERT_TRUE(receipt.has_value()) << receipt.error().text();
    EXPECT_TRUE(receipt->succeeded);
    EXPECT_EQ(balance(target), coins("1.5"));
    const auto gas = checked_mul(receipt->gas_price, U256{receipt->gas_used});
    const auto left = checked_sub(coins("8.5"), Amount{*gas});
    EXPECT_EQ(balance(sender.account()), *left);
    EXPECT_TRUE(sender.open().empty());
}

TEST_F(ChainNode, an_unfunded_account_is_told_what_it_has_and_needs) {
    TransactionSender sender{*client_, fresh_key()};
    const auto sent = sender.submit(payment(Address{{9}}, "1"));
    ASSERT_FALSE(sent.has_value());
    EXPECT_NE(sent.error().what.find("it has 0 and needs 1"), std::string::npos)
        << sent.error().text();
    const auto poor = funded("1");
    TransactionSender almost{*client_, poor};
    const auto refused = almost.submit(payment(Address{{9}}, "1"));
    ASSERT_FALSE(refused.has_value()) << "gas is to be paid, too";
    EXPECT_NE(refused.error().what.find("cannot pay"), std::string::npos);
}

TEST_F(ChainNode, what_was_written_down_before_a_crash_is_sent_again_and_only_that) {
    const auto key = funded("10");
    const Address target = crypto::address_of(fresh_key());
    std::vector<SignedAttempt> journal;
    {
        // The process dies right after the journal's write: the node never hears of it.
        TransactionSender dying{
            *client_,
            key,
            {.persist = [&journal](const SignedAttempt& attempt) -> Outcome<void> {
                 journal.push_back(attempt);
                 return Err{Failure{"died", "", ""}};
             },
             .forget = {}},
            {}};
        EXPECT_FALSE(dying.submit(payment(target, "1")).has_value());
    }
    ASSERT_EQ(journal.size(), 1U);
    EXPECT_EQ(balance(target), Amount{});
    for (int restart = 0; restart < 3; ++restart) {
        // Restarted again and again with the same journal: mined once.
        std::vector<std::uint64_t> forgotten;
        TransactionSender sender{
            *client_,
            key,
            {.persist = {},
             .forget = [&forgotten](std::uint64_t nonce) { forgotten.push_back(nonce); }},
            {}};
        sender.resume(journal);
        const auto receipt = sender.wait(journal[0].hash, patience);
        ASSERT_TRUE(receipt.has_value()) << receipt.error().text();
        EXPECT_EQ(forgotten, std::vector<std::uint64_t>{journal[0].nonce});
        EXPECT_EQ(balance(target), coins("1"));
    }
    EXPECT_EQ(client_->nonce(crypto::address_of(key)).value(), 1U);
}

TEST_F(ChainNode, a_resumed_sender_continues_behind_what_is_open) {
    const auto key = funded("10");
    const Address target = crypto::address_of(fresh_key());
    types::Transaction old;
    old.chain_id = client_->chain_id();
    old.max_fee_per_gas = client_->suggest_fees()->max_fee_per_gas;
    old.gas_limit = 21'000;
    old.to = target;
    old.value = coins("1");
    const auto made = types::sign_transaction(old, key);
    TransactionSender sender{*client_, key};
    sender.resume({{.nonce = 0, .hash = made.hash(), .raw = made.encode(), .purpose = "old"}});
    const auto next = sender.send(payment(target, "2"), patience);
    ASSERT_TRUE(next.has_value()) << next.error().text();
    ASSERT_TRUE(sender.wait(made.hash(), patience).has_value());
    EXPECT_EQ(balance(target), coins("3"));
    EXPECT_EQ(client_->nonce(sender.account()).value(), 2U);
}

TEST_F(ChainNode, a_nonce_another_program_took_is_noticed) {
    const auto key = funded("10");
    const Address target = crypto::address_of(fresh_key());
    TransactionSender first{*client_, key};
    TransactionSender second{*client_, key};
    ASSERT_TRUE(first.send(payment(target, "1"), patience).has_value());
    ASSERT_TRUE(second.send(payment(target, "1"), patience).has_value());
    const auto behind = first.send(payment(target, "1"), patience);
    ASSERT_TRUE(behind.has_value()) << behind.error().text();
    EXPECT_EQ(balance(target), coins("3"));
}

TEST_F(ChainNode, a_stuck_transaction_gets_a_higher_fee_and_is_mined_once) {
    const auto key = funded("10");
    const Address target = crypto::address_of(fresh_key());
    node("evm_setAutomine", "[false]");
    std::size_t persisted = 0;
    TransactionSender sender{
        *client_,
        key,
        {.persist = [&persisted](const SignedAttempt&) -> Outcome<void> {
             ++persisted;
             return {};
         },
         .forget = {}},
        {.poll_interval = Duration{5}, .bump_after = Duration{0}, .bumps_max = 2}};
    const auto hash = sender.submit(payment(target, "1"));
    ASSERT_TRUE(hash.has_value()) << hash.error().text();
    const auto waiting = sender.wait(*hash, Duration{500});
    ASSERT_FALSE(waiting.has_value());
    EXPECT_NE(waiting.error().what.find("not mined yet"), std::string::npos);
    EXPECT_EQ(persisted, 3U) << "the first and two bumps, each written down first";
    EXPECT_EQ(sender.open().size(), 3U);
    node("evm_setAutomine", "[true]");
    node("evm_mine");
    const auto receipt = sender.wait(*hash, patience);
    ASSERT_TRUE(receipt.has_value()) << receipt.error().text();
    EXPECT_EQ(balance(target), coins("1"));
    EXPECT_EQ(client_->nonce(sender.account()).value(), 1U);
    EXPECT_TRUE(sender.open().empty());
}

TEST_F(ChainNode, a_stopped_wait_ends) {
    const auto key = funded("10");
    TransactionSender sender{*client_, key};
    node("evm_setAutomine", "[false]");
    const auto hash = sender.submit(payment(Address{{9}}, "1"));
    ASSERT_TRUE(hash.has_value());
    std::thread other{[&sender] { sender.stop(); }};
    EXPECT_FALSE(sender.wait(*hash, patience).has_value());
    other.join();
    node("evm_setAutomine", "[true]");
    node("evm_mine");
}

TEST(ChainUnreachable, says_where_and_what_to_do) {
    const auto client = ChainClient::connect("http://127.0.0.1:1");
    ASSERT_FALSE(client.has_value());
    EXPECT_NE(client.error().text().find("http://127.0.0.1:1"), std::string::npos);
    EXPECT_FALSE(client.error().remedy.empty());
}

/// Contracts of this test program's own, deployed once.
class Market : public ChainNode {
  protected:
    void SetUp() override {
        ChainNode::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        static const Outcome<Deployment> deployed = [this] {
            TransactionSender sender{*client_, funded("100")};
            DeployParameters parameters;
            parameters.expiry_min = 60;
            return deploy_contracts(*client_, sender, parameters, patience);
        }();
        ASSERT_TRUE(deployed.has_value()) << deployed.error().text();
        domain_ = deployed->domain;
    }

    Outcome<TransactionReceipt> send(const crypto::SecretKey& key, const Address& contract,
                                     Bytes call, const Amount& value = {}) {
        TransactionSender sender{*client_, key};
        TransactionSender::Request request;
        request.to = contract;
        request.value = value;
        request.data = std::move(call);
        request.purpose = "call";
        return sender.send(request, patience);
    }

    types::SettlementDomain domain_;
};

TEST_F(Market, is_found_by_its_capabilities) {
    EXPECT_EQ(read_capabilities(*client_, domain_.capabilities).value(), domain_);
    const auto none = read_capabilities(*client_, Address{{0x77}});
    ASSERT_FALSE(none.has_value());
    EXPECT_NE(none.error().what.find("no Capabilities contract"), std::string::npos);
}

TEST_F(Market, a_voucher_signed_here_is_paid_there) {
    const auto payer = funded("10");
    const auto payee = funded("10");
    const Address payee_address = crypto::address_of(payee);
    const Address payer_address = crypto::address_of(payer);
    ASSERT_TRUE(send(payer, domain_.deposits, market::encode_deposit(payer_address), coins("5"))
                    .has_value());
    const auto tree = crypto::SumTree::build({{.payee = Address{{1}}, .cap = coins("1").wei},
                                              {.payee = payee_address, .cap = coins("2").wei},
                                              {.payee = Address{{3}}, .cap = coins("1").wei}});
    ASSERT_TRUE(tree);
    const std::uint64_t expiry = client_->block_time().value() + 3600;
    const auto allocated =
        send(payer, domain_.deposits,
             market::encode_allocate(tree->root().hash, Amount{tree->total()}, 3, expiry));
    ASSERT_TRUE(allocated.has_value()) << allocated.error().text();
    ASSERT_EQ(allocated->logs.size(), 1U);
    const auto event = market::decode_allocated(allocated->logs[0].topics, allocated->logs[0].data);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->payer, payer_address);
    EXPECT_EQ(event->root, tree->root().hash);

    market::SettleClaim claim;
    claim.voucher = {.payer = payer_address,
                     .payee = payee_address,
                     .allocation = event->allocation,
                     .cumulative = coins("1.25"),
                     .tasks = 3};
    claim.signature = crypto::sign(payer, claim.voucher.digest(domain_));
    claim.proof.index = 1;
    claim.proof.cap = coins("2");
    for (const auto& node : tree->proof(1)) {
        claim.proof.path.push_back({.sibling = node.hash, .sum = Amount{from_word(node.sum)}});
    }
    const auto view = market::decode_allocation(
        client_
            ->call(domain_.deposits, market::encode_allocation(payer_address, event->allocation),
                   BlockTag::finalized)
            .value());
    ASSERT_TRUE(view.has_value());
    EXPECT_TRUE(market::proof_holds(*view, payee_address, claim.proof));

    // Anyone may submit it; the money goes to the payee.
    const Amount before = balance(payee_address);
    const auto settled = send(payer, domain_.deposits, market::encode_settle(claim));
    ASSERT_TRUE(settled.has_value()) << settled.error().text();
    EXPECT_EQ(checked_sub(balance(payee_address), before), coins("1.25"));
    EXPECT_EQ(market::decode_amount(
                  client_
                      ->call(domain_.deposits, market::encode_settled(
                                                   payer_address, event->allocation, payee_address))
                      .value())
                  .value(),
              coins("1.25"));

    const auto events = client_->logs(
        {.block_first = settled->block,
         .block_last = settled->block,
         .address = domain_.deposits,
         .topics = {market::settled_topic(), std::nullopt, market::address_topic(payee_address)}});
    ASSERT_TRUE(events.has_value()) << events.error().text();
    ASSERT_EQ(events->size(), 1U);
    const auto paid = market::decode_settled(events->at(0).topics, events->at(0).data);
    ASSERT_TRUE(paid);
    EXPECT_EQ(paid->amount, coins("1.25"));
    EXPECT_EQ(paid->tasks, 3U);

    claim.voucher.cumulative = coins("3");
    claim.signature = crypto::sign(payer, claim.voucher.digest(domain_));
    const auto over = send(payer, domain_.deposits, market::encode_settle(claim));
    ASSERT_FALSE(over.has_value());
    EXPECT_NE(over.error().what.find("OverCap(3000000000000000000, 2000000000000000000)"),
              std::string::npos)
        << over.error().text();
}

TEST_F(Market, a_mined_revert_names_its_reason) {
    const auto key = funded("10");
    TransactionSender sender{*client_, key};
    TransactionSender::Request request;
    request.to = domain_.deposits;
    request.data = market::encode_withdraw();
    request.purpose = "withdraw nothing";
    request.gas_limit = 200'000;  // no estimate that would find it out
    const auto outcome = sender.send(request, patience);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_NE(outcome.error().what.find("NothingPending"), std::string::npos)
        << outcome.error().text();
    EXPECT_TRUE(sender.open().empty());
    request.gas_limit.reset();
    const auto estimated = sender.submit(request);
    ASSERT_FALSE(estimated.has_value());
    EXPECT_NE(estimated.error().what.find("NothingPending"), std::string::npos);
    const auto called = client_->try_call(
        {.from = sender.account(), .to = domain_.deposits, .value = {}, .data = request.data});
    ASSERT_TRUE(called.has_value());
    EXPECT_TRUE(called->reverted);
    EXPECT_EQ(called->reason, "NothingPending");
}

TEST_F(Market, a_provider_registers_and_is_listed) {
    const auto key = funded("10");
    const Address owner = crypto::address_of(key);
    const market::ProviderTerms terms{.node_key = Hash32{{7}},
                                      .endpoint = "127.0.0.1:4711",
                                      .price = Amount{U256{1'000'000}},
                                      .slots = 2};
    const auto registered =
        send(key, domain_.providers, market::encode_register(terms, owner, owner), coins("1"));
    ASSERT_TRUE(registered.has_value()) << registered.error().text();
    const auto page = market::decode_provider_page(
        client_->call(domain_.providers, market::encode_provider_page(0, 100)).value());
    ASSERT_TRUE(page.has_value());
    ASSERT_FALSE(page->empty());
    EXPECT_EQ(page->back().provider, owner);
    EXPECT_EQ(page->back().endpoint, "127.0.0.1:4711");
    EXPECT_EQ(page->back().stake, coins("1"));
    EXPECT_TRUE(page->back().active);
}

}  // namespace
}  // namespace millrace::chain
