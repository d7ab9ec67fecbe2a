// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// millrace-bench: measurements that can be repeated. docs/benchmarks.md holds the last ones.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "bench/wasm_command.hpp"

namespace {

using namespace millrace::bench;

int run_wasm(const WasmOptions& options, bool json, bool markdown) {
    const auto report = compare_engines(options);
    if (!report) {
        std::fprintf(stderr, "error: %s\n", report.error().text().c_str());
        return 1;
    }
    for (const auto& absence : report.value().absences) {
        std::fprintf(stderr, "left out: %s\n", absence.c_str());
    }
    const std::string text = json       ? to_json(report.value())
                             : markdown ? to_markdown(report.value())
                                        : to_table(report.value());
    std::fputs(text.c_str(), stdout);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measurements of Millrace that anyone can repeat.", "millrace-bench"};
    app.require_subcommand(1);

    WasmOptions options;
    options.folder = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
                     "libexec" / "bench";
    bool json = false;
    bool markdown = false;
    auto* wasm = app.add_subcommand(
        "wasm", "the same kernels natively, in node (V8) and in Millrace's metered interpreter");
    wasm->add_option("--runs", options.run_count, "runs of each, interleaved; the median counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    wasm->add_option("--kernel", options.kernels, "only these");
    wasm->add_flag("--json", json, "print JSON");
    wasm->add_flag("--markdown", markdown, "print the table of docs/benchmarks.md");

    try {
        app.parse(argc, argv);
        return run_wasm(options, json, markdown);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
