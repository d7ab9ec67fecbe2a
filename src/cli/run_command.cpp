// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "cli/agent_client.hpp"
#include "cli/commands.hpp"
#include "cli/job_file.hpp"
#include "cli/job_watch.hpp"
#include "cli/local_run.hpp"
#include "cli/progress.hpp"
#include "cli/summary.hpp"
#include "cli/wasm_task.hpp"
#include "io/clock.hpp"
#include "io/files.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

struct RunOptions {
    AgentAddress agent;
    std::string job_file;
    JobDescription flags;
    std::string range;
    std::string fuel;
    std::string memory;
    std::string output;
    std::uint32_t replicas = 0;
    std::string summary_file;
    bool local = false;
    bool compare_local = false;
    std::string tier = "interp";  ///< of --local and --compare-local
    std::uint64_t parallel = 0;
    bool detach = false;
    bool json = false;
    bool quiet = false;
};

constexpr Duration submit_time_max{300'000};
constexpr Duration reply_time_max{60'000};

Outcome<daemon::JobRequest> read_request(const RunOptions& options) {
    JobDescription job;
    job.base = std::filesystem::current_path();
    if (!options.job_file.empty()) {
        MILLRACE_TRY(job, read_job_file(options.job_file));
    }
    const JobDescription& flags = options.flags;
    // Paths in flags start at the current folder, those of a job file at its folder.
    const auto here = [&](const std::string& path) {
        return std::filesystem::absolute(path).lexically_normal().string();
    };
    if (!flags.module.empty()) job.module = here(flags.module);
    if (!flags.name.empty()) job.name = flags.name;
    if (!flags.args.empty()) job.args = flags.args;
    if (!flags.for_each.empty()) {
        job.for_each.clear();
        for (const auto& pattern : flags.for_each)
            job.for_each.push_back(here(pattern));
    }
    if (!flags.out.empty()) job.out = here(flags.out);
    for (const auto& pattern : flags.files)
        job.files.push_back(here(pattern));
    job.environment.insert(job.environment.end(), flags.environment.begin(),
                           flags.environment.end());
    job.providers.insert(job.providers.end(), flags.providers.begin(), flags.providers.end());
    if (!options.range.empty()) job.range = options.range;
    if (!options.fuel.empty()) job.fuel = options.fuel;
    if (!options.memory.empty()) job.memory = options.memory;
    if (!options.output.empty()) job.output = options.output;
    if (options.replicas != 0) job.replicas = options.replicas;
    if (!flags.price_max.empty()) job.price_max = flags.price_max;
    if (!flags.cost_max.empty()) job.cost_max = flags.cost_max;
    return resolve_job(job);
}

/// Tasks that run here: in which tier, how many at a time.
Outcome<LocalOptions> local_options(const RunOptions& options, const std::string& module) {
    LocalOptions local{.parallel = options.parallel};
    if (options.tier != "aot") return local;
    MILLRACE_TRY(const Bytes bytes, io::read_file(module, types::blob_size_max));
    MILLRACE_TRY(local.compiled, image_of(TaskOptions{}, bytes));
    return local;
}

Json local_to_json(const RunOptions& options, const LocalRun& run) {
    Json times = Json::array();
    for (const auto& [index, milliseconds] : run.task_ms)
        times.push_back(std::round(milliseconds * 1000) / 1000);
    Json json{
        {"wall_ms", run.wall_ms},   {"tier", options.tier}, {"task_ms", std::move(times)},
        {"parallel", run.parallel}, {"fuel", run.fuel},     {"exit_not_zero", run.exit_not_zero}};
    return json;
}

int run_local_only(const RunOptions& options, const daemon::JobRequest& request) {
    ProgressLine progress{!options.quiet};
    const auto local = local_options(options, request.module);
    if (!local) return print_failure(local.error());
    const Instant start = io::steady_now();
    const auto run = run_locally(request, *local, [&](std::uint64_t done) {
        progress.show(done, request.tasks.size(), 0, (io::steady_now() - start).count(), "local");
    });
    progress.finish();
    if (!run) return print_failure(run.error());
    Json json = local_to_json(options, *run);
    for (const auto& [index, id] : run->result_ids)
        json["results"][std::to_string(index)] = id;
    if (!options.summary_file.empty()) {
        const auto written = io::atomic_write_file(options.summary_file, as_bytes(json.dump(2)));
        if (!written) return print_failure(written.error());
    }
    if (options.json) {
        std::printf("%s\n", json.dump().c_str());
    } else {
        std::printf("%zu tasks in %s, fuel %llu, %llu ended with an error of their own\n",
                    request.tasks.size(), format_duration(run->wall_ms).c_str(),
                    static_cast<unsigned long long>(run->fuel),
                    static_cast<unsigned long long>(run->exit_not_zero));
    }
    return run->exit_not_zero == 0 ? 0 : 1;
}

Outcome<Json> compare_with_local(const RunOptions& options, const daemon::JobRequest& request,
                                 const Json& summary) {
    daemon::JobRequest local = request;
    local.out.clear();
    ProgressLine progress{!options.quiet};
    MILLRACE_TRY(const LocalOptions how, local_options(options, request.module));
    const Instant start = io::steady_now();
    MILLRACE_TRY(const LocalRun run, run_locally(local, how, [&](std::uint64_t done) {
                     progress.show(done, request.tasks.size(), 0,
                                   (io::steady_now() - start).count(), "local, for comparison");
                 }));
    progress.finish();
    Json json = local_to_json(options, run);
    Json different = Json::array();
    for (const auto& [index, id] : run.result_ids) {
        const std::string key = std::to_string(index);
        if (!summary.at("results").contains(key) || summary["results"][key] != id) {
            different.push_back(index);
        }
    }
    json["identical"] = different.empty();
    json["different_tasks"] = different;
    return json;
}

/// The chain's figures once the job is over; a chain that is just being started again is waited
/// for.
Outcome<Json> snapshot_after(const AgentAddress& agent) {
    constexpr Duration patience{30'000};
    constexpr std::chrono::milliseconds pause{500};
    const Instant end = io::steady_now() + patience;
    for (;;) {
        auto snapshot = call_agent(agent, {{"op", "snapshot"}}, reply_time_max);
        if (snapshot || io::steady_now() >= end) return snapshot;
        std::this_thread::sleep_for(pause);
    }
}

Outcome<int> run_on_network(const RunOptions& options, const daemon::JobRequest& request,
                            Instant start) {
    MILLRACE_TRY(const Json before,
                 call_agent(options.agent, {{"op", "snapshot"}}, reply_time_max));
    MILLRACE_TRY(const Json submitted,
                 call_agent(options.agent,
                            {{"op", "submit"}, {"request", daemon::job_request_to_json(request)}},
                            submit_time_max));
    const std::string job = submitted.at("job");
    if (options.detach) {
        std::printf("%s\n", options.json ? submitted.dump().c_str() : job.c_str());
        return 0;
    }
    FirstTask first;
    const auto note = [&](const Json& state) {
        const Duration so_far = io::steady_now() - start;
        const auto has = [&](const char* key) { return state.at(key).get<std::uint64_t>() > 0; };
        if (!first.verified && has("verified")) first.verified = so_far;
        if (!first.paid && has("acknowledged")) first.paid = so_far;
    };
    MILLRACE_TRY(const Json last, watch_job(options.agent, job, options.quiet, note));
    MILLRACE_TRY(const Json summary, await_settlement(options.agent, job));
    note(summary);  // of a job of a few short tasks the watch may end before the first voucher
    MILLRACE_TRY(const Json after, snapshot_after(options.agent));
    Json local;
    const bool completed = last.at("state") == "completed";
    if (options.compare_local && completed) {
        MILLRACE_TRY(local, compare_with_local(options, request, summary));
    }
    const Json combined = combine_summary(summary, before, after, local, first);
    if (!options.summary_file.empty()) {
        MILLRACE_TRY_VOID(
            io::atomic_write_file(options.summary_file, as_bytes(combined.dump(2) + "\n")));
    }
    if (options.json) {
        std::printf("%s\n", combined.dump().c_str());
    } else {
        print_summary(combined);
    }
    MILLRACE_TRY_VOID(check_ended_well(last, combined));
    if (!local.is_null() && !local.at("identical").get<bool>()) {
        return Err{Failure{.what = "results differ from the local run",
                           .where = "tasks " + local["different_tasks"].dump(),
                           .remedy = "please report this"}};
    }
    return 0;
}

int run(const RunOptions& options) {
    const Instant start = io::steady_now();
    auto request = read_request(options);
    if (!request) return print_failure(request.error());
    const auto module = check_module(request->module);
    if (!module) return print_failure(module.error());
    if (options.local) return run_local_only(options, *request);
    const auto status = run_on_network(options, *request, start);
    return status ? *status : print_failure(status.error());
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_status) {
    auto options = std::make_shared<RunOptions>();
    CLI::App* command = app.add_subcommand(
        "run", "run a WebAssembly program over many inputs on the network's providers");
    command->add_option("module", options->flags.module, "a WASI preview1 module (.wasm)");
    command->add_option("--module", options->flags.module, "the same, beside --job");
    command->add_option("--job", options->job_file, "job file (TOML, docs/formats/job.md)");
    command->add_option("--name", options->flags.name, "name of the job, for people");
    command->add_option("--for", options->flags.for_each, "one task for each file that matches");
    command->add_option("--range", options->range, "one task for each number: 0..47");
    command->add_option("--file", options->flags.files, "files every task gets (patterns)");
    command->add_option("--env", options->flags.environment, "NAME=value for every task");
    command->add_option("--out", options->flags.out, "folder the outputs are collected in");
    command->add_option("--fuel", options->fuel, "fuel limit of a task (k, M, G, T)");
    command->add_option("--memory", options->memory, "memory limit of a task (k, M, G)");
    command->add_option("--output", options->output, "output limit of a task (k, M, G)");
    command->add_option("--replicas", options->replicas, "equal results that accept a task")
        ->check(CLI::Range(1, 7));
    command->add_option("--price-max", options->flags.price_max, "coins per 10^9 fuel");
    command->add_option("--cost-max", options->flags.cost_max, "coins for the whole job");
    command->add_option("--provider", options->flags.providers, "only these providers");
    command->add_option("--summary", options->summary_file, "write the summary (JSON) here");
    command->add_flag("--local", options->local, "run on this machine, without the network");
    command->add_flag("--compare-local", options->compare_local,
                      "afterwards run the same tasks here and compare results and time");
    command
        ->add_option("--tier", options->tier,
                     "of tasks run here (--local, --compare-local): interp or aot, compiled code")
        ->check(CLI::IsMember({"interp", "aot"}));
    command
        ->add_option("--parallel", options->parallel,
                     "tasks run here at a time (default: one for each processor)")
        ->check(CLI::Range(1u, 1024u));
    command->add_flag("--detach", options->detach, "submit and print the job's id");
    command->add_flag("--json", options->json, "the summary as one JSON object on stdout");
    command->add_flag("--quiet", options->quiet, "no progress line");
    command->add_option("--home", options->agent.home, "data folder (default $MILLRACE_HOME)");
    command->add_option("--network", options->agent.network, "network name")->capture_default_str();
    command->add_option("--agent", options->agent.role, "which agent of this machine")
        ->capture_default_str();
    command->add_option("args", options->flags.args,
                        "the task's arguments after --; {index} {path} {name} {stem} are replaced");
    command->callback([options, &exit_status] { exit_status = run(*options); });
}

}  // namespace millrace::cli
