// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm inspect` and `millrace wasm compile`: a module looked at, not run.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "aot/compile.hpp"
#include "cli/wasm_commands.hpp"
#include "cli/wasm_task.hpp"
#include "wasm/module.hpp"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

int fail(const Failure& failure) {
    print_error(failure);
    return status_failure;
}

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
    if (!module) return fail(module.error());
    const auto loaded = wasm::Module::load(**module);
    if (!loaded) return fail({loaded.error().text(), path, "build it within profile det-1"});
    const auto image = aot::compile_elsewhere(**module);
    if (!image) return fail(image.error());
    const fs::path out =
        target.empty() ? fs::path{path}.replace_extension(".mlr") : fs::path{target};
    std::ofstream stream{out, std::ios::binary | std::ios::trunc};
    stream.write(reinterpret_cast<const char*>(image->data()),
                 static_cast<std::streamsize>(image->size()));
    stream.close();
    if (!stream) {
        return fail({"cannot write the compiled module: " + std::string{std::strerror(errno)},
                     out.string(), "check the path and its permissions"});
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

void add_wasm_compile(CLI::App* wasm, int& exit_status) {
    auto source = std::make_shared<std::string>();
    auto target = std::make_shared<std::string>();
    CLI::App* command = wasm->add_subcommand(
        "compile", "translate a module into machine code, for wasm run --tier aot");
    command->add_option("MODULE", *source, "the .wasm file")->required();
    command->add_option("-o,--output", *target,
                        "the file to write (default: MODULE with the ending .mlr)");
    command->callback([source, target, &exit_status] { exit_status = compile(*source, *target); });
}

void add_wasm_inspect(CLI::App* wasm, int& exit_status) {
    auto path = std::make_shared<std::string>();
    auto as_json = std::make_shared<bool>(false);
    CLI::App* command = wasm->add_subcommand(
        "inspect", "imports, exports, sizes, and why a network would refuse the module");
    command->add_option("MODULE", *path, "the .wasm file")->required();
    command->add_flag("--json", *as_json, "as one JSON object");
    command->callback([path, as_json, &exit_status] { exit_status = inspect(*path, *as_json); });
}

}  // namespace millrace::cli
