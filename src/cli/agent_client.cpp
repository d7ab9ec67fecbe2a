// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/agent_client.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/control.hpp"
#include "io/home.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

Outcome<io::ControlClient> connect_agent(const AgentAddress& agent) {
    MILLRACE_TRY(const std::string root, io::home_root(agent.home));
    MILLRACE_TRY(const std::string path, io::RoleHome::path_of(root, agent.network, agent.role));
    return io::ControlClient::connect(path + "/run", agent.role);
}

Outcome<Json> parse_reply(std::string_view line) {
    Json reply = Json::parse(line, nullptr, false);
    if (reply.is_discarded() || !reply.is_object()) {
        return Err{Failure{.what = "the agent's answer cannot be read",
                           .where = "control channel",
                           .remedy = "use a `millrace` of the same version as the agent"}};
    }
    if (reply.contains("error")) {
        const Json& error = reply["error"];
        return Err{Failure{.what = error.value("what", "unknown error"),
                           .where = error.value("where", ""),
                           .remedy = error.value("remedy", "")}};
    }
    return reply;
}

}  // namespace

Outcome<Json> call_agent(const AgentAddress& agent, const Json& request, Duration time_max) {
    MILLRACE_TRY(io::ControlClient client, connect_agent(agent));
    MILLRACE_TRY(const auto lines, client.call(request.dump(), time_max));
    if (lines.empty()) {
        return Err{Failure{.what = "the agent ended without an answer",
                           .where = "control channel",
                           .remedy = "look into its log"}};
    }
    return parse_reply(lines.front());
}

Outcome<void> stream_agent(const AgentAddress& agent, const Json& request,
                           const std::function<bool(const Json&)>& on_line) {
    MILLRACE_TRY(io::ControlClient client, connect_agent(agent));
    std::optional<Failure> failure;
    MILLRACE_TRY_VOID(client.stream(request.dump(), Duration{0}, [&](std::string_view line) {
        auto reply = parse_reply(line);
        if (!reply) {
            failure = reply.error();
            return false;
        }
        return on_line(*reply);
    }));
    if (failure) return Err{*failure};
    return {};
}

int print_failure(const Failure& failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "error: %s\n", failure.text().c_str());
    return 1;
}

}  // namespace millrace::cli
