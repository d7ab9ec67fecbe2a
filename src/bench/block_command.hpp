// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "base/failure.hpp"

/// `millrace-bench block`: what a block of transfers costs inside the node, phase by phase, on a
/// store on disk and without JSON-RPC. The transfers are those of `millrace-bench node`: ten
/// senders in turns, every recipient a new account.
namespace millrace::bench {

struct BlockOptions {
    int block_count = 9;            ///< the medians of all but the first count
    std::size_t transfers = 5'000;  ///< in each
    std::size_t thread_count = 0;   ///< 0: as a node has them
};

struct BlockReport {
    enum Phase : std::size_t {
        admit,    ///< reading the sender's account, into the pool
        execute,  ///< choosing from the pool and executing
        finish,   ///< closing system calls, roots of transactions and receipts
        stage,    ///< state root and all rows of the block
        write,    ///< the store's synced batch
        settle,   ///< what is included leaves the pool
    };
    static constexpr std::size_t phase_count = 6;
    std::array<double, phase_count> ms{};
    /// All but `admit` and `write`.
    double computed_ms = 0;
    std::size_t row_count = 0;  ///< of the block's batch
    BlockOptions options{};
};

Outcome<BlockReport> measure_blocks(const BlockOptions& options);
std::string to_markdown(const BlockReport& report);

}  // namespace millrace::bench
