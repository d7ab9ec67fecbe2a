// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <vector>

#include "base/failure.hpp"
#include "bench/node_load.hpp"

/// `millrace-bench node`: the same load on our node, which writes durably, and on anvil, which
/// keeps everything in memory; in turns, on the same machine, within minutes.
namespace millrace::bench {

struct NodeOptions {
    std::string ours_url;  ///< empty: `ours_program` is started
    std::string peer_url;  ///< empty: `peer_program` is started
    std::string ours_program;
    std::string peer_program;
    int run_count = 3;
    LoadSize size{};
};

struct NodeReport {
    struct Side {
        std::string version;  ///< web3_clientVersion
        std::string absent;   ///< why there are no figures; empty when there are
        Figures figures{};    ///< medians
    };
    Side ours;
    Side peer;
    int run_count = 0;
    LoadSize size{};
};

/// anvil as contracts/package.json installs it, sought from this program upwards, then in PATH.
std::string find_anvil();

/// A side that cannot be measured is absent, with the reason; both absent is a Failure.
Outcome<NodeReport> measure_nodes(const NodeOptions& options);

/// How many times better ours is: rates ours / theirs, times theirs / ours.
double advantage(const NodeReport& report, Figure figure);
std::string to_table(const NodeReport& report);
std::string to_markdown(const NodeReport& report);
std::string to_json(const NodeReport& report);

}  // namespace millrace::bench
