// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/run.hpp"

#include <algorithm>

#include "base/overload.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasi {
namespace {

constexpr std::string_view wasi_module = "wasi_snapshot_preview1";

const SharedBytes& no_bytes() {
    static const SharedBytes empty = std::make_shared<const Bytes>();
    return empty;
}

Failure machine_exhausted(const types::TaskLimits& limits) {
    return {"this machine has not the memory that the task may use",
            std::to_string(limits.memory_bytes >> 20) + " MiB of linear memory",
            "free memory here, or lower the task's memory limit"};
}

Failure unknown_import(const wasm::ImportInfo& import) {
    const std::string name = std::string{import.module} + "." + std::string{import.name};
    return {"the module imports " + name + ", which tasks are not offered", import.type,
            "build it for WASI preview 1 (wasm32-wasip1) without other imports"};
}

/// What the run came to, before anything is hashed.
struct End {
    types::ExitKind exit = types::ExitKind::exited;
    std::uint32_t code = 0;
    std::string text;
};

End end_of(const wasm::RunOutcome& outcome, LimitHit limit) {
    return std::visit(
        Overload{[](const wasm::Returned&) { return End{}; },
                 [&](const wasm::Trapped& trap) {
                     if (trap.kind == wasm::TrapKind::limit_exceeded && limit != LimitHit::none) {
                         return End{
                             types::ExitKind::limit_exceeded, static_cast<std::uint32_t>(limit),
                             limit == LimitHit::output ? "the task wrote more than its output limit"
                                                       : "the task made more files than its limit"};
                     }
                     return End{types::ExitKind::trapped, static_cast<std::uint32_t>(trap.kind),
                                trap.text()};
                 },
                 [](const wasm::Exited& exited) {
                     return End{types::ExitKind::exited, exited.code, {}};
                 },
                 [](const wasm::OutOfFuel&) {
                     return End{types::ExitKind::out_of_fuel, 0, "out of fuel"};
                 }},
        outcome);
}

bool is_machine_exhausted(const wasm::RunOutcome& outcome) {
    const auto* trap = std::get_if<wasm::Trapped>(&outcome);
    return trap != nullptr && trap->kind == wasm::TrapKind::machine_exhausted;
}

void collect_files(std::vector<FileTree::Change> changes, TaskOutcome& result) {
    std::vector<types::OutputEntry> entries;
    for (FileTree::Change& change : changes) {
        OutputFile file{std::move(change.path), std::move(change.content), {}};
        if (file.content) file.id = crypto::blob_id(*file.content);
        entries.push_back({file.path, file.id, file.content == nullptr});
        result.files.push_back(std::move(file));
    }
    result.summary.output_root = types::output_root(entries);
}

SharedBytes shared(Bytes bytes) {
    return std::make_shared<const Bytes>(std::move(bytes));
}

}  // namespace

TaskInput task_input(const types::TaskSpec& spec, std::vector<SharedBytes> contents) {
    MILLRACE_ASSERT(contents.size() == spec.files.size());
    TaskInput input;
    input.arguments.emplace_back(program_name);
    input.arguments.insert(input.arguments.end(), spec.arguments.begin(), spec.arguments.end());
    input.environment = spec.environment;
    for (std::size_t index = 0; index < contents.size(); ++index) {
        input.files.push_back({spec.files[index].path, std::move(contents[index])});
    }
    input.seed = spec.content_seed();
    input.limits = spec.limits;
    return input;
}

std::optional<Failure> check_command(const wasm::Module& module) {
    for (const wasm::ImportInfo& import : module.imports()) {
        std::string type;
        if (import.module == wasi_module && import.kind == wasm::ExternKind::function) {
            type = Context::import_type(import.name);
        }
        if (type.empty()) return unknown_import(import);
        if (type != import.type) {
            return Failure{"the module imports " + std::string{import.name} + " with a wrong type",
                           import.type, "WASI preview 1 has " + type};
        }
    }
    const wasm::FuncType* start = module.exported_function("_start");
    if (start == nullptr) {
        return Failure{"the module exports no function _start", "",
                       "build it as a WASI command (a program with main), not as a library"};
    }
    if (!start->params.empty() || !start->results.empty()) {
        return Failure{"the module's _start has the wrong type", wasm::to_text(*start),
                       "it must be () -> ()"};
    }
    return std::nullopt;
}

Outcome<std::unique_ptr<Context>> make_context(const TaskInput& input) {
    FileTree tree{{.output_bytes = input.limits.output_bytes}, epoch_ns};
    for (const InputFile& file : input.files) {
        if (!tree.add_input(file.path, file.content)) {
            return Err{Failure{"an input's path is not usable", file.path,
                               "paths are relative, without '.' or '..', and distinct"}};
        }
    }
    for (const std::string& path : input.directories) {
        if (!tree.add_input_directory(path)) {
            return Err{Failure{"a directory's path is not usable", path, ""}};
        }
    }
    return std::make_unique<Context>(ContextInput{.arguments = input.arguments,
                                                  .environment = input.environment,
                                                  .standard_input = input.standard_input,
                                                  .seed = input.seed,
                                                  .has_root = input.has_root},
                                     std::move(tree));
}

wasm::StoreLimits store_limits(const TaskInput& input) {
    wasm::StoreLimits limits;
    limits.memory_pages_max = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(input.limits.memory_bytes / wasm::page_size, 65'536));
    return limits;
}

Outcome<TaskOutcome> run_task(std::shared_ptr<const wasm::Module> module, const TaskInput& input,
                              std::function<void(std::uint64_t fuel)> progress,
                              std::unique_ptr<wasm::NativeTier> tier) {
    if (auto refused = check_command(*module)) return Err{std::move(*refused)};
    MILLRACE_TRY(const std::unique_ptr<Context> made, make_context(input));
    Context& context = *made;
    context.on_progress(progress);
    wasm::Store store{store_limits(input)};
    if (tier) store.use(std::move(tier));
    store.set_fuel_limit(input.limits.fuel.value);
    wasm::Linker linker{store};
    context.define(linker);

    const auto instance = linker.instantiate(std::move(module));
    wasm::RunOutcome outcome = wasm::Returned{};
    End end;
    TaskOutcome result;
    if (instance) {
        if (input.checkpoint_fuel > 0) {
            context.log_calls();
            // Also a sign of life of a program that calls no host.
            const auto at_checkpoint = [&] {
                if (progress) progress(store.fuel_used());
                return context.call_log();
            };
            wasm::take_checkpoints(instance.value()->data(), input.checkpoint_fuel, at_checkpoint,
                                   result.checkpoints);
        }
        outcome = instance.value()->invoke("_start", {});
        end = end_of(outcome, context.tree().limit_hit());
    } else if (instance.error().kind == wasm::LinkErrorKind::stopped) {
        outcome = instance.error().outcome;
        end = end_of(outcome, context.tree().limit_hit());
    } else if (instance.error().kind == wasm::LinkErrorKind::over_limit) {
        end = {types::ExitKind::limit_exceeded, static_cast<std::uint32_t>(LimitHit::memory),
               "the module starts with more memory than the task's limit"};
    } else if (instance.error().kind == wasm::LinkErrorKind::machine_exhausted) {
        return Err{machine_exhausted(input.limits)};
    } else if (instance.error().kind == wasm::LinkErrorKind::not_compiled) {
        return Err{Failure{instance.error().message, "", ""}};
    } else {
        return Err{Failure{"the module does not link: " + instance.error().message, "",
                           "build it for WASI preview 1 (wasm32-wasip1)"}};
    }
    if (is_machine_exhausted(outcome)) return Err{machine_exhausted(input.limits)};

    std::vector<FileTree::Change> changes;
    if (end.exit == types::ExitKind::exited) {
        changes = context.tree().take_changes();
        if (const LimitHit hit = context.tree().limit_hit(); hit != LimitHit::none) {
            end = {types::ExitKind::limit_exceeded, static_cast<std::uint32_t>(hit),
                   hit == LimitHit::output
                       ? "the task leaves more bytes than its output limit"
                       : "the task leaves more files, or longer paths, than a result may have"};
            changes.clear();
        }
    }
    result.summary.exit = end.exit;
    result.summary.code = end.code;
    result.summary.fuel = Fuel{store.fuel_used()};
    result.summary.checkpoint_root = wasm::checkpoints_root(result.checkpoints);
    result.text = std::move(end.text);
    collect_files(std::move(changes), result);
    const bool has_stdout =
        end.exit == types::ExitKind::exited || end.exit == types::ExitKind::trapped;
    result.standard_output = has_stdout ? shared(context.take_standard_output()) : no_bytes();
    result.standard_error = shared(context.take_standard_error());
    result.summary.stdout_root = crypto::blob_id(*result.standard_output).root;
    if (end.exit == types::ExitKind::exited && instance && instance.value()->memory() != nullptr) {
        const wasm::Memory& memory = *instance.value()->memory();
        result.summary.memory_root = crypto::blob_id(memory.bytes()).root;
    }
    return result;
}

}  // namespace millrace::wasi
