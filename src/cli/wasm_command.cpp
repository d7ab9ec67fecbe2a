// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm run` and `millrace wasm inspect`: one module on this machine, without a network,
// with the same limits, the same sandbox and the same result id as a provider would get.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "aot/compile.hpp"
#include "cli/commands.hpp"
#include "sandbox/worker.hpp"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Beside the program's own exit code. 134 is what a shell shows for an abort.
constexpr int status_failure = 1;
constexpr int status_out_of_fuel = 124;
constexpr int status_limit_exceeded = 125;
constexpr int status_trapped = 134;

struct RunOptions {
    std::string module;
    std::vector<std::string> arguments;
    std::string fuel;
    std::string memory;
    std::string output_limit;
    std::string in;
    std::string out;
    std::string standard_input;
    std::string seed;
    std::vector<std::string> environment;
    std::string tier = "interp";
    std::string image;
    double wall_seconds = 6 * 3600;
    bool as_json = false;
    bool no_sandbox = false;
    bool is_verbose = false;
};

void print_error(const Failure& failure) {
    std::cerr << "error: " << failure.text() << '\n';
}

/// "1000", "64K", "16MiB", "2G": units of 1,024 for bytes, of 1,000 for fuel.
std::optional<std::uint64_t> parse_amount(const std::string& text, std::uint64_t unit) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{}) return std::nullopt;
    std::string suffix{rest, end};
    if (suffix.ends_with("iB")) suffix.resize(suffix.size() - 2);
    if (suffix.ends_with("B") && suffix.size() == 2) suffix.pop_back();
    constexpr std::string_view suffixes = "KMGT";
    if (suffix.empty()) return value;
    const std::size_t power = suffixes.find(suffix.front());
    if (suffix.size() != 1 || power == std::string_view::npos) return std::nullopt;
    for (std::size_t step = 0; step <= power; ++step) {
        if (__builtin_mul_overflow(value, unit, &value)) return std::nullopt;
    }
    return value;
}

Outcome<std::uint64_t> amount_option(std::string_view name, const std::string& text,
                                     std::uint64_t unit, std::uint64_t fallback,
                                     std::uint64_t value_max) {
    if (text.empty()) return fallback;
    const auto value = parse_amount(text, unit);
    if (!value) {
        return Err{Failure{"not an amount: '" + text + "'", std::string{name},
                           "write a number, with K, M, G or T if you like"}};
    }
    if (*value > value_max) {
        return Err{Failure{"more than a task may have: " + text, std::string{name},
                           "at most " + std::to_string(value_max)}};
    }
    return *value;
}

Outcome<wasi::SharedBytes> read_file(const fs::path& path, std::string_view what) {
    const auto failure = [&](const std::string& cause) {
        return Failure{"cannot read the " + std::string{what} + ": " + cause, path.string(),
                       "check the path and its permissions"};
    };
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (error) return Err{failure(error.message())};
    if (fs::is_directory(status)) return Err{failure("it is a directory")};
    std::ifstream stream{path, std::ios::binary};
    if (!stream) return Err{failure(std::strerror(errno))};
    Bytes content;
    if (fs::is_regular_file(status)) {
        const std::uintmax_t size = fs::file_size(path, error);
        if (error) return Err{failure(error.message())};
        if (size > types::blob_size_max) return Err{failure("it is larger than 4 GiB")};
        content.resize(static_cast<std::size_t>(size));
        stream.read(reinterpret_cast<char*>(content.data()),
                    static_cast<std::streamsize>(content.size()));
        content.resize(static_cast<std::size_t>(stream.gcount()));
    } else {
        content.assign(std::istreambuf_iterator<char>{stream}, {});
    }
    if (stream.bad()) return Err{failure("reading failed")};
    return std::make_shared<const Bytes>(std::move(content));
}

/// All regular files below `folder`, sorted by path. Empty directories are left out, as in a job.
Outcome<void> read_tree(const fs::path& folder, wasi::TaskInput& input) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
        return Err{Failure{"the input folder does not exist or is no folder", folder.string(),
                           "give an existing folder to --in"}};
    }
    const auto end = fs::recursive_directory_iterator{};
    for (auto entry = fs::recursive_directory_iterator{folder, error}; !error && entry != end;
         entry.increment(error)) {
        const std::string path = entry->path().lexically_relative(folder).generic_string();
        if (entry->is_symlink(error) && entry->is_directory(error)) continue;
        if (entry->is_regular_file(error)) {
            if (!types::is_valid_path(path)) {
                return Err{Failure{"an input has a name that tasks cannot have", path,
                                   "use UTF-8 names of at most 1,024 bytes"}};
            }
            if (input.files.size() == types::files_per_task_max) {
                return Err{Failure{"the input folder has more files than a task may have",
                                   folder.string(),
                                   "at most " + std::to_string(types::files_per_task_max)}};
            }
            MILLRACE_TRY(auto content, read_file(entry->path(), "input file"));
            input.files.push_back({path, std::move(content)});
        }
    }
    if (error) {
        return Err{Failure{"cannot read the input folder: " + error.message(), folder.string(),
                           "check its permissions"}};
    }
    std::ranges::sort(input.files, {}, &wasi::InputFile::path);
    return {};
}

Outcome<sandbox::WorkerTask> read_task(const RunOptions& options) {
    sandbox::WorkerTask task;
    wasi::TaskInput& input = task.input;
    types::TaskLimits& limits = input.limits;
    MILLRACE_TRY(
        const std::uint64_t fuel,
        amount_option("--fuel", options.fuel, 1000, limits.fuel.value, types::fuel_per_task_max));
    limits.fuel = Fuel{fuel};
    MILLRACE_TRY(limits.memory_bytes,
                 amount_option("--memory", options.memory, 1024, limits.memory_bytes,
                               types::memory_per_task_max));
    MILLRACE_TRY(limits.output_bytes, amount_option("--output-limit", options.output_limit, 1024,
                                                    limits.output_bytes, types::blob_size_max));
    for (const std::string& pair : options.environment) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            return Err{Failure{"not of the form NAME=value: '" + pair + "'", "--env", ""}};
        }
        input.environment.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    std::ranges::sort(input.environment);
    if (!options.seed.empty()) {
        const auto seed = fixed_from_hex<Hash32>(options.seed);
        if (!seed) return Err{Failure{"not 32 bytes in hex", "--seed", "give 64 hex digits"}};
        input.seed = *seed;
    }
    input.arguments.emplace_back(wasi::program_name);
    input.arguments.insert(input.arguments.end(), options.arguments.begin(),
                           options.arguments.end());
    if (!options.in.empty()) MILLRACE_TRY_VOID(read_tree(options.in, input));
    if (!options.standard_input.empty()) {
        const fs::path path = options.standard_input == "-" ? "/dev/stdin" : options.standard_input;
        MILLRACE_TRY(input.standard_input, read_file(path, "standard input"));
    }
    MILLRACE_TRY(task.module, read_file(options.module, "module"));
    if (options.seed.empty()) {
        types::TaskSpec spec;
        spec.module.plain = crypto::blob_id(*task.module);
        spec.arguments = options.arguments;
        spec.environment = input.environment;
        for (const auto& file : input.files) {
            spec.files.push_back(
                {file.path, {.plain = crypto::blob_id(*file.content), .sealed_root = {}}});
        }
        input.seed = spec.content_seed();
    }
    return task;
}

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

std::string_view kind_name(types::ExitKind kind) {
    switch (kind) {
        case types::ExitKind::exited:
            return "exited";
        case types::ExitKind::trapped:
            return "trapped";
        case types::ExitKind::out_of_fuel:
            return "out_of_fuel";
        case types::ExitKind::limit_exceeded:
            return "limit_exceeded";
    }
    return "unknown";
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

/// The module's image: from the file given, or made now.
Outcome<wasi::SharedBytes> image_of(const RunOptions& options, const Bytes& module) {
    if (!options.image.empty()) return read_file(options.image, "compiled module");
    // Refused before time is spent on it, and with the module's own words.
    MILLRACE_TRY_VOID(sandbox::load_here(module));
    MILLRACE_TRY(Bytes image, aot::compile_elsewhere(module));
    return std::make_shared<const Bytes>(std::move(image));
}

int run(const RunOptions& options) {
    auto task = read_task(options);
    if (!task) return fail(task.error(), options.as_json);
    double compile_ms = 0;
    if (options.tier == "aot") {
        const auto start = std::chrono::steady_clock::now();
        auto image = image_of(options, *task->module);
        if (!image) return fail(image.error(), options.as_json);
        task->compiled = std::move(image).value();
        compile_ms =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                .count();
    }
    sandbox::BlockingOptions blocking;
    blocking.wall_limit = Duration{static_cast<Duration::rep>(options.wall_seconds * 1000)};
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

// ------------------------------------------------------------------------------- inspect

json inspect_json(const wasm::Module& module) {
    const wasm::ModuleReport report = module.report();
    json imports = json::array();
    for (const wasm::ImportInfo& import : module.imports()) {
        imports.push_back({{"module", import.module},
                           {"name", import.name},
                           {"kind", wasm::to_text(import.kind)},
                           {"type", import.type}});
    }
    json exports = json::array();
    for (const wasm::ExportInfo& item : module.exports()) {
        exports.push_back(
            {{"name", item.name}, {"kind", wasm::to_text(item.kind)}, {"type", item.type}});
    }
    return {{"bytes", report.bytes},
            {"code_bytes", report.code_bytes},
            {"functions", report.functions},
            {"types", report.types},
            {"tables", report.tables},
            {"memories", report.memories},
            {"memory_pages_min", report.memory_pages_min},
            {"globals", report.globals},
            {"element_segments", report.element_segments},
            {"data_segments", report.data_segments},
            {"custom_sections", report.custom_sections},
            {"has_start", report.has_start},
            {"imports", std::move(imports)},
            {"exports", std::move(exports)},
            {"profile", types::ResultSummary{}.profile}};
}

void print_inspection(const json& object) {
    for (const char* key : {"profile", "bytes", "code_bytes", "functions", "types", "tables",
                            "memories", "memory_pages_min", "globals", "element_segments",
                            "data_segments", "custom_sections", "has_start"}) {
        const json& value = object[key];
        std::cout << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump())
                  << '\n';
    }
    std::cout << "imports: " << object["imports"].size() << '\n';
    for (const json& item : object["imports"]) {
        std::cout << "  " << item["module"].get<std::string>() << '.'
                  << item["name"].get<std::string>() << ": " << item["type"].get<std::string>()
                  << '\n';
    }
    std::cout << "exports: " << object["exports"].size() << '\n';
    for (const json& item : object["exports"]) {
        std::cout << "  " << item["name"].get<std::string>() << ": "
                  << item["type"].get<std::string>() << '\n';
    }
}

int compile(const std::string& path, const std::string& target) {
    const auto module = read_file(path, "module");
    if (!module) return fail(module.error(), false);
    const auto loaded = wasm::Module::load(**module);
    if (!loaded) return fail({loaded.error().text(), path, "build it within profile det-1"}, false);
    const auto image = aot::compile_elsewhere(**module);
    if (!image) return fail(image.error(), false);
    const fs::path out =
        target.empty() ? fs::path{path}.replace_extension(".mlr") : fs::path{target};
    std::ofstream stream{out, std::ios::binary | std::ios::trunc};
    stream.write(reinterpret_cast<const char*>(image->data()),
                 static_cast<std::streamsize>(image->size()));
    stream.close();
    if (!stream) {
        return fail({"cannot write the compiled module: " + std::string{std::strerror(errno)},
                     out.string(), "check the path and its permissions"},
                    false);
    }
    std::cerr << "wrote " << out.string() << ", " << image->size() << " bytes from "
              << (*module)->size() << "\n";
    return 0;
}

int inspect(const std::string& path, bool as_json) {
    const auto bytes = read_file(path, "module");
    if (!bytes) {
        print_error(bytes.error());
        return status_failure;
    }
    const auto module = wasm::Module::load(**bytes);
    if (!module) {
        if (as_json) {
            const json object = {{"accepted", false}, {"refusal", module.error().text()}};
            std::cout << object.dump(2) << '\n';
        }
        print_error({module.error().text(), path,
                     "build it for WASI preview 1 within profile det-1 (docs/formats)"});
        return status_failure;
    }
    const auto refused = wasi::check_command(**module);
    json object = inspect_json(**module);
    object["accepted"] = !refused.has_value();
    if (refused) object["refusal"] = refused->text();
    if (as_json) {
        std::cout << object.dump(2) << '\n';
    } else {
        print_inspection(object);
        if (!refused) std::cout << "accepted as a task\n";
    }
    if (refused) print_error(*refused);
    return refused ? status_failure : 0;
}

}  // namespace

void add_wasm_command(CLI::App& app, int& exit_status) {
    CLI::App* wasm =
        app.add_subcommand("wasm", "run, compile or inspect one WebAssembly module here");
    wasm->require_subcommand(1);

    auto run_options = std::make_shared<RunOptions>();
    CLI::App* run_command =
        wasm->add_subcommand("run", "run a WASI program in the task sandbox, without a network");
    run_command->add_option("MODULE", run_options->module, "the .wasm file")->required();
    run_command->add_option("ARGS", run_options->arguments,
                            "the program's arguments; write -- in front of them");
    run_command->add_option("--fuel", run_options->fuel, "most fuel (default 2^36)");
    run_command->add_option("--memory", run_options->memory, "most linear memory (default 1G)");
    run_command->add_option("--output-limit", run_options->output_limit,
                            "most bytes written, streams included (default 256M)");
    run_command->add_option("--in", run_options->in, "folder that the program sees as /");
    run_command->add_option("--out", run_options->out, "folder for the files that it changed");
    run_command->add_option("--stdin", run_options->standard_input,
                            "file for its standard input (- for this command's)");
    run_command->add_option("--env", run_options->environment, "NAME=value, repeatable")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    run_command->add_option(
        "--seed", run_options->seed,
        "32 bytes hex: its randomness (default: from module, arguments and inputs)");
    run_command->add_option("--wall", run_options->wall_seconds, "most seconds of real time")
        ->check(CLI::Range(0.001, 1e6));
    run_command
        ->add_option("--tier", run_options->tier,
                     "interp: the interpreter; aot: compiled code, with the same result")
        ->check(CLI::IsMember({"interp", "aot"}));
    run_command->add_option("--compiled", run_options->image,
                            "for --tier aot: the file that `wasm compile` made of this module");
    run_command->add_flag("--json", run_options->as_json, "one object on stderr's last line");
    run_command->add_flag("--no-sandbox", run_options->no_sandbox,
                          "run inside this process: only for modules that you trust");
    run_command->add_flag("--verbose", run_options->is_verbose, "say what the sandbox consists of");
    run_command->callback([run_options, &exit_status] { exit_status = run(*run_options); });

    auto source = std::make_shared<std::string>();
    auto target = std::make_shared<std::string>();
    CLI::App* compile_command = wasm->add_subcommand(
        "compile", "translate a module into machine code, for wasm run --tier aot");
    compile_command->add_option("MODULE", *source, "the .wasm file")->required();
    compile_command->add_option("-o,--output", *target,
                                "the file to write (default: MODULE with the ending .mlr)");
    compile_command->callback(
        [source, target, &exit_status] { exit_status = compile(*source, *target); });

    auto path = std::make_shared<std::string>();
    auto as_json = std::make_shared<bool>(false);
    CLI::App* inspect_command = wasm->add_subcommand(
        "inspect", "imports, exports, sizes, and why a network would refuse the module");
    inspect_command->add_option("MODULE", *path, "the .wasm file")->required();
    inspect_command->add_flag("--json", *as_json, "as one JSON object");
    inspect_command->callback(
        [path, as_json, &exit_status] { exit_status = inspect(*path, *as_json); });
    add_wasm_replay_command(*wasm, exit_status);
}

}  // namespace millrace::cli
