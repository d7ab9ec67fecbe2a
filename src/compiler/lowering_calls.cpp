// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/lowering.hpp"

namespace millrace::compiler {

using aot::NativeContext;

llvm::Value* Lowering::room_for(const Instr& instr, bool is_last) {
    if (is_last) return room_;
    const std::uint32_t first_slot = instr.a;
    return at_.CreateSub(room_, at_.getInt64((1ULL << 32U) + first_slot));
}

void Lowering::call(const Instr& instr, const wasm::FuncType& type, const Target& target,
                    bool is_last) {
    llvm::SmallVector<llvm::Value*, 12> args{target.context, fuel(), target.room};
    std::uint32_t slot = instr.a;
    for (const Type each : slot_types(type.params)) {
        args.push_back(exact(read(slot, each), each));
        ++slot;
    }
    llvm::CallInst* returned = at_.CreateCall(unit_.function_type(type), target.code, args);
    returned->setCallingConv(unit_.convention());
    if (is_last) {
        // The callee takes this call's place: its frame, its room, and whoever waits for it.
        returned->setTailCallKind(llvm::CallInst::TCK_MustTail);
        at_.CreateRet(returned);
        is_dead_ = true;
        return;
    }
    set_fuel(Unit::fuel_of(at_, returned, type));
    const auto results = unit_.take_results(at_, context_, returned, type);
    const auto types = slot_types(type.results);
    for (std::size_t index = 0; index < results.size(); ++index)
        write(instr.a + static_cast<std::uint32_t>(index), results[index], types[index]);
}

Lowering::Target Lowering::dynamic_target(llvm::Value* callee, std::uint32_t type,
                                          llvm::Value* room) {
    const auto field = [&](std::size_t place) {
        return unit_.constant_load(at_, unit_.pointer(), Unit::offset(at_, callee, place));
    };
    llvm::Value* code = field(offsetof(aot::Callee, code));
    llvm::Value* context = field(offsetof(aot::Callee, context));
    llvm::BasicBlock* before = at_.GetInsertBlock();
    llvm::BasicBlock* host = new_block();
    llvm::BasicBlock* next = new_block();
    at_.CreateCondBr(at_.CreateIsNull(code), host, next, unit_.unlikely());
    at_.SetInsertPoint(host);
    llvm::Value* function = at_.CreatePtrToInt(field(offsetof(aot::Callee, function)), unit_.i64());
    at_.CreateBr(next);
    at_.SetInsertPoint(next);
    const auto either = [&](llvm::Value* usual, llvm::Value* hosted) {
        llvm::PHINode* phi = at_.CreatePHI(usual->getType(), 2);
        phi->addIncoming(usual, before);
        phi->addIncoming(hosted, host);
        return phi;
    };
    return {.code = either(code, unit_.host_thunk(type)),
            .context = either(context, context_),
            .room = either(room, function)};
}

void Lowering::call_direct(const Instr& instr, bool is_last) {
    const std::uint32_t type_index = module_.functions[instr.d];
    const wasm::FuncType& type = module_.types[type_index];
    if (instr.d >= module_.imported_functions) {
        return call(instr, type,
                    {.code = unit_.function(instr.d),
                     .context = context_,
                     .room = room_for(instr, is_last)},
                    is_last);
    }
    llvm::Value* imports = unit_.constant_field(at_, context_, offsetof(NativeContext, imports),
                                                unit_.pointer(), "imports");
    llvm::Value* callee = Unit::offset(at_, imports, sizeof(aot::Callee) * instr.d);
    call(instr, type, dynamic_target(callee, type_index, room_for(instr, is_last)), is_last);
}

llvm::Value* Lowering::table_view(std::uint32_t table) {
    llvm::Value* tables = unit_.constant_field(at_, context_, offsetof(NativeContext, tables),
                                               unit_.pointer(), "tables");
    return unit_.constant_load(at_, unit_.pointer(), Unit::offset(at_, tables, 8U * table));
}

llvm::Value* Lowering::table_count(llvm::Value* view) {
    return at_.CreateAlignedLoad(unit_.i64(), Unit::offset(at_, view, 8), llvm::Align{8});
}

llvm::Value* Lowering::table_entry(std::uint32_t table, llvm::Value* index, TrapKind beyond) {
    llvm::Value* view = table_view(table);
    llvm::Value* wide = at_.CreateZExt(index, unit_.i64());
    trap_if(at_.CreateICmpUGE(wide, table_count(view)), beyond);
    llvm::Value* entries = at_.CreateAlignedLoad(unit_.pointer(), view, llvm::Align{8});
    return at_.CreateAlignedLoad(unit_.i64(), at_.CreateGEP(unit_.i64(), entries, wide),
                                 llvm::Align{8});
}

void Lowering::call_indirect(const Instr& instr, bool is_last) {
    llvm::Value* reference =
        table_entry(instr.e, read(instr.b, Type::i32), TrapKind::undefined_element);
    llvm::Value* directory = at_.CreateAlignedLoad(
        unit_.pointer(), Unit::offset(at_, context_, offsetof(NativeContext, directory)),
        llvm::Align{8});
    llvm::Value* callee = at_.CreateGEP(
        at_.getInt8Ty(), directory, at_.CreateMul(reference, at_.getInt64(sizeof(aot::Callee))));
    llvm::Value* has = unit_.constant_load(
        at_, unit_.i64(), Unit::offset(at_, callee, offsetof(aot::Callee, type_id)));
    llvm::Value* ids = unit_.constant_field(at_, context_, offsetof(NativeContext, type_ids),
                                            unit_.pointer(), "type_ids");
    llvm::Value* wanted =
        unit_.constant_load(at_, unit_.i64(), Unit::offset(at_, ids, 8ULL * instr.d));
    llvm::BasicBlock* wrong = new_block();
    llvm::BasicBlock* next = new_block();
    at_.CreateCondBr(at_.CreateICmpNE(has, wanted), wrong, next, unit_.unlikely());
    at_.SetInsertPoint(wrong);
    at_.CreateCondBr(at_.CreateICmpEQ(reference, at_.getInt64(0)),
                     end_block(static_cast<std::uint32_t>(TrapKind::uninitialized_element)),
                     end_block(static_cast<std::uint32_t>(TrapKind::indirect_call_type_mismatch)));
    at_.SetInsertPoint(next);
    call(instr, module_.types[instr.d], dynamic_target(callee, instr.d, room_for(instr, is_last)),
         is_last);
}

void Lowering::operate(aot::Operation operation, llvm::ArrayRef<llvm::Value*> operands,
                       std::uint32_t d, std::uint32_t e) {
    llvm::Type* const i64 = unit_.i64();
    llvm::Value* helper = unit_.constant_field(at_, context_, offsetof(NativeContext, operate),
                                               unit_.pointer(), "operate");
    llvm::SmallVector<llvm::Value*, 8> args{context_, fuel(),
                                            at_.getInt64(static_cast<std::uint64_t>(operation))};
    for (std::size_t index = 0; index < 3; ++index) {
        llvm::Value* value = index < operands.size() ? operands[index] : at_.getInt64(0);
        args.push_back(value->getType() == i64 ? value : at_.CreateZExt(value, i64));
    }
    args.push_back(at_.getInt64(d | (std::uint64_t{e} << 32U)));
    llvm::FunctionType* const type =
        llvm::FunctionType::get(i64, {unit_.pointer(), i64, i64, i64, i64, i64, i64}, false);
    set_fuel(at_.CreateCall(type, helper, args));
}

void Lowering::operate_with_result(std::uint32_t target, aot::Operation operation,
                                   llvm::ArrayRef<llvm::Value*> operands, std::uint32_t d) {
    operate(operation, operands, d);
    llvm::Value* values = unit_.constant_field(at_, context_, offsetof(NativeContext, values),
                                               unit_.pointer(), "values");
    llvm::Value* result = at_.CreateAlignedLoad(unit_.i64(), values, llvm::Align{8});
    write(target, at_.CreateTrunc(result, type(Type::i32)), Type::i32);
}

llvm::SmallVector<llvm::Value*, 3> Lowering::operands_of(const Instr& instr, Type second) {
    return {read(instr.a, Type::i32), read(instr.b, second), read(instr.c, Type::i32)};
}

}  // namespace millrace::compiler
