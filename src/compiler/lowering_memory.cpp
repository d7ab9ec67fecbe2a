// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/lowering.hpp"

namespace millrace::compiler {

using aot::NativeContext;

namespace {

unsigned access_bits(Base base) noexcept {
    switch (base) {
        case Base::i32_load8_s:
        case Base::i32_load8_u:
        case Base::i64_load8_s:
        case Base::i64_load8_u:
        case Base::i32_store8:
        case Base::i64_store8:
            return 8;
        case Base::i32_load16_s:
        case Base::i32_load16_u:
        case Base::i64_load16_s:
        case Base::i64_load16_u:
        case Base::i32_store16:
        case Base::i64_store16:
            return 16;
        case Base::i64_load32_s:
        case Base::i64_load32_u:
        case Base::i64_store32:
            return 32;
        default:
            return 0;  // the type's own width
    }
}

bool extends_sign(Base base) noexcept {
    return base == Base::i32_load8_s || base == Base::i32_load16_s || base == Base::i64_load8_s ||
           base == Base::i64_load16_s || base == Base::i64_load32_s;
}

}  // namespace

llvm::Value* Lowering::address(const Instr& instr, Form form) {
    if (!is_fuel_told_ && unit_.is_metered()) {
        llvm::Value* cell =
            at_.CreateGEP(at_.getInt8Ty(), memory_,
                          at_.getInt64(static_cast<std::uint64_t>(aot::fuel_cell_offset)));
        at_.CreateAlignedStore(fuel(), cell, llvm::Align{8}, true);
        is_fuel_told_ = true;
    }
    if (form == Form::a) return Unit::offset(at_, memory_, instr.wide());
    llvm::Value* index = read(instr.b, Type::i32);
    if (form == Form::x) index = at_.CreateAdd(index, read(instr.c, Type::i32));
    if (form == Form::i) index = at_.CreateAdd(index, at_.getInt32(instr.e));
    llvm::Value* place =
        at_.CreateGEP(at_.getInt8Ty(), memory_, at_.CreateZExt(index, unit_.i64()));
    return Unit::offset(at_, place, instr.d);
}

void Lowering::load(const Instr& instr, const Operation& operation) {
    llvm::Value* place = address(instr, operation.form);
    llvm::Type* const wanted = type(operation.result);
    const unsigned bits = access_bits(operation.base);
    llvm::Type* const stored = bits == 0 ? wanted : at_.getIntNTy(bits);
    llvm::Value* value = at_.CreateAlignedLoad(stored, place, llvm::Align{1}, true);
    if (bits != 0) {
        value = extends_sign(operation.base) ? at_.CreateSExt(value, wanted)
                                             : at_.CreateZExt(value, wanted);
    }
    write(instr.a, value, operation.result);
}

void Lowering::store(const Instr& instr, const Operation& operation) {
    llvm::Value* value = nullptr;
    if (operation.form == Form::k) {
        value =
            constant(static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(instr.e)}),
                     operation.operand);
    } else {
        value = exact(read(instr.a, operation.operand), operation.operand);
    }
    const unsigned bits = access_bits(operation.base);
    if (bits != 0) value = at_.CreateTrunc(value, at_.getIntNTy(bits));
    llvm::Value* place = address(instr, operation.form);
    at_.CreateAlignedStore(value, place, llvm::Align{1}, true);
}

llvm::Value* Lowering::global(std::uint32_t index) {
    llvm::Value* globals = unit_.constant_field(at_, context_, offsetof(NativeContext, globals),
                                                unit_.pointer(), "globals");
    return unit_.constant_load(at_, unit_.pointer(), Unit::offset(at_, globals, 8ULL * index));
}

void Lowering::global_get(const Instr& instr) {
    const Type each = type_of(module_.globals[instr.d].value);
    write(instr.a, at_.CreateAlignedLoad(type(each), global(instr.d), llvm::Align{8}), each);
}

void Lowering::global_set(const Instr& instr) {
    const Type each = type_of(module_.globals[instr.d].value);
    llvm::Value* value = exact(read(instr.a, each), each);
    // Volatile, so that an access of memory that traps finds it done, or not yet.
    at_.CreateAlignedStore(unit_.to_slot(at_, value, each), global(instr.d), llvm::Align{8}, true);
}

}  // namespace millrace::compiler
