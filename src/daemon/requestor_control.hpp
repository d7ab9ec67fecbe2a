// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "daemon/requestor_daemon.hpp"

namespace millrace::daemon {

/// Turns requests of the command line (one JSON object a line, docs/formats/control.md) into calls
/// of the daemon and its machine's queries, and their answers into JSON.
class RequestorControl {
  public:
    explicit RequestorControl(RequestorDaemon& daemon) : daemon_{daemon} {}

    Outcome<void> listen();
    /// False once the watcher is done with.
    bool notify(RequestorDaemon::Watch& watch);
    bool notify(RequestorDaemon::SettlementWait& wait);

  private:
    void handle(const std::string& line, const io::ControlReply& reply);
    void submit(const nlohmann::json& request, const io::ControlReply& reply);
    void snapshot(const io::ControlReply& reply);
    void logs(const nlohmann::json& request, const io::ControlReply& reply);
    Outcome<Hash32> find_job(const nlohmann::json& request) const;
    nlohmann::json summary_of(const Hash32& job) const;
    nlohmann::json providers() const;

    RequestorDaemon& daemon_;
    std::unique_ptr<io::ControlServer> server_;
};

}  // namespace millrace::daemon
