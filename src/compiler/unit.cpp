// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/unit.hpp"

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/MDBuilder.h>

#include <algorithm>

#include "aot/abi.hpp"
#include "compiler/slots.hpp"

namespace millrace::compiler {

using aot::NativeContext;

Unit::Unit(llvm::LLVMContext& context, const wasm::ModuleData& source, const std::string& name,
           aot::Convention convention, aot::Metering metering)
    : convention_{convention == aot::Convention::tail ? llvm::CallingConv::Tail
                                                      : llvm::CallingConv::Fast},
      metering_{metering},
      context_{context},
      source_{source},
      module_{std::make_unique<llvm::Module>(name, context)},
      types_{llvm::Type::getInt32Ty(context), llvm::Type::getInt64Ty(context),
             llvm::Type::getFloatTy(context), llvm::Type::getDoubleTy(context)},
      pointer_{llvm::PointerType::getUnqual(context)} {
    llvm::MDBuilder metadata{context};
    unlikely_ = metadata.createBranchWeights(1, 1U << 20U);
    empty_ = llvm::MDNode::get(context, {});
    for (const Type type : {Type::f32, Type::f64}) {
        llvm::Type* const real = this->type(type);
        llvm::Function* function = declare(type == Type::f32 ? exact_f32_name : exact_f64_name,
                                           llvm::FunctionType::get(real, {real}, false), false);
        function->setMemoryEffects(llvm::MemoryEffects::none());
        for (const auto kind :
             {llvm::Attribute::NoUnwind, llvm::Attribute::WillReturn, llvm::Attribute::Speculatable,
              llvm::Attribute::NoFree, llvm::Attribute::NoSync})
            function->addFnAttr(kind);
        (type == Type::f32 ? exact_f32_ : exact_f64_) = function;
    }
}

llvm::Function* Unit::declare(const std::string& name, llvm::FunctionType* type, bool is_internal) {
    if (llvm::Function* known = module_->getFunction(name)) return known;
    llvm::Function* function = llvm::Function::Create(
        type, is_internal ? llvm::GlobalValue::InternalLinkage : llvm::GlobalValue::ExternalLinkage,
        name, *module_);
    if (!is_internal) function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    function->setDSOLocal(true);
    return function;
}

void Unit::set_attributes(llvm::Function& function) {
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("no-builtins");
}

llvm::FunctionType* Unit::function_type(const wasm::FuncType& type) const {
    llvm::SmallVector<llvm::Type*, 8> params{pointer_, i64(), i64()};
    for (const Type param : slot_types(type.params))
        params.push_back(this->type(param));
    llvm::Type* result = i64();
    if (const auto results = slot_types(type.results); results.size() == 1)
        result = llvm::StructType::get(context_, {i64(), this->type(results[0])});
    return llvm::FunctionType::get(result, params, false);
}

llvm::Function* Unit::function(std::uint32_t index) {
    llvm::Function* function = declare(
        "f" + std::to_string(index), function_type(source_.types[source_.functions[index]]), false);
    function->setCallingConv(convention_);
    set_attributes(*function);
    return function;
}

llvm::Function* Unit::host_thunk(std::uint32_t type) {
    // Equal types share a thunk.
    const auto& types = source_.types;
    const auto first = std::find(types.begin(), types.end(), types[type]);
    const auto index = static_cast<std::uint32_t>(first - types.begin());
    host_types_.insert(index);
    llvm::Function* function =
        declare("h" + std::to_string(index), function_type(types[type]), false);
    function->setCallingConv(convention_);
    set_attributes(*function);
    return function;
}

llvm::Value* Unit::constant_load(Builder& at, llvm::Type* type, llvm::Value* address) {
    llvm::LoadInst* load = at.CreateAlignedLoad(type, address, llvm::Align{8});
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, empty_);
    return load;
}

llvm::Value* Unit::offset(Builder& at, llvm::Value* base, std::uint64_t bytes) {
    if (bytes == 0) return base;
    return at.CreateGEP(at.getInt8Ty(), base, at.getInt64(bytes));
}

llvm::Value* Unit::constant_field(Builder& at, llvm::Value* context, std::size_t place,
                                  llvm::Type* type, const char* name) {
    llvm::Value* value = constant_load(at, type, offset(at, context, place));
    value->setName(name);
    return value;
}

llvm::Function* Unit::trap() {
    if (trap_ != nullptr) return trap_;
    llvm::Type* const nothing = llvm::Type::getVoidTy(context_);
    llvm::FunctionType* const type =
        llvm::FunctionType::get(nothing, {pointer_, i64(), this->type(Type::i32)}, false);
    trap_ = declare("trap", type, true);
    set_attributes(*trap_);
    trap_->addFnAttr(straight_attribute);
    for (const auto kind :
         {llvm::Attribute::NoReturn, llvm::Attribute::Cold, llvm::Attribute::NoInline})
        trap_->addFnAttr(kind);
    Builder at{llvm::BasicBlock::Create(context_, "", trap_)};
    llvm::Value* helper =
        constant_field(at, trap_->getArg(0), offsetof(NativeContext, trap), pointer_, "helper");
    at.CreateCall(type, helper, {trap_->getArg(0), trap_->getArg(1), trap_->getArg(2)})
        ->setDoesNotReturn();
    at.CreateUnreachable();
    return trap_;
}

llvm::Value* Unit::stop_at_safe_point(Builder& at, llvm::Value* fuel) {
    // An instruction that faults instead of a call: what leads here costs the code no registers,
    // and a function that calls nothing stays one.
    llvm::FunctionType* const type = llvm::FunctionType::get(i64(), {i64()}, false);
    llvm::InlineAsm* const stop =
        llvm::InlineAsm::get(type, "ud2", "={ax},{ax},~{dirflag},~{fpsr},~{flags}", true);
    llvm::CallInst* call = at.CreateCall(type, stop, {fuel});
    call->setDoesNotThrow();
    call->setOnlyReadsMemory();
    return call;
}

bool is_safe_point(const llvm::BasicBlock& block) {
    return std::ranges::any_of(block, [](const llvm::Instruction& instr) {
        const auto* call = llvm::dyn_cast<llvm::CallInst>(&instr);
        return call != nullptr && call->isInlineAsm();
    });
}

llvm::Value* Unit::to_slot(Builder& at, llvm::Value* value, Type type) {
    if (type == Type::i64) return value;
    if (type == Type::f64) return at.CreateBitCast(value, i64());
    if (type == Type::f32) value = at.CreateBitCast(value, this->type(Type::i32));
    return at.CreateZExt(value, i64());
}

llvm::Value* Unit::from_slot(Builder& at, llvm::Value* bits, Type type) {
    if (type == Type::i64) return bits;
    if (type == Type::f64) return at.CreateBitCast(bits, this->type(type));
    llvm::Value* low = at.CreateTrunc(bits, this->type(Type::i32));
    return type == Type::i32 ? low : at.CreateBitCast(low, this->type(type));
}

void Unit::give_many(Builder& at, llvm::Value* context, llvm::ArrayRef<llvm::Value*> values,
                     const wasm::FuncType& type) {
    llvm::Value* target =
        constant_field(at, context, offsetof(NativeContext, values), pointer_, "values");
    const auto results = slot_types(type.results);
    for (std::size_t index = 0; index < values.size(); ++index) {
        at.CreateAlignedStore(to_slot(at, values[index], results[index]),
                              offset(at, target, 8 * index), llvm::Align{8});
    }
}

llvm::Value* Unit::fuel_of(Builder& at, llvm::Value* returned, const wasm::FuncType& type) {
    return slot_types(type.results).size() == 1 ? at.CreateExtractValue(returned, 0) : returned;
}

llvm::SmallVector<llvm::Value*, 4> Unit::take_results(Builder& at, llvm::Value* context,
                                                      llvm::Value* returned,
                                                      const wasm::FuncType& type) {
    llvm::SmallVector<llvm::Value*, 4> results;
    const auto types = slot_types(type.results);
    if (types.size() == 1) {
        results.push_back(at.CreateExtractValue(returned, 1));
    } else if (!types.empty()) {
        llvm::Value* source =
            constant_field(at, context, offsetof(NativeContext, values), pointer_, "values");
        for (std::size_t index = 0; index < types.size(); ++index) {
            llvm::Value* bits =
                at.CreateAlignedLoad(i64(), offset(at, source, 8 * index), llvm::Align{8});
            results.push_back(from_slot(at, bits, types[index]));
        }
    }
    return results;
}

void Unit::give(Builder& at, llvm::Function& function, llvm::Value* fuel, llvm::Value* result) {
    if (result == nullptr) {
        at.CreateRet(fuel);
        return;
    }
    llvm::Value* pair = llvm::PoisonValue::get(function.getReturnType());
    pair = at.CreateInsertValue(pair, fuel, 0);
    pair = at.CreateInsertValue(pair, result, 1);
    at.CreateRet(pair);
}

void Unit::define_entry_thunk(std::uint32_t type_index) {
    const wasm::FuncType& type = source_.types[type_index];
    llvm::Function* thunk = declare(
        "e" + std::to_string(type_index),
        llvm::FunctionType::get(i64(), {pointer_, pointer_, i64(), i64(), pointer_}, false), false);
    set_attributes(*thunk);
    thunk->addFnAttr(straight_attribute);
    Builder at{llvm::BasicBlock::Create(context_, "", thunk)};
    llvm::Value* slots = thunk->getArg(4);
    llvm::SmallVector<llvm::Value*, 8> args{thunk->getArg(1), thunk->getArg(2), thunk->getArg(3)};
    const auto params = slot_types(type.params);
    for (std::size_t index = 0; index < params.size(); ++index) {
        llvm::Value* bits =
            at.CreateAlignedLoad(i64(), offset(at, slots, 8 * index), llvm::Align{8});
        args.push_back(from_slot(at, bits, params[index]));
    }
    llvm::CallInst* returned = at.CreateCall(function_type(type), thunk->getArg(0), args);
    returned->setCallingConv(convention_);
    const auto results = take_results(at, thunk->getArg(1), returned, type);
    const auto types = slot_types(type.results);
    for (std::size_t index = 0; index < results.size(); ++index) {
        at.CreateAlignedStore(to_slot(at, results[index], types[index]),
                              offset(at, slots, 8 * index), llvm::Align{8});
    }
    at.CreateRet(fuel_of(at, returned, type));
}

void Unit::define_host_thunk(std::uint32_t type_index) {
    const wasm::FuncType& type = source_.types[type_index];
    llvm::Function* thunk = host_thunk(type_index);
    if (!thunk->empty()) return;
    thunk->addFnAttr(straight_attribute);
    Builder at{llvm::BasicBlock::Create(context_, "", thunk)};
    llvm::Value* context = thunk->getArg(0);
    llvm::Value* function = at.CreateIntToPtr(thunk->getArg(2), pointer_);
    const auto params = slot_types(type.params);
    const auto types = slot_types(type.results);
    const std::size_t count = std::max<std::size_t>({params.size(), types.size(), 1});
    llvm::Value* slots = at.CreateAlloca(llvm::ArrayType::get(i64(), count));
    for (std::size_t index = 0; index < params.size(); ++index) {
        llvm::Value* arg = thunk->getArg(static_cast<unsigned>(3 + index));
        at.CreateAlignedStore(to_slot(at, arg, params[index]), offset(at, slots, 8 * index),
                              llvm::Align{8});
    }
    llvm::Value* helper =
        constant_field(at, context, offsetof(NativeContext, call_host), pointer_, "helper");
    llvm::Value* fuel =
        at.CreateCall(llvm::FunctionType::get(i64(), {pointer_, i64(), pointer_, pointer_}, false),
                      helper, {context, thunk->getArg(1), function, slots});
    llvm::SmallVector<llvm::Value*, 4> results;
    for (std::size_t index = 0; index < types.size(); ++index) {
        llvm::Value* bits =
            at.CreateAlignedLoad(i64(), offset(at, slots, 8 * index), llvm::Align{8});
        results.push_back(from_slot(at, bits, types[index]));
    }
    if (results.size() == 1) return give(at, *thunk, fuel, results[0]);
    if (!results.empty()) give_many(at, context, results, type);
    give(at, *thunk, fuel, nullptr);
}

}  // namespace millrace::compiler
