// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "compute/provider.hpp"
#include "daemon/agent_base.hpp"
#include "daemon/blob_fetcher.hpp"
#include "daemon/machine_loop.hpp"
#include "daemon/provider_chain.hpp"
#include "daemon/task_runner.hpp"
#include "io/control.hpp"
#include "io/transport.hpp"

namespace millrace::daemon {

/// The provider agent: registers on chain, takes leases over TLS, runs tasks in sandboxed workers,
/// and settles vouchers. Runs compute::Provider on the event loop and carries its effects out.
class ProviderDaemon {
  public:
    struct Options {
        std::string listen = "127.0.0.1:0";
        std::string advertise;  ///< "host:port" others reach it by; empty: the bound endpoint
        Amount price;           ///< wei per 10^9 fuel
        Amount stake;
        std::uint32_t slots = 1;
        Tier tier = Tier::automatic;
        std::uint32_t wrong_result_ppm = 0;  ///< refused unless the network is a development one
        bool development = false;
    };

    ProviderDaemon(AgentBase& base, Options options);
    ~ProviderDaemon();

    /// Listens and restores; then registers on chain and calls `ready` with the endpoint, or with
    /// what went wrong.
    Outcome<void> start(std::function<void(Outcome<std::string>)> ready);

    /// Takes no more leases, settles what is owed, then stops the loop.
    void stop();

  private:
    [[nodiscard]] const compute::Provider& machine() const noexcept { return machine_->machine(); }
    void step(compute::provider::Event event);
    void carry_out(const compute::provider::Effect& effect);
    Outcome<Hash32> load_seed();

    void on_connected(io::PeerId peer, const Hash32& key);
    void on_message(io::PeerId peer, types::Message message);
    void on_hello(io::PeerId peer, const types::Hello& hello);
    void on_closed(io::PeerId peer);
    void fetch(const compute::provider::FetchBlobs& request);
    void run(const compute::provider::RunTask& request);
    void answer_control(const std::string& line, const io::ControlReply& reply);

    struct Session {
        Hash32 node_key;
        bool up = false;
    };

    AgentBase& base_;
    Options options_;
    std::unique_ptr<ProviderChain> chain_;
    std::unique_ptr<MachineLoop<compute::Provider>> machine_;
    std::unique_ptr<io::Transport> transport_;
    std::unique_ptr<BlobFetcher> fetcher_;
    std::unique_ptr<TaskRunner> runner_;
    std::unique_ptr<io::ControlServer> control_;
    bool stopping_ = false;
    std::string endpoint_;
    std::map<io::PeerId, Session> sessions_;
};

}  // namespace millrace::daemon
