// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/failure.hpp"
#include "base/time.hpp"

namespace millrace::cli {

/// Which agent a command talks to: the flags --home, --network and --agent.
struct AgentAddress {
    std::string home;
    std::string network = "local";
    std::string role = "agent-0";
};

/// One request, one reply line. A reply {"error": {what, where, remedy}} becomes a Failure.
Outcome<nlohmann::json> call_agent(const AgentAddress& agent, const nlohmann::json& request,
                                   Duration time_max);

/// Calls `on_line` for every line of the reply, until it returns false.
Outcome<void> stream_agent(const AgentAddress& agent, const nlohmann::json& request,
                           const std::function<bool(const nlohmann::json&)>& on_line);

/// Prints `error: …` on stderr and returns 1.
int print_failure(const Failure& failure);

}  // namespace millrace::cli
