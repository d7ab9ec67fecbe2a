// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/wasm_command.hpp"

#include <algorithm>
#include <cstdio>

namespace millrace::bench {
namespace {

Outcome<std::vector<Kernel>> choose_kernels(const std::vector<std::string>& names) {
    const std::vector<Kernel> all = all_kernels();
    if (names.empty()) return all;
    std::vector<Kernel> chosen;
    for (const auto& name : names) {
        const auto found = std::ranges::find(all, name, &Kernel::name);
        if (found == all.end()) {
            std::string known;
            for (const Kernel& kernel : all)
                known += (known.empty() ? "" : " ") + kernel.name;
            return Err{Failure{"unknown kernel '" + name + "'", "", "known: " + known}};
        }
        chosen.push_back(*found);
    }
    return chosen;
}

Outcome<Row> measure(const Kernel& kernel, std::vector<std::unique_ptr<Engine>>& engines,
                     int run_count) {
    Row row{kernel.name, 0, std::vector<Cell>(engines.size()), kernel.is_in_mean};
    std::vector<std::vector<double>> times(engines.size());
    for (int round = 0; round < run_count; ++round) {
        for (std::size_t i = 0; i < engines.size(); ++i) {
            MILLRACE_TRY(const Sample sample, engines[i]->run(kernel));
            if (round == 0 && i == 0) row.checksum = sample.checksum;
            if (sample.checksum != row.checksum) {
                return Err{Failure{"the checksums differ: " + std::to_string(row.checksum) +
                                       " in " + engines[0]->name() + ", " +
                                       std::to_string(sample.checksum) + " in " +
                                       engines[i]->name(),
                                   kernel.name, ""}};
            }
            if (round > 0 && sample.fuel != row.cells[i].fuel) {
                return Err{Failure{"two runs used different fuel", kernel.name, ""}};
            }
            row.cells[i].fuel = sample.fuel;
            for (const Cell& other : row.cells) {
                if (other.fuel && sample.fuel && *other.fuel != *sample.fuel)
                    return Err{Failure{"two tiers used different fuel", kernel.name, ""}};
            }
            times[i].push_back(sample.seconds);
        }
    }
    for (std::size_t i = 0; i < engines.size(); ++i)
        row.cells[i].seconds = median(times[i]);
    return row;
}

}  // namespace

Outcome<Report> compare_engines(const WasmOptions& options) {
    MILLRACE_TRY(const auto kernels, choose_kernels(options.kernels));
    struct Candidate {
        const char* name;
        EngineMaker make;
    };
    constexpr Candidate candidates[] = {{"native", make_native_engine},
                                        {"compiled", make_compiled_engine},
                                        {"unmetered", make_unmetered_engine},
                                        {"node", make_node_engine},
                                        {"interpreter", make_interpreter_engine}};
    Report report;
    report.run_count = options.run_count;
    std::vector<std::unique_ptr<Engine>> engines;
    for (const Candidate& candidate : candidates) {
        std::string absence;
        auto engine = candidate.make(options.folder, absence);
        if (engine == nullptr) {
            report.absences.push_back(std::string{candidate.name} + ": " + absence);
            continue;
        }
        report.engines.push_back(engine->name());
        engines.push_back(std::move(engine));
    }
    if (engines.empty()) {
        return Err{Failure{"there is no kernel to run", options.folder.string(),
                           "install clang-19, lld-19 and wasi-libc, then build again"}};
    }
    for (const Kernel& kernel : kernels) {
        if (!std::filesystem::exists(options.folder / (kernel.name + ".wasm"))) {
            report.absences.push_back("kernel " + kernel.name +
                                      ": it was not built; run tools/sources.sh, then cmake and "
                                      "the build again");
            continue;
        }
        std::fprintf(stderr, "%s ...\n", kernel.name.c_str());
        MILLRACE_TRY(Row row, measure(kernel, engines, options.run_count));
        report.rows.push_back(std::move(row));
    }
    return report;
}

}  // namespace millrace::bench
