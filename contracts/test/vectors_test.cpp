// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Holds types/settlement and crypto/merkle to vectors.json, which ethers made and the contracts'
// own tests stand on: what the agents sign and build is what the contracts verify.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "crypto/merkle.hpp"
#include "types/settlement.hpp"

namespace millrace::types {
namespace {

using nlohmann::json;

const json& vectors() {
    static const json parsed = json::parse(std::ifstream{MILLRACE_SETTLEMENT_VECTORS});
    return parsed;
}

template <typename Fixed>
Fixed fixed(const json& text) {
    return fixed_from_hex<Fixed>(text.get<std::string>()).value();
}
Hash32 hash(const json& text) {
    return fixed<Hash32>(text);
}
Address address(const json& text) {
    return fixed<Address>(text);
}
U256 number(const json& text) {
    return u256_from_decimal(text.get<std::string>()).value();
}
std::uint64_t small(const json& text) {
    return std::stoull(text.get<std::string>());
}

SettlementDomain domain() {
    const json& network = vectors()["network"];
    SettlementDomain domain;
    domain.chain_id = number(network["chain_id"]);
    domain.genesis = hash(network["genesis"]);
    domain.deposits = address(network["deposits"]);
    domain.jobs = address(network["jobs"]);
    return domain;
}

/// The digest, and that our signature over it is the one ethers makes.
void expect_signed(const json& vector, const Hash32& digest) {
    EXPECT_EQ(digest, hash(vector["digest"])) << vector["type"];
    const auto key = crypto::SecretKey::from(from_hex(vector["key"].get<std::string>()).value());
    ASSERT_TRUE(key);
    const auto signature = fixed<Signature>(vector["signature"]);
    EXPECT_EQ(crypto::sign(*key, digest), signature) << vector["type"];
    EXPECT_EQ(crypto::recover(digest, signature), address(vector["signer"])) << vector["type"];
}

TEST(SettlementVectors, domains_separate_contracts_and_networks) {
    EXPECT_EQ(domain().deposits_separator(), hash(vectors()["network"]["deposits_separator"]));
    EXPECT_EQ(domain().jobs_separator(), hash(vectors()["network"]["jobs_separator"]));
}

TEST(SettlementVectors, a_lease_is_signed_as_the_jobs_contract_reads_it) {
    const json& vector = vectors()["lease"];
    const Lease lease{.job = hash(vector["job"]),
                      .task = hash(vector["task"]),
                      .replica = static_cast<std::uint32_t>(small(vector["replica"])),
                      .requestor = address(vector["requestor"]),
                      .provider = address(vector["provider"]),
                      .fuel_limit = Fuel{small(vector["fuelLimit"])},
                      .price = Amount{number(vector["price"])},
                      .deadline = small(vector["deadline"])};
    EXPECT_EQ(lease.id(), hash(vector["struct_hash"]));
    expect_signed(vector, lease.digest(domain()));
}

TEST(SettlementVectors, a_commitment_is_signed_as_the_jobs_contract_reads_it) {
    const json& vector = vectors()["commitment"];
    const Commitment commitment{.lease = hash(vector["lease"]),
                                .commitment = hash(vector["commitment"])};
    EXPECT_EQ(commitment_hash(domain().chain_id, hash(vector["task"]), address(vector["provider"]),
                              hash(vector["result_id"]), hash(vector["salt"])),
              commitment.commitment);
    expect_signed(vector, commitment.digest(domain()));
}

TEST(SettlementVectors, a_receipt_is_signed_as_the_jobs_contract_reads_it) {
    const json& vector = vectors()["receipt"];
    const Receipt receipt{.lease = hash(vector["lease"]),
                          .task = hash(vector["task"]),
                          .result_id = hash(vector["resultId"]),
                          .fuel = Fuel{small(vector["fuel"])}};
    expect_signed(vector, receipt.digest(domain()));
}

TEST(SettlementVectors, a_voucher_is_signed_as_the_deposits_contract_reads_it) {
    const json& vector = vectors()["voucher"];
    const Voucher voucher{.payer = address(vector["payer"]),
                          .payee = address(vector["payee"]),
                          .allocation = small(vector["allocation"]),
                          .cumulative = Amount{number(vector["cumulative"])},
                          .tasks = small(vector["tasks"])};
    expect_signed(vector, voucher.digest(domain()));
}

TEST(SettlementVectors, allocation_trees_are_those_the_deposits_contract_verifies) {
    for (const json& vector : vectors()["trees"]) {
        std::vector<crypto::Allocation> allocations;
        for (const json& leaf : vector["leaves"]) {
            allocations.push_back({address(leaf["payee"]), number(leaf["cap"])});
        }
        const auto tree = crypto::SumTree::build(allocations);
        ASSERT_TRUE(tree);
        EXPECT_EQ(tree->root().hash, hash(vector["root"]));
        EXPECT_EQ(tree->total(), number(vector["total"]));
        const auto leaf_count = static_cast<std::uint32_t>(allocations.size());
        for (std::size_t index = 0; index < allocations.size(); ++index) {
            std::vector<crypto::SumNode> proof;
            for (const json& step : vector["leaves"][index]["proof"]) {
                proof.push_back({hash(step["hash"]), to_word(number(step["sum"]))});
            }
            EXPECT_EQ(tree->proof(index), proof);
            EXPECT_TRUE(crypto::verify_allocation(tree->root(), allocations[index], index,
                                                  leaf_count, proof));
        }
    }
}

}  // namespace
}  // namespace millrace::types
