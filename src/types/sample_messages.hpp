// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <vector>

#include "crypto/hash.hpp"
#include "types/message.hpp"

// One message of every type with every field set, for tests.

namespace millrace::types {

inline Hash32 sample_hash(std::string_view text) {
    return crypto::keccak256(as_bytes(text));
}

inline SealedBlob sample_blob(std::string_view name, std::uint64_t size) {
    return {{sample_hash(name), size}, sample_hash(std::string{name} + " sealed")};
}

inline TaskSpec sample_task() {
    TaskSpec task;
    task.job = sample_hash("job");
    task.index = 41;
    task.module = sample_blob("module", 123'456);
    task.arguments = {"--width", "640", ""};
    task.environment = {{"HOME", "/"}, {"LANG", "C.UTF-8"}};
    task.files = {{"in/a.txt", sample_blob("a", 1)}, {"in/b/c.txt", sample_blob("c", 1u << 20)}};
    return task;
}

inline AllocationProof sample_proof() {
    AllocationProof proof{.allocation = 3, .index = 2, .cap = Amount{U256{1'000}}, .path = {}};
    proof.path = {{sample_hash("sibling"), Amount{U256{5}}}, {sample_hash("uncle"), Amount{}}};
    return proof;
}

inline std::vector<Message> sample_messages() {
    Signature signature;
    for (std::size_t index = 0; index < signature.bytes.size(); ++index)
        signature.bytes[index] = static_cast<std::uint8_t>(index + 1);
    Address account;
    account.bytes.fill(0x5a);
    const Lease lease{.job = sample_hash("job"),
                      .task = sample_hash("task"),
                      .replica = 9,
                      .requestor = account,
                      .provider = account,
                      .fuel_limit = Fuel{1u << 30},
                      .price = Amount{U256{77}},
                      .deadline = 1'793'000'000};
    const Commitment commitment{sample_hash("lease"), sample_hash("commitment")};
    ReceiptNotice receipt;
    receipt.receipt = {sample_hash("lease"), sample_hash("task"), sample_hash("result"), Fuel{5}};
    receipt.signature = signature;
    receipt.salt = sample_hash("salt");
    receipt.summary.fuel = Fuel{5};
    receipt.files = {{"out.png", sample_blob("out", 4'000)}};
    receipt.deleted = {"in/a.txt", "in/b.txt"};
    receipt.standard_output = sample_blob("stdout", 12);
    const Voucher voucher{account, account, 3, Amount{U256{999}}, 4};
    const std::vector<Hash32> leases{sample_hash("one"), sample_hash("two")};
    const crypto::JobKey key = *crypto::JobKey::from(sample_hash("key").view());
    return {
        Hello{sample_hash("genesis"), U256{5'065'036}, account, "millrace/0.1.0"},
        LeaseOffer{lease, signature, sample_task(), key, sample_proof()},
        LeaseAnswer{sample_hash("lease"), LeaseRefusal::busy, "all slots are taken"},
        Progress{sample_hash("lease"), Fuel{123}},
        CommitmentNotice{commitment, signature},
        RevealRequest{sample_hash("lease"), {commitment, commitment}},
        receipt,
        BlobRequest{{sample_hash("blob"), 1u << 20}, 16 * 1024, 32 * 1024},
        BlobData{sample_hash("blob"), 16 * 1024, Bytes(1'000, 7), leases},
        Verdict{sample_hash("lease"), VerdictKind::contradicted, sample_hash("result")},
        VoucherNotice{voucher, signature, leases, sample_proof()},
        VoucherAck{3, Amount{U256{999}}},
        CloseStream{3},
        StreamClosed{3, sample_hash("transaction"), "the node did not answer"},
        NetworkRequest{},
        NetworkAnswer{"chain_id = 5065036\n"},
        FaucetRequest{account},
        FaucetAnswer{sample_hash("transaction"), ""},
    };
}

}  // namespace millrace::types
