// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "sim/market.hpp"
#include "simulator/speedup.hpp"

// millrace-sim: the real machines in a virtual world, by seed.

namespace millrace {
namespace {

struct Sweep {
    std::uint64_t seed_first = 1;
    std::uint64_t seeds = 1;
    bool vary = false;
};

/// With --vary each seed draws its own market, so that a sweep covers many shapes.
sim::MarketSettings varied(sim::MarketSettings settings) {
    std::uint64_t state = settings.seed * 0x9e3779b97f4a7c15;
    const auto draw = [&state](std::uint64_t bound) {
        state ^= state >> 29;
        state *= 0xbf58476d1ce4e5b9;
        state ^= state >> 32;
        return state % bound;
    };
    settings.providers = static_cast<std::uint32_t>(3 + draw(6));
    settings.liars = static_cast<std::uint32_t>(draw(settings.providers - 1));
    settings.tasks = 1 + draw(60);
    settings.slots = static_cast<std::uint32_t>(1 + draw(4));
    settings.crash_ppm = static_cast<std::uint32_t>(draw(3) == 0 ? 0 : draw(20'000));
    settings.disconnect_ppm = static_cast<std::uint32_t>(draw(3) == 0 ? 0 : draw(10'000));
    settings.chain_failure_ppm = static_cast<std::uint32_t>(draw(2) == 0 ? 0 : draw(300'000));
    return settings;
}

int run_sweep(const sim::MarketSettings& base, const Sweep& sweep) {
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    for (std::uint64_t seed = sweep.seed_first; seed < sweep.seed_first + sweep.seeds; ++seed) {
        sim::MarketSettings settings = base;
        settings.seed = seed;
        if (sweep.vary) settings = varied(settings);
        sim::MarketReport report = sim::run_market(settings);
        settings.narrate = false;
        const sim::MarketReport again = sim::run_market(settings);
        if (again.trace != report.trace) report.violations.push_back("one seed gives one history");
        std::printf(
            "seed=%llu providers=%u liars=%u tasks=%llu replicas=%llu contradictions=%llu "
            "crashes=%llu disconnects=%llu job_s=%.1f settled_s=%.1f paid=%s steps=%llu "
            "trace=%.16s "
            "%s\n",
            static_cast<unsigned long long>(seed), settings.providers, settings.liars,
            static_cast<unsigned long long>(settings.tasks),
            static_cast<unsigned long long>(report.replicas),
            static_cast<unsigned long long>(report.contradictions),
            static_cast<unsigned long long>(report.crashes),
            static_cast<unsigned long long>(report.disconnects),
            static_cast<double>(report.job_ms) / 1000,
            static_cast<double>(report.virtual_ms) / 1000, to_decimal(report.paid.wei).c_str(),
            static_cast<unsigned long long>(report.steps), to_hex(report.trace.view()).c_str(),
            report.violations.empty() ? "ok" : "FAILED");
        for (const std::string& law : report.violations)
            std::printf("  violated: %s\n", law.c_str());
        std::fflush(stdout);
        ++(report.violations.empty() ? passed : failed);
    }
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
                static_cast<unsigned long long>(failed));
    return failed == 0 ? 0 : 1;
}

int run_speedup(const simulator::SpeedupSettings& settings) {
    const auto speedup = simulator::measure_speedup(settings);
    if (!speedup) {
        std::fprintf(stderr, "error: %s\n", speedup.error().text().c_str());
        return 1;
    }
    const std::string text =
        settings.as_json ? simulator::to_json(*speedup) + "\n" : simulator::to_text(*speedup);
    std::fputs(text.c_str(), stdout);
    return 0;
}

void add_speedup(CLI::App& app, simulator::SpeedupSettings& settings) {
    CLI::App* command = app.add_subcommand(
        "speedup", "how long a job takes on 1, 2, 4 ... providers, from its tasks' measured times");
    command
        ->add_option("--times", settings.times_file,
                     "what `millrace run --local --summary FILE` wrote")
        ->required();
    command->add_option("--providers", settings.providers, "how many, several times")
        ->delimiter(',')
        ->capture_default_str()
        ->check(CLI::Range(1u, 1000u));
    command->add_option("--seeds", settings.seeds, "worlds per row, of which the median is shown")
        ->capture_default_str()
        ->check(CLI::Range(1u, 1000u));
    command
        ->add_option("--longer", settings.longer,
                     "as if each task took so many times as long as was measured")
        ->capture_default_str()
        ->check(CLI::Range(1u, 1000u));
    command
        ->add_option("--beside-ms", settings.beside_ms,
                     "what the speed-up counts from (default: all tasks one after another)")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
    command->add_flag("--json", settings.as_json, "one object on stdout");
}

int main_checked(int argc, char** argv) {
    CLI::App app{
        "Runs the real machines in a virtual world: time, network, crashes and chain follow "
        "from a seed."};
    app.require_subcommand(1);
    CLI::App* market = app.add_subcommand("market", "requestor, providers, chain");
    sim::MarketSettings settings;
    Sweep sweep;
    market->add_option("--seed", sweep.seed_first, "first seed")->capture_default_str();
    market->add_option("--seeds", sweep.seeds, "how many")->capture_default_str();
    market->add_flag("--vary", sweep.vary, "each seed draws its own market and its troubles");
    market->add_option("--providers", settings.providers)
        ->capture_default_str()
        ->check(CLI::Range(1u, 1000u));
    market->add_option("--liars", settings.liars)->capture_default_str();
    market->add_option("--lie-rate", settings.lie_ppm, "tasks lied about, per million")
        ->capture_default_str();
    market->add_option("--tasks", settings.tasks)
        ->capture_default_str()
        ->check(CLI::Range(1u, 1'000'000u));
    market->add_option("--replicas", settings.replicas)->capture_default_str();
    market->add_option("--slots", settings.slots)
        ->capture_default_str()
        ->check(CLI::Range(1u, 64u));
    market->add_option("--crash-rate", settings.crash_ppm, "per million durable steps")
        ->capture_default_str();
    market->add_option("--disconnect-rate", settings.disconnect_ppm, "per million messages")
        ->capture_default_str();
    market->add_option("--chain-failure-rate", settings.chain_failure_ppm, "per million calls")
        ->capture_default_str();
    market->add_option("--trouble-seconds", settings.trouble_seconds, "then everything heals")
        ->capture_default_str();
    market->add_option("--time-max-seconds", settings.time_max_seconds, "virtual")
        ->capture_default_str();
    market->add_flag("--narrate", settings.narrate, "print what happens to stderr");
    simulator::SpeedupSettings speedup;
    add_speedup(app, speedup);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
    return app.got_subcommand(market) ? run_sweep(settings, sweep) : run_speedup(speedup);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
    return millrace::main_checked(argc, argv);
}
