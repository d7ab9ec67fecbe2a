// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/agent_client.hpp"
#include "cli/commands.hpp"
#include "cli/job_watch.hpp"
#include "cli/summary.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

struct JobOptions {
    AgentAddress agent;
    std::string job;
    std::int64_t task = -1;
    bool json = false;
    bool quiet = false;
};

constexpr Duration reply_time_max{30'000};

void add_common(CLI::App* command, const std::shared_ptr<JobOptions>& options) {
    command->add_option("--home", options->agent.home, "data folder (default $MILLRACE_HOME)");
    command->add_option("--network", options->agent.network, "network name")->capture_default_str();
    command->add_option("--agent", options->agent.role, "which agent of this machine")
        ->capture_default_str();
    command->add_flag("--json", options->json, "one JSON object on stdout");
}

void print_job_row(const Json& job) {
    std::printf("%-14.14s  %-20.20s  %-10s  %6llu/%-6llu  %s\n",
                job.at("id").get<std::string>().c_str(), job.at("name").get<std::string>().c_str(),
                job.at("state").get<std::string>().c_str(),
                job.at("done").get<unsigned long long>(), job.at("tasks").get<unsigned long long>(),
                job.at("waits_for").get<std::string>().c_str());
}

int list_jobs(const JobOptions& options) {
    const auto reply = call_agent(options.agent, {{"op", "jobs"}}, reply_time_max);
    if (!reply) return print_failure(reply.error());
    if (options.json) {
        std::printf("%s\n", reply->dump().c_str());
        return 0;
    }
    if (reply->at("jobs").empty()) {
        std::printf("no jobs yet; start one with: millrace run --job FILE\n");
        return 0;
    }
    std::printf("%-14s  %-20s  %-10s  %13s\n", "JOB", "NAME", "STATE", "DONE");
    for (const auto& job : reply->at("jobs"))
        print_job_row(job);
    return 0;
}

void print_attempt(const Json& attempt) {
    std::printf("    %s  %-12s  fuel %-12llu  result %.12s  %s\n",
                attempt.at("provider").get<std::string>().c_str(),
                attempt.at("state").get<std::string>().c_str(),
                attempt.at("fuel").get<unsigned long long>(),
                attempt.value("result", std::string{"-"}).c_str(),
                attempt.at("why").get<std::string>().c_str());
}

int show_job(const JobOptions& options) {
    const auto reply =
        call_agent(options.agent, {{"op", "job"}, {"job", options.job}}, reply_time_max);
    if (!reply) return print_failure(reply.error());
    if (options.json) {
        std::printf("%s\n", reply->dump().c_str());
        return 0;
    }
    print_job_row(reply->at("job"));
    for (const auto& task : reply->at("tasks")) {
        std::printf("  task %-5llu %-10s %s %s\n", task.at("index").get<unsigned long long>(),
                    task.at("state").get<std::string>().c_str(),
                    task.at("label").get<std::string>().c_str(),
                    task.at("why").get<std::string>().c_str());
        for (const auto& attempt : task.at("attempts"))
            print_attempt(attempt);
    }
    return 0;
}

int show_logs(const JobOptions& options) {
    Json request{{"op", "logs"}, {"job", options.job}};
    if (options.task >= 0) request["task"] = options.task;
    int status = 0;
    const auto done = stream_agent(options.agent, request, [&](const Json& line) {
        if (options.json) {
            std::printf("%s\n", line.dump().c_str());
            return true;
        }
        const std::string label = "[" + line.at("label").get<std::string>() + "] ";
        for (const char* stream : {"stdout", "stderr"}) {
            const std::string text = line.at(stream).get<std::string>();
            for (std::size_t at = 0; at < text.size();) {
                const std::size_t end = std::min(text.find('\n', at), text.size());
                std::fprintf(stream[3] == 'o' ? stdout : stderr, "%s%s\n", label.c_str(),
                             text.substr(at, end - at).c_str());
                at = end + 1;
            }
        }
        return true;
    });
    if (!done) status = print_failure(done.error());
    return status;
}

int explain_job(const JobOptions& options) {
    Json request{{"op", "explain"}, {"job", options.job}};
    if (options.task >= 0) request["task"] = options.task;
    const auto reply = call_agent(options.agent, request, reply_time_max);
    if (!reply) return print_failure(reply.error());
    std::printf("%s\n", options.json ? reply->dump().c_str()
                                     : reply->at("text").get<std::string>().c_str());
    return 0;
}

int cancel_job(const JobOptions& options) {
    const auto reply =
        call_agent(options.agent, {{"op", "cancel"}, {"job", options.job}}, reply_time_max);
    if (!reply) return print_failure(reply.error());
    std::printf("%s\n", options.json ? reply->dump().c_str() : "cancelled");
    return 0;
}

int wait_for_job(const JobOptions& options) {
    const auto follow = [&]() -> Outcome<int> {
        MILLRACE_TRY(const Json last,
                     watch_job(options.agent, options.job, options.quiet, [](const Json&) {}));
        MILLRACE_TRY(const Json summary, await_settlement(options.agent, last.at("id")));
        if (options.json) {
            std::printf("%s\n", summary.dump().c_str());
        } else {
            print_summary(summary);
        }
        MILLRACE_TRY_VOID(check_ended_well(last, summary));
        return 0;
    };
    const auto status = follow();
    return status ? *status : print_failure(status.error());
}

int list_providers(const JobOptions& options) {
    const auto reply = call_agent(options.agent, {{"op", "providers"}}, reply_time_max);
    if (!reply) return print_failure(reply.error());
    if (options.json) {
        std::printf("%s\n", reply->dump().c_str());
        return 0;
    }
    std::printf("%-42s  %-21s %9s %9s %8s %8s %6s  %s\n", "PROVIDER", "ENDPOINT", "PRICE",
                "Mfuel/s", "ACCEPTED", "WRONG", "SCORE", "STATE");
    for (const auto& row : reply->at("providers")) {
        const std::string unused = row.at("why_unused");
        std::printf("%-42s  %-21s %9s %9.1f %8llu %8llu %6llu  %s\n",
                    row.at("provider").get<std::string>().c_str(),
                    row.at("endpoint").get<std::string>().c_str(),
                    row.at("price").get<std::string>().c_str(),
                    row.at("fuel_per_second").get<double>() / 1e6,
                    row.at("accepted").get<unsigned long long>(),
                    row.at("contradicted").get<unsigned long long>(),
                    row.at("score").get<unsigned long long>(),
                    unused.empty() ? (row.at("connected").get<bool>() ? "connected" : "known")
                                   : unused.c_str());
    }
    return 0;
}

template <typename Action>
CLI::App* add_subcommand(CLI::App* parent, const char* name, const char* help, bool takes_job,
                         int& exit_status, Action action) {
    auto options = std::make_shared<JobOptions>();
    CLI::App* command = parent->add_subcommand(name, help);
    add_common(command, options);
    if (takes_job) {
        command->add_option("job", options->job, "job id, its beginning, or its name")->required();
    }
    command->callback([options, action, &exit_status] { exit_status = action(*options); });
    if (takes_job && (std::string{name} == "logs" || std::string{name} == "explain")) {
        command->add_option("--task", options->task, "only this task (its index)");
    }
    if (std::string{name} == "wait") {
        command->add_flag("--quiet", options->quiet, "no progress line");
    }
    return command;
}

}  // namespace

void add_job_command(CLI::App& app, int& exit_status) {
    CLI::App* job = app.add_subcommand("job", "look at jobs and steer them");
    job->require_subcommand(1);
    add_subcommand(job, "ls", "list the agent's jobs", false, exit_status, list_jobs);
    add_subcommand(job, "show", "tasks and attempts of a job", true, exit_status, show_job);
    add_subcommand(job, "logs", "stdout and stderr of its tasks", true, exit_status, show_logs);
    add_subcommand(job, "explain", "why a task waits, ran twice or was rejected", true, exit_status,
                   explain_job);
    add_subcommand(job, "wait", "until a job is over and settled; then its summary", true,
                   exit_status, wait_for_job);
    add_subcommand(job, "cancel", "stop a job; what was accepted stays paid", true, exit_status,
                   cancel_job);
}

void add_provider_command(CLI::App& app, int& exit_status) {
    CLI::App* provider = app.add_subcommand("provider", "look at providers");
    provider->require_subcommand(1);
    add_subcommand(provider, "ls", "providers of the network, as this agent sees them", false,
                   exit_status, list_providers);
}

}  // namespace millrace::cli
