// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/task_codec.hpp"

#include <chrono>

#include "base/overload.hpp"

namespace millrace::sandbox {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

constexpr std::size_t text_size_max = 64 * 1024;
constexpr std::size_t frame_header_size = 9;
constexpr std::uint64_t event_overhead_max = 16ull << 20;  ///< paths, text, RLP headers

enum class FrameType : std::uint8_t {
    ready = 1,
    progress = 2,
    report = 3,
    failure = 4,
    refusal = 5
};

void append_u64(Bytes& out, std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::uint64_t load_u64(ByteView bytes) {
    std::uint64_t value = 0;
    for (std::size_t index = 0; index < 8; ++index) {
        value |= std::uint64_t{bytes[index]} << (8 * index);
    }
    return value;
}

wasi::SharedBytes shared_copy(ByteView bytes) {
    return std::make_shared<const Bytes>(to_bytes(bytes));
}

void write_texts(RlpWriter& writer, const std::vector<std::string>& texts) {
    const auto list = writer.begin_list();
    for (const std::string& text : texts)
        writer.write_text(text);
    writer.end_list(list);
}

Result<std::string, RlpError> read_text(RlpReaderView& reader, std::size_t size_max) {
    MILLRACE_TRY(const ByteView bytes, reader.read_string());
    if (bytes.size() > size_max) return Err{RlpError::wrong_size};
    return std::string{as_text(bytes)};
}

Result<std::vector<std::string>, RlpError> read_texts(RlpReaderView& reader) {
    MILLRACE_TRY(auto list, reader.read_list());
    std::vector<std::string> texts;
    while (!list.at_end()) {
        MILLRACE_TRY(std::string text, read_text(list, types::argument_size_max));
        texts.push_back(std::move(text));
    }
    return texts;
}

Bytes encode_report(const WorkerReport& report) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    report.outcome.summary.encode_to(writer);
    const auto files = writer.begin_list();
    for (const wasi::OutputFile& file : report.outcome.files) {
        const auto entry = writer.begin_list();
        writer.write_text(file.path);
        writer.write(std::uint64_t{file.content == nullptr});
        writer.write(file.content ? ByteView{*file.content} : ByteView{});
        writer.end_list(entry);
    }
    writer.end_list(files);
    writer.write(ByteView{*report.outcome.standard_output});
    writer.write(ByteView{*report.outcome.standard_error});
    writer.write_text(report.outcome.text);
    writer.write(report.compile_us);
    writer.write(report.run_us);
    const auto checkpoints = writer.begin_list();
    if (report.outcome.checkpoints.size() <= checkpoints_told_max) {
        for (const wasm::Checkpoint& checkpoint : report.outcome.checkpoints) {
            writer.write(checkpoint.fuel);
            writer.write(checkpoint.memory);
            writer.write(checkpoint.rest);
            writer.write(checkpoint.io);
        }
    }
    writer.end_list(checkpoints);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<std::vector<wasm::Checkpoint>, RlpError> read_checkpoints(RlpReaderView& reader) {
    MILLRACE_TRY(auto list, reader.read_list());
    std::vector<wasm::Checkpoint> checkpoints;
    while (!list.at_end()) {
        if (checkpoints.size() == checkpoints_told_max) return Err{RlpError::bad_value};
        wasm::Checkpoint& checkpoint = checkpoints.emplace_back();
        MILLRACE_TRY(checkpoint.fuel, list.read_u64());
        MILLRACE_TRY(checkpoint.memory, list.read_fixed<Hash32>());
        MILLRACE_TRY(checkpoint.rest, list.read_fixed<Hash32>());
        MILLRACE_TRY(checkpoint.io, list.read_fixed<Hash32>());
    }
    return checkpoints;
}

Result<WorkerReport, RlpError> decode_report(ByteView payload) {
    RlpReaderView outer{payload};
    MILLRACE_TRY(auto reader, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    WorkerReport report;
    MILLRACE_TRY(report.outcome.summary, types::ResultSummary::decode_from(reader));
    MILLRACE_TRY(auto files, reader.read_list());
    std::vector<types::OutputEntry> entries;
    while (!files.at_end()) {
        MILLRACE_TRY(auto entry, files.read_list());
        wasi::OutputFile file;
        MILLRACE_TRY(file.path, read_text(entry, types::path_size_max));
        MILLRACE_TRY(const std::uint64_t deleted, entry.read_u64());
        MILLRACE_TRY(const ByteView content, entry.read_string());
        MILLRACE_TRY_VOID(entry.finish());
        if (deleted > 1 || entries.size() >= types::files_per_task_max) {
            return Err{RlpError::bad_value};
        }
        if (!types::is_valid_path(file.path)) return Err{RlpError::bad_value};
        if (!entries.empty() && !(entries.back().path < file.path)) return Err{RlpError::bad_value};
        if (deleted == 0) {
            file.content = shared_copy(content);
            file.id = crypto::blob_id(content);
        }
        entries.push_back({file.path, file.id, deleted == 1});
        report.outcome.files.push_back(std::move(file));
    }
    MILLRACE_TRY(const ByteView out, reader.read_string());
    MILLRACE_TRY(const ByteView error, reader.read_string());
    MILLRACE_TRY(report.outcome.text, read_text(reader, text_size_max));
    MILLRACE_TRY(report.compile_us, reader.read_u64());
    MILLRACE_TRY(report.run_us, reader.read_u64());
    MILLRACE_TRY(report.outcome.checkpoints, read_checkpoints(reader));
    MILLRACE_TRY_VOID(reader.finish());
    report.outcome.standard_output = shared_copy(out);
    report.outcome.standard_error = shared_copy(error);
    const types::ResultSummary& summary = report.outcome.summary;
    const bool agrees = summary.output_root == types::output_root(entries) &&
                        summary.stdout_root == crypto::blob_id(out).root;
    const auto& checkpoints = report.outcome.checkpoints;
    const bool is_list =
        checkpoints.empty() || summary.checkpoint_root == wasm::checkpoints_root(checkpoints);
    if (!agrees || !is_list) return Err{RlpError::bad_value};
    return report;
}

Bytes encode_failure(const Failure& failure) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_text(std::string_view{failure.what}.substr(0, text_size_max));
    writer.write_text(std::string_view{failure.where}.substr(0, text_size_max));
    writer.write_text(std::string_view{failure.remedy}.substr(0, text_size_max));
    writer.end_list(list);
    return std::move(writer).take();
}

Result<Failure, RlpError> decode_failure(ByteView payload) {
    RlpReaderView outer{payload};
    MILLRACE_TRY(auto reader, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    Failure failure;
    MILLRACE_TRY(failure.what, read_text(reader, text_size_max));
    MILLRACE_TRY(failure.where, read_text(reader, text_size_max));
    MILLRACE_TRY(failure.remedy, read_text(reader, text_size_max));
    MILLRACE_TRY_VOID(reader.finish());
    return failure;
}

Result<WorkerEvent, RlpError> decode_event(std::uint8_t type, ByteView payload) {
    switch (type) {
        case static_cast<std::uint8_t>(FrameType::ready):
            if (payload.size() != 8) return Err{RlpError::wrong_size};
            return WorkerEvent{Ready{{static_cast<std::uint32_t>(load_u64(payload))}}};
        case static_cast<std::uint8_t>(FrameType::progress):
            if (payload.size() != 8) return Err{RlpError::wrong_size};
            return WorkerEvent{Progress{Fuel{load_u64(payload)}}};
        case static_cast<std::uint8_t>(FrameType::report): {
            MILLRACE_TRY(WorkerReport report, decode_report(payload));
            return WorkerEvent{std::move(report)};
        }
        case static_cast<std::uint8_t>(FrameType::failure): {
            MILLRACE_TRY(Failure failure, decode_failure(payload));
            return WorkerEvent{std::move(failure)};
        }
        case static_cast<std::uint8_t>(FrameType::refusal): {
            MILLRACE_TRY(Failure failure, decode_failure(payload));
            return WorkerEvent{Refusal{std::move(failure)}};
        }
        default:
            return Err{RlpError::bad_value};
    }
}

Failure nonsense(std::string_view why) {
    return {"the worker sent what no worker sends", std::string{why},
            "reinstall millrace, and report this if it stays"};
}

std::uint64_t microseconds_since(std::chrono::steady_clock::time_point start) {
    const auto passed = std::chrono::steady_clock::now() - start;
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
}

}  // namespace

Bytes encode_task(const WorkerTask& task) {
    RlpWriter writer;
    const wasi::TaskInput& input = task.input;
    const auto list = writer.begin_list();
    writer.write(task.compiled ? ByteView{} : ByteView{*task.module});
    write_texts(writer, input.arguments);
    const auto environment = writer.begin_list();
    for (const auto& [name, value] : input.environment) {
        writer.write_text(name);
        writer.write_text(value);
    }
    writer.end_list(environment);
    const auto files = writer.begin_list();
    for (const wasi::InputFile& file : input.files) {
        writer.write_text(file.path);
        writer.write(ByteView{*file.content});
    }
    writer.end_list(files);
    write_texts(writer, input.directories);
    writer.write(input.standard_input ? ByteView{*input.standard_input} : ByteView{});
    writer.write(input.seed);
    writer.write(input.limits.fuel.value);
    writer.write(input.limits.memory_bytes);
    writer.write(input.limits.output_bytes);
    writer.write(input.checkpoint_fuel);
    writer.end_list(list);
    Bytes out;
    out.reserve(writer.view().size() + 8);
    append_u64(out, writer.view().size());
    out.insert(out.end(), writer.view().begin(), writer.view().end());
    return out;
}

Result<WorkerTask, RlpError> decode_task(ByteView wire) {
    RlpReaderView outer{wire};
    MILLRACE_TRY(auto reader, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    WorkerTask task;
    wasi::TaskInput& input = task.input;
    MILLRACE_TRY(const ByteView module, reader.read_string());
    task.module = shared_copy(module);
    MILLRACE_TRY(input.arguments, read_texts(reader));
    MILLRACE_TRY(auto environment, reader.read_list());
    while (!environment.at_end()) {
        MILLRACE_TRY(std::string name, read_text(environment, types::argument_size_max));
        MILLRACE_TRY(std::string value, read_text(environment, types::argument_size_max));
        input.environment.emplace_back(std::move(name), std::move(value));
    }
    MILLRACE_TRY(auto files, reader.read_list());
    while (!files.at_end()) {
        wasi::InputFile file;
        MILLRACE_TRY(file.path, read_text(files, types::path_size_max));
        MILLRACE_TRY(const ByteView content, files.read_string());
        file.content = shared_copy(content);
        input.files.push_back(std::move(file));
    }
    MILLRACE_TRY(input.directories, read_texts(reader));
    MILLRACE_TRY(const ByteView standard_input, reader.read_string());
    input.standard_input = shared_copy(standard_input);
    MILLRACE_TRY(input.seed, reader.read_fixed<Hash32>());
    MILLRACE_TRY(const std::uint64_t fuel, reader.read_u64());
    input.limits.fuel = Fuel{fuel};
    MILLRACE_TRY(input.limits.memory_bytes, reader.read_u64());
    MILLRACE_TRY(input.limits.output_bytes, reader.read_u64());
    MILLRACE_TRY(input.checkpoint_fuel, reader.read_u64());
    MILLRACE_TRY_VOID(reader.finish());
    return task;
}

Bytes encode_plan(const WorkerPlan& plan) {
    Bytes wire;
    wire.reserve(worker_plan_size);
    append_u64(wire, plan.limits.address_space);
    append_u64(wire, plan.limits.data_bytes);
    append_u64(wire, plan.limits.cpu_seconds);
    append_u64(wire, plan.image_size);
    append_u64(wire, plan.image_offset);
    return wire;
}

WorkerPlan decode_plan(std::span<const std::uint8_t, worker_plan_size> wire) {
    const ByteView bytes{wire};
    return {.limits = {.address_space = load_u64(bytes.subspan(0)),
                       .data_bytes = load_u64(bytes.subspan(8)),
                       .cpu_seconds = load_u64(bytes.subspan(16))},
            .image_size = load_u64(bytes.subspan(24)),
            .image_offset = load_u64(bytes.subspan(32))};
}

Bytes encode_event(const WorkerEvent& event) {
    Bytes payload;
    auto type = FrameType::ready;
    std::visit(Overload{[&](const Ready& ready) { append_u64(payload, ready.isolation.walls); },
                        [&](const Progress& progress) {
                            type = FrameType::progress;
                            append_u64(payload, progress.fuel.value);
                        },
                        [&](const WorkerReport& report) {
                            type = FrameType::report;
                            payload = encode_report(report);
                        },
                        [&](const Refusal& refusal) {
                            type = FrameType::refusal;
                            payload = encode_failure(refusal.failure);
                        },
                        [&](const Failure& failure) {
                            type = FrameType::failure;
                            payload = encode_failure(failure);
                        }},
               event);
    Bytes frame{static_cast<std::uint8_t>(type)};
    frame.reserve(frame_header_size + payload.size());
    append_u64(frame, payload.size());
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

WorkerReader::WorkerReader(const types::TaskLimits& limits)
    : payload_size_max_{limits.output_bytes + event_overhead_max} {}

void WorkerReader::feed(ByteView bytes) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_));
    consumed_ = 0;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Outcome<std::optional<WorkerEvent>> WorkerReader::next() {
    const ByteView rest = ByteView{buffer_}.subspan(consumed_);
    if (rest.size() < frame_header_size) return std::optional<WorkerEvent>{};
    const std::uint64_t size = load_u64(rest.subspan(1));
    if (size > payload_size_max_) return Err{nonsense("a frame over the output limit")};
    if (rest.size() - frame_header_size < size) {
        buffer_.reserve(frame_header_size + static_cast<std::size_t>(size));
        return std::optional<WorkerEvent>{};
    }
    auto event =
        decode_event(rest[0], rest.subspan(frame_header_size, static_cast<std::size_t>(size)));
    consumed_ += frame_header_size + static_cast<std::size_t>(size);
    if (!event) return Err{nonsense(codec::to_text(event.error()))};
    return std::optional<WorkerEvent>{std::move(event).value()};
}

namespace {

using Loaded = Result<std::shared_ptr<const wasm::Module>, wasm::ModuleError>;

Outcome<LoadedModule> check(Loaded loaded, std::chrono::steady_clock::time_point start) {
    if (!loaded) {
        return Err{Failure{loaded.error().text(), "",
                           "build it for WASI preview 1 within profile det-1 (docs/formats)"}};
    }
    if (auto refused = wasi::check_command(**loaded)) return Err{std::move(*refused)};
    return LoadedModule{std::move(loaded).value(), microseconds_since(start)};
}

}  // namespace

Outcome<LoadedModule> load_here(ByteView module) {
    const auto start = std::chrono::steady_clock::now();
    return check(wasm::Module::load(module), start);
}

Outcome<LoadedModule> load_here(const aot::LoadedImage& compiled) {
    const auto start = std::chrono::steady_clock::now();
    return check(wasm::Module::load_outline(compiled.outline(), compiled.module()), start);
}

Outcome<WorkerReport> run_here(const LoadedModule& loaded, const wasi::TaskInput& input,
                               std::function<void(Fuel)> progress,
                               std::shared_ptr<const aot::LoadedImage> compiled) {
    WorkerReport report;
    report.compile_us = loaded.compile_us;
    std::function<void(std::uint64_t)> told;
    if (progress) told = [&](std::uint64_t fuel) { progress(Fuel{fuel}); };
    std::unique_ptr<wasm::NativeTier> tier;
    if (compiled) {
        tier = aot::make_tier([image = std::move(compiled)](const wasm::Module&) {
            return Outcome<std::shared_ptr<const aot::LoadedImage>>{image};
        });
    }
    const auto start = std::chrono::steady_clock::now();
    MILLRACE_TRY(report.outcome,
                 wasi::run_task(loaded.module, input, std::move(told), std::move(tier)));
    report.run_us = microseconds_since(start);
    return report;
}

Outcome<WorkerReport> run_here(const WorkerTask& task) {
    if (!task.compiled) {
        MILLRACE_TRY(const LoadedModule loaded, load_here(*task.module));
        return run_here(loaded, task.input);
    }
    MILLRACE_TRY(auto compiled, aot::LoadedImage::load(*task.compiled));
    MILLRACE_TRY(const LoadedModule loaded, load_here(*compiled));
    return run_here(loaded, task.input, {}, std::move(compiled));
}

}  // namespace millrace::sandbox
