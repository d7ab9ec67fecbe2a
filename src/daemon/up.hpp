// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "daemon/chain_thread.hpp"
#include "daemon/network_setup.hpp"
#include "io/event_loop.hpp"
#include "io/home.hpp"
#include "io/process.hpp"
#include "io/transport.hpp"

namespace millrace::daemon {

/// A whole network on this machine: the chain, providers and a requestor agent as supervised
/// processes, and a join endpoint for more providers.
class LocalNetwork {
  public:
    /// What `up` starts when no chain runs already.
    enum class ChainKind : std::uint8_t { own, anvil };
    struct Options {
        std::string home_root;
        std::string network = "local";
        std::uint32_t providers = 4;
        std::map<std::uint32_t, double> wrong_result;  ///< by provider number, from 1
        std::uint32_t slots = 1;
        std::string price = "0.001";  ///< coins per 10^9 fuel
        std::string deposit = "100";
        ChainKind chain = ChainKind::own;
        std::string rpc_url;          ///< a chain that runs already; empty: start one
        std::string funder_key_file;  ///< hex; empty: the development key
        std::string anvil;            ///< program; empty: looked for
        std::string join_listen = "127.0.0.1:0";
        std::vector<std::pair<std::string, std::string>> chain_environment;
        std::vector<std::pair<std::string, std::string>> agent_environment;
        std::map<std::uint32_t, std::vector<std::pair<std::string, std::string>>>
            provider_environment;
    };

    /// `ready` once: the whole network serves (JSON for scripts), or why it does not.
    LocalNetwork(io::EventLoop& loop, Options options,
                 std::function<void(Outcome<std::string>)> ready);
    ~LocalNetwork();

    Outcome<void> start();
    /// Stops every process, then the loop.
    void stop();

  private:
    void start_chain();
    Outcome<io::ChildSpec> own_chain(const std::string& port) const;
    Outcome<io::ChildSpec> anvil_chain(const std::string& port) const;
    void on_child_ready(const std::string& name, const std::string& ready);
    void on_chain_ready(const std::string& rpc_url);
    void set_up_failed(const Failure& failure, std::uint32_t chain_life);
    void start_agents();
    void start_join_server();
    void on_join_message(io::PeerId peer, const types::Message& message);
    void fail(const Failure& failure);
    void report_if_ready();
    Outcome<std::string> find_anvil() const;
    Outcome<void> make_accounts();

    io::EventLoop& loop_;
    Options options_;
    std::function<void(Outcome<std::string>)> ready_;
    std::unique_ptr<io::RoleHome> home_;
    std::unique_ptr<io::Supervisor> supervisor_;
    std::unique_ptr<io::Transport> join_;
    std::unique_ptr<ChainThread> chain_thread_;
    std::unique_ptr<crypto::SecretKey> funder_;
    std::string network_folder_;
    std::string password_file_;
    std::string rpc_url_;
    std::string join_endpoint_;
    std::vector<Address> accounts_;
    chain::NetworkFile network_;
    std::set<std::string> awaited_;
    bool set_up_ = false;
    bool setting_up_ = false;
    bool chain_runs_ = false;
    std::uint32_t chain_life_ = 0;  ///< starts of the chain that became ready
    bool reported_ = false;
    std::uint32_t grants_ = 0;
};

}  // namespace millrace::daemon
