// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/slots.hpp"

#include "base/assert.hpp"
#include "wasm/reader.hpp"
#include "wasm/simd_ops.hpp"

namespace millrace::compiler {

using wasm::Instr;

Type type_of(wasm::ValueType type) noexcept {
    switch (type) {
        case wasm::ValueType::i32:
            return Type::i32;
        case wasm::ValueType::f32:
            return Type::f32;
        case wasm::ValueType::f64:
            return Type::f64;
        case wasm::ValueType::i64:
        case wasm::ValueType::funcref:
        case wasm::ValueType::externref:
        case wasm::ValueType::v128:  // each half
            break;
    }
    return Type::i64;
}

std::vector<Type> slot_types(const std::vector<wasm::ValueType>& values) {
    std::vector<Type> types;
    for (const wasm::ValueType value : values) {
        types.push_back(type_of(value));
        if (value == wasm::ValueType::v128) types.push_back(Type::i64);
    }
    return types;
}

void SlotTypes::add_locals(wasm::ValueType type, std::uint32_t count) {
    if (type != wasm::ValueType::v128) {
        locals_.insert(locals_.end(), count, {type_of(type), Half::none});
        return;
    }
    for (; count > 0; --count) {
        locals_.push_back({Type::i64, Half::low});
        locals_.push_back({Type::i64, Half::high});
    }
}

SlotTypes::SlotTypes(const FunctionView& function) {
    for (const wasm::ValueType param : function.type().params)
        add_locals(param, 1);
    wasm::ModuleError error;
    bool failed = false;
    wasm::Reader reader{function.module.bytes.data(), function.body.locals_begin, function.body.end,
                        error, failed};
    for (std::uint32_t groups = reader.u32(); groups > 0; --groups) {
        const std::uint32_t count = reader.u32();
        const auto type = static_cast<wasm::ValueType>(reader.byte());
        add_locals(type, count);
    }
    MILLRACE_ASSERT(!failed);
    MILLRACE_ASSERT(locals_.size() == function.code.params + function.code.locals);
    reads_.resize(function.code.frame_slots);
    for (const Instr& instr : function.code.instrs)
        note(function, instr);
    // What is read from a copy is read from its source; chains of copies are short.
    for (bool changed = true; changed;) {
        changed = false;
        for (const Copy& each : copies_) {
            const std::uint8_t wanted =
                is_local(each.target) ? bit(local(each.target)) : reads_[each.target];
            if ((reads_[each.source] | wanted) == reads_[each.source]) continue;
            reads_[each.source] |= wanted;
            changed = true;
        }
    }
    copies_.clear();
    copies_.shrink_to_fit();
}

void SlotTypes::note(const FunctionView& function, const Instr& instr) {
    const Operation& operation = operation_of(instr.op);
    const auto reads = [this](std::uint32_t first, const std::vector<wasm::ValueType>& types) {
        for (const Type type : slot_types(types))
            read(first++, type);
    };
    const auto address = [&] {
        if (operation.form == Form::a) return;
        read(instr.b, Type::i32);
        if (operation.form == Form::x) read(instr.c, Type::i32);
    };
    switch (operation.shape) {
        case Shape::binary:
        case Shape::compare:
            read(instr.b, operation.operand);
            if (operation.form == Form::rr) read(instr.c, operation.operand);
            return;
        case Shape::branch_when:
        case Shape::branch_unless:
            read(instr.a, operation.operand);
            if (operation.form == Form::rr) read(instr.e, operation.operand);
            return;
        case Shape::unary:
            read(instr.b, operation.operand);
            return;
        case Shape::load:
            return address();
        case Shape::store:
            address();
            if (operation.form != Form::k) read(instr.a, operation.operand);
            return;
        case Shape::other:
            break;
    }
    switch (operation.base) {
        case Base::br_nonzero:
        case Base::br_zero:
        case Base::br_table:
            return read(instr.a, Type::i32);
        case Base::return_one:
            return read(instr.a, slot_types(function.type().results)[0]);
        case Base::return_many:
            return reads(instr.a, function.type().results);
        case Base::call:
            return reads(instr.a, function.module.types[function.module.functions[instr.d]].params);
        case Base::return_call:
            return reads(instr.a, function.module.types[function.module.functions[instr.d]].params);
        case Base::call_indirect:
        case Base::return_call_indirect:
            read(instr.b, Type::i32);
            return reads(instr.a, function.module.types[instr.d].params);
        case Base::move:
            return copy(instr.a, instr.b);
        case Base::move_range:
            for (std::uint32_t index = 0; index < instr.d; ++index)
                copy(instr.a + index, instr.b + index);
            return;
        case Base::select:
            copy(instr.a, instr.b);
            copy(instr.a, instr.c);
            return read(instr.d, Type::i32);
        case Base::global_set:
            return read(instr.a, type_of(function.module.globals[instr.d].value));
        case Base::table_get:
        case Base::memory_grow:
            return read(instr.b, Type::i32);
        case Base::table_set:
            read(instr.a, Type::i32);
            return read(instr.b, Type::i64);
        case Base::table_grow:
            read(instr.b, Type::i64);
            return read(instr.c, Type::i32);
        case Base::table_fill:
            read(instr.a, Type::i32);
            read(instr.b, Type::i64);
            return read(instr.c, Type::i32);
        case Base::table_init:
        case Base::table_copy:
        case Base::memory_init:
        case Base::memory_copy:
        case Base::memory_fill:
            read(instr.a, Type::i32);
            read(instr.b, Type::i32);
            return read(instr.c, Type::i32);
        case Base::simd:
        case Base::simd_memory:
        case Base::simd_shuffle:
            return note_simd(instr);
        case Base::vector_select:
            read_vector(instr.b);
            read_vector(instr.c);
            return read(instr.d, Type::i32);
        case Base::vector_global_set:
            return read_vector(instr.a);
        default:
            return;
    }
}

void SlotTypes::note_simd(const Instr& instr) {
    const std::uint32_t code =
        instr.op == wasm::IrOp::simd_shuffle ? wasm::op_fd::i8x16_shuffle : instr.e & 0xffffU;
    const wasm::SimdSignature& signature = wasm::simd_signatures[code];
    const Type scalar = type_of(signature.scalar);
    switch (signature.shape) {
        case wasm::SimdShape::none:
        case wasm::SimdShape::constant:
            return;
        case wasm::SimdShape::load:
            return read(instr.b, Type::i32);
        case wasm::SimdShape::store:
        case wasm::SimdShape::store_lane:
            read_vector(instr.a);
            return read(instr.b, Type::i32);
        case wasm::SimdShape::load_lane:
            read_vector(instr.c);
            return read(instr.b, Type::i32);
        case wasm::SimdShape::unary:
        case wasm::SimdShape::test:
        case wasm::SimdShape::extract:
            return read_vector(instr.b);
        case wasm::SimdShape::shuffle:
        case wasm::SimdShape::binary:
            read_vector(instr.b);
            return read_vector(instr.c);
        case wasm::SimdShape::ternary:
            read_vector(instr.b);
            read_vector(instr.c);
            return read_vector(instr.d);
        case wasm::SimdShape::splat:
            return read(instr.b, scalar);
        case wasm::SimdShape::replace:
            read_vector(instr.b);
            return read(instr.c, scalar);
        case wasm::SimdShape::shift:
            read_vector(instr.b);
            return read(instr.c, Type::i32);
    }
}

}  // namespace millrace::compiler
