// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string_view>

#include "spec/evm_precompile_suite.hpp"
#include "spec/wasi_suite.hpp"
#include "spec/wasm_suite.hpp"

// millrace-spec SUITE DIR [--json]: runs an external conformance suite, unpacked in DIR.
namespace {

struct Suite {
    std::string_view name;
    std::string_view help;
    int (*run)(const std::filesystem::path& folder, bool as_json);
};

constexpr Suite suites[] = {
    {"wasm", "WebAssembly's test-suite in wast2json form", millrace::spec::run_wasm_suite},
    {"wasi", "the compiled modules of wasi-testsuite", millrace::spec::run_wasi_suite},
    {"evm-precompiles", "go-ethereum's vectors of the precompiled contracts",
     millrace::spec::run_evm_precompile_suite},
};

int usage() {
    std::fputs("usage: millrace-spec SUITE DIR [--json]\n", stderr);
    for (const Suite& suite : suites)
        std::fprintf(stderr, "  %s  %s\n", suite.name.data(), suite.help.data());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    const bool as_json = argc == 4 && std::string_view{argv[3]} == "--json";
    if (argc != 3 && !as_json) return usage();
    for (const Suite& suite : suites) {
        if (suite.name != argv[1]) continue;
        std::error_code error;
        if (!std::filesystem::is_directory(argv[2], error)) {
            std::fprintf(stderr, "error: %s is not a folder; unpack the suites first\n", argv[2]);
            return 1;
        }
        try {
            return suite.run(argv[2], as_json);
        } catch (const std::exception& failure) {
            std::fprintf(stderr, "error: %s\n", failure.what());
            return 1;
        }
    }
    return usage();
}
