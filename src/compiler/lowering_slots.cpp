// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "base/assert.hpp"
#include "compiler/lowering.hpp"

namespace millrace::compiler {

llvm::AllocaInst* Lowering::variable(std::uint32_t slot, Type type) {
    llvm::AllocaInst*& variable =
        variables_[std::size_t{slot} * type_count + static_cast<std::size_t>(type)];
    if (variable == nullptr) variable = variables_at_.CreateAlloca(this->type(type));
    return variable;
}

llvm::Value* Lowering::as(llvm::Value* value, Type from, Type to) {
    if (from == to) return value;
    MILLRACE_ASSERT(to == twin_of(from));
    if (is_float(from)) value = exact(value, from);
    return at_.CreateBitCast(value, type(to));
}

llvm::Value* Lowering::exact(llvm::Value* value, Type type) {
    return is_float(type) ? at_.CreateCall(unit_.exact(type), value) : value;
}

llvm::AllocaInst* Lowering::vector_variable(std::uint32_t low_slot) {
    llvm::AllocaInst*& variable =
        variables_[std::size_t{low_slot} * type_count + static_cast<std::size_t>(Type::i64)];
    if (variable == nullptr) variable = variables_at_.CreateAlloca(vector_type());
    return variable;
}

llvm::AllocaInst* Lowering::half_variable(std::uint32_t slot) {
    return vector_variable(types_.is_high_half(slot) ? slot - 1 : slot);
}

llvm::Value* Lowering::read_half(std::uint32_t slot) {
    llvm::Value* both = at_.CreateLoad(vector_type(), half_variable(slot));
    return at_.CreateExtractElement(both, types_.is_high_half(slot) ? 1U : 0U);
}

void Lowering::write_half(std::uint32_t slot, llvm::Value* value) {
    llvm::AllocaInst* variable = half_variable(slot);
    llvm::Value* both = at_.CreateLoad(vector_type(), variable);
    both = at_.CreateInsertElement(both, value, types_.is_high_half(slot) ? 1U : 0U);
    at_.CreateStore(both, variable);
}

bool Lowering::is_vector_local(std::uint32_t slot) const {
    return types_.is_local(slot) && types_.is_vector_half(slot);
}

llvm::Value* Lowering::read_vector(std::uint32_t slot) {
    if (is_vector_local(slot) && !types_.is_high_half(slot))
        return at_.CreateLoad(vector_type(), vector_variable(slot));
    llvm::Value* both = llvm::PoisonValue::get(vector_type());
    both = at_.CreateInsertElement(both, read(slot, Type::i64), std::uint64_t{0});
    return at_.CreateInsertElement(both, read(slot + 1, Type::i64), std::uint64_t{1});
}

void Lowering::write_vector(std::uint32_t slot, llvm::Value* value) {
    value = at_.CreateBitCast(value, vector_type());
    if (is_vector_local(slot) && !types_.is_high_half(slot)) {
        at_.CreateStore(value, vector_variable(slot));
        return;
    }
    write(slot, at_.CreateExtractElement(value, std::uint64_t{0}), Type::i64);
    write(slot + 1, at_.CreateExtractElement(value, std::uint64_t{1}), Type::i64);
}

llvm::Value* Lowering::read(std::uint32_t slot, Type type) {
    if (is_vector_local(slot)) return as(read_half(slot), Type::i64, type);
    const Type stored = types_.is_local(slot) ? types_.local(slot) : type;
    return as(at_.CreateLoad(this->type(stored), variable(slot, stored)), stored, type);
}

void Lowering::write(std::uint32_t slot, llvm::Value* value, Type type) {
    if (is_vector_local(slot)) return write_half(slot, as(value, type, Type::i64));
    if (types_.is_local(slot)) {
        at_.CreateStore(as(value, type, types_.local(slot)), variable(slot, types_.local(slot)));
        return;
    }
    for (const Type stored : {type, twin_of(type)}) {
        if (types_.is_read_as(slot, stored))
            at_.CreateStore(as(value, type, stored), variable(slot, stored));
    }
}

void Lowering::write_constant(std::uint32_t slot, std::uint64_t bits) {
    if (is_vector_local(slot)) return write_half(slot, at_.getInt64(bits));
    for (std::size_t number = 0; number < type_count; ++number) {
        const auto each = static_cast<Type>(number);
        const bool wanted =
            types_.is_local(slot) ? types_.local(slot) == each : types_.is_read_as(slot, each);
        if (wanted) at_.CreateStore(constant(bits, each), variable(slot, each));
    }
}

llvm::Constant* Lowering::constant(std::uint64_t bits, Type type) {
    const llvm::APInt wide{64, bits};
    switch (type) {
        case Type::i32:
            return at_.getInt32(static_cast<std::uint32_t>(bits));
        case Type::i64:
            return at_.getInt64(bits);
        case Type::f32:
            return llvm::ConstantFP::get(
                unit_.context(), llvm::APFloat{llvm::APFloat::IEEEsingle(), wide.trunc(32)});
        case Type::f64:
            return llvm::ConstantFP::get(unit_.context(),
                                         llvm::APFloat{llvm::APFloat::IEEEdouble(), wide});
    }
    return nullptr;
}

llvm::SmallVector<Type, 4> Lowering::copied_types(std::uint32_t target) {
    llvm::SmallVector<Type, 4> list;
    for (std::size_t number = 0; number < type_count; ++number) {
        const auto each = static_cast<Type>(number);
        if (types_.is_local(target) ? types_.local(target) == each
                                    : types_.is_read_as(target, each))
            list.push_back(each);
    }
    return list;
}

bool Lowering::can_hold(std::uint32_t source, Type wanted) const noexcept {
    return !types_.is_local(source) || is_wide(types_.local(source)) == is_wide(wanted);
}

void Lowering::put(const Copied& copied) {
    if (is_vector_local(copied.slot)) return write_half(copied.slot, copied.value);
    at_.CreateStore(copied.value, variable(copied.slot, copied.type));
}

void Lowering::copy(std::uint32_t target, std::uint32_t first, std::uint32_t count) {
    llvm::SmallVector<Copied, 8> list;
    for (std::uint32_t index = 0; index < count; ++index) {
        for (const Type each : copied_types(target + index)) {
            if (can_hold(first + index, each))
                list.push_back({target + index, each, read(first + index, each)});
        }
    }
    for (const Copied& copied : list)
        put(copied);
}

void Lowering::select(const Instr& instr) {
    llvm::Value* condition = at_.CreateIsNotNull(read(instr.d, Type::i32));
    llvm::SmallVector<Copied, 4> list;
    for (const Type each : copied_types(instr.a)) {
        if (!can_hold(instr.b, each) || !can_hold(instr.c, each)) continue;
        llvm::Value* value = at_.CreateSelect(condition, read(instr.b, each), read(instr.c, each));
        list.push_back({instr.a, each, value});
    }
    for (const Copied& copied : list)
        put(copied);
}

}  // namespace millrace::compiler
