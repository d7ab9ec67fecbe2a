// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm diff` and `millrace wasm bench`: one task in both tiers, each run in a sandboxed
// process of its own; whether they agree, and how long they take.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/wasm_commands.hpp"
#include "cli/wasm_task.hpp"
#include "sandbox/worker.hpp"

namespace millrace::cli {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

int fail(const Failure& failure) {
    print_error(failure);
    return status_failure;
}

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A task, and the same with machine code.
struct BothTiers {
    sandbox::WorkerTask interpreted;
    sandbox::WorkerTask compiled;
    double compile_ms = 0;  ///< making or finding the machine code
};

Outcome<BothTiers> prepare(const TaskOptions& options) {
    BothTiers both;
    MILLRACE_TRY(both.interpreted, read_task(options));
    both.compiled = both.interpreted;
    const auto start = Clock::now();
    MILLRACE_TRY(both.compiled.compiled, image_of(options, *both.interpreted.module));
    both.compile_ms = ms_since(start);
    return both;
}

Outcome<sandbox::WorkerReport> run_once(const sandbox::WorkerTask& task,
                                        const TaskOptions& options) {
    sandbox::BlockingOptions blocking;
    blocking.wall_limit = Duration{static_cast<Duration::rep>(options.wall_seconds * 1000)};
    return sandbox::run_blocking(task, blocking);
}

// ------------------------------------------------------------------------------------- diff

/// What must be the same, in the order in which it is shown.
constexpr std::array<const char*, 7> compared{"result_id", "kind",  "exit",       "fuel",
                                              "trap",      "files", "checkpoints"};

json facts_of(const sandbox::WorkerReport& report) {
    const types::ResultSummary& summary = report.outcome.summary;
    json files = json::array();
    for (const wasi::OutputFile& file : report.outcome.files) {
        files.push_back({{"path", file.path},
                         {"bytes", file.id.size},
                         {"root", to_hex0x(file.id.root.view())},
                         {"deleted", file.content == nullptr}});
    }
    json checkpoints = json::array();
    for (const wasm::Checkpoint& checkpoint : report.outcome.checkpoints) {
        checkpoints.push_back({{"fuel", checkpoint.fuel},
                               {"hash", to_hex0x(wasm::checkpoint_hash(checkpoint).view())}});
    }
    return {{"result_id", to_hex0x(summary.result_id().view())},
            {"kind", kind_name(summary.exit)},
            {"exit", summary.code},
            {"fuel", summary.fuel.value},
            {"trap", report.outcome.text},
            {"files", std::move(files)},
            {"checkpoints", std::move(checkpoints)},
            {"run_ms", static_cast<double>(report.run_us) / 1000}};
}

std::string cell(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_array()) return std::to_string(value.size());
    return value.dump();
}

/// The first checkpoint on which two lists do not agree: the runs part in the segment before it.
std::string parting(const json& left, const json& right) {
    const std::size_t count = std::min(left.size(), right.size());
    for (std::size_t index = 0; index < count; ++index) {
        if (left[index] == right[index]) continue;
        return "checkpoint " + std::to_string(index) + ", at fuel " + left[index]["fuel"].dump() +
               " and " + right[index]["fuel"].dump();
    }
    return "after checkpoint " + std::to_string(count);
}

int diff(const TaskOptions& options, bool as_json) {
    const auto both = prepare(options);
    if (!both) return fail(both.error());
    const auto slow = run_once(both->interpreted, options);
    if (!slow) return fail(slow.error());
    const auto fast = run_once(both->compiled, options);
    if (!fast) return fail(fast.error());
    const json interp = facts_of(*slow);
    const json aot = facts_of(*fast);
    json differences = json::array();
    for (const char* fact : compared) {
        if (interp[fact] != aot[fact]) differences.push_back(fact);
    }
    const bool is_equal = differences.empty();
    if (as_json) {
        const json object = {{"equal", is_equal},
                             {"differences", differences},
                             {"interp", interp},
                             {"aot", aot},
                             {"compile_ms", both->compile_ms}};
        std::cout << object.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    } else {
        for (const char* fact : compared) {
            const std::string left = cell(interp[fact]);
            const std::string right = cell(aot[fact]);
            if (interp[fact] == aot[fact]) {
                if (!left.empty()) std::printf("  %-11s  %s\n", fact, left.c_str());
            } else {
                std::printf("! %-11s  interp  %s\n  %-11s  aot     %s\n", fact, left.c_str(), "",
                            right.c_str());
            }
        }
        if (interp["checkpoints"] != aot["checkpoints"]) {
            std::printf("  the runs part before %s\n",
                        parting(interp["checkpoints"], aot["checkpoints"]).c_str());
        }
        std::printf(is_equal ? "equal in both tiers\n" : "the tiers differ\n");
    }
    if (is_equal) return 0;
    return fail({"the tiers do not agree on this task", options.module,
                 "this is a fault of the engine: please report it with the module"});
}

// ------------------------------------------------------------------------------------ bench

struct TierTimes {
    std::string tier{};
    std::vector<double> run_ms{};    ///< in the worker: instantiate and run
    std::vector<double> whole_ms{};  ///< from request to result
    double load_ms = 0;              ///< decoding and validating, the last
    std::uint64_t fuel = 0;
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle]
                                  : std::midpoint(values[middle - 1], values[middle]);
}

Outcome<void> measure(const sandbox::WorkerTask& task, const TaskOptions& options,
                      TierTimes& times) {
    const auto start = Clock::now();
    MILLRACE_TRY(const auto report, run_once(task, options));
    times.whole_ms.push_back(ms_since(start));
    times.run_ms.push_back(static_cast<double>(report.run_us) / 1000);
    times.load_ms = static_cast<double>(report.compile_us) / 1000;
    times.fuel = report.outcome.summary.fuel.value;
    return {};
}

double fuel_per_second(const TierTimes& times) {
    const double run_ms = median(times.run_ms);
    return run_ms > 0 ? static_cast<double>(times.fuel) * 1000 / run_ms : 0;
}

json times_json(const TierTimes& times) {
    return {{"run_ms", median(times.run_ms)},
            {"run_ms_min", std::ranges::min(times.run_ms)},
            {"run_ms_max", std::ranges::max(times.run_ms)},
            {"request_to_result_ms", median(times.whole_ms)},
            {"load_ms", times.load_ms},
            {"fuel", times.fuel},
            {"fuel_per_second", fuel_per_second(times)}};
}

int bench(const TaskOptions& options, int run_count, bool as_json) {
    const auto both = prepare(options);
    if (!both) return fail(both.error());
    std::array<TierTimes, 2> tiers{TierTimes{.tier = "interp"}, TierTimes{.tier = "aot"}};
    for (int round = 0; round < run_count; ++round) {  // in turns: what else runs hits both
        for (TierTimes& times : tiers) {
            const bool is_interp = times.tier == "interp";
            const auto done =
                measure(is_interp ? both->interpreted : both->compiled, options, times);
            if (!done) return fail(done.error());
        }
    }
    const double faster = median(tiers[0].run_ms) / std::max(median(tiers[1].run_ms), 1e-6);
    if (as_json) {
        const json object = {{"module_bytes", both->interpreted.module->size()},
                             {"image_bytes", both->compiled.compiled->size()},
                             {"compile_ms", both->compile_ms},
                             {"runs", run_count},
                             {"interp", times_json(tiers[0])},
                             {"aot", times_json(tiers[1])},
                             {"speedup", faster}};
        std::cout << object.dump(2) << '\n';
        return 0;
    }
    std::printf("%zu bytes of module, %zu of machine code, made or found in %.1f ms\n\n",
                both->interpreted.module->size(), both->compiled.compiled->size(),
                both->compile_ms);
    std::printf("%-7s %12s %12s %12s %20s %16s\n", "tier", "run ms", "fastest", "slowest",
                "request to result", "fuel/s");
    for (const TierTimes& times : tiers) {
        std::printf("%-7s %12.2f %12.2f %12.2f %20.2f %16.3e\n", times.tier.c_str(),
                    median(times.run_ms), std::ranges::min(times.run_ms),
                    std::ranges::max(times.run_ms), median(times.whole_ms), fuel_per_second(times));
    }
    std::printf("\nfuel %llu, medians of %d; compiled code is %.1f times as fast\n",
                static_cast<unsigned long long>(tiers[1].fuel), run_count, faster);
    return 0;
}

}  // namespace

void add_wasm_diff(CLI::App* wasm, int& exit_status) {
    auto options = std::make_shared<TaskOptions>();
    auto as_json = std::make_shared<bool>(false);
    CLI::App* command = wasm->add_subcommand(
        "diff", "run a task in both tiers; status 1 and the differences when they disagree");
    add_task_flags(command, *options);
    command->add_option("--every", options->checkpoint_fuel,
                        "fuel from one checkpoint to the next (default 2^32, the network's; other "
                        "values give other result ids)");
    command->add_flag("--json", *as_json, "as one JSON object");
    command->callback([options, as_json, &exit_status] { exit_status = diff(*options, *as_json); });
}

void add_wasm_bench(CLI::App* wasm, int& exit_status) {
    auto options = std::make_shared<TaskOptions>();
    auto run_count = std::make_shared<int>(5);
    auto as_json = std::make_shared<bool>(false);
    CLI::App* command =
        wasm->add_subcommand("bench", "time a task in both tiers, and its fuel per second");
    add_task_flags(command, *options);
    command->add_option("--runs", *run_count, "runs in each tier, in turns; the median counts")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    command->add_flag("--json", *as_json, "as one JSON object");
    command->callback([options, run_count, as_json, &exit_status] {
        exit_status = bench(*options, *run_count, *as_json);
    });
}

}  // namespace millrace::cli
