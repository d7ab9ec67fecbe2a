// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/check_run.hpp"

#include <algorithm>
#include <set>

#include "base/prng.hpp"
#include "judge/replay.hpp"

namespace millrace::judge {
namespace {

std::string end_text(const Registers& registers) {
    switch (registers.status) {
        case Status::running:
            return "running";
        case Status::returned:
            return "returned";
        case Status::trapped:
            return "trapped: " +
                   std::string{wasm::to_text(static_cast<wasm::TrapKind>(registers.code))};
        case Status::exited:
            return "exited " + std::to_string(registers.code);
        case Status::out_of_fuel:
            return "out of fuel";
    }
    return "";
}

/// Judges one segment and notes what is wrong with it.
void judge(const Segment& segment, const std::string& where, CheckReport& report) {
    const Bytes bytes = encode(segment.witness);
    ++report.segments;
    report.steps += segment.witness.steps;
    report.witness_bytes_sum += bytes.size();
    report.witness_bytes_most = std::max(report.witness_bytes_most, bytes.size());
    report.witness_bytes_least =
        report.segments == 1 ? bytes.size() : std::min(report.witness_bytes_least, bytes.size());
    const auto witness = decode_witness(bytes);
    if (!witness) {
        report.mismatches.push_back(
            where + ": the witness of " + std::to_string(bytes.size()) +
            " bytes is not accepted: " + std::string{codec::to_text(witness.error())});
        return;
    }
    const auto end = replay(*witness, segment.start);
    if (!end) {
        report.mismatches.push_back(where + ": " + std::string{to_text(end.error())});
    } else if (end->root != segment.end) {
        report.mismatches.push_back(where + ": the judge comes to another root");
    }
}

}  // namespace

Outcome<std::unique_ptr<RecordedTask>> RecordedTask::create(
    std::shared_ptr<const wasm::Module> module, const wasi::TaskInput& input) {
    if (auto refused = wasi::check_command(*module)) return Err{std::move(*refused)};
    std::unique_ptr<RecordedTask> task{new RecordedTask{input}};
    MILLRACE_TRY(task->context_, wasi::make_context(input));
    task->store_.set_fuel_limit(input.limits.fuel.value);
    wasm::Linker linker{task->store_};
    task->context_->define(linker);
    const auto instance = linker.instantiate(std::move(module));
    if (!instance) {
        return Err{Failure{"the module does not start: " + instance.error().message, "",
                           "only a task that reaches _start has segments"}};
    }
    task->recorder_ = Recorder::create(task->store_, *instance.value(), task->context_.get());
    if (!task->recorder_) {
        return Err{Failure{"the module is too large to be judged, or memory is short", "",
                           "see docs/formats/checkpoint.md for the bounds"}};
    }
    task->recorder_->start(*instance.value()->find_export("_start"));
    return task;
}

Outcome<CheckReport> check_run(const std::shared_ptr<const wasm::Module>& module,
                               const wasi::TaskInput& input, const CheckOptions& options) {
    CheckReport report;
    std::vector<Hash32> roots;
    {
        MILLRACE_TRY(const auto task, RecordedTask::create(module, input));
        Recorder& recorder = task->recorder();
        roots.push_back(recorder.root());
        while (recorder.is_running()) {
            recorder.run_to(recorder.fuel_used() + options.fuel_per_root);
            roots.push_back(recorder.root());
        }
        report.fuel = recorder.fuel_used();
        report.end = end_text(recorder.registers());
    }
    report.roots = roots.size();
    const std::size_t intervals = roots.size() - 1;
    std::set<std::size_t> chosen;
    Prng random{options.seed};
    while (chosen.size() < std::min(options.samples, intervals))
        chosen.insert(static_cast<std::size_t>(random.below(intervals)));

    MILLRACE_TRY(const auto task, RecordedTask::create(module, input));
    Recorder& recorder = task->recorder();
    std::size_t at = 0;
    for (const std::size_t sample : chosen) {
        for (; at < sample; ++at)
            recorder.run_to(recorder.fuel_used() + options.fuel_per_root);
        const std::string place = "root " + std::to_string(sample);
        if (recorder.root() != roots[sample]) {
            report.mismatches.push_back(place + ": a second run comes to another root");
            return report;
        }
        const std::uint64_t target = recorder.fuel_used() + options.fuel_per_root;
        for (std::size_t index = 0; index < options.segments_per_sample; ++index) {
            const Segment segment = recorder.record(options.steps_max, witness_bytes_max, target);
            judge(segment, place + ", segment " + std::to_string(index), report);
            if (!segment.is_at_end) continue;
            ++report.roots_met;
            if (segment.end != roots[sample + 1])
                report.mismatches.push_back(place + ": its segments end at another root");
            ++at;
            break;
        }
        if (at == sample) {
            // On to the next root as the first run went.
            recorder.run_to(target);
            ++at;
            if (recorder.root() != roots[at])
                report.mismatches.push_back(place + ": the run goes on to another root");
        }
    }
    return report;
}

}  // namespace millrace::judge
