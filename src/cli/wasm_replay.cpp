// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm replay`: plays a dispute about a task with oneself. Runs it in the interpreter,
// remembers the root of its whole state every so much fuel, then judges sampled segments, each from
// its witness alone (docs/formats/checkpoint.md).

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/wasm_task.hpp"
#include "judge/check_run.hpp"

namespace millrace::cli {
namespace {

using nlohmann::json;

struct ReplayOptions {
    TaskOptions task;
    judge::CheckOptions check;
    bool as_json = false;
};

Outcome<judge::CheckReport> check(const ReplayOptions& options) {
    MILLRACE_TRY(const sandbox::WorkerTask task, read_task(options.task));
    auto module = wasm::Module::load(*task.module);
    if (!module) {
        return Err{Failure{module.error().text(), options.task.module,
                           "see `millrace wasm inspect` for what a task's module may use"}};
    }
    return judge::check_run(module.value(), task.input, options.check);
}

int replay(const ReplayOptions& options) {
    const auto checked = check(options);
    if (!checked) {
        print_error(checked.error());
        return 1;
    }
    const judge::CheckReport& report = *checked;
    const bool is_good = report.mismatches.empty() && report.segments > 0;
    const std::uint64_t mean =
        report.segments == 0 ? 0 : report.witness_bytes_sum / report.segments;
    if (options.as_json) {
        const json object = {{"ok", is_good},
                             {"end", report.end},
                             {"fuel", report.fuel},
                             {"roots", report.roots},
                             {"segments", report.segments},
                             {"roots_met", report.roots_met},
                             {"steps", report.steps},
                             {"witness_bytes",
                              {{"least", report.witness_bytes_least},
                               {"mean", mean},
                               {"most", report.witness_bytes_most},
                               {"bound", judge::witness_bytes_max}}},
                             {"mismatches", report.mismatches}};
        std::cout << object.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    } else {
        std::cout << "run        " << report.end << ", " << report.fuel << " fuel, " << report.roots
                  << " roots\n"
                  << "segments   " << report.segments << " judged from their witness, "
                  << report.steps << " steps, " << report.roots_met << " up to the next root\n"
                  << "witnesses  " << report.witness_bytes_least << " to "
                  << report.witness_bytes_most << " bytes, mean " << mean << ", bound "
                  << judge::witness_bytes_max << '\n';
        for (const std::string& mismatch : report.mismatches)
            std::cout << "mismatch   " << mismatch << '\n';
        std::cout << (is_good ? "ok\n" : "NOT ok\n");
    }
    return is_good ? 0 : 1;
}

}  // namespace

void add_wasm_replay_command(CLI::App& wasm, int& exit_status) {
    auto options = std::make_shared<ReplayOptions>();
    CLI::App* command =
        wasm.add_subcommand("replay", "judge sampled segments of a run from their witnesses alone");
    add_input_flags(command, options->task);
    judge::CheckOptions& check = options->check;
    command->add_option("--every", check.fuel_per_root, "fuel from one root to the next")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
        ->capture_default_str();
    command->add_option("--samples", check.samples, "roots to judge from")->capture_default_str();
    command
        ->add_option("--segments", check.segments_per_sample,
                     "most segments to judge from each, one after the other")
        ->capture_default_str();
    command->add_option("--steps", check.steps_max, "most steps of a segment")
        ->check(CLI::Range(std::uint64_t{1}, judge::witness_steps_max))
        ->capture_default_str();
    command->add_option("--sample-seed", check.seed, "which roots are sampled")
        ->capture_default_str();
    command->add_flag("--json", options->as_json, "as one JSON object");
    command->callback([options, &exit_status] { exit_status = replay(*options); });
}

}  // namespace millrace::cli
