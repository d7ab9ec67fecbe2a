// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "chain/network_file.hpp"
#include "cli/agent_client.hpp"
#include "cli/commands.hpp"
#include "cli/settings.hpp"
#include "daemon/up.hpp"
#include "io/files.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

struct UpOptions {
    daemon::LocalNetwork::Options network;
    std::string home;
    std::string config_file;
    std::vector<std::string> faults;
    std::vector<std::string> crash;
    bool reset = false;
    bool json = false;
    int ready_fd = -1;
};

/// "NAME:AFTER:FILE" gives a role the crash point of io/crash_point.hpp.
using Environment = std::vector<std::pair<std::string, std::string>>;

Outcome<std::uint32_t> leading_number(const std::string& text, const char* flag) {
    std::uint32_t number = 0;
    std::size_t at = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && number < 100'000; ++at) {
        number = number * 10 + static_cast<std::uint32_t>(text[at] - '0');
    }
    if (at == 0 || at >= text.size() || text[at] != ':') {
        return Err{Failure{"'" + text + "' does not begin with a provider's number", flag,
                           "write NUMBER:…, counting from 1"}};
    }
    return number;
}

Outcome<void> apply_faults(UpOptions& options) {
    for (const auto& fault : options.faults) {
        MILLRACE_TRY(const std::uint32_t number, leading_number(fault, "--fault"));
        MILLRACE_TRY(const std::uint32_t ppm, parse_fault(fault.substr(fault.find(':') + 1)));
        options.network.wrong_result[number] = ppm / 1e6;
    }
    for (const auto& crash : options.crash) {
        // ROLE:AFTER:ONCE-FILE
        const auto first = crash.find(':');
        const auto second = crash.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) {
            return Err{Failure{"'" + crash + "' is not a crash point", "--crash",
                               "write ROLE:AFTER:FILE (docs/operations.md)"}};
        }
        const Environment environment{
            {"MILLRACE_CRASH_AFTER", crash.substr(first + 1, second - first - 1)},
            {"MILLRACE_CRASH_ONCE", crash.substr(second + 1)}};
        const std::string role = crash.substr(0, first);
        if (role == "chain") {
            options.network.chain_environment = environment;
        } else if (role == "agent-0") {
            options.network.agent_environment = environment;
        } else if (role.starts_with("provider-")) {
            MILLRACE_TRY(const std::uint32_t number,
                         leading_number(role.substr(9) + ":", "--crash"));
            options.network.provider_environment[number] = environment;
        } else {
            return Err{Failure{"there is no role '" + role + "'", "--crash",
                               "use chain, agent-0 or provider-NUMBER"}};
        }
    }
    return {};
}

Outcome<void> reset_network(const std::string& root, const std::string& name) {
    const std::string file = chain::network_file_path(root, name);
    const std::string folder = root + "/" + name;
    if (io::file_exists(file)) {
        MILLRACE_TRY(const auto network, chain::read_network_file(file));
        if (!network.dev) {
            return Err{Failure{"this is not a development network; it is left alone", folder,
                               "move the folder away by hand if you are sure"}};
        }
    }
    // The lock tells whether it is running.
    if (std::filesystem::exists(folder)) {
        MILLRACE_TRY_VOID(io::RoleHome::open(root, name, "up"));
    }
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    if (error) return Err{io::system_failure("cannot remove the network", folder, error.value())};
    return {};
}

void print_ready(const Json& ready) {
    std::printf("network %s is up: %zu processes, chain at %s\n",
                ready.at("network").get<std::string>().c_str(), ready.at("processes").size(),
                ready.at("rpc").get<std::string>().c_str());
    std::printf("  run a job:       millrace run --job examples/render/job.toml\n");
    std::printf(
        "  add a provider:  MILLRACE_PASSWORD=… millrace provide --network joined --join %s\n",
        ready.at("join").get<std::string>().c_str());
    std::printf("  stop:            Ctrl-C\n");
    std::fflush(stdout);
}

Outcome<int> run_up(UpOptions& options) {
    io::Config config = declare_settings();
    MILLRACE_TRY(options.network.home_root, io::home_root(options.home));
    // Children are started in their own folders' terms, so the path must not depend on ours.
    options.network.home_root =
        std::filesystem::absolute(options.network.home_root).lexically_normal().string();
    MILLRACE_TRY_VOID(load_settings(config, options.network.home_root, options.config_file));
    if (options.network.anvil.empty()) options.network.anvil = config.text("up.anvil");
    MILLRACE_TRY_VOID(apply_faults(options));
    if (options.reset) {
        MILLRACE_TRY_VOID(reset_network(options.network.home_root, options.network.network));
    }
    io::EventLoop loop;
    std::optional<Failure> failure;
    daemon::LocalNetwork* running = nullptr;
    daemon::LocalNetwork network{loop, options.network, [&](Outcome<std::string> ready) {
                                     if (!ready) {
                                         failure = ready.error();
                                         running->stop();
                                         return;
                                     }
                                     const Json json = Json::parse(*ready);
                                     if (options.json) {
                                         std::printf("%s\n", ready->c_str());
                                         std::fflush(stdout);
                                     } else {
                                         print_ready(json);
                                     }
                                     const auto told = io::announce_ready(options.ready_fd, *ready);
                                     if (!told) failure = told.error();
                                 }};
    running = &network;
    loop.on_stop_signal([&](int) { network.stop(); });
    MILLRACE_TRY_VOID(network.start());
    loop.run();
    if (failure) return Err{*failure};
    return 0;
}

}  // namespace

void add_up_command(CLI::App& app, int& exit_status) {
    auto options = std::make_shared<UpOptions>();
    auto& network = options->network;
    CLI::App* command = app.add_subcommand(
        "up", "a whole network on this machine: chain, providers and a requestor agent");
    command->add_option("--providers", network.providers, "how many providers")
        ->capture_default_str()
        ->check(CLI::Range(0, 64));
    command->add_option("--fault", options->faults,
                        "NUMBER:wrong-result=RATE: this provider lies in that share of its tasks");
    command->add_option("--slots", network.slots, "tasks a provider runs at one time")
        ->capture_default_str()
        ->check(CLI::Range(1, 1024));
    command->add_option("--price", network.price, "coins per 10^9 fuel")->capture_default_str();
    command->add_option("--deposit", network.deposit, "coins the requestor deposits")
        ->capture_default_str();
    command->add_option("--rpc", network.rpc_url,
                        "use this chain (any EVM JSON-RPC) instead of starting one");
    command->add_option("--funder-key", network.funder_key_file,
                        "hex key of a funded account on that chain (default: development key)");
    command->add_option("--chain", network.chain, "the chain to start: millrace (default) or anvil")
        ->transform(CLI::CheckedTransformer(std::map<std::string, daemon::LocalNetwork::ChainKind>{
            {"millrace", daemon::LocalNetwork::ChainKind::own},
            {"anvil", daemon::LocalNetwork::ChainKind::anvil}}));
    command->add_option("--anvil", network.anvil, "the anvil program, for --chain anvil");
    command->add_option("--join-listen", network.join_listen, "where others ask how to join")
        ->capture_default_str();
    command->add_option("--network", network.network, "network name")->capture_default_str();
    command->add_option("--home", options->home, "data folder (default $MILLRACE_HOME)");
    command->add_option("--config", options->config_file, "settings (default HOME/millrace.toml)");
    command->add_flag("--reset", options->reset, "throw an old development network away first");
    command->add_option("--crash", options->crash,
                        "ROLE:AFTER:FILE: for tests, die after the n-th durable event once");
    command->add_flag("--json", options->json, "one JSON object on stdout when ready");
    command->add_option("--ready-fd", options->ready_fd, "descriptor to announce readiness on");
    command->callback([options, &exit_status] {
        const auto status = run_up(*options);
        exit_status = status ? *status : print_failure(status.error());
    });
}

}  // namespace millrace::cli
