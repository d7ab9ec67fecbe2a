// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "simulator/speedup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "sim/market.hpp"

namespace millrace::simulator {

using Json = nlohmann::json;

namespace {

constexpr std::size_t tasks_max = 100'000;
constexpr double task_ms_max = 3'600'000;

Failure bad_file(const std::string& path, std::string what) {
    return {std::move(what), path, "give what `millrace run --local --summary FILE` wrote"};
}

/// Of several worlds, so that one lucky or unlucky draw of latencies does not make a row.
Outcome<std::uint64_t> median_job_ms(sim::MarketSettings market, std::uint32_t seeds) {
    std::vector<std::uint64_t> times;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        market.seed = seed;
        const sim::MarketReport report = sim::run_market(market);
        if (!report.violations.empty()) {
            return Err{Failure{"a law of the market was broken: " + report.violations.front(),
                               "seed " + std::to_string(seed), "report this"}};
        }
        times.push_back(report.job_ms);
    }
    std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
    return times[times.size() / 2];
}

std::string seconds(std::uint64_t milliseconds) {
    return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
}

/// One character for each half, the largest bar 32 of them.
std::string bar(double value, double largest) {
    const auto length = static_cast<int>(std::lround(32 * value / std::max(largest, 1.0)));
    return std::string(static_cast<std::size_t>(std::max(length, 1)), '#');
}

}  // namespace

Outcome<std::vector<std::uint32_t>> read_task_times(const std::string& path) {
    std::ifstream stream{path, std::ios::binary};
    if (!stream) return Err{bad_file(path, "the file cannot be read")};
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return Err{bad_file(path, "it is no JSON object")};
    const Json& holder = json.contains("local") ? json["local"] : json;
    if (!holder.is_object() || !holder.contains("task_ms") || !holder["task_ms"].is_array())
        return Err{bad_file(path, "it has no array task_ms")};
    std::vector<std::uint32_t> times;
    for (const Json& time : holder["task_ms"]) {
        if (!time.is_number() || !(time.get<double>() >= 0 && time.get<double>() <= task_ms_max))
            return Err{bad_file(path, "task_ms holds something that is no time up to an hour")};
        times.push_back(static_cast<std::uint32_t>(
            std::max<std::int64_t>(1, std::llround(time.get<double>()))));
    }
    if (times.empty() || times.size() > tasks_max)
        return Err{bad_file(path, "task_ms must hold 1 to 100000 times")};
    return times;
}

Outcome<Speedup> measure_speedup(const SpeedupSettings& settings) {
    sim::MarketSettings market;
    MILLRACE_TRY(market.task_ms, read_task_times(settings.times_file));
    for (std::uint32_t& time : market.task_ms)
        time *= settings.longer;
    Speedup speedup;
    speedup.tasks = market.task_ms.size();
    speedup.computing_ms =
        std::accumulate(market.task_ms.begin(), market.task_ms.end(), std::uint64_t{0});
    speedup.longest_ms = std::ranges::max(market.task_ms);
    speedup.beside_ms =
        settings.beside_ms != 0 ? settings.beside_ms * settings.longer : speedup.computing_ms;
    market.tasks = speedup.tasks;
    market.liars = 0;
    market.slots = 1;
    // Twice what one core needs for both copies, and an hour.
    market.time_max_seconds = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(speedup.computing_ms / 250 + 3'600, 4'000'000'000));
    for (const std::uint32_t replicas : {1u, 2u}) {
        for (const std::uint32_t providers : settings.providers) {
            if (providers < replicas) continue;
            market.replicas = replicas;
            market.providers = providers;
            MILLRACE_TRY(const std::uint64_t job_ms, median_job_ms(market, settings.seeds));
            const double factor =
                static_cast<double>(speedup.beside_ms) / static_cast<double>(job_ms);
            speedup.rows.push_back({.providers = providers,
                                    .replicas = replicas,
                                    .job_ms = job_ms,
                                    .speedup = factor});
        }
    }
    return speedup;
}

std::string to_text(const Speedup& speedup) {
    std::string text = fmt::format(
        "{} tasks, {} of computing, the longest {}; speed-up beside {}\n", speedup.tasks,
        seconds(speedup.computing_ms), seconds(speedup.longest_ms), seconds(speedup.beside_ms));
    double largest = 1;
    for (const SpeedupRow& row : speedup.rows)
        largest = std::max(largest, row.speedup);
    std::uint32_t replicas = 0;
    for (const SpeedupRow& row : speedup.rows) {
        if (row.replicas != replicas) {
            replicas = row.replicas;
            text += replicas == 1 ? "  each task once, its provider believed\n"
                                  : "  each task on two providers, which must agree\n";
        }
        text += fmt::format("    {:>2} provider{} {:>9}  {:>5.1f}x  {}\n", row.providers,
                            row.providers == 1 ? " " : "s", seconds(row.job_ms), row.speedup,
                            bar(row.speedup, largest));
    }
    return text;
}

std::string to_json(const Speedup& speedup) {
    Json rows = Json::array();
    for (const SpeedupRow& row : speedup.rows) {
        rows.push_back({{"providers", row.providers},
                        {"replicas", row.replicas},
                        {"job_ms", row.job_ms},
                        {"speedup", row.speedup}});
    }
    return Json{{"tasks", speedup.tasks},
                {"computing_ms", speedup.computing_ms},
                {"longest_ms", speedup.longest_ms},
                {"beside_ms", speedup.beside_ms},
                {"rows", std::move(rows)}}
        .dump();
}

}  // namespace millrace::simulator
