// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/agent_client.hpp"
#include "cli/commands.hpp"
#include "cli/join.hpp"
#include "cli/settings.hpp"
#include "daemon/provider_daemon.hpp"
#include "daemon/requestor_daemon.hpp"
#include "io/log.hpp"
#include "io/process.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

struct DaemonOptions {
    std::string home;
    std::string network = "local";
    std::string role;
    std::string config_file;
    std::string password_file;
    std::string join;
    std::string fault;
    std::map<std::string, std::string> settings;  ///< flags, by setting
    int ready_fd = -1;
};

void add_daemon_flags(CLI::App* command, const std::shared_ptr<DaemonOptions>& options) {
    command->add_option("--home", options->home, "data folder (default $MILLRACE_HOME)");
    command->add_option("--network", options->network, "network name")->capture_default_str();
    command->add_option("--role", options->role, "folder of this process below the network's")
        ->capture_default_str();
    command->add_option("--config", options->config_file, "settings (default HOME/millrace.toml)");
    command->add_option("--password-file", options->password_file, "password of the account's key");
    command->add_option("--ready-fd", options->ready_fd, "descriptor to announce readiness on");
}

void add_setting(CLI::App* command, const std::shared_ptr<DaemonOptions>& options,
                 const std::string& flag, const std::string& setting, const std::string& help) {
    command->add_option_function<std::string>(
        flag, [options, setting](const std::string& value) { options->settings[setting] = value; },
        help);
}

struct Opened {
    io::Config config;
    std::unique_ptr<daemon::AgentBase> base;
};

Outcome<Opened> open_agent(const DaemonOptions& options) {
    io::Config config = declare_settings();
    MILLRACE_TRY(const std::string root, io::home_root(options.home));
    MILLRACE_TRY_VOID(load_settings(config, root, options.config_file));
    for (const auto& [setting, value] : options.settings) {
        MILLRACE_TRY_VOID(config.set_flag(setting, value));
    }
    MILLRACE_TRY(const std::string password, read_daemon_password(options.password_file));
    if (!options.join.empty()) {
        MILLRACE_TRY_VOID(join_network({.endpoint = options.join,
                                        .home_root = root,
                                        .network = options.network,
                                        .role = options.role,
                                        .password = password}));
    }
    MILLRACE_TRY(auto base, daemon::AgentBase::open(
                                {.home_root = root,
                                 .network = options.network,
                                 .role = options.role,
                                 .password = password,
                                 .log_level = config.text("log.level"),
                                 .cache_bytes = static_cast<std::uint64_t>(
                                     std::max<std::int64_t>(config.integer("blobs.cache"), 0))}));
    return Opened{std::move(config), std::move(base)};
}

Outcome<Amount> amount_setting(const io::Config& config, const char* name) {
    const auto amount = parse_amount(config.text(name));
    if (!amount) {
        return Err{Failure{"'" + config.text(name) + "' is not an amount",
                           std::string{name} + " from " + config.origin(name),
                           "write coins (0.25), or a whole number of wei or gwei"}};
    }
    return *amount;
}

Outcome<int> run_agent(const DaemonOptions& options) {
    MILLRACE_TRY(auto opened, open_agent(options));
    auto& base = *opened.base;
    MILLRACE_TRY(const Amount deposit, amount_setting(opened.config, "agent.deposit"));
    daemon::RequestorDaemon agent{
        base, {.deposit = deposit, .listen = opened.config.text("agent.listen")}};
    base.loop().on_stop_signal([&](int) { base.loop().stop(); });
    std::optional<Failure> failure;
    MILLRACE_TRY_VOID(agent.start([&](Outcome<void> ready) {
        const std::string account = crypto::checksum_address(base.account());
        if (ready) ready = io::announce_ready(options.ready_fd, Json{{"account", account}}.dump());
        if (!ready) {
            failure = ready.error();
            return base.loop().stop();
        }
        io::log(io::LogLevel::info, "agent ready", {{"account", account}});
    }));
    base.loop().run();
    if (failure) return Err{*failure};
    return 0;
}

Outcome<int> run_provider(const DaemonOptions& options) {
    MILLRACE_TRY(auto opened, open_agent(options));
    auto& base = *opened.base;
    const auto& config = opened.config;
    daemon::ProviderDaemon::Options settings;
    settings.listen = config.text("provider.listen");
    settings.advertise = config.text("provider.advertise");
    MILLRACE_TRY(settings.price, amount_setting(config, "provider.price"));
    MILLRACE_TRY(settings.stake, amount_setting(config, "provider.stake"));
    const auto slots = config.integer("provider.slots");
    if (slots < 1 || slots > 1024) {
        return Err{Failure{"provider.slots is out of range", config.origin("provider.slots"),
                           "write a number from 1 to 1024"}};
    }
    settings.slots = static_cast<std::uint32_t>(slots);
    const auto tier = daemon::parse_tier(config.text("provider.tier"));
    if (!tier) {
        return Err{Failure{"'" + config.text("provider.tier") + "' is no tier",
                           "provider.tier from " + config.origin("provider.tier"),
                           "write auto, interp or aot"}};
    }
    settings.tier = *tier;
    settings.development = base.network().dev;
    if (!options.fault.empty()) {
        MILLRACE_TRY(settings.wrong_result_ppm, parse_fault(options.fault));
    }
    daemon::ProviderDaemon provider{base, settings};
    base.loop().on_stop_signal([&](int) { provider.stop(); });
    std::optional<Failure> failure;
    MILLRACE_TRY_VOID(provider.start([&](Outcome<std::string> ready) {
        if (!ready) {
            failure = ready.error();
            return base.loop().stop();
        }
        const Json json{{"account", crypto::checksum_address(base.account())},
                        {"endpoint", *ready}};
        if (const auto told = io::announce_ready(options.ready_fd, json.dump()); !told) {
            io::log_failure("readiness could not be told", told.error());
        }
        io::log(io::LogLevel::info, "provider ready", {{"endpoint", *ready}});
        if (options.ready_fd < 0) {
            std::printf("providing at %s as %s\n", ready->c_str(),
                        crypto::checksum_address(base.account()).c_str());
            std::fflush(stdout);
        }
    }));
    base.loop().run();
    if (failure) return Err{*failure};
    return 0;
}

}  // namespace

void add_agent_command(CLI::App& app, int& exit_status) {
    auto options = std::make_shared<DaemonOptions>();
    options->role = "agent-0";
    CLI::App* command = app.add_subcommand("agent", "the requestor's daemon: keeps jobs going");
    add_daemon_flags(command, options);
    add_setting(command, options, "--deposit", "agent.deposit",
                "coins the deposit is brought to at start");
    add_setting(command, options, "--listen", "agent.listen", "address to listen on");
    add_setting(command, options, "--log-level", "log.level", "debug, info, warn, error");
    command->add_option("--join", options->join, "HOST:PORT that tells how to join a network");
    command->callback([options, &exit_status] {
        const auto status = run_agent(*options);
        exit_status = status ? *status : print_failure(status.error());
    });
}

void add_provide_command(CLI::App& app, int& exit_status) {
    auto options = std::make_shared<DaemonOptions>();
    options->role = "provider-0";
    CLI::App* command =
        app.add_subcommand("provide", "offer this machine: run other people's tasks for pay");
    add_daemon_flags(command, options);
    command->add_option("--join", options->join, "HOST:PORT that `millrace up` prints");
    add_setting(command, options, "--price", "provider.price", "coins per 10^9 fuel");
    add_setting(command, options, "--stake", "provider.stake", "coins locked when registering");
    add_setting(command, options, "--slots", "provider.slots", "tasks run at one time");
    add_setting(command, options, "--tier", "provider.tier",
                "auto: modules that are used much are compiled; interp: none; aot: all, first");
    add_setting(command, options, "--listen", "provider.listen", "address to listen on");
    add_setting(command, options, "--advertise", "provider.advertise",
                "address others reach it by");
    add_setting(command, options, "--log-level", "log.level", "debug, info, warn, error");
    command->add_option("--fault", options->fault,
                        "lie on purpose (development networks): wrong-result=RATE");
    command->callback([options, &exit_status] {
        const auto status = run_provider(*options);
        exit_status = status ? *status : print_failure(status.error());
    });
}

}  // namespace millrace::cli
