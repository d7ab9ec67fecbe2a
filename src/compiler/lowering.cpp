// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/lowering.hpp"

#include "base/assert.hpp"

namespace millrace::compiler {

using aot::NativeContext;

Lowering::Lowering(Unit& unit, std::uint32_t index, const wasm::Code& code)
    : unit_{unit},
      module_{unit.source()},
      code_{code},
      view_{module_, module_.bodies[index - module_.imported_functions], code},
      types_{view_},
      function_{*unit.function(index)},
      entry_{llvm::BasicBlock::Create(unit.context(), "", &function_)},
      variables_at_{entry_},
      at_{entry_},
      context_{function_.getArg(0)},
      room_{function_.getArg(2)} {
    variables_.resize(std::size_t{code.frame_slots} * type_count);
}

void Lowering::run() {
    find_blocks();
    llvm::BasicBlock* start = llvm::BasicBlock::Create(unit_.context(), "", &function_);
    at_.SetInsertPoint(start);
    prologue();
    for (std::uint32_t index = 0; index < code_.instrs.size(); ++index) {
        if (blocks_[index] != nullptr) begin_block(index);
        if (!is_dead_) instruction(index, code_.instrs[index]);
    }
    // The translator ends every function with a return, a trap or a jump.
    MILLRACE_ASSERT(is_dead_);
    variables_at_.SetInsertPoint(entry_);
    variables_at_.CreateBr(start);
}

void Lowering::prologue() {
    fuel_ = variables_at_.CreateAlloca(unit_.i64());
    at_.CreateStore(function_.getArg(1), fuel_);
    // Calls left below zero, or fewer slots than the frame has; before the function's own cost.
    llvm::Value* slots = at_.CreateTrunc(room_, type(Type::i32));
    trap_if(at_.CreateICmpSLT(room_, at_.getInt64(0)), TrapKind::call_stack_exhausted);
    if (code_.frame_slots > 0) {
        trap_if(at_.CreateICmpULT(slots, at_.getInt32(code_.frame_slots)),
                TrapKind::call_stack_exhausted);
    }
    charge(code_.entry_cost);
    check_fuel();
    if (!module_.memories.empty()) {
        memory_ = unit_.constant_field(at_, context_, offsetof(NativeContext, memory),
                                       unit_.pointer(), "memory");
    }
    for (std::uint32_t slot = 0; slot < code_.params + code_.locals; ++slot) {
        const Type each = types_.local(slot);
        llvm::Value* value = constant(0, each);
        if (slot < code_.params) value = function_.getArg(3 + slot);
        put({slot, each, value});
    }
}

llvm::Value* Lowering::short_constant(std::uint32_t bits, Type type) {
    switch (type) {
        case Type::i64:
            return at_.getInt64(
                static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(bits)}));
        case Type::f64:
            return constant(
                std::bit_cast<std::uint64_t>(static_cast<double>(std::bit_cast<float>(bits))),
                type);
        case Type::i32:
        case Type::f32:
            break;
    }
    return constant(bits, type);
}

void Lowering::return_many(const Instr& instr) {
    const wasm::FuncType& type = view_.type();
    const auto types = slot_types(type.results);
    llvm::SmallVector<llvm::Value*, 8> values;
    for (std::uint32_t index = 0; index < instr.d; ++index) {
        const Type each = types[index];
        values.push_back(exact(read(instr.a + index, each), each));
    }
    unit_.give_many(at_, context_, values, type);
    Unit::give(at_, function_, fuel(), nullptr);
    is_dead_ = true;
}

void Lowering::instruction(std::uint32_t index, const Instr& instr) {
    const Operation& operation = operation_of(instr.op);
    switch (operation.shape) {
        case Shape::binary: {
            llvm::Value* left = nullptr;
            llvm::Value* right = nullptr;
            if (operation.form == Form::kr) {
                left = constant(instr.wide(), operation.operand);
                right = read(instr.b, operation.operand);
            } else {
                left = read(instr.b, operation.operand);
                right = operation.form == Form::rk ? constant(instr.wide(), operation.operand)
                                                   : read(instr.c, operation.operand);
            }
            if (operation.base == Base::f32_copysign || operation.base == Base::f64_copysign)
                right = exact(right, operation.operand);
            write(instr.a, binary(at_, operation.base, left, right, *this), operation.result);
            return;
        }
        case Shape::compare: {
            llvm::Value* left = read(instr.b, operation.operand);
            llvm::Value* right = operation.form == Form::rk
                                     ? constant(instr.wide(), operation.operand)
                                     : read(instr.c, operation.operand);
            llvm::Value* bit = compare(at_, operation.base, left, right);
            write(instr.a, at_.CreateZExt(bit, type(Type::i32)), Type::i32);
            return;
        }
        case Shape::branch_when:
        case Shape::branch_unless: {
            llvm::Value* left = read(instr.a, operation.operand);
            llvm::Value* right = operation.form == Form::rk
                                     ? short_constant(instr.e, operation.operand)
                                     : read(instr.e, operation.operand);
            llvm::Value* bit = compare(at_, operation.base, left, right);
            if (operation.shape == Shape::branch_unless) bit = at_.CreateNot(bit);
            return branch_if(index, bit);
        }
        case Shape::unary:
            write(instr.a, unary(at_, operation.base, read(instr.b, operation.operand), *this),
                  operation.result);
            return;
        case Shape::load:
            return load(instr, operation);
        case Shape::store:
            return store(instr, operation);
        case Shape::other:
            return other(index, instr, operation.base);
    }
}

void Lowering::other(std::uint32_t index, const Instr& instr, Base base) {
    switch (base) {
        case Base::unreachable:
            at_.CreateBr(end_block(static_cast<std::uint32_t>(TrapKind::unreachable)));
            is_dead_ = true;
            return;
        case Base::charge:
            if (index + 1 < code_.instrs.size() && starts_[index + 1].cost) return;
            return charge(instr.d);
        case Base::jump:
            at_.CreateBr(way(index, index + instr.d));
            is_dead_ = true;
            return;
        case Base::br_nonzero:
            return branch_if(index, at_.CreateIsNotNull(read(instr.a, Type::i32)));
        case Base::br_zero:
            return branch_if(index, at_.CreateIsNull(read(instr.a, Type::i32)));
        case Base::br_table:
            return branch_table(index, instr);
        case Base::return_none:
            Unit::give(at_, function_, fuel(), nullptr);
            is_dead_ = true;
            return;
        case Base::return_one: {
            const Type each = slot_types(view_.type().results)[0];
            Unit::give(at_, function_, fuel(), exact(read(instr.a, each), each));
            is_dead_ = true;
            return;
        }
        case Base::return_many:
            return return_many(instr);
        case Base::call:
            return call_direct(instr, false);
        case Base::call_indirect:
            return call_indirect(instr, false);
        case Base::return_call:
            return call_direct(instr, true);
        case Base::return_call_indirect:
            return call_indirect(instr, true);
        case Base::move:
            return copy(instr.a, instr.b, 1);
        case Base::move_range:
            return copy(instr.a, instr.b, instr.d);
        case Base::constant:
            return write_constant(instr.a, instr.wide());
        case Base::select:
            return select(instr);
        case Base::global_get:
            return global_get(instr);
        case Base::global_set:
            return global_set(instr);
        case Base::table_get:
            write(instr.a,
                  table_entry(instr.d, read(instr.b, Type::i32), TrapKind::table_out_of_bounds),
                  Type::i64);
            return;
        case Base::table_set:
            return operate(aot::Operation::table_set,
                           {read(instr.a, Type::i32), read(instr.b, Type::i64)}, instr.d);
        case Base::table_size:
            write(instr.a, at_.CreateTrunc(table_count(table_view(instr.d)), type(Type::i32)),
                  Type::i32);
            return;
        case Base::table_grow:
            return operate_with_result(instr.a, aot::Operation::table_grow,
                                       {read(instr.b, Type::i64), read(instr.c, Type::i32)},
                                       instr.d);
        case Base::table_fill:
            return operate(aot::Operation::table_fill, operands_of(instr, Type::i64), instr.d);
        case Base::table_init:
            return operate(aot::Operation::table_init, operands_of(instr), instr.d, instr.e);
        case Base::table_copy:
            return operate(aot::Operation::table_copy, operands_of(instr), instr.d, instr.e);
        case Base::elem_drop:
            return operate(aot::Operation::elem_drop, {}, instr.d);
        case Base::memory_size:
            return operate_with_result(instr.a, aot::Operation::memory_size, {});
        case Base::memory_grow:
            return operate_with_result(instr.a, aot::Operation::memory_grow,
                                       {read(instr.b, Type::i32)});
        case Base::memory_init:
            return operate(aot::Operation::memory_init, operands_of(instr), instr.d);
        case Base::memory_copy:
            return operate(aot::Operation::memory_copy, operands_of(instr));
        case Base::memory_fill:
            return operate(aot::Operation::memory_fill, operands_of(instr));
        case Base::data_drop:
            return operate(aot::Operation::data_drop, {}, instr.d);
        case Base::ref_func: {
            llvm::Value* references = unit_.constant_field(
                at_, context_, offsetof(NativeContext, references), unit_.pointer(), "references");
            write(instr.a,
                  unit_.constant_load(at_, unit_.i64(),
                                      Unit::offset(at_, references, 8ULL * instr.d)),
                  Type::i64);
            return;
        }
        case Base::simd:
            return simd(instr);
        case Base::simd_memory:
            return simd_memory(instr);
        case Base::simd_shuffle:
            return simd_shuffle(instr);
        case Base::vector_select:
            return vector_select(instr);
        case Base::vector_global_get:
            return vector_global_get(instr);
        case Base::vector_global_set:
            return vector_global_set(instr);
        default:
            MILLRACE_ASSERT(false);
    }
}

void lower_function(Unit& unit, std::uint32_t index, const wasm::Code& code) {
    Lowering{unit, index, code}.run();
}

}  // namespace millrace::compiler
