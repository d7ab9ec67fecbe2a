// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/task.hpp"

#include <algorithm>
#include <limits>

#include "crypto/hash.hpp"
#include "types/fields.hpp"

namespace millrace::types {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

namespace {

constexpr std::uint64_t deleted_size = std::numeric_limits<std::uint64_t>::max();

bool is_continuation(char byte) noexcept {
    return (static_cast<std::uint8_t>(byte) & 0xc0) == 0x80;
}

/// Length of the UTF-8 sequence at the front of `text`; 0 when it is malformed.
std::size_t utf8_length(std::string_view text) noexcept {
    const auto at = [&](std::size_t index) { return static_cast<std::uint8_t>(text[index]); };
    const std::uint8_t first = at(0);
    if (first < 0x80) return 1;
    std::size_t length = 0;
    if (first >= 0xc2 && first <= 0xdf) length = 2;
    if (first >= 0xe0 && first <= 0xef) length = 3;
    if (first >= 0xf0 && first <= 0xf4) length = 4;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t index = 1; index < length; ++index) {
        if (!is_continuation(text[index])) return 0;
    }
    const std::uint8_t second = at(1);
    if (first == 0xe0 && second < 0xa0) return 0;  // overlong
    if (first == 0xed && second > 0x9f) return 0;  // surrogates
    if (first == 0xf0 && second < 0x90) return 0;  // overlong
    if (first == 0xf4 && second > 0x8f) return 0;  // over U+10FFFF
    return length;
}

detail::Read<std::string> read_argument(RlpReaderView& reader) {
    MILLRACE_TRY(std::string argument, reader.read_text(argument_size_max));
    if (argument.find('\0') != std::string::npos) return Err{RlpError::bad_value};
    return argument;
}

using Variable = std::pair<std::string, std::string>;

detail::Read<Variable> read_variable(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView pair, reader.read_list());
    MILLRACE_TRY(std::string name, read_argument(pair));
    MILLRACE_TRY(std::string value, read_argument(pair));
    MILLRACE_TRY_VOID(pair.finish());
    if (name.empty() || name.find('=') != std::string::npos) return Err{RlpError::bad_value};
    return Variable{std::move(name), std::move(value)};
}

detail::Read<TaskLimits> read_limits(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    TaskLimits limits;
    MILLRACE_TRY(limits.fuel.value, detail::read_u64_max(list, fuel_per_task_max));
    MILLRACE_TRY(limits.memory_bytes, detail::read_u64_max(list, memory_per_task_max));
    MILLRACE_TRY(limits.output_bytes, detail::read_u64_max(list, output_per_task_max));
    MILLRACE_TRY_VOID(list.finish());
    if (limits.fuel.value == 0) return Err{RlpError::bad_value};
    return limits;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

bool is_valid_path(std::string_view path) noexcept {
    if (path.empty() || path.size() > path_size_max) return false;
    if (path.find('\0') != std::string_view::npos || !is_utf8(path)) return false;
    for (;;) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (part.empty() || part == "." || part == "..") return false;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

bool is_valid_tree(const std::vector<FileEntry>& files) noexcept {
    const auto path_of = [](const FileEntry& file) { return std::string_view{file.path}; };
    for (std::size_t index = 0; index < files.size(); ++index) {
        if (!is_valid_path(files[index].path)) return false;
        if (index > 0 && path_of(files[index - 1]) >= path_of(files[index])) return false;
    }
    for (const FileEntry& file : files) {
        const std::string_view path = file.path;
        for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
             slash = path.find('/', slash + 1)) {
            if (std::ranges::binary_search(files, path.substr(0, slash), {}, path_of)) return false;
        }
    }
    return true;
}

Bytes TaskSpec::encode() const {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(task_spec_version);
    writer.write(job);
    writer.write(index);
    detail::write_sealed(writer, module);
    const auto argument_list = writer.begin_list();
    for (const std::string& argument : arguments)
        writer.write_text(argument);
    writer.end_list(argument_list);
    const auto variable_list = writer.begin_list();
    for (const auto& [name, value] : environment) {
        const auto pair = writer.begin_list();
        writer.write_text(name);
        writer.write_text(value);
        writer.end_list(pair);
    }
    writer.end_list(variable_list);
    detail::write_files(writer, files);
    const auto limit_list = writer.begin_list();
    writer.write(limits.fuel.value);
    writer.write(limits.memory_bytes);
    writer.write(limits.output_bytes);
    writer.end_list(limit_list);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<TaskSpec, RlpError> TaskSpec::decode(ByteView wire) {
    if (wire.size() > task_spec_size_max) return Err{RlpError::wrong_size};
    RlpReaderView outer{wire};
    MILLRACE_TRY(RlpReaderView list, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    MILLRACE_TRY(const std::uint64_t version, list.read_u64());
    if (version != task_spec_version) return Err{RlpError::bad_value};
    TaskSpec spec;
    MILLRACE_TRY(spec.job, list.read_fixed<Hash32>());
    MILLRACE_TRY(spec.index, list.read_u64());
    MILLRACE_TRY(spec.module, detail::read_sealed(list));
    MILLRACE_TRY(spec.arguments,
                 detail::read_items<std::string>(list, arguments_max, read_argument));
    MILLRACE_TRY(spec.environment,
                 detail::read_items<Variable>(list, arguments_max, read_variable));
    for (std::size_t at = 1; at < spec.environment.size(); ++at) {
        if (spec.environment[at - 1].first >= spec.environment[at].first)
            return Err{RlpError::bad_value};
    }
    MILLRACE_TRY(spec.files, detail::read_files(list));
    MILLRACE_TRY(spec.limits, read_limits(list));
    MILLRACE_TRY_VOID(list.finish());
    return spec;
}

Hash32 TaskSpec::id() const {
    return crypto::keccak256(encode());
}

Hash32 TaskSpec::content_seed() const {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_text("millrace-seed-v1");
    writer.write(module.plain.root);
    writer.write(module.plain.size);
    const auto argument_list = writer.begin_list();
    for (const std::string& argument : arguments)
        writer.write_text(argument);
    writer.end_list(argument_list);
    const auto variable_list = writer.begin_list();
    for (const auto& [name, value] : environment) {
        writer.write_text(name);
        writer.write_text(value);
    }
    writer.end_list(variable_list);
    const auto file_list = writer.begin_list();
    for (const FileEntry& file : files) {
        writer.write_text(file.path);
        writer.write(file.blob.plain.root);
        writer.write(file.blob.plain.size);
    }
    writer.end_list(file_list);
    writer.end_list(list);
    return crypto::keccak256(writer.view());
}

Hash32 ResultSummary::result_id() const {
    RlpWriter writer;
    encode_to(writer);
    return crypto::keccak256(writer.view());
}

void ResultSummary::encode_to(RlpWriter& writer) const {
    const auto list = writer.begin_list();
    writer.write_text(profile);
    writer.write(static_cast<std::uint64_t>(exit));
    writer.write(std::uint64_t{code});
    writer.write(output_root);
    writer.write(stdout_root);
    writer.write(fuel.value);
    writer.write(memory_root);
    writer.write(checkpoint_root);
    writer.end_list(list);
}

Result<ResultSummary, RlpError> ResultSummary::decode_from(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    ResultSummary summary;
    MILLRACE_TRY(summary.profile, detail::read_utf8(list, profile_size_max));
    MILLRACE_TRY(const std::uint64_t exit, list.read_u64());
    if (exit < 1 || exit > static_cast<std::uint64_t>(ExitKind::limit_exceeded))
        return Err{RlpError::bad_value};
    summary.exit = static_cast<ExitKind>(exit);
    MILLRACE_TRY(const std::uint64_t code, detail::read_u64_max(list, 0xffff'ffff));
    summary.code = static_cast<std::uint32_t>(code);
    MILLRACE_TRY(summary.output_root, list.read_fixed<Hash32>());
    MILLRACE_TRY(summary.stdout_root, list.read_fixed<Hash32>());
    MILLRACE_TRY(summary.fuel.value, detail::read_u64_max(list, fuel_per_task_max));
    MILLRACE_TRY(summary.memory_root, list.read_fixed<Hash32>());
    MILLRACE_TRY(summary.checkpoint_root, list.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(list.finish());
    return summary;
}

Hash32 output_root(const std::vector<OutputEntry>& sorted_entries) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    for (const OutputEntry& entry : sorted_entries) {
        const auto item = writer.begin_list();
        writer.write_text(entry.path);
        writer.write(entry.deleted ? Hash32{} : entry.content.root);
        writer.write(entry.deleted ? deleted_size : entry.content.size);
        writer.end_list(item);
    }
    writer.end_list(list);
    return crypto::keccak256(writer.view());
}

namespace detail {

void write_blob(RlpWriter& writer, const crypto::BlobId& blob) {
    const auto list = writer.begin_list();
    writer.write(blob.root);
    writer.write(blob.size);
    writer.end_list(list);
}

Read<crypto::BlobId> read_blob(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    crypto::BlobId blob;
    MILLRACE_TRY(blob.root, list.read_fixed<Hash32>());
    MILLRACE_TRY(blob.size, read_u64_max(list, blob_size_max));
    MILLRACE_TRY_VOID(list.finish());
    if (blob.size == 0 && !blob.root.is_zero()) return Err{RlpError::bad_value};
    return blob;
}

namespace {

void write_sealed_fields(RlpWriter& writer, const SealedBlob& blob) {
    writer.write(blob.plain.root);
    writer.write(blob.plain.size);
    writer.write(blob.sealed_root);
}

Read<SealedBlob> read_sealed_fields(RlpReaderView& list) {
    SealedBlob blob;
    MILLRACE_TRY(blob.plain.root, list.read_fixed<Hash32>());
    MILLRACE_TRY(blob.plain.size, read_u64_max(list, blob_size_max));
    MILLRACE_TRY(blob.sealed_root, list.read_fixed<Hash32>());
    const bool roots_zero = blob.plain.root.is_zero() && blob.sealed_root.is_zero();
    if (blob.plain.size == 0 && !roots_zero) return Err{RlpError::bad_value};
    return blob;
}

Read<FileEntry> read_file(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    FileEntry file;
    MILLRACE_TRY(file.path, list.read_text(path_size_max));
    MILLRACE_TRY(file.blob, read_sealed_fields(list));
    MILLRACE_TRY_VOID(list.finish());
    return file;
}

}  // namespace

void write_sealed(RlpWriter& writer, const SealedBlob& blob) {
    const auto list = writer.begin_list();
    write_sealed_fields(writer, blob);
    writer.end_list(list);
}

Read<SealedBlob> read_sealed(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    MILLRACE_TRY(const SealedBlob blob, read_sealed_fields(list));
    MILLRACE_TRY_VOID(list.finish());
    return blob;
}

void write_files(RlpWriter& writer, const std::vector<FileEntry>& files) {
    const auto list = writer.begin_list();
    for (const FileEntry& file : files) {
        const auto item = writer.begin_list();
        writer.write_text(file.path);
        write_sealed_fields(writer, file.blob);
        writer.end_list(item);
    }
    writer.end_list(list);
}

Read<std::vector<FileEntry>> read_files(RlpReaderView& reader) {
    MILLRACE_TRY(std::vector<FileEntry> files,
                 read_items<FileEntry>(reader, files_per_task_max, read_file));
    if (!is_valid_tree(files)) return Err{RlpError::bad_value};
    return files;
}

Read<std::string> read_utf8(RlpReaderView& reader, std::size_t size_max) {
    MILLRACE_TRY(std::string text, reader.read_text(size_max));
    if (!is_utf8(text)) return Err{RlpError::bad_value};
    return text;
}

Read<std::uint64_t> read_u64_max(RlpReaderView& reader, std::uint64_t max) {
    MILLRACE_TRY(const std::uint64_t number, reader.read_u64());
    if (number > max) return Err{RlpError::bad_value};
    return number;
}

}  // namespace detail
}  // namespace millrace::types
