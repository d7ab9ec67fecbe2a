// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compute/requestor.hpp"
#include "daemon/agent_base.hpp"
#include "daemon/blob_fetcher.hpp"
#include "daemon/job_pins.hpp"
#include "daemon/job_request.hpp"
#include "daemon/machine_loop.hpp"
#include "daemon/requestor_chain.hpp"
#include "io/control.hpp"
#include "io/transport.hpp"

namespace millrace::daemon {

/// The requestor agent: runs compute::Requestor on the event loop, carries its effects out, and
/// answers the command line on the control socket (docs/formats/control.md).
class RequestorDaemon {
  public:
    struct Options {
        Amount deposit;  ///< brought to this when the deposit is below it; 0: left alone
        std::string listen = "127.0.0.1:0";
    };

    RequestorDaemon(AgentBase& base, Options options);
    ~RequestorDaemon();

    /// Restores, connects to the chain and starts serving; then the loop may run. `ready` is called
    /// once jobs can be taken: the deposit is funded and final, and the registry has been read.
    Outcome<void> start(std::function<void(Outcome<void>)> ready);

  private:
    friend class RequestorControl;

    struct Peer {
        io::PeerId connection = 0;
        bool up = false;
    };
    struct Watch {
        io::ControlReply reply;
        Hash32 job;
        std::string last;
    };
    struct SettlementWait {
        io::ControlReply reply;
        Hash32 job;
        Instant until;
    };

    [[nodiscard]] const compute::Requestor& machine() const noexcept { return machine_->machine(); }
    void step(compute::requestor::Event event);
    void carry_out(const compute::requestor::Effect& effect);

    void connect(const compute::requestor::Connect& request);
    void on_connected(io::PeerId connection);
    void on_message(io::PeerId connection, types::Message message);
    void on_hello(io::PeerId connection, const Address& provider, const types::Hello& hello);
    void on_closed(io::PeerId connection, const std::string& why);
    void fetch(const compute::requestor::FetchBlob& request);
    /// Puts a fetched output where it belongs; the job's out folder, or nothing more than the
    /// store.
    Outcome<void> collect(const compute::requestor::FetchBlob& request);
    std::string output_path(const compute::requestor::FetchBlob& request,
                            const std::string& out) const;

    /// Pins live in memory, so after a start what unfinished jobs need is pinned again.
    void pin_unfinished_jobs();

    Outcome<Hash32> submit(const JobRequest& request);
    Outcome<void> read_plan(const JobRequest& request, compute::requestor::JobPlan& plan);
    Outcome<types::SealedBlob> store_input(const std::string& path,
                                           const compute::requestor::JobPlan& plan,
                                           std::map<std::string, types::SealedBlob>& stored);

    void release(std::uint64_t allocation);
    void on_chain_view(const ChainView& view);
    void refresh();
    void tell_ready_if_so();

    /// Contradictions go on chain once the job's streams are closed, so that they weigh on what the
    /// liar earned in the same job too (docs/decisions/0004-settlement-order.md).
    void report_settled_contradictions();
    void report(const compute::requestor::Evidence& evidence);

    void notify_watchers();
    void schedule_notify();

    AgentBase& base_;
    Options options_;
    std::unique_ptr<RequestorChain> chain_;
    std::unique_ptr<MachineLoop<compute::Requestor>> machine_;
    std::unique_ptr<io::Transport> transport_;
    std::unique_ptr<BlobFetcher> fetcher_;
    JobPins pins_{base_.blobs()};
    std::unique_ptr<class RequestorControl> control_;
    bool refreshing_ = false;
    bool notify_scheduled_ = false;
    std::map<Address, Peer> peers_;
    std::map<io::PeerId, Address> connections_;
    std::map<Hash32, std::string> out_folders_;                         ///< by job
    std::map<Hash32, std::map<std::string, std::uint64_t>> collected_;  ///< path → task, by job
    std::vector<compute::requestor::Evidence> reports_waiting_;
    std::vector<Watch> watches_;
    std::vector<SettlementWait> settlement_waits_;
    std::map<Hash32, std::string> failures_;  ///< why a job ended without completing
    std::function<void(Outcome<void>)> ready_;
    bool deposit_done_ = false;
    ChainView view_;
};

}  // namespace millrace::daemon
