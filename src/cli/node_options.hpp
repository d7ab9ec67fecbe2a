// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "cli/agent_client.hpp"
#include "node/genesis_file.hpp"

namespace millrace::cli {

/// What the commands below `millrace node` were told; each reads the part that it has flags for.
struct NodeOptions {
    std::string home;
    std::string network = "dev";
    std::string role = "node-0";
    std::string config_file;
    std::string genesis_file;
    std::string listen = "127.0.0.1:8545";
    std::string blocks = "instant";
    std::string history = "all";
    std::string coinbase;
    std::vector<std::string> cors;
    std::vector<std::string> hosts;
    std::string url;
    std::string file;
    std::uint64_t gas_limit = 60'000'000;
    std::uint64_t chain_id = 5'065'036;
    std::uint32_t workers = 2;
    std::int64_t rpc_timeout_ms = 10'000;
    bool development = false;
    bool reset = false;
    bool json = false;
    int ready_fd = -1;
};

/// Where the genesis of a network is kept below the home `root`.
std::string genesis_path(const std::string& root, const NodeOptions& options);

/// The network's genesis: the file given (kept below the home from then on), the one kept before,
/// or for development networks a new one. Its accounts are checked before it is kept.
Outcome<node::GenesisFile> load_genesis(const std::string& root, const NodeOptions& options);

/// The flags that say which node is meant.
inline void add_place(CLI::App* command, const std::shared_ptr<NodeOptions>& options) {
    command->add_option("--home", options->home, "data folder (default $MILLRACE_HOME)");
    command->add_option("--network", options->network, "network name")->capture_default_str();
    command->add_option("--role", options->role, "folder of the node below the network's")
        ->capture_default_str();
}

/// `run(options)` is what `command` does; its failure is printed.
template <typename Run>
void on_call(CLI::App* command, const std::shared_ptr<NodeOptions>& options, int& exit_status,
             Run run) {
    command->callback([options, &exit_status, run] {
        const Outcome<int> status = run(*options);
        exit_status = status ? *status : print_failure(status.error());
    });
}

/// `verify`, `export` and `import`: what is done with the chain of a node that does not run. Who
/// opens it holds the role's lock, so that no node runs beside them.
void add_stopped_chain_commands(CLI::App& node, const std::shared_ptr<NodeOptions>& options,
                                int& exit_status);

}  // namespace millrace::cli
