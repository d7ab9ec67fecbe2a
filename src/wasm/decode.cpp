// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/decode.hpp"

#include <utility>

#include "wasm/opcodes.hpp"
#include "wasm/profile.hpp"

namespace millrace::wasm {
namespace {

enum class Section : std::uint8_t {
    custom,
    type,
    import,
    function,
    table,
    memory,
    global,
    export_,
    start,
    element,
    code,
    data,
    data_count,
    tag
};

/// Place in the required order; specification 5.5.2.
constexpr int section_order(Section section) {
    switch (section) {
        case Section::custom:
            return 0;
        case Section::type:
            return 1;
        case Section::import:
            return 2;
        case Section::function:
            return 3;
        case Section::table:
            return 4;
        case Section::memory:
            return 5;
        case Section::tag:
            return 6;
        case Section::global:
            return 7;
        case Section::export_:
            return 8;
        case Section::start:
            return 9;
        case Section::element:
            return 10;
        case Section::data_count:
            return 11;
        case Section::code:
            return 12;
        case Section::data:
            return 13;
    }
    return 0;
}

class Decoder {
  public:
    Decoder(ModuleData& module, ModuleError& error)
        : module_{module},
          error_{error},
          reader_{module.bytes.data(), 0, module.bytes.size(), error, failed_} {}

    bool run() {
        header();
        while (!failed_ && !reader_.at_end())
            section();
        if (!failed_) finish();
        return !failed_;
    }

  private:
    void header() {
        if (reader_.fixed_u32() != 0x6d736100) {
            reader_.fail_at(0, ModuleErrorKind::malformed, "magic header not detected");
            return;
        }
        const std::uint32_t version = reader_.fixed_u32();
        if (!failed_ && version == 0x0001000d) {
            reader_.fail_at(4, ModuleErrorKind::unsupported,
                            "this is a component, not a core module");
        } else if (!failed_ && version != 1) {
            reader_.fail_at(4, ModuleErrorKind::malformed, "unknown binary version");
        }
    }

    void section() {
        const std::size_t start = reader_.offset();
        const std::uint8_t id = reader_.byte();
        if (id > static_cast<std::uint8_t>(Section::tag)) {
            reader_.fail_at(start, ModuleErrorKind::malformed, "malformed section id");
            return;
        }
        const auto section = static_cast<Section>(id);
        const std::uint32_t size = reader_.u32();
        if (failed_) return;
        if (size > reader_.remaining()) {
            reader_.fail_at(start, ModuleErrorKind::malformed,
                            "unexpected end: length of a section out of bounds");
            return;
        }
        if (section != Section::custom) {
            if (section_order(section) <= last_order_) {
                reader_.fail_at(start, ModuleErrorKind::malformed,
                                "unexpected content after last section");
                return;
            }
            last_order_ = section_order(section);
        }
        Reader outer = reader_;
        reader_ =
            Reader{module_.bytes.data(), outer.offset(), outer.offset() + size, error_, failed_};
        content(section);
        if (!failed_ && !reader_.at_end()) reader_.malformed("section size mismatch");
        outer.skip(size);
        reader_ = outer;
    }

    void content(Section section) {
        switch (section) {
            case Section::custom:
                ++module_.custom_sections;
                reader_.name();
                if (!failed_) reader_.skip(reader_.remaining());
                return;
            case Section::type:
                return types();
            case Section::import:
                return imports();
            case Section::function:
                return functions();
            case Section::table:
                return tables();
            case Section::memory:
                return memories();
            case Section::global:
                return globals();
            case Section::export_:
                return exports();
            case Section::start:
                return start();
            case Section::element:
                return elements();
            case Section::data_count:
                module_.data_count = reader_.u32();
                return;
            case Section::code:
                return code();
            case Section::data:
                return data();
            case Section::tag:
                reader_.unsupported("module uses exceptions (a tag section)");
                return;
        }
    }

    /// Reads a vector's length and checks it against the profile.
    std::uint32_t count(std::uint64_t already, std::uint32_t most, std::string_view what) {
        const std::uint32_t read = reader_.u32();
        // Each entry takes a byte at least, so a larger count is truncated, not excessive.
        if (!failed_ && read <= reader_.remaining() && already + read > most) {
            reader_.over_limit("more than " + std::to_string(most) + " " + std::string{what});
            return 0;
        }
        return failed_ ? 0 : read;
    }

    void types() {
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

    void value_types(std::vector<ValueType>& types, std::uint32_t most, std::string_view what) {
        const std::uint32_t number = count(0, most, what);
        for (std::uint32_t index = 0; index < number && !failed_; ++index)
            types.push_back(read_value_type(reader_));
    }

    void imports() {
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

    std::uint32_t type_index() {
        const std::uint32_t index = reader_.u32();
        if (!failed_ && index >= module_.types.size())
            reader_.invalid("unknown type " + std::to_string(index));
        return index;
    }

    Limits limits(std::string_view what) {
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

    TableType table_type() {
        TableType type;
        type.element = read_reference_type(reader_);
        type.limits = limits("table");
        if (!failed_ && module_.tables.size() + 1 > tables_max)
            reader_.over_limit("more than " + std::to_string(tables_max) + " tables");
        return type;
    }

    Limits memory_type() {
        const Limits type = limits("memory");
        if (failed_) return type;
        if (type.min > memory_pages_max || type.max.value_or(0) > memory_pages_max)
            reader_.invalid("memory size must be at most 65536 pages (4 GiB)");
        else if (!module_.memories.empty())
            reader_.unsupported("module uses multiple memories");
        return type;
    }

    GlobalType global_type() {
        GlobalType type;
        type.value = read_value_type(reader_);
        const std::uint8_t mutability = reader_.byte();
        if (!failed_ && mutability > 1) reader_.malformed("malformed mutability");
        type.is_mutable = mutability == 1;
        if (!failed_ && module_.globals.size() + 1 > globals_max)
            reader_.over_limit("more than " + std::to_string(globals_max) + " globals");
        return type;
    }

    void functions() {
        const std::uint32_t number = count(module_.functions.size(), functions_max, "functions");
        for (std::uint32_t index = 0; index < number && !failed_; ++index)
            module_.functions.push_back(type_index());
    }

    void tables() {
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

    void memories() {
        const std::uint32_t number = reader_.u32();
        for (std::uint32_t index = 0; index < number && !failed_; ++index)
            module_.memories.push_back(memory_type());
    }

    void globals() {
        const std::uint32_t number = reader_.u32();
        for (std::uint32_t index = 0; index < number && !failed_; ++index) {
            const GlobalType type = global_type();
            module_.global_inits.push_back(const_expr(type.value));
            module_.globals.push_back(type);
        }
    }

    void exports() {
        const std::uint32_t number = count(0, exports_max, "exports");
        for (std::uint32_t index = 0; index < number && !failed_; ++index) {
            Export entry;
            entry.name = reader_.name();
            const std::uint8_t kind = reader_.byte();
            if (failed_) return;
            if (kind == 4) {
                reader_.unsupported("module uses exceptions (exports a tag)");
                return;
            }
            if (kind > 3) {
                reader_.malformed("malformed export kind");
                return;
            }
            entry.kind = static_cast<ExternKind>(kind);
            entry.index = reader_.u32();
            if (failed_) return;
            const std::size_t sizes[] = {module_.functions.size(), module_.tables.size(),
                                         module_.memories.size(), module_.globals.size()};
            if (entry.index >= sizes[kind]) {
                reader_.invalid("unknown " + std::string{to_text(entry.kind)} + " " +
                                std::to_string(entry.index) + " in an export");
                return;
            }
            if (entry.kind == ExternKind::function) declare(entry.index);
            const auto position = static_cast<std::uint32_t>(module_.exports.size());
            if (!module_.export_index.emplace(entry.name, position).second) {
                reader_.invalid("duplicate export name \"" + std::string{entry.name} + "\"");
                return;
            }
            module_.exports.push_back(entry);
        }
    }

    void declare(std::uint32_t function) {
        if (module_.declared_functions.size() < module_.functions.size())
            module_.declared_functions.resize(module_.functions.size());
        module_.declared_functions[function] = true;
    }

    void start() {
        const std::uint32_t index = function_index();
        if (failed_) return;
        const FuncType& type = module_.types[module_.functions[index]];
        if (!type.params.empty() || !type.results.empty())
            reader_.invalid("start function must have type () -> ()");
        module_.start = index;
    }

    std::uint32_t function_index() {
        const std::uint32_t index = reader_.u32();
        if (!failed_ && index >= module_.functions.size()) {
            reader_.invalid("unknown function " + std::to_string(index));
            return 0;
        }
        return index;
    }

    // One constant expression of the given type; specification 3.3.10 with extended constants.
    ConstExpr const_expr(ValueType expected) {
        ConstExpr expr{.first = static_cast<std::uint32_t>(module_.const_ops.size())};
        std::vector<ValueType> stack;
        while (!failed_) {
            const std::size_t at = reader_.offset();
            const std::uint8_t opcode = reader_.byte();
            if (failed_) break;
            if (opcode == op::end) break;
            ConstOp entry{.opcode = opcode};
            switch (opcode) {
                case op::i32_const:
                    entry.immediate = static_cast<std::uint32_t>(reader_.s32());
                    stack.push_back(ValueType::i32);
                    break;
                case op::i64_const:
                    entry.immediate = static_cast<std::uint64_t>(reader_.s64());
                    stack.push_back(ValueType::i64);
                    break;
                case op::f32_const:
                    entry.immediate = reader_.fixed_u32();
                    stack.push_back(ValueType::f32);
                    break;
                case op::f64_const:
                    entry.immediate = reader_.fixed_u64();
                    stack.push_back(ValueType::f64);
                    break;
                case op::global_get: {
                    const std::uint32_t index = reader_.u32();
                    if (failed_) break;
                    // Imported ones only: defined ones came with garbage collection.
                    if (index >= module_.imported_globals) {
                        reader_.invalid("unknown global " + std::to_string(index));
                    } else if (module_.globals[index].is_mutable) {
                        reader_.invalid("constant expression required: global " +
                                        std::to_string(index) + " is mutable");
                    } else {
                        stack.push_back(module_.globals[index].value);
                    }
                    entry.immediate = index;
                    break;
                }
                case op::ref_null: {
                    const ValueType type = read_reference_type(reader_);
                    entry.immediate = static_cast<std::uint64_t>(type);
                    stack.push_back(type);
                    break;
                }
                case op::ref_func: {
                    const std::uint32_t index = function_index();
                    if (!failed_) declare(index);
                    entry.immediate = index;
                    stack.push_back(ValueType::funcref);
                    break;
                }
                case op::i32_add:
                case op::i32_sub:
                case op::i32_mul:
                    arithmetic(stack, ValueType::i32);
                    break;
                case op::i64_add:
                case op::i64_sub:
                case op::i64_mul:
                    arithmetic(stack, ValueType::i64);
                    break;
                default:
                    not_constant(at, opcode);
                    break;
            }
            module_.const_ops.push_back(entry);
            ++expr.count;
        }
        if (!failed_ && (stack.size() != 1 || stack[0] != expected))
            reader_.invalid("type mismatch in a constant expression");
        return expr;
    }

    void arithmetic(std::vector<ValueType>& stack, ValueType type) {
        if (stack.size() < 2 || stack.back() != type || stack[stack.size() - 2] != type) {
            reader_.invalid("type mismatch in a constant expression");
            return;
        }
        stack.pop_back();
    }

    void not_constant(std::size_t at, std::uint8_t opcode) {
        const std::string_view feature = unsupported_feature(opcode);
        if (!feature.empty()) {
            reader_.fail_at(at, ModuleErrorKind::unsupported, feature_message(feature, opcode, at));
        } else if (is_known_opcode(opcode)) {
            reader_.fail_at(at, ModuleErrorKind::invalid, "constant expression required");
        } else {
            reader_.fail_at(at, ModuleErrorKind::malformed, "illegal opcode");
        }
    }

    void elements() {
        const std::uint32_t number = count(0, element_segments_max, "element segments");
        for (std::uint32_t index = 0; index < number && !failed_; ++index)
            element();
    }

    // Specification 5.5.12: three flag bits.
    void element() {
        const std::uint32_t flags = reader_.u32();
        if (failed_) return;
        if (flags > 7) {
            reader_.malformed("malformed elements segment kind");
            return;
        }
        ElementSegment segment;
        const bool is_active = (flags & 1U) == 0;
        const bool has_index = (flags & 2U) != 0;
        const bool has_exprs = (flags & 4U) != 0;
        if (is_active) {
            segment.mode = SegmentMode::active;
            if (has_index) segment.table = reader_.u32();
            if (!failed_ && segment.table >= module_.tables.size()) {
                reader_.invalid("unknown table " + std::to_string(segment.table));
                return;
            }
            segment.offset = const_expr(ValueType::i32);
        } else {
            segment.mode = has_index ? SegmentMode::declarative : SegmentMode::passive;
        }
        if ((flags & 3U) != 0) {
            if (has_exprs) {
                segment.type = read_reference_type(reader_);
            } else if (reader_.byte() != 0 && !failed_) {
                reader_.malformed("malformed element kind");
            }
        }
        if (failed_) return;
        if (is_active && module_.tables[segment.table].element != segment.type) {
            reader_.invalid("type mismatch: element segment and table");
            return;
        }
        const std::uint32_t number = count(elements_, elements_max, "elements in segments");
        elements_ += number;
        for (std::uint32_t index = 0; index < number && !failed_; ++index)
            segment.elements.push_back(has_exprs ? element_expr(segment.type) : element_index());
        module_.elements.push_back(std::move(segment));
    }

    ElementInit element_index() {
        const std::uint32_t index = function_index();
        if (!failed_) declare(index);
        return {op::ref_func, index};
    }

    ElementInit element_expr(ValueType type) {
        const ConstExpr expr = const_expr(type);
        if (failed_) return {};
        MILLRACE_ASSERT(expr.count == 1);  // only one instruction at a time gives a reference
        const ConstOp entry = module_.const_ops.back();
        module_.const_ops.pop_back();
        return {entry.opcode, static_cast<std::uint32_t>(entry.immediate)};
    }

    void code() {
        const std::uint32_t number = reader_.u32();
        if (failed_) return;
        if (number != module_.functions.size() - module_.imported_functions) {
            reader_.malformed("function and code section have inconsistent lengths");
            return;
        }
        module_.bodies.reserve(number);
        for (std::uint32_t index = 0; index < number && !failed_; ++index) {
            const std::uint32_t size = reader_.u32();
            if (failed_) return;
            if (size > reader_.remaining()) {
                reader_.malformed("unexpected end: length of a function body out of bounds");
                return;
            }
            if (size > body_bytes_max) {
                reader_.over_limit("a function body has more than " +
                                   std::to_string(body_bytes_max) + " bytes");
                return;
            }
            Body body;
            body.type = module_.functions[module_.imported_functions + index];
            body.locals_begin = static_cast<std::uint32_t>(reader_.offset());
            body.end = body.locals_begin + size;
            module_.bodies.push_back(body);
            module_.code_bytes += size;
            reader_.skip(size);
        }
    }

    void data() {
        const std::uint32_t number = count(0, data_segments_max, "data segments");
        if (failed_) return;
        if (module_.data_count && *module_.data_count != number) {
            reader_.malformed("data count and data section have inconsistent lengths");
            return;
        }
        for (std::uint32_t index = 0; index < number && !failed_; ++index) {
            const std::uint32_t flags = reader_.u32();
            if (failed_) return;
            if (flags > 2) {
                reader_.malformed("malformed data segment kind");
                return;
            }
            DataSegment segment;
            segment.mode = flags == 1 ? SegmentMode::passive : SegmentMode::active;
            if (flags != 1) {
                const std::uint32_t memory = flags == 2 ? reader_.u32() : 0;
                if (!failed_ && memory >= module_.memories.size()) {
                    reader_.invalid("unknown memory " + std::to_string(memory));
                    return;
                }
                segment.offset = const_expr(ValueType::i32);
            }
            segment.size = reader_.u32();
            segment.begin = static_cast<std::uint32_t>(reader_.offset());
            reader_.skip(segment.size);
            module_.data.push_back(segment);
        }
    }

    void finish() {
        if (module_.bodies.size() != module_.functions.size() - module_.imported_functions) {
            reader_.malformed("function and code section have inconsistent lengths");
        } else if (module_.data_count.value_or(0) != module_.data.size() && module_.data_count) {
            reader_.malformed("data count and data section have inconsistent lengths");
        }
        module_.declared_functions.resize(module_.functions.size());
    }

    ModuleData& module_;
    ModuleError& error_;
    bool failed_ = false;
    Reader reader_;
    int last_order_ = 0;
    std::uint64_t elements_ = 0;
};

}  // namespace

ValueType read_value_type(Reader& reader) {
    const std::size_t at = reader.offset();
    const std::uint8_t code = reader.byte();
    switch (code) {
        case 0x7f:
        case 0x7e:
        case 0x7d:
        case 0x7c:
        case 0x70:
        case 0x6f:
            return static_cast<ValueType>(code);
        default:
            break;
    }
    if (reader.failed()) return ValueType::i32;
    if (code == 0x7b) {
        reader.fail_at(at, ModuleErrorKind::unsupported,
                       "module uses SIMD (value type v128), which profile det-1 does not have yet");
    } else if (code >= 0x63 && code <= 0x74) {
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
    Decoder decoder{module, error};
    return decoder.run();
}

}  // namespace millrace::wasm
