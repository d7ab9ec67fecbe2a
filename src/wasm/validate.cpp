// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <string>

#include "wasm/validator.hpp"

namespace millrace::wasm::validation {

bool Validator::run() {
    for (std::size_t index = 0; index < module_.bodies.size() && !failed_; ++index)
        body(module_.bodies[index]);
    return !failed_;
}

void Validator::body(Body& body) {
    const FuncType& type = module_.types[body.type];
    reader_ = Reader{module_.bytes.data(), body.locals_begin, body.end, error_, failed_};
    locals_.clear();
    for (const ValueType param : type.params)
        locals_.push_back(slot(param));
    declared_locals(body);
    body.begin = static_cast<std::uint32_t>(reader_.offset());
    stack_.clear();
    vectors_ = 0;
    frames_.clear();
    height_max_ = 0;
    frames_.push_back({.opcode = op::block,
                       .is_unreachable = false,
                       .height = 0,
                       .type = {.params = {}, .results = type.results}});
    while (!failed_ && !frames_.empty()) {
        at_ = reader_.offset();
        const std::uint8_t opcode = reader_.byte();
        if (!failed_) instruction(opcode);
    }
    if (failed_) return;
    if (!reader_.at_end()) {
        reader_.malformed("a function body goes on after its end");
        return;
    }
    body.stack_height = height_max_;
    if (slots_of(type.params) + body.local_slots + height_max_ > frame_slots_max) {
        reader_.fail_at(body.begin, ModuleErrorKind::over_limit,
                        "a function needs more than " + std::to_string(frame_slots_max) +
                            " locals and operands");
    }
}

void Validator::declared_locals(Body& body) {
    const std::uint32_t groups = reader_.u32();
    std::uint64_t total = 0;
    bool too_many = false;
    for (std::uint32_t group = 0; group < groups && !failed_; ++group) {
        const std::uint32_t number = reader_.u32();
        const ValueType type = read_value_type(reader_);
        if (failed_) return;
        total += number;
        // Specification 5.5.13: 2^32 locals are malformed, fewer are a matter of our bounds.
        if (total > 0xffffffffULL) {
            reader_.malformed("too many locals");
            return;
        }
        too_many = too_many || locals_.size() + number > locals_max;
        if (too_many) continue;
        locals_.insert(locals_.end(), number, slot(type));
        body.local_slots += number * slots_of(type);
    }
    if (too_many && !failed_) {
        reader_.over_limit("a function has more than " + std::to_string(locals_max) + " locals");
    }
}

void Validator::instruction(std::uint8_t opcode) {
    const NumericSignature numeric = numeric_signatures[opcode];
    if (numeric.operands != 0) {
        if (numeric.operands == 2) pop(numeric.operand);
        pop(numeric.operand);
        push(numeric.result);
        return;
    }
    if (opcode >= op::load_first && opcode <= op::store_last) {
        access(opcode);
        return;
    }
    switch (opcode) {
        case op::unreachable:
            set_unreachable();
            return;
        case op::nop:
            return;
        case op::block:
        case op::loop:
        case op::if_: {
            const auto type = read_block_type();
            if (!type) return;
            if (opcode == op::if_) pop(ValueType::i32);
            pop_all(type->params);
            if (!failed_) enter(opcode, *type);
            return;
        }
        case op::else_: {
            if (frames_.back().opcode != op::if_) {
                reader_.fail_at(at_, ModuleErrorKind::malformed, "else without if");
                return;
            }
            const BlockType type = leave();
            frames_.pop_back();
            if (!failed_) enter(op::else_, type);
            return;
        }
        case op::end: {
            const bool is_if = frames_.back().opcode == op::if_;
            const BlockType type = leave();
            if (failed_) return;
            if (is_if && !std::ranges::equal(type.params, type.results)) {
                mismatch();
                return;
            }
            frames_.pop_back();
            if (!frames_.empty()) push_all(type.results);
            return;
        }
        case op::br: {
            const Frame* frame = label_frame(reader_.u32());
            if (frame == nullptr) return;
            pop_all(frame->label());
            set_unreachable();
            return;
        }
        case op::br_if: {
            const Frame* frame = label_frame(reader_.u32());
            if (frame == nullptr) return;
            const auto types = frame->label();
            pop(ValueType::i32);
            pop_all(types);
            if (!failed_) push_all(types);
            return;
        }
        case op::br_table:
            branch_table();
            return;
        case op::return_:
            pop_all(frames_.front().type.results);
            set_unreachable();
            return;
        case op::call:
        case op::return_call: {
            const std::uint32_t index = reader_.u32();
            if (failed_) return;
            if (index >= module_.functions.size()) {
                invalid("unknown function " + std::to_string(index));
                return;
            }
            const FuncType& type = module_.types[module_.functions[index]];
            opcode == op::call ? call(type) : tail_call(type);
            return;
        }
        case op::call_indirect:
        case op::return_call_indirect: {
            const std::uint32_t type = reader_.u32();
            const std::uint32_t table = reader_.u32();
            if (failed_ || !table_exists(table)) return;
            if (module_.tables[table].element != ValueType::funcref) return mismatch();
            if (type >= module_.types.size())
                return invalid("unknown type " + std::to_string(type));
            pop(ValueType::i32);
            opcode == op::call_indirect ? call(module_.types[type])
                                        : tail_call(module_.types[type]);
            return;
        }
        case op::drop:
            pop_any();
            return;
        case op::select:
            select();
            return;
        case op::select_typed: {
            const std::uint32_t number = reader_.u32();
            if (failed_) return;
            if (number != 1) return invalid("invalid result arity of select");
            const ValueType type = read_value_type(reader_);
            pop(ValueType::i32);
            pop(type);
            pop(type);
            push(type);
            return;
        }
        case op::local_get:
            push(local(reader_.u32()));
            return;
        case op::local_set:
            pop(local(reader_.u32()));
            return;
        case op::local_tee: {
            const Slot type = local(reader_.u32());
            if (failed_) return;
            pop(type);
            push(type);
            return;
        }
        case op::global_get: {
            const GlobalType* type = global(reader_.u32());
            if (type != nullptr) push(type->value);
            return;
        }
        case op::global_set: {
            const GlobalType* type = global(reader_.u32());
            if (type == nullptr) return;
            if (!type->is_mutable) return invalid("global is immutable");
            pop(type->value);
            return;
        }
        case op::table_get: {
            const std::uint32_t table = reader_.u32();
            if (!table_exists(table)) return;
            pop(ValueType::i32);
            push(module_.tables[table].element);
            return;
        }
        case op::table_set: {
            const std::uint32_t table = reader_.u32();
            if (!table_exists(table)) return;
            pop(module_.tables[table].element);
            pop(ValueType::i32);
            return;
        }
        case op::memory_size:
            if (memory_exists(reader_.u32())) push(ValueType::i32);
            return;
        case op::memory_grow:
            if (!memory_exists(reader_.u32())) return;
            pop(ValueType::i32);
            push(ValueType::i32);
            return;
        case op::i32_const:
            reader_.s32();
            push(ValueType::i32);
            return;
        case op::i64_const:
            reader_.s64();
            push(ValueType::i64);
            return;
        case op::f32_const:
            reader_.skip(4);
            push(ValueType::f32);
            return;
        case op::f64_const:
            reader_.skip(8);
            push(ValueType::f64);
            return;
        case op::ref_null:
            push(read_reference_type(reader_));
            return;
        case op::ref_is_null: {
            const Slot type = pop_any();
            if (type != unknown && !is_reference(static_cast<ValueType>(type))) return mismatch();
            push(ValueType::i32);
            return;
        }
        case op::ref_func: {
            const std::uint32_t index = reader_.u32();
            if (failed_) return;
            if (index >= module_.functions.size())
                return invalid("unknown function " + std::to_string(index));
            if (!module_.declared_functions[index]) return invalid("undeclared function reference");
            push(ValueType::funcref);
            return;
        }
        case op::prefix_fc:
            prefixed(reader_.u32());
            return;
        case op::prefix_fd:
            vector(reader_.u32());
            return;
        default:
            unknown_opcode(opcode);
            return;
    }
}

void Validator::unknown_opcode(std::uint8_t opcode) {
    const std::string_view feature = unsupported_feature(opcode);
    if (feature.empty()) {
        reader_.fail_at(at_, ModuleErrorKind::malformed, "illegal opcode");
    } else {
        reader_.fail_at(at_, ModuleErrorKind::unsupported, feature_message(feature, opcode, at_));
    }
}

void Validator::access(std::uint8_t opcode) {
    const AccessSignature signature =
        access_signatures[static_cast<std::size_t>(opcode - op::load_first)];
    if (!memory_operand(signature.align_log2)) return;
    if (opcode >= op::store_first) {
        pop(signature.type);
        pop(ValueType::i32);
    } else {
        pop(ValueType::i32);
        push(signature.type);
    }
}

bool Validator::memory_operand(std::uint32_t align_log2) {
    const std::uint32_t align = reader_.u32();
    if (failed_) return false;
    if (align >= 0x40 && align < 0x80) {
        reader_.fail_at(at_, ModuleErrorKind::unsupported,
                        "module uses multiple memories (a memory index in a load or store), "
                        "which profile det-1 does not have");
        return false;
    }
    if (align >= 0x80) {
        reader_.fail_at(at_, ModuleErrorKind::malformed, "malformed memop flags");
        return false;
    }
    // Written as a 64-bit number since memory64; a 32-bit memory takes 32 bits of it.
    const std::uint64_t offset = reader_.u64();
    if (!memory_exists(0)) return false;
    if (align > align_log2) {
        invalid("alignment must not be larger than natural");
    } else if (offset > 0xffffffffULL) {
        invalid("offset out of range");
    }
    return !failed_;
}

void Validator::select() {
    pop(ValueType::i32);
    const Slot first = pop_any();
    const Slot second = pop_any();
    if (failed_) return;
    for (const Slot type : {first, second}) {
        if (type != unknown && is_reference(static_cast<ValueType>(type))) return mismatch();
    }
    if (first != second && first != unknown && second != unknown) return mismatch();
    push(first == unknown ? second : first);
}

}  // namespace millrace::wasm::validation

namespace millrace::wasm {

bool validate_bodies(ModuleData& module, ModuleError& error) {
    validation::Validator validator{module, error};
    if (!validator.run()) return false;
    return true;
}

}  // namespace millrace::wasm
