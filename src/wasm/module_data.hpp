// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "wasm/module.hpp"
#include "wasm/values.hpp"

/// What a validated module holds, for the engine's own parts.
namespace millrace::wasm {

/// One instruction of a constant expression: its opcode (or prefix, for v128.const) and its
/// immediate (an index or bits).
struct ConstOp {
    std::uint8_t opcode = 0;
    std::uint64_t immediate = 0;
    std::uint64_t high = 0;  ///< the upper half of a v128
};

/// A range of ModuleData::const_ops, without the final `end`.
struct ConstExpr {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

/// An element of a segment: `ref.func`, `ref.null` or `global.get` and its index.
struct ElementInit {
    std::uint8_t opcode = 0;
    std::uint32_t index = 0;
};

enum class SegmentMode : std::uint8_t { active, passive, declarative };

struct ElementSegment {
    SegmentMode mode = SegmentMode::active;
    ValueType type = ValueType::funcref;
    std::uint32_t table = 0;
    ConstExpr offset;
    std::vector<ElementInit> elements;
};

struct DataSegment {
    SegmentMode mode = SegmentMode::active;
    ConstExpr offset;
    std::uint32_t begin = 0;  ///< in ModuleData::bytes
    std::uint32_t size = 0;
};

struct Import {
    std::string_view module;
    std::string_view name;
    ExternKind kind = ExternKind::function;
    std::uint32_t index = 0;  ///< in the index space of its kind
};

struct Export {
    std::string_view name;
    ExternKind kind = ExternKind::function;
    std::uint32_t index = 0;
};

/// A function defined in the module. Its code starts after the declaration of its locals.
struct Body {
    std::uint32_t type = 0;  ///< in ModuleData::types
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t locals_begin = 0;  ///< where the declaration of the locals starts
    std::uint32_t local_slots = 0;   ///< of declared locals, without parameters
    std::uint32_t stack_height = 0;  ///< highest operand stack in reachable code, in slots
};

/// Parameters and results of a block, a loop, an if or a function.
struct BlockType {
    std::span<const ValueType> params;
    std::span<const ValueType> results;
};

struct ModuleData {
    Bytes bytes;
    std::vector<FuncType> types;
    std::vector<Import> imports;
    // Index spaces; imported ones come first.
    std::vector<std::uint32_t> functions;  ///< type indices
    std::vector<TableType> tables;
    std::vector<Limits> memories;
    std::vector<GlobalType> globals;
    std::uint32_t imported_functions = 0;
    std::uint32_t imported_tables = 0;
    std::uint32_t imported_memories = 0;
    std::uint32_t imported_globals = 0;

    std::vector<ConstExpr> global_inits;  ///< of the defined globals
    std::vector<Export> exports;
    std::unordered_map<std::string_view, std::uint32_t> export_index;
    std::vector<ElementSegment> elements;
    std::vector<DataSegment> data;
    std::vector<Body> bodies;
    std::vector<ConstOp> const_ops;
    std::vector<bool> declared_functions;  ///< those that ref.func may name
    std::optional<std::uint32_t> start;
    std::optional<std::uint32_t> data_count;
    std::uint64_t code_bytes = 0;
    std::uint32_t custom_sections = 0;
    /// Set when `bytes` are an outline (outline.hpp): the SHA-256 of the module that it is of.
    std::optional<Hash32> outlined;
};

/// Reads a block type's encoding (a signed 33-bit number) after `value` was read; null when it
/// names no type.
std::optional<BlockType> block_type(const ModuleData& module, std::int64_t value) noexcept;

/// The words that name the feature behind an opcode which the profile lacks; empty when the opcode
/// is none of any WebAssembly feature.
std::string_view unsupported_feature(std::uint8_t opcode) noexcept;

}  // namespace millrace::wasm
