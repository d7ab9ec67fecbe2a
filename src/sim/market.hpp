// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"

namespace millrace::sim {

/// One simulated market: a requestor, providers, a chain, the network between them. Everything that
/// happens follows from the seed.
struct MarketSettings {
    std::uint64_t seed = 1;
    std::uint32_t providers = 5;
    std::uint32_t liars = 1;  ///< the first ones; each lies in `lie_ppm` of its tasks
    std::uint32_t lie_ppm = 500'000;
    std::uint64_t tasks = 48;
    std::uint32_t replicas = 2;
    std::uint32_t slots = 2;
    /// How long each task computes, in any provider; empty: drawn. As many as there are tasks.
    std::vector<std::uint32_t> task_ms{};
    /// Per durable step of a machine, while trouble lasts: the process dies before the commit,
    /// right after it, or somewhere in the effects that follow.
    std::uint32_t crash_ppm = 0;
    /// Per message, while trouble lasts: the connection breaks.
    std::uint32_t disconnect_ppm = 0;
    /// Per call to the chain, while trouble lasts: it is not answered.
    std::uint32_t chain_failure_ppm = 0;
    std::uint32_t trouble_seconds = 600;      ///< then everything heals
    std::uint32_t time_max_seconds = 20'000;  ///< virtual; everything must be over by then
    bool narrate = false;                     ///< print notes to stderr
};

struct MarketReport {
    std::vector<std::string> violations;  ///< empty: every law held
    Hash32 trace;                         ///< of everything that happened, in order
    std::uint64_t steps = 0;
    std::uint64_t virtual_ms = 0;  ///< until the last stream was settled
    std::uint64_t job_ms = 0;      ///< until the last task was done
    std::uint64_t replicas = 0;
    std::uint64_t contradictions = 0;
    std::uint64_t crashes = 0;
    std::uint64_t disconnects = 0;
    Amount paid;
};

/// Laws checked, besides the machines' own assertions:
///  - every task is done with the honest result (liars do not agree among themselves);
///  - a receipt that differs from the honest result is never paid; one that equals it and was
///    accepted is paid its price, once;
///  - vouchers signed = vouchers held = money settled, for each provider; deposits are conserved;
///  - nothing stays promised when every stream is closed;
///  - machines' timers do not spin;
///  - after trouble ends all of it is over in bounded time.
MarketReport run_market(const MarketSettings& settings);

}  // namespace millrace::sim
