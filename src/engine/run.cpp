// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/run.hpp"

#include <algorithm>

#include "engine/state.hpp"

namespace millrace::engine {
namespace {

wasi::SharedBytes shared(const Bytes& bytes) {
    return std::make_shared<const Bytes>(bytes);
}

wasi::TaskInput input_of(const Module& module, const Task& task) {
    types::TaskSpec spec;
    spec.module.plain = crypto::blob_id(module.bytes());
    spec.arguments = task.arguments;
    spec.environment = task.environment;
    std::ranges::sort(spec.environment);
    spec.limits = {.fuel = Fuel{task.limits.fuel},
                   .memory_bytes = task.limits.memory_bytes,
                   .output_bytes = task.limits.output_bytes};
    std::vector<const File*> files;
    files.reserve(task.files.size());
    for (const File& file : task.files)
        files.push_back(&file);
    std::ranges::sort(files, {}, [](const File* file) -> const std::string& { return file->path; });
    std::vector<wasi::SharedBytes> contents;
    for (const File* file : files) {
        spec.files.push_back(
            {file->path, {.plain = crypto::blob_id(file->content), .sealed_root = {}}});
        contents.push_back(shared(file->content));
    }
    wasi::TaskInput input = wasi::task_input(spec, std::move(contents));
    input.standard_input = shared(task.standard_input);
    if (task.seed) std::ranges::copy(*task.seed, input.seed.bytes.begin());
    return input;
}

TaskEnd end_of(types::ExitKind kind) {
    switch (kind) {
        case types::ExitKind::exited:
            return TaskEnd::exited;
        case types::ExitKind::trapped:
            return TaskEnd::trapped;
        case types::ExitKind::out_of_fuel:
            return TaskEnd::out_of_fuel;
        case types::ExitKind::limit_exceeded:
            return TaskEnd::limit_exceeded;
    }
    return TaskEnd::trapped;
}

std::optional<Error> refusal_of(const Task& task) {
    if (task.limits.fuel <= types::fuel_per_task_max &&
        task.limits.memory_bytes <= types::memory_per_task_max &&
        task.limits.output_bytes <= types::output_per_task_max)
        return std::nullopt;
    return Error{"a limit of the task is larger than tasks may have", "limits",
                 "fuel up to 2^40, memory and output up to 4 GiB"};
}

}  // namespace

Result<TaskResult> run(const Module& module, const Task& task, const MachineCode* code) {
    if (auto refused = refusal_of(task)) return std::move(*refused);
    std::unique_ptr<wasm::NativeTier> tier;
    if (auto error = tier_of(module, code, tier)) return std::move(*error);
    auto outcome =
        wasi::run_task(module.state().module, input_of(module, task), {}, std::move(tier));
    if (!outcome) return to_error(outcome.error());
    TaskResult result;
    result.end = end_of(outcome->summary.exit);
    result.code = outcome->summary.exit == types::ExitKind::exited ? outcome->summary.code : 0;
    result.text = outcome->text;
    result.fuel = outcome->summary.fuel.value;
    std::ranges::copy(outcome->summary.result_id().bytes, result.result_id.begin());
    for (const wasi::OutputFile& file : outcome->files) {
        if (file.content)
            result.files.push_back({file.path, *file.content});
        else
            result.deleted.push_back(file.path);
    }
    result.standard_output = *outcome->standard_output;
    result.standard_error = *outcome->standard_error;
    return result;
}

}  // namespace millrace::engine
