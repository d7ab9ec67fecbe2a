// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <string>
#include <utility>

#include "wasm/decoder.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/simd_ops.hpp"

namespace millrace::wasm::decoding {

ConstExpr Decoder::const_expr(ValueType expected) {
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
            case op::prefix_fd: {
                const std::uint32_t code = reader_.u32();
                if (failed_) break;
                if (code != op_fd::v128_const) {
                    not_constant(at, opcode, code);
                    break;
                }
                entry.immediate = reader_.fixed_u64();
                entry.high = reader_.fixed_u64();
                stack.push_back(ValueType::v128);
                break;
            }
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
                not_constant(at, opcode, 0);
                break;
        }
        module_.const_ops.push_back(entry);
        ++expr.count;
    }
    if (!failed_ && (stack.size() != 1 || stack[0] != expected))
        reader_.invalid("type mismatch in a constant expression");
    return expr;
}

void Decoder::arithmetic(std::vector<ValueType>& stack, ValueType type) {
    if (stack.size() < 2 || stack.back() != type || stack[stack.size() - 2] != type) {
        reader_.invalid("type mismatch in a constant expression");
        return;
    }
    stack.pop_back();
}

void Decoder::not_constant(std::size_t at, std::uint8_t opcode, std::uint32_t code) {
    if (opcode == op::prefix_fd && !is_simd(code)) {
        fail_simd(reader_, at, code);
        return;
    }
    const std::string_view feature = unsupported_feature(opcode);
    if (!feature.empty()) {
        reader_.fail_at(at, ModuleErrorKind::unsupported, feature_message(feature, opcode, at));
    } else if (is_known_opcode(opcode)) {
        reader_.fail_at(at, ModuleErrorKind::invalid, "constant expression required");
    } else {
        reader_.fail_at(at, ModuleErrorKind::malformed, "illegal opcode");
    }
}

void Decoder::elements() {
    const std::uint32_t number = count(0, element_segments_max, "element segments");
    for (std::uint32_t index = 0; index < number && !failed_; ++index)
        element();
}

void Decoder::element() {
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

ElementInit Decoder::element_index() {
    const std::uint32_t index = function_index();
    if (!failed_) declare(index);
    return {op::ref_func, index};
}

ElementInit Decoder::element_expr(ValueType type) {
    const ConstExpr expr = const_expr(type);
    if (failed_) return {};
    MILLRACE_ASSERT(expr.count == 1);  // only one instruction at a time gives a reference
    const ConstOp entry = module_.const_ops.back();
    module_.const_ops.pop_back();
    return {entry.opcode, static_cast<std::uint32_t>(entry.immediate)};
}

void Decoder::data() {
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

}  // namespace millrace::wasm::decoding
