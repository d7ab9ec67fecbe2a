// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "chain/http.hpp"
#include "cli/agent_client.hpp"
#include "cli/commands.hpp"
#include "cli/node_options.hpp"
#include "cli/settings.hpp"
#include "crypto/secp256k1.hpp"
#include "daemon/genesis_setup.hpp"
#include "daemon/node_daemon.hpp"
#include "io/clock.hpp"
#include "io/crash_point.hpp"
#include "io/files.hpp"
#include "io/log.hpp"
#include "io/process.hpp"
#include "node/genesis_file.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

Outcome<node::SoleProducer::Options> parse_blocks(const std::string& text) {
    using Mode = node::SoleProducer::Mode;
    if (text == "instant") return node::SoleProducer::Options{Mode::instant, Duration{1'000}};
    if (text == "manual") return node::SoleProducer::Options{Mode::manual, Duration{1'000}};
    const bool demand = text.starts_with("demand:");
    const bool every = text.starts_with("every:");
    if (demand || every) {
        const std::string_view digits = std::string_view{text}.substr(demand ? 7 : 6);
        std::int64_t milliseconds = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), milliseconds);
        if (error == std::errc{} && end == digits.data() + digits.size() && milliseconds >= 10 &&
            milliseconds <= 86'400'000) {
            return node::SoleProducer::Options{demand ? Mode::on_demand : Mode::periodic,
                                               Duration{milliseconds}};
        }
    }
    return Err{Failure{"'" + text + "' is not a way to make blocks", "--blocks",
                       "write instant, demand:MS, every:MS (10 to 86400000) or manual"}};
}

Outcome<std::optional<std::uint64_t>> parse_history(const std::string& text) {
    if (text == "all") return std::optional<std::uint64_t>{};
    std::uint64_t blocks = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), blocks);
    if (error != std::errc{} || end != text.data() + text.size() || blocks == 0) {
        return Err{Failure{"'" + text + "' is not a number of blocks", "--history",
                           "write a number from 1, or all"}};
    }
    return std::optional{blocks};
}

Outcome<void> reset_node(const std::string& root, const NodeOptions& options) {
    const std::string kept = genesis_path(root, options);
    if (!io::file_exists(kept)) return {};
    MILLRACE_TRY(std::string text, io::read_text_file(kept, node::genesis_size_max));
    MILLRACE_TRY(const node::GenesisFile genesis, node::GenesisFile::open(std::move(text)));
    if (!genesis.genesis().development) {
        return Err{Failure{"this is not a development network; it is left alone", kept,
                           "move the folder away by hand if you are sure"}};
    }
    std::string folder;
    {
        MILLRACE_TRY(const auto home, io::RoleHome::open(root, options.network, options.role));
        folder = home.path();
    }
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    if (!error) std::filesystem::remove(kept, error);
    if (error) return Err{io::system_failure("cannot remove the network", folder, error.value())};
    return {};
}

Outcome<int> run_node(const NodeOptions& options) {
    io::Config config = declare_settings();
    MILLRACE_TRY(const std::string root, io::home_root(options.home));
    MILLRACE_TRY_VOID(load_settings(config, root, options.config_file));
    if (options.reset) MILLRACE_TRY_VOID(reset_node(root, options));
    MILLRACE_TRY(auto home, io::RoleHome::open(root, options.network, options.role));
    MILLRACE_TRY(const auto level, io::parse_log_level(config.text("log.level")));
    MILLRACE_TRY_VOID(io::open_log({.role = options.role,
                                    .file = home.log() + "/node.log",
                                    .level = level,
                                    .to_stderr = false}));
    daemon::NodeDaemon::Options settings;
    MILLRACE_TRY(node::GenesisFile genesis, load_genesis(root, options));
    settings.genesis = genesis.genesis();
    settings.genesis_file = std::make_shared<node::GenesisFile>(std::move(genesis));
    io::enable_crash_points(settings.genesis.development);
    MILLRACE_TRY(settings.producer, parse_blocks(options.blocks));
    MILLRACE_TRY(settings.history, parse_history(options.history));
    if (!options.coinbase.empty()) {
        const auto coinbase = crypto::parse_address(options.coinbase);
        if (!coinbase) {
            return Err{Failure{"'" + options.coinbase + "' is not an address", "--coinbase",
                               "write 0x and 40 hex digits"}};
        }
        settings.coinbase = *coinbase;
    } else if (!settings.genesis.producers.empty()) {
        settings.coinbase = settings.genesis.producers.front();
    }
    settings.rpc.listen = options.listen;
    settings.rpc.cors_origins = options.cors;
    settings.rpc.hosts = options.hosts;
    settings.request_time_max = Duration{options.rpc_timeout_ms};
    settings.rpc.workers = options.workers;
    settings.pool.gas_limit_max = settings.genesis.header.gas_limit;
    settings.version = "Millrace/" MILLRACE_VERSION "/linux-amd64/c++20";

    io::EventLoop loop;
    loop.on_stop_signal([&](int) { loop.stop(); });
    loop.on_hangup([] {
        if (const auto reopened = io::reopen_log(); !reopened)
            io::log_failure("cannot reopen the log", reopened.error());
    });
    MILLRACE_TRY(const auto node, daemon::NodeDaemon::open(loop, home, std::move(settings)));
    const std::string url = "http://" + node->endpoint();
    const Json ready{{"rpc", url},
                     {"ws", "ws://" + node->endpoint()},
                     {"network", options.network},
                     {"chain_id", node->view()->config().chain_id},
                     {"height", node->view()->head().header.number}};
    if (options.json) {
        std::printf("%s\n", ready.dump().c_str());
    } else if (options.ready_fd < 0) {
        std::printf("node of network %s serves %s (JSON-RPC and WebSocket), chain id %llu\n",
                    options.network.c_str(), url.c_str(),
                    static_cast<unsigned long long>(node->view()->config().chain_id));
        if (node->development()) {
            std::printf(
                "  funded accounts of the mnemonic \"test test test test test test test "
                "test test test test junk\":\n");
            for (const auto& key : node->development_keys()) {
                std::printf("    %s  %s\n",
                            crypto::checksum_address(crypto::address_of(key)).c_str(),
                            to_hex0x(key.bytes()).c_str());
            }
        }
        std::printf("  stop: Ctrl-C\n");
    }
    std::fflush(stdout);
    MILLRACE_TRY_VOID(io::announce_ready(options.ready_fd, ready.dump()));
    loop.run();
    if (const auto why = node->stopped_because()) return Err{*why};
    return 0;
}

Outcome<int> show_status(const NodeOptions& options) {
    std::string url = options.url;
    if (url.empty()) {
        MILLRACE_TRY(const std::string root, io::home_root(options.home));
        MILLRACE_TRY(const std::string path,
                     io::RoleHome::path_of(root, options.network, options.role));
        MILLRACE_TRY(const std::string endpoint, io::read_endpoint(path));
        url = "http://" + endpoint;
    }
    MILLRACE_TRY(auto address, chain::parse_http_url(url));
    address.target = "/status";
    MILLRACE_TRY(const std::string body,
                 chain::HttpClient{std::move(address)}.get(Duration{5'000}));
    const Json status = Json::parse(body, nullptr, false);
    if (!status.is_object() || !status.contains("height")) {
        return Err{Failure{"this is no Millrace node", url, "check the address"}};
    }
    if (options.json) {
        std::printf("%s\n", status.dump().c_str());
        return 0;
    }
    const auto text = [&status](const char* key) {
        const auto& value = status.at(key);
        return value.is_string() ? value.get<std::string>() : value.dump();
    };
    std::printf("network   %s%s, chain id %s\n", text("network").c_str(),
                status.value("development", false) ? " (development)" : "",
                text("chain_id").c_str());
    std::printf("head      %s  %s\n", text("height").c_str(), text("head").c_str());
    std::printf("time      %s\nbase fee  %s wei\n", text("timestamp").c_str(),
                text("base_fee").c_str());
    const auto& pool = status.at("pool");
    std::printf("pool      %s pending, %s queued, %s bytes\n", pool.at("pending").dump().c_str(),
                pool.at("queued").dump().c_str(), pool.at("bytes").dump().c_str());
    const auto& rpc = status.at("rpc");
    std::printf("rpc       %s: %s connections, %s requests, %s refused\n",
                rpc.at("endpoint").get<std::string>().c_str(), rpc.at("connections").dump().c_str(),
                rpc.at("requests").dump().c_str(), rpc.at("refused").dump().c_str());
    std::printf("memory    %.1f MiB\n",
                static_cast<double>(status.value("resident_bytes", std::uint64_t{0})) / 1048576.0);
    return 0;
}

Outcome<int> print_genesis(const NodeOptions& options) {
    MILLRACE_TRY(const std::string text,
                 daemon::development_genesis_text(
                     {.network = options.network,
                      .chain_id = options.chain_id,
                      .timestamp = static_cast<std::uint64_t>(io::wall_now().ms / 1000),
                      .gas_limit = options.gas_limit}));
    std::printf("%s\n", text.c_str());
    return 0;
}

Outcome<int> print_methods(const NodeOptions& options) {
    if (options.json) {
        Json all = Json::array();
        for (const auto& method : node::api_methods()) {
            all.push_back({{"name", method.name},
                           {"summary", method.summary},
                           {"development", method.development}});
        }
        std::printf("%s\n", all.dump().c_str());
        return 0;
    }
    std::printf("| method | what it answers |\n|---|---|\n");
    for (const auto& method : node::api_methods()) {
        std::printf("| `%s`%s | %s |\n", std::string{method.name}.c_str(),
                    method.development ? " (development)" : "",
                    std::string{method.summary}.c_str());
    }
    return 0;
}

}  // namespace

void add_node_command(CLI::App& app, int& exit_status) {
    auto options = std::make_shared<NodeOptions>();
    CLI::App* node = app.add_subcommand("node", "a chain node: blocks, state and JSON-RPC");
    node->require_subcommand(0, 1);
    add_place(node, options);
    node->add_option("--genesis", options->genesis_file, "genesis file (geth's form)")
        ->check(CLI::ExistingFile);
    node->add_flag("--dev", options->development,
                   "without a genesis: begin a development network with funded accounts");
    node->add_option("--rpc", options->listen, "address to serve JSON-RPC on (port 0: any)")
        ->capture_default_str();
    node->add_option("--blocks", options->blocks,
                     "when blocks are made: instant, demand:MS, every:MS or manual")
        ->capture_default_str();
    node->add_option("--history", options->history,
                     "blocks whose state stays readable: a number, or all")
        ->capture_default_str();
    node->add_option("--coinbase", options->coinbase, "account that receives fees");
    node->add_option("--chain-id", options->chain_id, "of a new development network")
        ->capture_default_str();
    node->add_option("--gas-limit", options->gas_limit, "of a new development network's blocks")
        ->capture_default_str();
    node->add_option("--cors", options->cors, "origin of web pages that may ask (* for any)");
    node->add_option("--host", options->hosts, "further Host header that is served");
    node->add_option("--workers", options->workers, "threads that answer JSON-RPC")
        ->capture_default_str()
        ->check(CLI::Range(1, 64));
    node->add_option("--rpc-timeout", options->rpc_timeout_ms,
                     "milliseconds that one JSON-RPC request or batch may take")
        ->capture_default_str()
        ->check(CLI::Range(100, 600'000));
    node->add_option("--config", options->config_file, "settings (default HOME/millrace.toml)");
    node->add_flag("--reset", options->reset, "throw an old development network away first");
    node->add_flag("--json", options->json, "one JSON object on stdout when ready");
    node->add_option("--ready-fd", options->ready_fd, "descriptor to announce readiness on");
    node->callback([node, options, &exit_status] {
        if (!node->get_subcommands().empty()) return;
        const auto status = run_node(*options);
        exit_status = status ? *status : print_failure(status.error());
    });

    CLI::App* status = node->add_subcommand("status", "head, pool and load of a running node");
    add_place(status, options);
    status->add_option("--url", options->url,
                       "http://HOST:PORT (default: the network's node here)");
    status->add_flag("--json", options->json, "one JSON object");
    on_call(status, options, exit_status, show_status);

    add_stopped_chain_commands(*node, options, exit_status);

    CLI::App* methods = node->add_subcommand("methods", "lists the JSON-RPC methods (Markdown)");
    methods->add_flag("--json", options->json, "one JSON array");
    on_call(methods, options, exit_status, print_methods);

    CLI::App* genesis =
        node->add_subcommand("genesis", "prints the genesis of a new development network");
    genesis->add_option("--network", options->network, "network name")->capture_default_str();
    genesis->add_option("--chain-id", options->chain_id, "chain id")->capture_default_str();
    genesis->add_option("--gas-limit", options->gas_limit, "gas of a block")->capture_default_str();
    on_call(genesis, options, exit_status, print_genesis);
}

}  // namespace millrace::cli
