// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/job_watch.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/progress.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

constexpr Duration settle_time_max{120'000};

}  // namespace

Outcome<Json> watch_job(const AgentAddress& agent, const std::string& job, bool quiet,
                        const std::function<void(const Json&)>& on_line) {
    ProgressLine progress{!quiet};
    Json last;
    const auto streamed =
        stream_agent(agent, {{"op", "watch"}, {"job", job}}, [&](const Json& line) {
            last = line;
            on_line(line);
            progress.show(line.at("done"), line.at("tasks"), line.at("running"),
                          line.at("elapsed_ms"), line.at("waits_for"));
            return true;
        });
    progress.finish();
    if (!streamed && last.is_null()) return Err{streamed.error()};
    if (!streamed || last.is_null() || !last.value("final", false)) {
        return Err{Failure{.what = "the agent stopped while the job was running",
                           .where = job,
                           .remedy = "start it again: the job goes on by itself; then: millrace "
                                     "job wait " +
                                     job.substr(0, 12)}};
    }
    return last;
}

Outcome<Json> await_settlement(const AgentAddress& agent, const std::string& job) {
    MILLRACE_TRY(const Json summary,
                 call_agent(agent, {{"op", "await_settlement"}, {"job", job}}, settle_time_max));
    if (!summary.at("settled").get<bool>()) {
        std::fprintf(stderr,
                     "warning: not everything is settled on chain yet; the agent goes on with it "
                     "(millrace job wait %.12s)\n",
                     job.c_str());
    }
    return summary;
}

Outcome<void> check_ended_well(const Json& last, const Json& summary) {
    const std::string job = summary.at("id");
    if (last.at("state") != "completed") {
        return Err{Failure{.what = last.value("why", "the job did not complete"),
                           .where = job,
                           .remedy = "see millrace job explain " + job.substr(0, 12)}};
    }
    if (const auto count = summary.at("exit_not_zero").get<std::uint64_t>(); count > 0) {
        return Err{
            Failure{.what = std::to_string(count) + " tasks ended with an error of their own",
                    .where = job,
                    .remedy = "see millrace job logs " + job.substr(0, 12)}};
    }
    return {};
}

}  // namespace millrace::cli
