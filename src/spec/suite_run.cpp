// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/suite_run.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        if (entry.is_regular_file() && entry.path().extension() == ".json") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

void print_text(const SuiteTally& total, std::uint64_t skipped) {
    for (const auto& failure : total.failures) {
        std::cout << "FAIL " << failure.file << ' ' << failure.name << ": " << failure.cause
                  << '\n';
    }
    for (const auto& [cause, count] : total.skipped)
        std::cout << cause << ": " << count << '\n';
    std::cout << total.passed << " passed, " << total.failures.size() << " failed, " << skipped
              << " skipped" << std::endl;
}

void print_json(const SuiteTally& total, std::uint64_t skipped) {
    nlohmann::json failures = nlohmann::json::array();
    for (const auto& failure : total.failures) {
        failures.push_back(
            {{"file", failure.file}, {"case", failure.name}, {"cause", failure.cause}});
    }
    const nlohmann::json report = {{"passed", total.passed},
                                   {"failed", total.failures.size()},
                                   {"skipped", skipped},
                                   {"skipped_by_cause", total.skipped},
                                   {"failures", std::move(failures)}};
    std::cout << report.dump(2) << std::endl;
}

}  // namespace

int run_files(const fs::path& folder, const SuiteOptions& options,
              const std::function<void(const fs::path&, SuiteTally&)>& run) {
    const std::vector<fs::path> files = files_of(folder);
    std::vector<SuiteTally> tallies(files.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t index = next++; index < files.size(); index = next++) {
            SuiteTally& tally = tallies[index];
            tally.file = fs::relative(files[index], folder);
            try {
                run(files[index], tally);
            } catch (const std::exception& problem) {
                tally.fail("", std::string{"cannot be read: "} + problem.what());
            }
        }
    };
    const unsigned thread_count =
        options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
    {
        std::vector<std::jthread> threads;
        for (unsigned index = 1; index < thread_count; ++index)
            threads.emplace_back(work);
        work();
    }
    SuiteTally total;
    std::uint64_t skipped = 0;
    for (SuiteTally& tally : tallies) {
        total.passed += tally.passed;
        for (const auto& [cause, count] : tally.skipped) {
            total.skipped[cause] += count;
            skipped += count;
        }
        std::ranges::move(tally.failures, std::back_inserter(total.failures));
    }
    if (options.as_json) {
        print_json(total, skipped);
    } else {
        print_text(total, skipped);
    }
    return total.passed > 0 && total.failures.empty() ? 0 : 1;
}

}  // namespace millrace::spec
