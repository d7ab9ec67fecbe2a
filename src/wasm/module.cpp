// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/module.hpp"

#include <cstdio>

#include "wasm/decode.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/profile.hpp"
#include "wasm/trap.hpp"

namespace millrace::wasm {
namespace {

std::string limits_text(const Limits& limits) {
    std::string text = std::to_string(limits.min) + "..";
    if (limits.max) text += std::to_string(*limits.max);
    return text;
}

std::string extern_text(const ModuleData& module, ExternKind kind, std::uint32_t index) {
    switch (kind) {
        case ExternKind::function:
            return "func " + to_text(module.types[module.functions[index]]);
        case ExternKind::table: {
            const TableType& type = module.tables[index];
            return "table " + limits_text(type.limits) + " " + std::string{to_text(type.element)};
        }
        case ExternKind::memory:
            return "memory " + limits_text(module.memories[index]);
        case ExternKind::global: {
            const GlobalType& type = module.globals[index];
            return std::string{type.is_mutable ? "global mut " : "global "} +
                   std::string{to_text(type.value)};
        }
    }
    return {};
}

}  // namespace

std::string_view to_text(ValueType type) noexcept {
    switch (type) {
        case ValueType::i32:
            return "i32";
        case ValueType::i64:
            return "i64";
        case ValueType::f32:
            return "f32";
        case ValueType::f64:
            return "f64";
        case ValueType::v128:
            return "v128";
        case ValueType::funcref:
            return "funcref";
        case ValueType::externref:
            return "externref";
    }
    return "?";
}

std::string to_text(const FuncType& type) {
    const auto list = [](const std::vector<ValueType>& types) {
        std::string text = "(";
        for (const ValueType entry : types) {
            if (text.size() > 1) text += ", ";
            text += to_text(entry);
        }
        return text + ")";
    };
    return list(type.params) + " -> " + list(type.results);
}

std::string_view to_text(ModuleErrorKind kind) noexcept {
    switch (kind) {
        case ModuleErrorKind::malformed:
            return "malformed";
        case ModuleErrorKind::invalid:
            return "invalid";
        case ModuleErrorKind::unsupported:
            return "unsupported";
        case ModuleErrorKind::over_limit:
            return "over a limit of the profile";
    }
    return "?";
}

std::string_view to_text(ExternKind kind) noexcept {
    switch (kind) {
        case ExternKind::function:
            return "function";
        case ExternKind::table:
            return "table";
        case ExternKind::memory:
            return "memory";
        case ExternKind::global:
            return "global";
    }
    return "?";
}

std::string_view to_text(TrapKind kind) noexcept {
    switch (kind) {
        case TrapKind::unreachable:
            return "unreachable";
        case TrapKind::memory_out_of_bounds:
            return "out of bounds memory access";
        case TrapKind::table_out_of_bounds:
            return "out of bounds table access";
        case TrapKind::undefined_element:
            return "undefined element";
        case TrapKind::uninitialized_element:
            return "uninitialized element";
        case TrapKind::indirect_call_type_mismatch:
            return "indirect call type mismatch";
        case TrapKind::integer_divide_by_zero:
            return "integer divide by zero";
        case TrapKind::integer_overflow:
            return "integer overflow";
        case TrapKind::invalid_conversion_to_integer:
            return "invalid conversion to integer";
        case TrapKind::call_stack_exhausted:
            return "call stack exhausted";
        case TrapKind::limit_exceeded:
            return "limit of the task exceeded";
        case TrapKind::host_error:
            return "host call refused";
        case TrapKind::machine_exhausted:
            return "this machine has no memory left";
    }
    return "?";
}

std::string ModuleError::text() const {
    return "the module is " + std::string{to_text(kind)} + ": " + message + " (at byte " +
           std::to_string(offset) + ")";
}

std::string_view unsupported_feature(std::uint8_t opcode) noexcept {
    switch (opcode) {
        case 0x06:
        case 0x07:
        case 0x08:
        case 0x09:
        case 0x0a:
        case 0x18:
        case 0x19:
        case 0x1f:
            return "exceptions";
        case 0x14:
        case 0x15:
        case 0xd3:
        case 0xd4:
        case 0xd5:
        case 0xd6:
            return "typed function references";
        case 0xfb:
            return "garbage collection";
        case 0xfe:
            return "threads";
        default:
            return {};
    }
}

std::string feature_message(std::string_view feature, std::uint8_t opcode, std::size_t offset) {
    constexpr std::string_view digits = "0123456789abcdef";
    return "module uses " + std::string{feature} + " (opcode 0x" + digits[opcode >> 4U] +
           digits[opcode & 15U] + " at offset " + std::to_string(offset) + "), which profile " +
           std::string{profile_name} + " does not have";
}

namespace {

Result<std::unique_ptr<ModuleData>, ModuleError> decode(ByteView bytes) {
    if (bytes.size() > module_bytes_max) {
        return Err{ModuleError{.kind = ModuleErrorKind::over_limit,
                               .offset = module_bytes_max,
                               .message = "a module has at most " +
                                          std::to_string(module_bytes_max) + " bytes, not " +
                                          std::to_string(bytes.size())}};
    }
    auto data = std::make_unique<ModuleData>();
    data->bytes = to_bytes(bytes);
    ModuleError error;
    if (!decode_module(*data, error)) return Err{error};
    return data;
}

}  // namespace

Result<std::shared_ptr<const Module>, ModuleError> Module::load(ByteView bytes) {
    MILLRACE_TRY(std::unique_ptr<ModuleData> data, decode(bytes));
    ModuleError error;
    if (!validate_bodies(*data, error)) return Err{error};
    return std::make_shared<const Module>(std::move(data));
}

Result<std::shared_ptr<const Module>, ModuleError> Module::load_outline(ByteView bytes,
                                                                        const Hash32& module) {
    MILLRACE_TRY(std::unique_ptr<ModuleData> data, decode(bytes));
    data->outlined = module;
    return std::make_shared<const Module>(std::move(data));
}

Module::Module(std::unique_ptr<ModuleData> data) : data_{std::move(data)} {}
Module::~Module() = default;

std::vector<ImportInfo> Module::imports() const {
    std::vector<ImportInfo> list;
    list.reserve(data_->imports.size());
    for (const Import& import : data_->imports) {
        list.push_back({import.module, import.name, import.kind,
                        extern_text(*data_, import.kind, import.index)});
    }
    return list;
}

std::vector<ExportInfo> Module::exports() const {
    std::vector<ExportInfo> list;
    list.reserve(data_->exports.size());
    for (const Export& entry : data_->exports)
        list.push_back({entry.name, entry.kind, extern_text(*data_, entry.kind, entry.index)});
    return list;
}

std::optional<ExportInfo> Module::find_export(std::string_view name) const {
    const auto found = data_->export_index.find(name);
    if (found == data_->export_index.end()) return std::nullopt;
    const Export& entry = data_->exports[found->second];
    return ExportInfo{entry.name, entry.kind, extern_text(*data_, entry.kind, entry.index)};
}

const FuncType* Module::exported_function(std::string_view name) const {
    const auto found = data_->export_index.find(name);
    if (found == data_->export_index.end()) return nullptr;
    const Export& entry = data_->exports[found->second];
    if (entry.kind != ExternKind::function) return nullptr;
    return &data_->types[data_->functions[entry.index]];
}

ModuleReport Module::report() const {
    const auto size = [](const auto& list) { return static_cast<std::uint32_t>(list.size()); };
    return {.bytes = data_->bytes.size(),
            .code_bytes = data_->code_bytes,
            .types = size(data_->types),
            .imports = size(data_->imports),
            .functions = size(data_->bodies),
            .tables = size(data_->tables),
            .memories = size(data_->memories),
            .globals = size(data_->globals),
            .exports = size(data_->exports),
            .element_segments = size(data_->elements),
            .data_segments = size(data_->data),
            .custom_sections = data_->custom_sections,
            .memory_pages_min = data_->memories.empty() ? 0 : data_->memories[0].min,
            .has_start = data_->start.has_value()};
}

}  // namespace millrace::wasm
