// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace millrace::spec {

/// How a suite is run from the command line.
struct SuiteOptions {
    bool as_json = false;
    bool compiled = false;  ///< wasm, wasi: modules run as compiled code
    std::string fork;       ///< only cases of this fork; empty: all
    unsigned threads = 0;   ///< 0: one per processor
};

/// What became of cases. One file has one, then they are added up.
struct SuiteTally {
    struct Failure {
        std::string file;
        std::string name;
        std::string cause;
    };
    std::uint64_t passed = 0;
    std::map<std::string, std::uint64_t> skipped;  ///< by cause
    std::vector<Failure> failures;
    std::string file;  ///< what runs now, for fail()

    void fail(std::string name, std::string cause) {
        failures.push_back({file, std::move(name), std::move(cause)});
    }
    void skip(const std::string& cause) { ++skipped[cause]; }
};

/// Calls `run` for every .json file under `folder`, on several threads; each call has a tally of
/// its own. Prints failures in the order of the files, what was skipped by cause, and the totals
/// (one JSON object instead with as_json). 0 when something passed and nothing failed, else 1.
int run_files(const std::filesystem::path& folder, const SuiteOptions& options,
              const std::function<void(const std::filesystem::path& file, SuiteTally&)>& run);

}  // namespace millrace::spec
