// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/wasi_suite.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "aot/compile.hpp"
#include "aot/tier.hpp"
#include "wasi/run.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Bytes read_file(const fs::path& path) {
    std::ifstream stream{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, {}};
}

/// Files named *.cleanup are left over from a run of another engine.
void read_root(const fs::path& root, wasi::TaskInput& input) {
    for (const auto& entry : fs::recursive_directory_iterator{root}) {
        const std::string path = entry.path().lexically_relative(root).generic_string();
        if (entry.path().extension() == ".cleanup") continue;
        if (entry.is_directory()) input.directories.push_back(path);
        if (entry.is_regular_file()) {
            input.files.push_back({path, std::make_shared<const Bytes>(read_file(entry.path()))});
        }
    }
    std::ranges::sort(input.files, {}, &wasi::InputFile::path);
    std::ranges::sort(input.directories);
}

std::string stream_difference(const json& config, const char* key, const Bytes& got) {
    if (!config.contains(key)) return {};
    const auto wanted = config[key].get<std::string>();
    if (wanted == as_text(got)) return {};
    return std::string{key} + " is '" + std::string{as_text(got)} + "', not '" + wanted + "'";
}

/// Empty: passed.
std::string run_case(const fs::path& module_path, bool compiled) {
    json config = json::object();
    const fs::path config_path = fs::path{module_path}.replace_extension(".json");
    if (fs::exists(config_path)) {
        std::ifstream stream{config_path};
        config = json::parse(stream, nullptr, false);
        if (config.is_discarded()) return "its configuration is not JSON";
    }
    wasi::TaskInput input;
    input.arguments.push_back(module_path.filename().string());
    const json arguments = config.value("args", json::array());
    const json environment = config.value("env", json::object());
    for (const json& argument : arguments) {
        input.arguments.push_back(argument.get<std::string>());
    }
    for (const auto& [name, value] : environment.items()) {
        input.environment.emplace_back(name, value.get<std::string>());
    }
    input.has_root = config.contains("root");
    if (input.has_root) {
        read_root(module_path.parent_path() / config["root"].get<std::string>(), input);
    }
    const Bytes bytes = read_file(module_path);
    const auto module = wasm::Module::load(bytes);
    if (!module) return module.error().text();
    std::unique_ptr<wasm::NativeTier> tier;
    if (compiled) {
        const auto image = aot::compile_elsewhere(bytes);
        if (!image) return image.error().text();
        tier = aot::make_tier(
            [image = *image](const wasm::Module&) { return aot::LoadedImage::load(image); });
    }
    const auto outcome = wasi::run_task(*module, input, {}, std::move(tier));
    if (!outcome) return outcome.error().text();
    const auto wanted = config.value("exit_code", 0u);
    const types::ResultSummary& summary = outcome->summary;
    if (summary.exit != types::ExitKind::exited || summary.code != wanted) {
        const std::string stderr_text{as_text(*outcome->standard_error)};
        return "exit code " + std::to_string(summary.code) + ", not " + std::to_string(wanted) +
               (outcome->text.empty() ? "" : "; " + outcome->text) +
               (stderr_text.empty() ? "" : "; stderr: " + stderr_text);
    }
    std::string difference = stream_difference(config, "stdout", *outcome->standard_output);
    if (difference.empty()) {
        difference = stream_difference(config, "stderr", *outcome->standard_error);
    }
    return difference;
}

}  // namespace

int run_wasi_suite(const fs::path& folder, bool as_json, bool compiled) {
    std::vector<fs::path> modules;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator{folder, error}) {
        if (entry.path().extension() == ".wasm") modules.push_back(entry.path());
    }
    if (error || modules.empty()) {
        std::cerr << "error: no .wasm modules found (" << folder.string()
                  << "); unpack the suite there first\n";
        return 1;
    }
    std::ranges::sort(modules);
    std::size_t passed = 0;
    json failures = json::array();
    for (const fs::path& module : modules) {
        const std::string problem = run_case(module, compiled);
        const std::string name = module.lexically_relative(folder).generic_string();
        if (problem.empty()) {
            ++passed;
            continue;
        }
        failures.push_back({{"case", name}, {"problem", problem}});
        if (!as_json) std::cout << "FAIL " << name << ": " << problem << '\n';
    }
    const std::size_t failed = failures.size();
    if (as_json) {
        const json object = {{"suite", "wasi"},
                             {"passed", passed},
                             {"failed", failed},
                             {"skipped", 0},
                             {"failures", std::move(failures)}};
        std::cout << object.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
        return failed == 0 ? 0 : 1;
    }
    std::cout << passed << " passed, " << failed << " failed, 0 skipped\n";
    return failed == 0 ? 0 : 1;
}

}  // namespace millrace::spec
