// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <string>
#include <utility>

#include "wasm/decoder.hpp"

namespace millrace::wasm::decoding {

void Decoder::types() {
    const std::uint32_t number = count(0, types_max, "types");
    for (std::uint32_t index = 0; index < number && !failed_; ++index) {
        const std::uint8_t form = reader_.byte();
        if (form == 0x4e || form == 0x50 || form == 0x4f || form == 0x5f || form == 0x5e) {
            reader_.unsupported("module uses garbage-collected types");
            return;
        }
        if (!failed_ && form != 0x60) {
            reader_.malformed("malformed type: a function type expected");
            return;
        }
        FuncType type;
        value_types(type.params, params_max, "parameters");
        value_types(type.results, results_max, "results");
        module_.types.push_back(std::move(type));
    }
}

void Decoder::value_types(std::vector<ValueType>& types, std::uint32_t most,
                          std::string_view what) {
    const std::uint32_t number = count(0, most, what);
    for (std::uint32_t index = 0; index < number && !failed_; ++index)
        types.push_back(read_value_type(reader_));
}

void Decoder::imports() {
    const std::uint32_t number = count(0, imports_max, "imports");
    for (std::uint32_t index = 0; index < number && !failed_; ++index) {
        Import import;
        import.module = reader_.name();
        import.name = reader_.name();
        const std::uint8_t kind = reader_.byte();
        if (failed_) return;
        switch (kind) {
            case 0:
                import.kind = ExternKind::function;
                import.index = static_cast<std::uint32_t>(module_.functions.size());
                module_.functions.push_back(type_index());
                ++module_.imported_functions;
                break;
            case 1:
                import.kind = ExternKind::table;
                import.index = static_cast<std::uint32_t>(module_.tables.size());
                module_.tables.push_back(table_type());
                ++module_.imported_tables;
                break;
            case 2:
                import.kind = ExternKind::memory;
                import.index = static_cast<std::uint32_t>(module_.memories.size());
                module_.memories.push_back(memory_type());
                ++module_.imported_memories;
                break;
            case 3:
                import.kind = ExternKind::global;
                import.index = static_cast<std::uint32_t>(module_.globals.size());
                module_.globals.push_back(global_type());
                ++module_.imported_globals;
                break;
            case 4:
                reader_.unsupported("module uses exceptions (imports a tag)");
                return;
            default:
                reader_.malformed("malformed import kind");
                return;
        }
        module_.imports.push_back(import);
    }
}

std::uint32_t Decoder::type_index() {
    const std::uint32_t index = reader_.u32();
    if (!failed_ && index >= module_.types.size())
        reader_.invalid("unknown type " + std::to_string(index));
    return index;
}

Limits Decoder::limits(std::string_view what) {
    const std::uint8_t flags = reader_.byte();
    if (failed_) return {};
    if (flags == 2 || flags == 3) {
        reader_.unsupported("module uses threads (a shared " + std::string{what} + ")");
    } else if (flags == 4 || flags == 5 || flags == 6 || flags == 7) {
        reader_.unsupported("module uses memory64 (a 64-bit " + std::string{what} + ")");
    } else if ((flags & 0xf8U) == 8) {
        reader_.unsupported("module uses custom page sizes");
    } else if (flags > 1) {
        reader_.malformed("malformed limits flags");
    }
    Limits limits;
    limits.min = reader_.u32();
    if (flags == 1) limits.max = reader_.u32();
    if (!failed_ && limits.max && limits.min > *limits.max)
        reader_.invalid("size minimum must not be greater than maximum");
    return limits;
}

TableType Decoder::table_type() {
    TableType type;
    type.element = read_reference_type(reader_);
    type.limits = limits("table");
    if (!failed_ && module_.tables.size() + 1 > tables_max)
        reader_.over_limit("more than " + std::to_string(tables_max) + " tables");
    return type;
}

Limits Decoder::memory_type() {
    const Limits type = limits("memory");
    if (failed_) return type;
    if (type.min > memory_pages_max || type.max.value_or(0) > memory_pages_max)
        reader_.invalid("memory size must be at most 65536 pages (4 GiB)");
    else if (!module_.memories.empty())
        reader_.unsupported("module uses multiple memories");
    return type;
}

GlobalType Decoder::global_type() {
    GlobalType type;
    type.value = read_value_type(reader_);
    const std::uint8_t mutability = reader_.byte();
    if (!failed_ && mutability > 1) reader_.malformed("malformed mutability");
    type.is_mutable = mutability == 1;
    if (!failed_ && module_.globals.size() + 1 > globals_max)
        reader_.over_limit("more than " + std::to_string(globals_max) + " globals");
    return type;
}

void Decoder::tables() {
    const std::uint32_t number = reader_.u32();
    for (std::uint32_t index = 0; index < number && !failed_; ++index) {
        if (reader_.peek() == 0x40) {
            reader_.unsupported(
                "module uses typed function references (a table with an "
                "initial value)");
            return;
        }
        module_.tables.push_back(table_type());
    }
}

void Decoder::memories() {
    const std::uint32_t number = reader_.u32();
    for (std::uint32_t index = 0; index < number && !failed_; ++index)
        module_.memories.push_back(memory_type());
}

void Decoder::globals() {
    const std::uint32_t number = reader_.u32();
    for (std::uint32_t index = 0; index < number && !failed_; ++index) {
        const GlobalType type = global_type();
        module_.global_inits.push_back(const_expr(type.value));
        module_.globals.push_back(type);
    }
}

}  // namespace millrace::wasm::decoding

namespace millrace::wasm {

ValueType read_value_type(Reader& reader) {
    const std::size_t at = reader.offset();
    const std::uint8_t code = reader.byte();
    switch (code) {
        case 0x7f:
        case 0x7e:
        case 0x7d:
        case 0x7c:
        case 0x7b:
        case 0x70:
        case 0x6f:
            return static_cast<ValueType>(code);
        default:
            break;
    }
    if (reader.failed()) return ValueType::i32;
    if (code >= 0x63 && code <= 0x74) {
        reader.fail_at(at, ModuleErrorKind::unsupported,
                       "module uses typed references or garbage collection, which profile det-1 "
                       "does not have");
    } else {
        reader.fail_at(at, ModuleErrorKind::malformed, "malformed value type");
    }
    return ValueType::i32;
}

ValueType read_reference_type(Reader& reader) {
    const std::size_t at = reader.offset();
    const std::uint8_t code = reader.peek();
    if (code == 0x70 || code == 0x6f) return read_value_type(reader);
    if (code >= 0x63 && code <= 0x74) return read_value_type(reader);  // names the feature
    if (reader.at_end()) {
        reader.malformed("unexpected end");
    } else {
        reader.fail_at(at, ModuleErrorKind::malformed, "malformed reference type");
    }
    return ValueType::funcref;
}

std::optional<BlockType> block_type(const ModuleData& module, std::int64_t value) noexcept {
    static constexpr ValueType i32 = ValueType::i32;
    static constexpr ValueType i64 = ValueType::i64;
    static constexpr ValueType f32 = ValueType::f32;
    static constexpr ValueType f64 = ValueType::f64;
    static constexpr ValueType v128 = ValueType::v128;
    static constexpr ValueType funcref = ValueType::funcref;
    static constexpr ValueType externref = ValueType::externref;
    switch (value) {
        case -64:
            return BlockType{};
        case -1:
            return BlockType{.params = {}, .results = {&i32, 1}};
        case -2:
            return BlockType{.params = {}, .results = {&i64, 1}};
        case -3:
            return BlockType{.params = {}, .results = {&f32, 1}};
        case -4:
            return BlockType{.params = {}, .results = {&f64, 1}};
        case -5:
            return BlockType{.params = {}, .results = {&v128, 1}};
        case -16:
            return BlockType{.params = {}, .results = {&funcref, 1}};
        case -17:
            return BlockType{.params = {}, .results = {&externref, 1}};
        default:
            break;
    }
    if (value < 0 || static_cast<std::uint64_t>(value) >= module.types.size()) return std::nullopt;
    const FuncType& type = module.types[static_cast<std::size_t>(value)];
    return BlockType{.params = type.params, .results = type.results};
}

bool decode_module(ModuleData& module, ModuleError& error) {
    decoding::Decoder decoder{module, error};
    return decoder.run();
}

}  // namespace millrace::wasm
