// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm run`: one module on this machine, without a network, with the same limits, the
// same sandbox and the same result id as a provider would get.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "aot/image.hpp"
#include "cli/wasm_commands.hpp"
#include "cli/wasm_task.hpp"
#include "crypto/hash.hpp"
#include "sandbox/worker.hpp"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct RunOptions {
    TaskOptions task;
    std::string out;
    std::string tier = "interp";
    std::string image;
    bool as_json = false;
    bool no_sandbox = false;
    bool is_verbose = false;
};

Outcome<void> write_files(const std::vector<wasi::OutputFile>& files, const fs::path& folder) {
    for (const wasi::OutputFile& file : files) {
        if (!file.content) continue;
        const fs::path path = folder / file.path;
        std::error_code error;
        fs::create_directories(path.parent_path(), error);
        std::ofstream stream{path, std::ios::binary | std::ios::trunc};
        stream.write(reinterpret_cast<const char*>(file.content->data()),
                     static_cast<std::streamsize>(file.content->size()));
        stream.close();
        if (!stream) {
            return Err{Failure{"cannot write an output file: " + std::string{std::strerror(errno)},
                               path.string(), "check the space and permissions of --out"}};
        }
    }
    return {};
}

/// The exit status of this command for a result: the program's own where it exited.
int status_of(const types::ResultSummary& summary) {
    switch (summary.exit) {
        case types::ExitKind::exited:
            // A status has 8 bits; a code that would look like success is shown as 1.
            return summary.code != 0 && (summary.code & 0xff) == 0
                       ? status_failure
                       : static_cast<int>(summary.code & 0xff);
        case types::ExitKind::trapped:
            return status_trapped;
        case types::ExitKind::out_of_fuel:
            return status_out_of_fuel;
        case types::ExitKind::limit_exceeded:
            return status_limit_exceeded;
    }
    return status_failure;
}

Failure explain(const types::ResultSummary& summary, const wasi::TaskOutcome& outcome,
                const types::TaskLimits& limits) {
    switch (summary.exit) {
        case types::ExitKind::trapped:
            return {"the program stopped: " + outcome.text, "",
                    "this is a fault in the program, and the same on every machine"};
        case types::ExitKind::out_of_fuel:
            return {"the program used up its fuel", std::to_string(limits.fuel.value),
                    "raise --fuel, or look for an endless loop"};
        case types::ExitKind::limit_exceeded:
            return {outcome.text,
                    std::to_string(limits.memory_bytes) + " bytes of memory, " +
                        std::to_string(limits.output_bytes) + " bytes of output",
                    "raise --memory or --output-limit, or make the program smaller"};
        case types::ExitKind::exited:
            break;
    }
    return {};
}

void write_out(int descriptor, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t count = write(descriptor, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

json report_json(const sandbox::WorkerReport& report, const std::string& tier, double compile_ms) {
    const types::ResultSummary& summary = report.outcome.summary;
    json files = json::array();
    for (const wasi::OutputFile& file : report.outcome.files) {
        files.push_back(
            {{"path", file.path}, {"bytes", file.id.size}, {"deleted", file.content == nullptr}});
    }
    return {{"exit", summary.code},
            {"kind", kind_name(summary.exit)},
            {"fuel", summary.fuel.value},
            {"result_id", to_hex0x(summary.result_id().view())},
            {"tier", tier},
            {"compile_ms", compile_ms + static_cast<double>(report.compile_us) / 1000},
            {"run_ms", static_cast<double>(report.run_us) / 1000},
            {"files", std::move(files)}};
}

int fail(const Failure& failure, bool as_json) {
    print_error(failure);
    if (as_json) {
        const json object = {
            {"error", failure.what}, {"where", failure.where}, {"remedy", failure.remedy}};
        std::cerr << object.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    }
    return status_failure;
}

/// Of the file that was given, else from the cache or made now.
Outcome<wasi::SharedBytes> chosen_image(const RunOptions& options, ByteView module) {
    if (options.image.empty()) return image_of(options.task, module);
    MILLRACE_TRY(auto image, read_file(options.image, "compiled module"));
    MILLRACE_TRY_VOID(aot::check_image(*image, crypto::sha256(module)));
    return image;
}

int run(const RunOptions& options) {
    auto task = read_task(options.task);
    if (!task) return fail(task.error(), options.as_json);
    double compile_ms = 0;
    if (options.tier == "aot") {
        const auto start = std::chrono::steady_clock::now();
        auto image = chosen_image(options, *task->module);
        if (!image) return fail(image.error(), options.as_json);
        task->compiled = std::move(image).value();
        compile_ms =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                .count();
    }
    sandbox::BlockingOptions blocking;
    blocking.wall_limit = Duration{static_cast<Duration::rep>(options.task.wall_seconds * 1000)};
    if (options.is_verbose) {
        blocking.ready = [](const sandbox::Isolation& isolation) {
            std::cerr << "sandbox " << isolation.text() << '\n';
        };
    }
    const auto report =
        options.no_sandbox ? sandbox::run_here(*task) : sandbox::run_blocking(*task, blocking);
    if (!report) return fail(report.error(), options.as_json);
    const wasi::TaskOutcome& outcome = report->outcome;
    write_out(STDOUT_FILENO, *outcome.standard_output);
    write_out(STDERR_FILENO, *outcome.standard_error);
    if (!options.out.empty()) {
        const auto written = write_files(outcome.files, options.out);
        if (!written) return fail(written.error(), options.as_json);
    } else if (!outcome.files.empty() && !options.as_json) {
        std::cerr << "note: " << outcome.files.size()
                  << " changed files are not kept; give --out DIR to keep them\n";
    }
    if (outcome.summary.exit != types::ExitKind::exited) {
        print_error(explain(outcome.summary, outcome, task->input.limits));
    }
    if (options.as_json) std::cerr << report_json(*report, options.tier, compile_ms).dump() << '\n';
    return status_of(outcome.summary);
}

}  // namespace

void add_wasm_run(CLI::App* wasm, int& exit_status) {
    auto options = std::make_shared<RunOptions>();
    CLI::App* command =
        wasm->add_subcommand("run", "run a WASI program in the task sandbox, without a network");
    add_task_flags(command, options->task);
    command->add_option("--out", options->out, "folder for the files that it changed");
    command
        ->add_option("--tier", options->tier,
                     "interp: the interpreter; aot: compiled code, with the same result")
        ->check(CLI::IsMember({"interp", "aot"}));
    command->add_option("--compiled", options->image,
                        "for --tier aot: the file that `wasm compile` made of this module");
    command->add_flag("--json", options->as_json, "one object on stderr's last line");
    command->add_flag("--no-sandbox", options->no_sandbox,
                      "run inside this process: only for modules that you trust");
    command->add_flag("--verbose", options->is_verbose, "say what the sandbox consists of");
    command->callback([options, &exit_status] { exit_status = run(*options); });
}

}  // namespace millrace::cli
