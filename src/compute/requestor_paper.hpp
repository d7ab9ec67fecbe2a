// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// What the world of paper is made of (requestor_world.hpp): keys, blobs, plans of jobs, and how its
// providers behave.

#include <functional>
#include <optional>
#include <string>

#include "compute/requestor.hpp"
#include "crypto/hash.hpp"

namespace millrace::compute::requestor {

inline crypto::SecretKey paper_key(std::uint64_t number) {
    Bytes bytes(32, 0x11);
    for (std::size_t at = 0; at < 8; ++at)
        bytes[31 - at] = static_cast<std::uint8_t>(number >> (8 * at));
    return *crypto::SecretKey::from(bytes);
}

inline Hash32 paper_hash(std::string_view text) {
    return crypto::keccak256(as_bytes(text));
}

inline types::SettlementDomain paper_domain() {
    types::SettlementDomain domain;
    domain.chain_id = U256{5065036};
    domain.genesis = paper_hash("genesis");
    domain.deposits.bytes[19] = 1;
    domain.providers.bytes[19] = 2;
    domain.jobs.bytes[19] = 3;
    domain.capabilities.bytes[19] = 5;
    return domain;
}

inline types::SealedBlob paper_blob(std::string_view text, std::uint64_t size = 5) {
    types::SealedBlob blob;
    if (size == 0) return blob;
    blob.plain = {paper_hash(std::string{"plain "} + std::string{text}), size};
    blob.sealed_root = paper_hash(std::string{"sealed "} + std::string{text});
    return blob;
}

inline JobPlan paper_plan(std::string_view name, std::uint64_t tasks) {
    JobPlan plan;
    plan.id = paper_hash(name);
    plan.name = name;
    plan.common.module = paper_blob("module", 1000);
    plan.common.arguments = {"--tile", "{}"};
    plan.common.limits.fuel = Fuel{10'000'000'000};
    plan.range = {.first = 0, .count = tasks, .step = 1};
    return plan;
}

/// How a paper provider behaves.
struct Manner {
    std::function<bool(std::uint64_t)> lies = [](std::uint64_t) { return false; };
    std::function<bool(std::uint64_t)> hangs = [](std::uint64_t) { return false; };
    std::optional<types::LeaseRefusal> refuses;
    std::string refusal_text = "as told";
    bool withholds_outputs = false;
    bool forges_signature = false;
    Duration task_time{100};
    std::uint64_t fuel = 2'000'000'000;
    bool reachable = true;
    bool colludes = false;  ///< its lies equal those of other colluders
};

}  // namespace millrace::compute::requestor
