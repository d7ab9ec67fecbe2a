// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/checkpoint_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "aot/compile.hpp"
#include "aot/tier.hpp"
#include "bench/engine.hpp"
#include "wasm/checkpoint.hpp"
#include "wasm/instance.hpp"
#include "wasm/runtime.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;

struct Run {
    double seconds = 0;
    double hashing_s = 0;
    std::size_t checkpoint_count = 0;
    std::uint64_t fuel = 0;
    std::uint64_t memory_bytes = 0;
};

class Subject {
  public:
    static Outcome<Subject> load(const fs::path& path) {
        std::ifstream file{path, std::ios::binary};
        const std::vector<char> bytes{std::istreambuf_iterator<char>{file}, {}};
        const ByteView view{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
        Subject subject;
        const auto module = wasm::Module::load(view);
        if (!module) return Err{Failure{module.error().text(), path.string(), ""}};
        subject.module_ = module.value();
        MILLRACE_TRY(const Bytes image, aot::compile_elsewhere(view, {}));
        MILLRACE_TRY(subject.image_, aot::LoadedImage::load(image));
        return subject;
    }
    /// Calls the kernel a number of times. Interval 0: without checkpoints.
    [[nodiscard]] Outcome<Run> run(const Kernel& kernel, int call_count,
                                   std::uint64_t interval) const {
        wasm::Store store;
        store.use(aot::make_tier([this](const wasm::Module&) {
            return Outcome<std::shared_ptr<const aot::LoadedImage>>{image_};
        }));
        store.set_fuel_limit(std::uint64_t{1} << 50);
        wasm::Linker linker{store};
        auto instance = linker.instantiate(module_);
        if (!instance) return Err{Failure{instance.error().message, "", ""}};
        Run run;
        std::vector<wasm::Checkpoint> checkpoints;
        if (interval > 0) {
            wasm::take_checkpoints(instance.value()->data(), interval, {}, checkpoints);
            auto& hook = store.data().at_safe_point;
            hook = [&run, take = hook](wasm::StoreData& data) {
                const double start = processor_seconds();
                take(data);
                run.hashing_s += processor_seconds() - start;
            };
        }
        const wasm::Value argument = wasm::Value::i32(static_cast<std::uint32_t>(kernel.size));
        const double start = processor_seconds();
        for (int call = 0; call < call_count; ++call) {
            const wasm::RunOutcome outcome = instance.value()->invoke("run", {&argument, 1});
            if (!std::holds_alternative<wasm::Returned>(outcome)) {
                return Err{
                    Failure{"the kernel ended with: " + wasm::to_text(outcome), kernel.name, ""}};
            }
        }
        run.seconds = processor_seconds() - start;
        run.checkpoint_count = checkpoints.size();
        run.fuel = store.fuel_used();
        run.memory_bytes = instance.value()->memory()->size();
        return run;
    }

  private:
    std::shared_ptr<const wasm::Module> module_;
    std::shared_ptr<const aot::LoadedImage> image_;
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

Outcome<CheckpointRow> measure(const Kernel& kernel, const CheckpointOptions& options) {
    MILLRACE_TRY(const Subject subject, Subject::load(options.folder / (kernel.name + ".wasm")));
    MILLRACE_TRY(const Run trial, subject.run(kernel, 1, 0));
    const int calls = std::max(1, static_cast<int>(options.seconds / trial.seconds));
    const auto spaced =
        static_cast<std::uint64_t>(static_cast<double>(trial.fuel) * 2 / trial.seconds);
    std::vector<double> plain;
    std::vector<double> with_spaced;
    std::vector<double> with_network;
    std::vector<double> hashing;
    CheckpointRow row{.kernel = kernel.name};
    for (int round = 0; round < options.run_count; ++round) {  // in turns
        MILLRACE_TRY(const Run without, subject.run(kernel, calls, 0));
        MILLRACE_TRY(const Run some, subject.run(kernel, calls, spaced));
        MILLRACE_TRY(const Run many, subject.run(kernel, calls, wasm::checkpoint_interval));
        plain.push_back(without.seconds);
        with_spaced.push_back(some.seconds);
        with_network.push_back(many.seconds);
        hashing.push_back(some.hashing_s * 1000 /
                          static_cast<double>(std::max<std::size_t>(some.checkpoint_count, 1)));
        row.spaced_count = static_cast<int>(some.checkpoint_count);
        row.network_count = static_cast<int>(many.checkpoint_count);
        row.memory_mib = static_cast<double>(some.memory_bytes) / (1 << 20);
    }
    row.plain_s = median(plain);
    row.spaced_s = median(with_spaced);
    row.network_s = median(with_network);
    row.spaced_ms = median(hashing);
    return row;
}

}  // namespace

Outcome<CheckpointReport> measure_checkpoints(const CheckpointOptions& options) {
    CheckpointReport report{.options = options, .rows = {}, .absence = {}};
    std::vector<Kernel> kernels = all_kernels();
    kernels.push_back({"sort", 1});
    for (const Kernel& kernel : kernels) {
        if (!fs::exists(options.folder / (kernel.name + ".wasm"))) {
            report.absence += kernel.name + " was not built (clang-19 or wasi-libc absent)\n";
            continue;
        }
        MILLRACE_TRY(CheckpointRow row, measure(kernel, options));
        report.rows.push_back(std::move(row));
    }
    return report;
}

std::string to_markdown(const CheckpointReport& report) {
    std::string text =
        "| kernel | memory MiB | without s | one in 2 s | each, hashing ms | one in 2^32 fuel |\n"
        "|---|---|---|---|---|---|\n";
    const auto percent = [](double with, double without) { return 100 * (with / without - 1); };
    for (const CheckpointRow& row : report.rows) {
        text += fmt::format("| {} | {:.1f} | {:.2f} | {:+.1f} % ({}) | {:.1f} | {:+.1f} % ({}) |\n",
                            row.kernel, row.memory_mib, row.plain_s,
                            percent(row.spaced_s, row.plain_s), row.spaced_count, row.spaced_ms,
                            percent(row.network_s, row.plain_s), row.network_count);
    }
    return text + report.absence;
}

}  // namespace millrace::bench
