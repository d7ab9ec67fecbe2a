// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string_view>

#include "spec/agree.hpp"
#include "spec/evm_precompile_suite.hpp"
#include "spec/evm_state_suite.hpp"
#include "spec/evm_vm_suite.hpp"
#include "spec/rlp_suite.hpp"
#include "spec/rpc_suite.hpp"
#include "spec/trie_suite.hpp"
#include "spec/wasi_suite.hpp"
#include "spec/wasm_suite.hpp"

// millrace-spec SUITE DIR [--json] [--tier interp|aot] [--fork NAME] [--jobs N]: runs an external
// conformance suite, unpacked in DIR.
// millrace-spec wasm-agree [options]: modules made at random, in both tiers (agree.hpp).
namespace {

using millrace::spec::SuiteOptions;

struct Suite {
    std::string_view name;
    std::string_view help;
    /// Where the suite lies in its archive: entered when DIR holds it, so that the whole archive
    /// can be named as well.
    std::string_view subfolder;
    int (*run)(const std::filesystem::path& folder, const SuiteOptions& options);
};

/// A suite without forks that runs on one thread.
template <int (*Run)(const std::filesystem::path&, bool)>
int plain(const std::filesystem::path& folder, const SuiteOptions& options) {
    return Run(folder, options.as_json);
}

constexpr Suite suites[] = {
    {"wasm", "WebAssembly's test-suite in wast2json form", "",
     [](const std::filesystem::path& folder, const SuiteOptions& options) {
         return millrace::spec::run_wasm_suite(folder, options.as_json, options.compiled);
     }},
    {"wasi", "the compiled modules of wasi-testsuite", "",
     [](const std::filesystem::path& folder, const SuiteOptions& options) {
         return millrace::spec::run_wasi_suite(folder, options.as_json, options.compiled);
     }},
    {"evm-precompiles", "go-ethereum's vectors of the precompiled contracts", "",
     plain<millrace::spec::run_evm_precompile_suite>},
    {"evm-vm", "frames of the machine alone: VMTests and two-operand vectors", "",
     millrace::spec::run_evm_vm_suite},
    {"evm-state", "state tests: one transaction on a given world", "state_tests",
     millrace::spec::run_evm_state_suite},
    {"evm-block", "blockchain tests: blocks imported on a genesis", "blockchain_tests",
     millrace::spec::run_evm_block_suite},
    {"tx", "transaction tests: bytes to decode and judge by fork", "TransactionTests",
     millrace::spec::run_transaction_suite},
    {"trie", "trie tests: roots of pairs, neighbours of keys", "TrieTests",
     millrace::spec::run_trie_suite},
    {"rlp", "RLP tests: what encodes to what, and what must not decode", "RLPTests",
     millrace::spec::run_rlp_suite},
    {"rpc", "dialogues of ethereum/execution-apis", "", millrace::spec::run_rpc_suite},
};

int usage() {
    std::fputs(
        "usage: millrace-spec SUITE DIR [--json] [--tier interp|aot] [--fork NAME] [--jobs N]\n",
        stderr);
    std::fputs("       millrace-spec wasm-agree [options]\n", stderr);
    for (const Suite& suite : suites)
        std::fprintf(stderr, "  %.*s  %.*s\n", static_cast<int>(suite.name.size()),
                     suite.name.data(), static_cast<int>(suite.help.size()), suite.help.data());
    return 2;
}

/// What follows SUITE DIR; null when it is not understood.
std::optional<SuiteOptions> options_of(int argc, char** argv) {
    SuiteOptions options;
    for (int index = 3; index < argc; ++index) {
        const std::string_view name = argv[index];
        if (name == "--json") {
            options.as_json = true;
            continue;
        }
        if (++index == argc) return std::nullopt;
        const std::string_view value = argv[index];
        if (name == "--tier") {
            if (value != "aot" && value != "interp") return std::nullopt;
            options.compiled = value == "aot";
        } else if (name == "--fork") {
            options.fork = value;
        } else if (name == "--jobs") {
            const auto parsed =
                std::from_chars(value.data(), value.data() + value.size(), options.threads);
            if (parsed.ec != std::errc{} || parsed.ptr != value.data() + value.size())
                return std::nullopt;
        } else {
            return std::nullopt;
        }
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc >= 2 && std::string_view{argv[1]} == "wasm-agree")
        return millrace::spec::run_agreement(argc - 2, argv + 2);
    if (argc < 3) return usage();
    const auto options = options_of(argc, argv);
    if (!options) return usage();
    for (const Suite& suite : suites) {
        if (suite.name != argv[1]) continue;
        std::error_code error;
        if (!std::filesystem::is_directory(argv[2], error)) {
            std::fprintf(stderr, "error: %s is not a folder; unpack the suites first\n", argv[2]);
            return 1;
        }
        try {
            std::filesystem::path folder = argv[2];
            if (!suite.subfolder.empty() &&
                std::filesystem::is_directory(folder / suite.subfolder, error)) {
                folder /= suite.subfolder;
            }
            return suite.run(folder, *options);
        } catch (const std::exception& failure) {
            std::fprintf(stderr, "error: %s\n", failure.what());
            return 1;
        }
    }
    return usage();
}
