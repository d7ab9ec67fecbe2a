// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/failure.hpp"
#include "cli/agent_client.hpp"

namespace millrace::cli {

/// What `run` and `job wait` have in common: a job is followed to its end, then to the chain.

/// Shows progress until the job is over and returns its last state line (docs/formats/control.md,
/// `watch`). `on_line` sees every line.
Outcome<nlohmann::json> watch_job(const AgentAddress& agent, const std::string& job, bool quiet,
                                  const std::function<void(const nlohmann::json&)>& on_line);

/// The agent's summary, once every payee's stream is closed on chain and every lie is reported, or
/// after a minute with what stands then and a warning on stderr.
Outcome<nlohmann::json> await_settlement(const AgentAddress& agent, const std::string& job);

/// Nothing when the job completed and every task's program ended well; else why it did not.
Outcome<void> check_ended_well(const nlohmann::json& last, const nlohmann::json& summary);

}  // namespace millrace::cli
