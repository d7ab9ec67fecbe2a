// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "market/contract_calls.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "crypto/merkle.hpp"

// Expected bytes and hashes were made with ethers 6 from contracts/artifacts.

namespace millrace::market {
namespace {

Address A(std::uint8_t byte) {
    Address address;
    address.bytes.fill(byte);
    return address;
}
Hash32 H(std::uint8_t byte) {
    Hash32 hash;
    hash.bytes.fill(byte);
    return hash;
}
types::Signature S(std::uint8_t byte) {
    types::Signature signature;
    signature.bytes.fill(byte);
    return signature;
}
Amount wei(std::uint64_t number) {
    return Amount{U256{number}};
}
std::string hash_of(ByteView data) {
    return to_hex(crypto::keccak256(data).view());
}
std::string selector_of(const Bytes& call) {
    return to_hex(ByteView{call}.first(4));
}
/// One word per number.
Bytes words(std::initializer_list<std::uint64_t> numbers) {
    Bytes result;
    for (const std::uint64_t number : numbers) {
        const Hash32 word = to_word(U256{number});
        result.insert(result.end(), word.bytes.begin(), word.bytes.end());
    }
    return result;
}

SettleClaim sample_claim() {
    return {
        .voucher = {.payer = A(1),
                    .payee = A(2),
                    .allocation = 3,
                    .cumulative = *parse_amount("4"),
                    .tasks = 5},
        .signature = S(6),
        .proof = {.allocation = 3,
                  .index = 1,
                  .cap = *parse_amount("7"),
                  .path = {{.sibling = H(8), .sum = wei(9)}, {.sibling = H(10), .sum = wei(11)}}},
        .close = true};
}

SignedReceipt sample_receipt(std::uint8_t byte) {
    return {.lease = {.job = H(1),
                      .task = H(2),
                      .replica = 3,
                      .requestor = A(4),
                      .provider = A(5),
                      .fuel_limit = Fuel{6},
                      .price = wei(7),
                      .deadline = 8},
            .lease_signature = S(9),
            .receipt = {.lease = H(byte),
                        .task = H(2),
                        .result_id = H(static_cast<std::uint8_t>(byte + 1)),
                        .fuel = Fuel{12}},
            .receipt_signature = S(13)};
}

TEST(ContractCalls, calls_with_structs_are_what_ethers_encodes) {
    SettleClaim open = sample_claim();
    open.proof.path.clear();
    open.close = false;
    EXPECT_EQ(hash_of(encode_settle(sample_claim())),
              "b6d56dd3b5dc6a5014161347ab1ca171de036e799b04480bb252c4b588fc4b0f");
    EXPECT_EQ(hash_of(encode_settle_batch({sample_claim(), open})),
              "7ceb5580d64ab21cf88e5b7f832f2bb75fa1d1148f6c5f415717bebe3309aa5e");
    EXPECT_EQ(hash_of(encode_allocate(H(1), wei(2), 3, 4)),
              "ff862c6b0aad6de2578d587348bddcf2bab7c4bce1a03e4895ed69db9bc70fe4");
    const ProviderTerms terms{
        .node_key = H(1), .endpoint = "127.0.0.1:4711", .price = wei(2), .slots = 3};
    EXPECT_EQ(hash_of(encode_register(terms, A(4), A(5))),
              "77960c957e877f98c1d799316e6f9378c83e1c28b4becd8487424aa652f50b46");
    EXPECT_EQ(hash_of(encode_update(A(9), terms)),
              "c1c81f6a76c5b6e3d77179d9ce304c4dabe5acd6e06c9580242cffa64424723c");
    EXPECT_EQ(hash_of(encode_report_contradiction(sample_receipt(20), sample_receipt(30),
                                                  sample_receipt(40))),
              "e084427d7d86f944eb0e8b9f26d90c305252dac3c5e99e496a00aed5f6428402");
    EXPECT_EQ(hash_of(encode_post_job(H(1), 2, wei(3))),
              "59841b978402eb20aa2c4699b37c489ed768a176c8223d57142a1d02ae1ac3f9");
    EXPECT_EQ(hash_of(encode_is_reported(A(1), H(2), H(3), A(4))),
              "749be05924d95793d4e95d28cfbcec1d4ff374f09cc1044a505f1fb15d408450");
}

TEST(ContractCalls, selectors_are_the_contracts) {
    const std::vector<std::pair<Bytes, const char*>> calls = {
        {encode_deposit(A(1)), "f340fa01"},
        {encode_release(1), "37bdc99b"},
        {encode_request_withdrawal(wei(1)), "9ee679e8"},
        {encode_cancel_withdrawal(), "22611280"},
        {encode_withdraw(), "3ccfd60b"},
        {encode_free(A(1)), "c9b5bb17"},
        {encode_allocation_count(A(1)), "3452153e"},
        {encode_settled(A(1), 2, A(3)), "34985805"},
        {encode_settled_tasks(A(1), 2, A(3)), "2975c858"},
        {encode_closed(A(1), 2, A(3)), "a8efaca6"},
        {encode_withdrawal_delay(), "a7ab6961"},
        {encode_expiry_min(), "ef3cbb2a"},
        {encode_expiry_max(), "172a2c89"},
        {encode_pending_withdrawal(A(1)), "0964c95b"},
        {encode_allocation(A(1), 2), "7be7e96e"},
        {encode_set_active(A(1), true), "2ce962cf"},
        {encode_set_signer(A(1)), "6c19e783"},
        {encode_add_stake(), "5a627dbc"},
        {encode_request_unbond(wei(1)), "54f63b14"},
        {encode_withdraw_stake(), "bed9d861"},
        {encode_provider_count(), "06661abd"},
        {encode_provider_page(0, 100), "ebb9e69c"},
        {encode_get_provider(A(1)), "c2bc2efc"},
        {encode_is_registered(A(1)), "c3c5a547"},
        {encode_payout_of(A(1)), "6da61d1e"},
        {encode_stake_min(), "59a253f3"},
        {encode_close_job(H(1)), "39c79e0c"},
        {encode_job(A(1), H(2)), "ae2f1fd3"},
        {encode_capabilities_all(), "10c4e8b0"}};
    for (const auto& [call, selector] : calls)
        EXPECT_EQ(selector_of(call), selector);
}

TEST(ContractCalls, views_are_read_and_truncations_refused) {
    Bytes allocation = to_bytes(H(1).view());
    const Bytes rest = words({2, 3, 4, 5, 6, 1});
    allocation.insert(allocation.end(), rest.begin(), rest.end());
    EXPECT_EQ(decode_allocation(allocation).value(), (AllocationView{.root = H(1),
                                                                     .total = wei(2),
                                                                     .settled = wei(3),
                                                                     .freed = wei(4),
                                                                     .leaf_count = 5,
                                                                     .expiry = 6,
                                                                     .released = true}));
    for (std::size_t size = 0; size < allocation.size(); ++size) {
        EXPECT_FALSE(decode_allocation(ByteView{allocation}.first(size)).has_value());
    }
    EXPECT_EQ(decode_job(words({1, 2, 1, 3})).value(),
              (JobView{.tasks = 1, .posted_at = 2, .closed = true, .cap = wei(3)}));
    EXPECT_EQ(decode_pending_withdrawal(words({1, 2})).value(),
              (PendingWithdrawal{.amount = wei(1), .withdrawable_at = 2}));
    EXPECT_EQ(decode_amount({}).error(), codec::AbiError::truncated) << "no code at the address";
}

TEST(ContractCalls, providers_are_read) {
    using codec::AbiList;
    using codec::AbiValue;
    const auto number = [](std::uint64_t value) { return AbiValue::number(value); };
    const auto provider = [&number](std::uint8_t byte) {
        const auto plus = [byte](int more) { return A(static_cast<std::uint8_t>(byte + more)); };
        return AbiValue::list(
            {AbiValue::address(plus(0)), AbiValue::address(plus(1)), AbiValue::address(plus(2)),
             AbiValue::word(H(4)), AbiValue::text("127.0.0.1:" + std::to_string(byte)), number(5),
             number(6), AbiValue::boolean(true), number(7), number(8), number(9), number(10),
             AbiValue::address(A(11)), number(12),
             AbiValue::list({number(13), number(14), number(15), number(16), number(17)})});
    };
    const std::string type =
        "(address,address,address,bytes32,string,uint128,uint32,bool,uint64,uint256,uint256,uint64,"
        "address,uint64,(uint64,uint256,uint64,uint64,uint64))";
    const Bytes one = codec::abi_encode("(" + type + ")", {provider(1)}).value();
    ASSERT_EQ(hash_of(one), "c63bf9ea88a4ca08a6abbc2ce118f9c3bc6ef6734369489fd96fbbe0554e09cf");
    const types::ProviderRecord expected{.provider = A(1),
                                         .signer = A(2),
                                         .node_key = H(4),
                                         .endpoint = "127.0.0.1:1",
                                         .price = wei(5),
                                         .slots = 6,
                                         .active = true,
                                         .stake = wei(8),
                                         .accepted_tasks = 13,
                                         .paid_total = wei(14),
                                         .contradictions = 15,
                                         .streak = 16,
                                         .score = 17};
    EXPECT_EQ(decode_provider(one).value(), expected);
    const Bytes page =
        codec::abi_encode("(" + type + "[])", {AbiValue::list({provider(1), provider(50)})})
            .value();
    ASSERT_EQ(hash_of(page), "78e2522706cc0f82ca56863bfb18056db0b98feb5743eb8cd47f5086db0fe72d");
    const auto records = decode_provider_page(page);
    ASSERT_TRUE(records.has_value());
    ASSERT_EQ(records->size(), 2U);
    EXPECT_EQ(records->at(0), expected);
    EXPECT_EQ(records->at(1).provider, A(50));
    for (std::size_t size = 0; size < page.size(); size += 7) {
        EXPECT_FALSE(decode_provider_page(ByteView{page}.first(size)).has_value());
    }
}

TEST(ContractCalls, capabilities_and_constructors) {
    const CapabilitiesView parts{.version = 1,
                                 .network = H(1),
                                 .providers = A(2),
                                 .deposits = A(3),
                                 .jobs = A(4),
                                 .disputes = A(5),
                                 .beacon = A(6),
                                 .replay_judge = A(7),
                                 .ticket_ledger = A(8),
                                 .blob_lane = A(9)};
    Bytes encoded = encode_capabilities_constructor(parts);
    EXPECT_EQ(hash_of(encoded), "ca66e6b720ace18bab1bad7f13a90ed1cc7692fe58a77372bdf6fdfcefe7eef5");
    EXPECT_EQ(decode_capabilities(encoded).value(), parts);
    encoded[31] = 2;
    EXPECT_EQ(decode_capabilities(encoded).error(), codec::AbiError::out_of_range);
    EXPECT_EQ(hash_of(encode_providers_constructor(A(1), A(2), wei(3), 4, 5)),
              "89d744fa369549bcde9fb1dcabcd0480711b516add6d4f31f44180d4397ebe70");
    EXPECT_EQ(hash_of(encode_deposits_constructor(H(1), A(2), 3, 4, 5)),
              "48d5cc95a447a2ec17004c60f029b3eec3058ba92b23f500b92fdbea22b97c23");
    EXPECT_EQ(hash_of(encode_jobs_constructor(H(1), A(2))),
              "92f6b29736bf07627a27ffec88dbcb964f312685ab557770ad73f67336b9aee8");
}

TEST(ContractCalls, events_are_read_and_strangers_ignored) {
    Bytes data = to_bytes(H(3).view());
    const Bytes rest = words({4, 5, 6});
    data.insert(data.end(), rest.begin(), rest.end());
    const auto allocated =
        decode_allocated({allocated_topic(), address_topic(A(1)), to_word(U256{2})}, data);
    ASSERT_TRUE(allocated);
    EXPECT_EQ(to_hex(allocated_topic().view()),
              "0a7697241b09126cf84fed2a0c929316c07d7f9d557387e5b20bb8a3df82c707");
    EXPECT_EQ(allocated->payer, A(1));
    EXPECT_EQ(allocated->allocation, 2U);
    EXPECT_EQ(allocated->root, H(3));
    EXPECT_EQ(allocated->expiry, 6U);

    const std::vector<Hash32> topics = {settled_topic(), address_topic(A(1)), address_topic(A(2)),
                                        to_word(U256{3})};
    const auto settled = decode_settled(topics, words({4, 5, 6}));
    ASSERT_TRUE(settled);
    EXPECT_EQ(to_hex(settled_topic().view()),
              "2a9f837b70b3e702e71c03ecb703b3c50a949e6d0e825038afa5767d0dd01887");
    EXPECT_EQ(settled->payee, A(2));
    EXPECT_EQ(settled->cumulative, wei(5));
    EXPECT_EQ(settled->tasks, 6U);

    EXPECT_EQ(to_hex(closed_topic().view()),
              "45fcf8efd49dafa50ad71ad03852b4a34367ae031adc17a0899e1c568ceccf62");
    EXPECT_FALSE(decode_closed(topics, words({4}))) << "another event";
    EXPECT_FALSE(decode_settled(topics, words({4, 5}))) << "short data";
    EXPECT_FALSE(decode_settled({settled_topic()}, words({4, 5, 6}))) << "short topics";
    EXPECT_FALSE(decode_settled({}, {}));
}

TEST(ContractCalls, a_leaf_of_our_tree_holds_in_the_contracts_terms) {
    const auto tree = crypto::SumTree::build({{.payee = A(1), .cap = U256{10}},
                                              {.payee = A(2), .cap = U256{20}},
                                              {.payee = A(3), .cap = U256{30}}});
    ASSERT_TRUE(tree);
    const AllocationView allocation{.root = tree->root().hash, .total = wei(60), .leaf_count = 3};
    types::AllocationProof proof{.allocation = 0, .index = 1, .cap = wei(20), .path = {}};
    for (const auto& node : tree->proof(1)) {
        proof.path.push_back({.sibling = node.hash, .sum = Amount{from_word(node.sum)}});
    }
    EXPECT_TRUE(proof_holds(allocation, A(2), proof));
    EXPECT_FALSE(proof_holds(allocation, A(1), proof));
    proof.cap = wei(21);
    EXPECT_FALSE(proof_holds(allocation, A(2), proof));
}

}  // namespace
}  // namespace millrace::market
