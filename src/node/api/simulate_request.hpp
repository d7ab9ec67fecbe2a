// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: what eth_simulateV1 is asked.

#include "node/api/method.hpp"
#include "types/block.hpp"

namespace millrace::node {

/// Bounds of one simulation; what is above is refused with -38026.
struct SimulationLimits {
    static constexpr std::uint64_t blocks_max = 256;  ///< the filled gaps count
    static constexpr std::size_t block_calls_max = 5'000;
    static constexpr std::size_t calls_max = 10'000;
    static constexpr std::size_t answer_max = 64u << 20;  ///< bytes
};

/// Between blocks whose time nobody says.
inline constexpr std::uint64_t simulated_block_seconds = 12;

/// One block to come: what was given of its header, and what happens in it.
struct SimulatedBlock {
    std::uint64_t number = 0;  ///< set by read_simulation()
    std::uint64_t time = 0;    ///< the same
    std::optional<std::uint64_t> gas_limit;
    std::optional<Address> fee_recipient;
    std::optional<Hash32> prev_randao;
    std::optional<U256> difficulty;
    std::optional<U256> base_fee;
    std::optional<U256> blob_base_fee;
    std::optional<Hash32> beacon_root;
    std::vector<types::Withdrawal> withdrawals;
    JsonValueView state_overrides;
    JsonValueView calls;
};

struct SimulationRequest {
    std::vector<SimulatedBlock> blocks;  ///< one after the other, without gaps
    bool trace_transfers = false;
    bool validation = false;
    bool full_transactions = false;
};

/// Numbers and times ascend from `base` on; a gap between numbers is filled with empty blocks.
/// Errors: -32602 for what cannot be read, -38020 and -38021 for the order of numbers and times,
/// -38026 for too much. The views stand on the request's text.
Read<SimulationRequest> read_simulation(JsonValueView value, const types::Header& base);

}  // namespace millrace::node
