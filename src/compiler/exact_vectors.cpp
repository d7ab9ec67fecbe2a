// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>

#include <string>

#include "compiler/exact_nan.hpp"

namespace millrace::compiler {
namespace {

constexpr const char* mark_name = "millrace.exact.vector.";  // then the lanes: f64x2

bool is_mark(const llvm::Value* value) {
    const auto* call = llvm::dyn_cast<llvm::CallInst>(value);
    if (call == nullptr || call->getCalledFunction() == nullptr) return false;
    return call->getCalledFunction()->getName().starts_with(mark_name);
}

/// Whether a NaN among its operands gives the same, whatever the bits of that NaN: the result is no
/// float, or is marked itself.
bool is_arithmetic(const llvm::Instruction& instr) {
    switch (instr.getOpcode()) {
        case llvm::Instruction::FAdd:
        case llvm::Instruction::FSub:
        case llvm::Instruction::FMul:
        case llvm::Instruction::FDiv:
        case llvm::Instruction::FCmp:
            return true;
        default:
            break;
    }
    const auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instr);
    return call != nullptr && call->getIntrinsicID() == llvm::Intrinsic::sqrt;
}

using Uses = llvm::SmallVector<llvm::Use*, 8>;

/// Uses of `value` by arithmetic, also where its shape is changed to `type` first.
void find_arithmetic(llvm::Value& value, llvm::Type* type, Uses& found) {
    for (llvm::Use& use : value.uses()) {
        auto* user = llvm::cast<llvm::Instruction>(use.getUser());
        if (value.getType() == type && is_arithmetic(*user)) found.push_back(&use);
        if (user->getOpcode() == llvm::Instruction::BitCast && user->getType() == type) {
            for (llvm::Use& further : user->uses()) {
                if (is_arithmetic(*llvm::cast<llvm::Instruction>(further.getUser())))
                    found.push_back(&further);
            }
        }
    }
}

/// A phi that brings marked values to arithmetic gets a twin that brings them without marks.
bool bring_unmarked(llvm::PHINode& phi) {
    llvm::Type* type = nullptr;
    for (llvm::Value* incoming : phi.incoming_values()) {
        const llvm::CallInst* marked = exact_vector_call(incoming);
        if (marked == nullptr) continue;
        if (type != nullptr && type != marked->getType()) return false;
        type = marked->getType();
    }
    if (type == nullptr) return false;
    Uses uses;
    find_arithmetic(phi, type, uses);
    if (uses.empty()) return false;
    auto* twin = llvm::PHINode::Create(type, phi.getNumIncomingValues(), "", phi.getIterator());
    for (unsigned index = 0; index < phi.getNumIncomingValues(); ++index) {
        llvm::BasicBlock* block = phi.getIncomingBlock(index);
        // Two edges from one block must bring the same value.
        if (const int known = twin->getBasicBlockIndex(block); known >= 0) {
            twin->addIncoming(twin->getIncomingValue(static_cast<unsigned>(known)), block);
            continue;
        }
        llvm::Value* value = phi.getIncomingValue(index);
        if (const llvm::CallInst* marked = exact_vector_call(value)) {
            value = marked->getArgOperand(0);
        } else if (value == &phi) {
            value = twin;
        } else if (value->getType() != type) {
            value = llvm::IRBuilder<>{block->getTerminator()}.CreateBitCast(value, type);
        }
        twin->addIncoming(value, block);
    }
    for (llvm::Use* use : uses)
        use->set(twin);
    return true;
}

}  // namespace

llvm::Value* exact_vector(llvm::IRBuilderBase& at, llvm::Value* value) {
    auto* const type = llvm::cast<llvm::FixedVectorType>(value->getType());
    const std::string name = mark_name +
                             std::string{type->getScalarType()->isFloatTy() ? "f32x" : "f64x"} +
                             std::to_string(type->getNumElements());
    llvm::Module& module = *at.GetInsertBlock()->getModule();
    auto* exact = llvm::cast<llvm::Function>(
        module.getOrInsertFunction(name, llvm::FunctionType::get(type, {type}, false)).getCallee());
    exact->setMemoryEffects(llvm::MemoryEffects::none());
    for (const auto kind :
         {llvm::Attribute::NoUnwind, llvm::Attribute::WillReturn, llvm::Attribute::Speculatable,
          llvm::Attribute::NoFree, llvm::Attribute::NoSync})
        exact->addFnAttr(kind);
    return at.CreateCall(exact, {value});
}

llvm::CallInst* exact_vector_call(llvm::Value* value) {
    while (auto* cast = llvm::dyn_cast<llvm::BitCastInst>(value))
        value = cast->getOperand(0);
    return is_mark(value) ? llvm::cast<llvm::CallInst>(value) : nullptr;
}

llvm::PreservedAnalyses DropHiddenMarks::run(llvm::Function& function,
                                             llvm::FunctionAnalysisManager&) {
    bool is_changed = false;
    for (llvm::BasicBlock& block : function) {
        for (llvm::Instruction& instr : block) {
            if (!is_mark(&instr)) continue;
            Uses uses;
            find_arithmetic(instr, instr.getType(), uses);
            for (llvm::Use* use : uses)
                use->set(instr.getOperand(0));
            is_changed = is_changed || !uses.empty();
        }
        const auto phis = llvm::make_early_inc_range(block.phis());
        for (llvm::PHINode& phi : phis) {
            if (phi.getType()->isVectorTy()) is_changed = bring_unmarked(phi) || is_changed;
        }
    }
    if (!is_changed) return llvm::PreservedAnalyses::all();
    llvm::PreservedAnalyses kept;
    kept.preserveSet<llvm::CFGAnalyses>();
    return kept;
}

}  // namespace millrace::compiler
