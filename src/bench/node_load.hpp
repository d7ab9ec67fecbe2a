// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/failure.hpp"

/// The load that `millrace-bench node` puts on one node, and what it measures.
namespace millrace::bench {

enum class Figure : std::uint8_t {
    call_p50,         ///< eth_call of a storage read, one after the other
    call_p99,         //
    calls_8,          ///< the same over 8 connections
    calls_32,         //
    loop_p50,         ///< eth_call of 1,000 Keccak-256
    loops_8,          //
    single_included,  ///< transfers sent each in a request, blocks made at once
    batch_submit,     ///< transfers in batches, no blocks made
    batch_included,   ///< the same with the block that takes them all
    block_ms,         ///< execution and root of that block: evm_mine
};
inline constexpr std::size_t figure_count = 10;
using Figures = std::array<double, figure_count>;

struct FigureMeaning {
    const char* key;   ///< in JSON
    const char* text;  ///< in tables
    const char* unit;
    bool more_is_better;
};
const FigureMeaning& meaning(Figure figure) noexcept;

struct LoadSize {
    std::size_t calls = 2'000;  ///< one after the other; five times as many over connections
    std::size_t loops = 1'000;
    std::size_t singles = 500;
    std::size_t transfers = 5'000;  ///< in batches, for one block
    std::size_t batch = 200;
};

/// One node: its test contracts deployed, its ten development accounts' nonces known.
class NodeLoad {
  public:
    /// `url` answers JSON-RPC with anvil's development methods, funds the accounts of the mnemonic
    /// "test … junk", and makes a block for every transaction until it is told otherwise.
    static Outcome<std::unique_ptr<NodeLoad>> prepare(std::string url, LoadSize size);
    NodeLoad(const NodeLoad&) = delete;
    NodeLoad& operator=(const NodeLoad&) = delete;
    ~NodeLoad();

    /// All figures once. Every answer is checked; a node that answers wrongly has no figures.
    Outcome<Figures> measure();
    /// web3_clientVersion.
    [[nodiscard]] const std::string& version() const noexcept;

  private:
    struct State;
    explicit NodeLoad(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace millrace::bench
