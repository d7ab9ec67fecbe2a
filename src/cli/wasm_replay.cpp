// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm replay`: plays a dispute about a task with oneself. Runs it in the interpreter,
// remembers the root of its whole state every so much fuel, then judges sampled segments, each from
// its witness alone (docs/formats/checkpoint.md).

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "judge/check_run.hpp"
#include "types/task.hpp"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ReplayOptions {
    std::string module;
    std::vector<std::string> arguments;
    std::string in;
    std::string standard_input;
    std::uint64_t fuel = 0;
    std::uint64_t every = std::uint64_t{1} << 24;
    std::size_t samples = 8;
    std::size_t segments = 16;
    std::uint64_t steps = judge::witness_steps_max;
    std::uint64_t sample_seed = 1;
    bool as_json = false;
};

Outcome<wasi::SharedBytes> read_whole(const fs::path& path, std::string_view what) {
    std::ifstream stream{path, std::ios::binary};
    std::error_code error;
    if (!stream || fs::is_directory(path, error)) {
        return Err{Failure{"cannot read the " + std::string{what}, path.string(),
                           "check the path and its permissions"}};
    }
    Bytes content{std::istreambuf_iterator<char>{stream}, {}};
    if (content.size() > types::blob_size_max)
        return Err{
            Failure{"the " + std::string{what} + " is larger than 4 GiB", path.string(), ""}};
    return std::make_shared<const Bytes>(std::move(content));
}

Outcome<void> read_folder(const fs::path& folder, wasi::TaskInput& input) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
        return Err{Failure{"the input folder does not exist or is no folder", folder.string(),
                           "give an existing folder to --in"}};
    }
    for (auto entry = fs::recursive_directory_iterator{folder, error};
         !error && entry != fs::recursive_directory_iterator{}; entry.increment(error)) {
        if (!entry->is_regular_file(error)) continue;
        const std::string path = entry->path().lexically_relative(folder).generic_string();
        MILLRACE_TRY(auto content, read_whole(entry->path(), "input file"));
        input.files.push_back({path, std::move(content)});
    }
    if (error) {
        return Err{Failure{"cannot read the input folder: " + error.message(), folder.string(),
                           "check its permissions"}};
    }
    std::ranges::sort(input.files, {}, &wasi::InputFile::path);
    return {};
}

Outcome<judge::CheckReport> check(const ReplayOptions& options) {
    wasi::TaskInput input;
    if (options.fuel > 0) input.limits.fuel = Fuel{options.fuel};
    input.arguments.emplace_back(wasi::program_name);
    input.arguments.insert(input.arguments.end(), options.arguments.begin(),
                           options.arguments.end());
    if (!options.in.empty()) MILLRACE_TRY_VOID(read_folder(options.in, input));
    if (!options.standard_input.empty()) {
        MILLRACE_TRY(input.standard_input, read_whole(options.standard_input, "standard input"));
    }
    MILLRACE_TRY(const wasi::SharedBytes bytes, read_whole(options.module, "module"));
    auto module = wasm::Module::load(*bytes);
    if (!module) {
        return Err{Failure{module.error().text(), options.module,
                           "see `millrace wasm inspect` for what a task's module may use"}};
    }
    return judge::check_run(module.value(), input,
                            {.fuel_per_root = options.every,
                             .samples = options.samples,
                             .segments_per_sample = options.segments,
                             .steps_max = options.steps,
                             .seed = options.sample_seed});
}

int replay(const ReplayOptions& options) {
    const auto checked = check(options);
    if (!checked) {
        std::cerr << "error: " << checked.error().text() << '\n';
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
    command->add_option("MODULE", options->module, "the .wasm file")->required();
    command->add_option("ARGS", options->arguments,
                        "the program's arguments; write -- in front of them");
    command->add_option("--in", options->in, "folder that the program sees as /");
    command->add_option("--stdin", options->standard_input, "file for its standard input");
    command->add_option("--fuel", options->fuel, "most fuel (default 2^36)");
    command->add_option("--every", options->every, "fuel from one root to the next (default 2^24)")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
    command->add_option("--samples", options->samples, "roots to judge from (default 8)");
    command->add_option("--segments", options->segments,
                        "most segments to judge from each, one after the other (default 16)");
    command->add_option("--steps", options->steps, "most steps of a segment (default 2^22)")
        ->check(CLI::Range(std::uint64_t{1}, judge::witness_steps_max));
    command->add_option("--sample-seed", options->sample_seed, "which roots are sampled");
    command->add_flag("--json", options->as_json, "as one JSON object");
    command->callback([options, &exit_status] { exit_status = replay(*options); });
}

}  // namespace millrace::cli
