// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <string>

#include "wasm/validator.hpp"

namespace millrace::wasm::validation {

Slot Validator::local(std::uint32_t index) {
    if (failed_) return unknown;
    if (index >= locals_.size()) {
        invalid("unknown local " + std::to_string(index));
        return unknown;
    }
    return locals_[index];
}

const GlobalType* Validator::global(std::uint32_t index) {
    if (failed_) return nullptr;
    if (index >= module_.globals.size()) {
        invalid("unknown global " + std::to_string(index));
        return nullptr;
    }
    return &module_.globals[index];
}

bool Validator::table_exists(std::uint32_t index) {
    if (failed_) return false;
    if (index < module_.tables.size()) return true;
    invalid("unknown table " + std::to_string(index));
    return false;
}

bool Validator::memory_exists(std::uint32_t index) {
    if (failed_) return false;
    if (index < module_.memories.size()) return true;
    invalid("unknown memory " + std::to_string(index));
    return false;
}

bool Validator::element_exists(std::uint32_t index) {
    if (failed_) return false;
    if (index < module_.elements.size()) return true;
    invalid("unknown elem segment " + std::to_string(index));
    return false;
}

bool Validator::data_exists(std::uint32_t index) {
    if (failed_) return false;
    if (!module_.data_count && !module_.data.empty()) {
        reader_.fail_at(at_, ModuleErrorKind::malformed, "data count section required");
        return false;
    }
    if (index < module_.data.size()) return true;
    invalid("unknown data segment " + std::to_string(index));
    return false;
}

void Validator::pop_three() {
    for (int operand = 0; operand < 3; ++operand)
        pop(ValueType::i32);
}

void Validator::prefixed(std::uint32_t opcode) {
    if (failed_) return;
    if (opcode <= op_fc::trunc_sat_last) {
        pop(trunc_sat_signatures[opcode].operand);
        push(trunc_sat_signatures[opcode].result);
        return;
    }
    switch (opcode) {
        case op_fc::memory_init: {
            const std::uint32_t segment = reader_.u32();
            if (memory_exists(reader_.u32()) && data_exists(segment)) pop_three();
            return;
        }
        case op_fc::data_drop:
            data_exists(reader_.u32());
            return;
        case op_fc::memory_copy: {
            const std::uint32_t target = reader_.u32();
            const std::uint32_t source = reader_.u32();
            if (memory_exists(target) && memory_exists(source)) pop_three();
            return;
        }
        case op_fc::memory_fill:
            if (memory_exists(reader_.u32())) pop_three();
            return;
        case op_fc::table_init: {
            const std::uint32_t segment = reader_.u32();
            const std::uint32_t table = reader_.u32();
            if (!table_exists(table) || !element_exists(segment)) return;
            if (module_.tables[table].element != module_.elements[segment].type) return mismatch();
            pop_three();
            return;
        }
        case op_fc::elem_drop:
            element_exists(reader_.u32());
            return;
        case op_fc::table_copy: {
            const std::uint32_t target = reader_.u32();
            const std::uint32_t source = reader_.u32();
            if (!table_exists(target) || !table_exists(source)) return;
            if (module_.tables[target].element != module_.tables[source].element) return mismatch();
            pop_three();
            return;
        }
        case op_fc::table_grow: {
            const std::uint32_t table = reader_.u32();
            if (!table_exists(table)) return;
            pop(ValueType::i32);
            pop(module_.tables[table].element);
            push(ValueType::i32);
            return;
        }
        case op_fc::table_size:
            if (table_exists(reader_.u32())) push(ValueType::i32);
            return;
        case op_fc::table_fill: {
            const std::uint32_t table = reader_.u32();
            if (!table_exists(table)) return;
            pop(ValueType::i32);
            pop(module_.tables[table].element);
            pop(ValueType::i32);
            return;
        }
        default:
            reader_.fail_at(at_, ModuleErrorKind::malformed, "illegal opcode after 0xfc");
            return;
    }
}

}  // namespace millrace::wasm::validation
