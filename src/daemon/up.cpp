// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/up.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "chain/wallet_store.hpp"
#include "io/entropy.hpp"
#include "io/files.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t grants_max = 1000;
constexpr std::uint64_t coins_granted = 10;
constexpr const char* chain_name = "chain";

Amount whole_coins(std::uint64_t count) {
    return *parse_amount(std::to_string(count));
}

std::string agent_role() {
    return "agent-0";
}
std::string provider_role(std::uint32_t number) {
    return "provider-" + std::to_string(number);
}

}  // namespace

LocalNetwork::LocalNetwork(io::EventLoop& loop, Options options,
                           std::function<void(Outcome<std::string>)> ready)
    : loop_{loop}, options_{std::move(options)}, ready_{std::move(ready)} {}

LocalNetwork::~LocalNetwork() = default;

Outcome<std::string> LocalNetwork::find_anvil() const {
    if (!options_.anvil.empty()) return options_.anvil;
    if (const char* given = std::getenv("MILLRACE_ANVIL")) return std::string{given};
    // In a build tree the program lies in build/<preset>/bin beside contracts/node_modules.
    MILLRACE_TRY(const std::string self, io::own_executable());
    for (fs::path folder = fs::path{self}.parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
        const fs::path candidate = folder / "contracts/node_modules/.bin/anvil";
        if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
    }
    return std::string{"anvil"};
}

Outcome<void> LocalNetwork::make_accounts() {
    password_file_ = network_folder_ + "/password";
    if (!io::file_exists(password_file_)) {
        MILLRACE_TRY_VOID(io::atomic_write_file(
            password_file_, as_bytes(to_hex(io::random_bytes(16)) + "\n"), 0600));
    }
    MILLRACE_TRY(std::string password, io::read_text_file(password_file_, 1024));
    while (password.ends_with('\n'))
        password.pop_back();
    std::vector<std::string> roles{agent_role()};
    for (std::uint32_t number = 1; number <= options_.providers; ++number) {
        roles.push_back(provider_role(number));
    }
    for (const auto& role : roles) {
        const std::string keys = network_folder_ + "/" + role + "/keys";
        MILLRACE_TRY_VOID(io::make_folder(keys, 0700));
        MILLRACE_TRY(const auto key, chain::load_or_create_key(keys + "/account.json", password,
                                                               crypto::scrypt_light));
        accounts_.push_back(crypto::address_of(key));
    }
    return {};
}

Outcome<void> LocalNetwork::start() {
    for (const auto& [number, chance] : options_.wrong_result) {
        if (number == 0 || number > options_.providers || chance < 0 || chance > 1) {
            return Err{Failure{"there is no provider " + std::to_string(number) +
                                   " to lie, or its rate is not between 0 and 1",
                               "--fault", "write NUMBER:wrong-result=RATE with NUMBER from 1"}};
        }
    }
    MILLRACE_TRY(auto home, io::RoleHome::open(options_.home_root, options_.network, "up"));
    home_ = std::make_unique<io::RoleHome>(std::move(home));
    network_folder_ = options_.home_root + "/" + options_.network;
    MILLRACE_TRY_VOID(io::open_log({.role = "up",
                                    .file = home_->log() + "/up.log",
                                    .level = io::LogLevel::info,
                                    .to_stderr = false}));
    MILLRACE_TRY_VOID(make_accounts());
    if (options_.funder_key_file.empty()) {
        funder_ = std::make_unique<crypto::SecretKey>(development_key());
    } else {
        MILLRACE_TRY(std::string text, io::read_text_file(options_.funder_key_file, 1024));
        while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
            text.pop_back();
        const auto bytes = from_hex(text);
        const auto key = bytes ? crypto::SecretKey::from(*bytes) : std::nullopt;
        if (!key) {
            return Err{Failure{"the funder's key is not 64 hex digits", options_.funder_key_file,
                               "write the private key of a funded account"}};
        }
        funder_ = std::make_unique<crypto::SecretKey>(*key);
    }
    chain_thread_ = std::make_unique<ChainThread>(loop_);
    supervisor_ = std::make_unique<io::Supervisor>(
        loop_, io::Supervisor::Handlers{
                   .on_ready = [this](const std::string& name,
                                      const std::string& ready) { on_child_ready(name, ready); },
                   .on_exit =
                       [this](const std::string& name, const std::string& how) {
                           if (name == chain_name) chain_runs_ = false;
                           io::log(io::LogLevel::warn, "a process ended and is started again",
                                   {{"name", name}, {"how", how}});
                       },
                   .on_failed = [this](const std::string&, const Failure& why) { fail(why); }});
    if (options_.rpc_url.empty()) {
        start_chain();
    } else {
        on_chain_ready(options_.rpc_url);
    }
    return {};
}

void LocalNetwork::start_chain() {
    // The port is kept, so that a chain started again is found where it was.
    const std::string port_file = home_->run() + "/chain-port";
    std::string port = "0";
    if (const auto text = io::read_text_file(port_file, 16)) port = *text;
    auto spec = options_.chain == ChainKind::own ? own_chain(port) : anvil_chain(port);
    if (!spec) return fail(spec.error());
    const auto started = supervisor_->start(std::move(*spec));
    if (!started) fail(started.error());
}

Outcome<io::ChildSpec> LocalNetwork::own_chain(const std::string& port) const {
    MILLRACE_TRY(const std::string self, io::own_executable());
    MILLRACE_TRY_VOID(io::make_folder(network_folder_ + "/" + chain_name, 0700));
    io::ChildSpec spec;
    spec.name = chain_name;
    spec.command = {self,
                    "node",
                    "--dev",
                    "--home",
                    options_.home_root,
                    "--network",
                    options_.network,
                    "--role",
                    chain_name,
                    "--rpc",
                    "127.0.0.1:" + port,
                    "--blocks",
                    "demand:100"};
    spec.environment = options_.chain_environment;
    spec.log_file = network_folder_ + "/" + chain_name + "/process.log";
    spec.ready_time_max = Duration{60'000};
    return spec;
}

Outcome<io::ChildSpec> LocalNetwork::anvil_chain(const std::string& port) const {
    MILLRACE_TRY(const std::string anvil, find_anvil());
    io::ChildSpec spec;
    spec.name = chain_name;
    spec.command = {anvil,
                    "--host",
                    "127.0.0.1",
                    "--port",
                    port,
                    "--chain-id",
                    "5065036",
                    "--block-time",
                    "1",
                    "--slots-in-an-epoch",
                    "1",
                    "--state",
                    home_->db() + "/chain.json",
                    "--state-interval",
                    "1"};
    spec.log_file = home_->log() + "/chain.log";
    spec.ready_by = io::ReadyBy::output_line;
    spec.ready_text = "Listening on ";
    return spec;
}

void LocalNetwork::on_child_ready(const std::string& name, const std::string& ready) {
    if (name == chain_name) {
        // Our node says {"rpc": "http://127.0.0.1:PORT", …}, anvil "Listening on 127.0.0.1:PORT".
        const auto at = ready.find("127.0.0.1:");
        if (at == std::string::npos) {
            return fail({"the chain did not say where it listens", ready, "see its log"});
        }
        const auto end = ready.find_first_not_of("0123456789", at + 10);
        const std::string endpoint = ready.substr(at, end == std::string::npos ? end : end - at);
        const std::string port = endpoint.substr(endpoint.find(':') + 1);
        const auto kept = io::atomic_write_file(home_->run() + "/chain-port", as_bytes(port));
        if (!kept) return fail(kept.error());
        // Should it die, it must be found where it was: the first time it chose its port itself.
        auto again = options_.chain == ChainKind::own ? own_chain(port) : anvil_chain(port);
        if (!again) return fail(again.error());
        supervisor_->set_command(name, std::move(again->command));
        chain_runs_ = true;
        ++chain_life_;
        if (!set_up_) on_chain_ready("http://" + endpoint);
        return;
    }
    awaited_.erase(name);
    report_if_ready();
}

void LocalNetwork::on_chain_ready(const std::string& rpc_url) {
    rpc_url_ = rpc_url;
    if (setting_up_) return;  // how that ends decides
    setting_up_ = true;
    const NetworkPlan plan{.name = options_.network,
                           .rpc_url = rpc_url,
                           .file = network_folder_ + "/network.toml",
                           .funder = *funder_,
                           .accounts = accounts_,
                           .coins_each = whole_coins(1000),
                           .development = true};
    chain_thread_->call([plan] { return set_up_network(plan); },
                        [this, life = chain_life_](Outcome<chain::NetworkFile> network) {
                            setting_up_ = false;
                            if (!network) return set_up_failed(network.error(), life);
                            network_ = std::move(*network);
                            set_up_ = true;
                            start_join_server();
                            start_agents();
                        });
}

void LocalNetwork::set_up_failed(const Failure& failure, std::uint32_t chain_life) {
    // A chain of somebody else's is not ours to wait for.
    if (!options_.rpc_url.empty()) return fail(failure);
    const auto died_since = [this, chain_life] {
        return !chain_runs_ || chain_life_ != chain_life;
    };
    const auto again = [this] {
        io::log(io::LogLevel::warn, "the chain ended while the network was set up: once more");
        // A chain that is not back yet begins it itself; the supervisor bounds how often it dies.
        if (chain_runs_) on_chain_ready(rpc_url_);
    };
    if (died_since()) return again();
    // The connection may be lost before the end of the process is told.
    loop_.call_at(loop_.now() + Duration{1'000}, [this, failure, died_since, again] {
        if (!died_since()) return fail(failure);
        // Its next life may have begun the setting up meanwhile.
        if (!setting_up_ && !set_up_) again();
    });
}

void LocalNetwork::start_agents() {
    const auto self = io::own_executable();
    if (!self) return fail(self.error());
    const auto launch = [&](const std::string& role, std::vector<std::string> command,
                            std::vector<std::pair<std::string, std::string>> environment) {
        io::ChildSpec spec;
        spec.name = role;
        spec.command = {*self};
        spec.command.insert(spec.command.end(), command.begin(), command.end());
        for (const char* flag :
             {"--home", options_.home_root.c_str(), "--network", options_.network.c_str(), "--role",
              role.c_str(), "--password-file", password_file_.c_str()}) {
            spec.command.emplace_back(flag);
        }
        spec.environment = std::move(environment);
        spec.log_file = network_folder_ + "/" + role + "/process.log";
        spec.ready_time_max = Duration{60'000};
        spec.stop_time_max = Duration{30'000};
        spec.stage = 1;  // ends before the chain, on which providers settle last
        awaited_.insert(role);
        const auto started = supervisor_->start(std::move(spec));
        if (!started) fail(started.error());
    };
    for (std::uint32_t number = 1; number <= options_.providers; ++number) {
        std::vector<std::string> command{"provide", "--price", options_.price, "--slots",
                                         std::to_string(options_.slots)};
        if (const auto lie = options_.wrong_result.find(number);
            lie != options_.wrong_result.end()) {
            command.emplace_back("--fault");
            command.push_back(fmt::format("wrong-result={}", lie->second));
        }
        const auto environment = options_.provider_environment.find(number);
        launch(provider_role(number), std::move(command),
               environment == options_.provider_environment.end() ? decltype(environment->second){}
                                                                  : environment->second);
    }
    launch(agent_role(), {"agent", "--deposit", options_.deposit}, options_.agent_environment);
}

void LocalNetwork::start_join_server() {
    const auto identity = io::NodeKey::load_or_create(home_->keys() + "/node.pem");
    if (!identity) return fail(identity.error());
    join_ = std::make_unique<io::Transport>(
        loop_, *identity,
        io::Transport::Handlers{
            .on_connected = [](io::PeerId, const Hash32&, bool) {},
            .on_message = [this](io::PeerId peer,
                                 const types::Message& message) { on_join_message(peer, message); },
            .on_closed = [](io::PeerId, const std::string&) {},
            .on_writable = {}},
        io::TransportLimits{.connections_max = 64, .idle_time_max = Duration{60'000}});
    const auto bound = join_->listen(options_.join_listen);
    if (!bound) return fail(bound.error());
    join_endpoint_ = *bound;
    const auto published = home_->publish_endpoint(join_endpoint_);
    if (!published) fail(published.error());
}

void LocalNetwork::on_join_message(io::PeerId peer, const types::Message& message) {
    if (std::holds_alternative<types::NetworkRequest>(message)) {
        join_->send(peer, types::NetworkAnswer{chain::format_network_file(network_)});
        return;
    }
    const auto* request = std::get_if<types::FaucetRequest>(&message);
    if (request == nullptr) return join_->close(peer);
    if (++grants_ > grants_max) {
        join_->send(peer, types::FaucetAnswer{{}, "this network has given away enough coins"});
        return;
    }
    chain_thread_->call(
        [url = rpc_url_, key = *funder_, account = request->account] {
            return grant_coins(url, key, account, whole_coins(coins_granted));
        },
        [this, peer](Outcome<Hash32> sent) {
            join_->send(peer, types::FaucetAnswer{sent ? *sent : Hash32{},
                                                  sent ? "" : sent.error().text()});
        });
}

void LocalNetwork::report_if_ready() {
    if (reported_ || !awaited_.empty() || !set_up_) return;
    reported_ = true;
    Json processes = Json::array();
    for (const auto& child : supervisor_->status()) {
        processes.push_back({{"name", child.name}, {"pid", child.pid}});
    }
    ready_(Json{{"network", options_.network},
                {"home", options_.home_root},
                {"rpc", rpc_url_},
                {"chain_id", to_decimal(network_.domain.chain_id)},
                {"join", join_endpoint_},
                {"processes", std::move(processes)}}
               .dump());
}

void LocalNetwork::fail(const Failure& failure) {
    io::log_failure("the network cannot be kept up", failure);
    reported_ = true;
    ready_(Err{failure});
}

void LocalNetwork::stop() {
    if (!supervisor_) return loop_.stop();
    supervisor_->stop_all([this] { loop_.stop(); });
}

}  // namespace millrace::daemon
