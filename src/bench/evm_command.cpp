// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "bench/evm_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/report.hpp"
#include "evm/machine.hpp"
#include "evm/memory_host.hpp"
#include "io/fixture_json.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;
using io::fixture::read_bytes;
using io::fixture::read_fixed;
using io::fixture::read_number;
using nlohmann::json;

struct Reference {
    std::string_view program;
    double mgas_per_second;
};
/// research/evm.md: evmone baseline, one pinned core of a loaded machine, medians of 5.
constexpr Reference references[] = {
    {"main/blake2b_huff/8415nulls", 1102}, {"main/blake2b_shifts/8415nulls", 2020},
    {"main/sha1_divs/5311", 787},          {"main/sha1_shifts/5311", 1778},
    {"main/snailtracer/benchmark", 8065},  {"main/structarray_alloc/nfts_rank", 5112},
    {"main/swap_math/spent", 2180},        {"main/weierstrudel/15", 386},
    {"main/weierstrudel/1", 313},
};

/// One call, ready to be made.
class Program {
  public:
    Program(std::string name, const json& test, const json& post) : name_{std::move(name)} {
        const json& env = test.at("env");
        block_.number = read_number(env.at("currentNumber")).words[0];
        block_.timestamp = read_number(env.at("currentTimestamp")).words[0];
        block_.gas_limit = read_number(env.at("currentGasLimit")).words[0];
        block_.coinbase = read_fixed<Address>(env.at("currentCoinbase"));
        for (const auto& [key, fields] : test.at("pre").items()) {
            const Address address = read_fixed<Address>(key);
            host_.account(address).balance = read_number(fields.at("balance"));
            host_.put_code(address, read_bytes(fields.at("code")));
            for (const auto& [slot, value] : fields.at("storage").items())
                host_.put_storage(address, read_number(json(slot)), read_number(value));
        }
        const json& transaction = test.at("transaction");
        const json& indexes = post.at("indexes");
        input_ = read_bytes(transaction.at("data").at(indexes.at("data").get<std::size_t>()));
        // The frame alone: the sender pays for nothing and value is not moved.
        message_.kind = evm::CallKind::call_code;
        message_.gas = static_cast<std::int64_t>(
            read_number(transaction.at("gasLimit").at(indexes.at("gas").get<std::size_t>()))
                .words[0]);
        message_.sender = read_fixed<Address>(transaction.at("sender"));
        message_.recipient = message_.code_address = read_fixed<Address>(transaction.at("to"));
        message_.input = input_;
        transaction_.origin = message_.sender;
        host_.begin_transaction();
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }

    /// The gas used.
    Outcome<std::int64_t> call(evm::Arena& arena) {
        const auto before = host_.checkpoint();
        evm::Machine machine{evm::Revision::london, block_, transaction_, host_, arena};
        const evm::CallResult result = machine.call(message_);
        host_.revert_to(before);
        if (result.status != evm::Status::success) {
            return Err{Failure{"the program failed: " + std::string{evm::to_text(result.status)},
                               name_, "use the unchanged files of ipsilon/evm-benchmarks"}};
        }
        return message_.gas - result.gas_left;
    }

  private:
    std::string name_;
    evm::MemoryHost host_;
    evm::BlockContext block_;
    evm::TransactionContext transaction_;
    Bytes input_;
    evm::Message message_;
};

std::vector<std::unique_ptr<Program>> load(const EvmOptions& options) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{options.folder})
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<std::unique_ptr<Program>> programs;
    for (const fs::path& file : files) {
        std::ifstream stream{file};
        const json cases = json::parse(stream);
        for (const auto& [case_name, test] : cases.items()) {
            if (!test.contains("post") || !test.at("post").contains("London")) continue;
            const json& labels = test.at("_info").at("labels");
            for (const json& post : test.at("post").at("London")) {
                const std::size_t index = post.at("indexes").at("data").get<std::size_t>();
                const std::string name = file.parent_path().filename().string() + "/" + case_name +
                                         "/" + labels.at(std::to_string(index)).get<std::string>();
                const bool wanted =
                    options.programs.empty() ||
                    std::ranges::any_of(options.programs, [&](const std::string& part) {
                        return name.find(part) != std::string::npos;
                    });
                if (wanted) programs.push_back(std::make_unique<Program>(name, test, post));
            }
        }
    }
    return programs;
}

double mgas_per_second(const EvmRow& row) {
    return static_cast<double>(row.gas) / row.seconds / 1e6;
}

}  // namespace

Outcome<EvmReport> measure_evm(const EvmOptions& options) {
    constexpr double run_seconds_min = 0.05;
    constexpr int calls_max = 1'000'000;
    std::error_code error;
    if (!fs::is_directory(options.folder, error)) {
        return Err{Failure{"there is no such folder", options.folder.string(),
                           "unpack the suites and name the folder evm/benchmarks/benchmarks"}};
    }
    const auto programs = load(options);
    if (programs.empty()) {
        return Err{Failure{"no benchmark program is there", options.folder.string(),
                           "name the folder evm/benchmarks/benchmarks of the suites"}};
    }
    const auto arena = evm::make_arena();
    EvmReport report;
    report.run_count = options.run_count;
    std::vector<int> call_counts;
    for (const auto& program : programs) {  // warms up, and finds out how many calls are a run
        EvmRow& row = report.rows.emplace_back();
        row.program = program->name();
        int count = 0;
        const double start = processor_seconds();
        while (count < calls_max && processor_seconds() - start < run_seconds_min) {
            MILLRACE_TRY(row.gas, program->call(*arena));
            ++count;
        }
        call_counts.push_back(count);
        for (const Reference& reference : references)
            if (reference.program == row.program) row.reference = reference.mgas_per_second;
    }
    std::vector<std::vector<double>> seconds(programs.size());
    for (int run = 0; run < options.run_count; ++run) {
        for (std::size_t index = 0; index < programs.size(); ++index) {
            const double start = processor_seconds();
            for (int call = 0; call < call_counts[index]; ++call) {
                MILLRACE_TRY(const std::int64_t gas, programs[index]->call(*arena));
                if (gas != report.rows[index].gas) {
                    return Err{Failure{"two calls used different amounts of gas",
                                       programs[index]->name(),
                                       "report this: the machine must be deterministic"}};
                }
            }
            seconds[index].push_back((processor_seconds() - start) / call_counts[index]);
        }
    }
    for (std::size_t index = 0; index < programs.size(); ++index) {
        report.rows[index].seconds = median(seconds[index]);
        report.rows[index].seconds_min = std::ranges::min(seconds[index]);
        report.rows[index].seconds_max = std::ranges::max(seconds[index]);
    }
    return report;
}

std::string to_markdown(const EvmReport& report) {
    std::string text =
        "| program | gas | us per call | Mgas/s | min-max | evmone baseline (research machine) | "
        "ratio |\n|---|---:|---:|---:|---:|---:|---:|\n";
    double log_sum = 0;
    int compared = 0;
    for (const EvmRow& row : report.rows) {
        const double rate = mgas_per_second(row);
        const double gas = static_cast<double>(row.gas) / 1e6;
        text += fmt::format("| {} | {} | {:.1f} | {:.0f} | {:.0f}-{:.0f} |", row.program, row.gas,
                            1e6 * row.seconds, rate, gas / row.seconds_max, gas / row.seconds_min);
        if (row.reference) {
            text += fmt::format(" {:.0f} | {:.2f} |\n", *row.reference, rate / *row.reference);
            log_sum += std::log(rate / *row.reference);
            ++compared;
        } else {
            text += " | |\n";
        }
    }
    if (compared > 0)
        text +=
            fmt::format("\nGeometric mean of the ratios: {:.2f}; ", std::exp(log_sum / compared));
    else
        text += "\n";
    text += fmt::format("processor time, medians of {} runs in turns.\n", report.run_count);
    return text;
}

std::string to_json(const EvmReport& report) {
    json rows = json::array();
    for (const EvmRow& row : report.rows) {
        json entry = {{"program", row.program},         {"gas", row.gas},
                      {"seconds", row.seconds},         {"seconds_min", row.seconds_min},
                      {"seconds_max", row.seconds_max}, {"mgas_per_second", mgas_per_second(row)}};
        if (row.reference) entry["evmone_baseline_research_machine"] = *row.reference;
        rows.push_back(std::move(entry));
    }
    return json{{"runs", report.run_count}, {"programs", std::move(rows)}}.dump(2) + "\n";
}

}  // namespace millrace::bench
