// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/whole_loads.hpp"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Instructions.h>

#include <vector>

namespace millrace::compiler {
namespace {

/// Instructions on all lanes alike, which use the whole of what they get.
bool uses_whole(const llvm::Use& use) {
    const auto* user = llvm::cast<llvm::Instruction>(use.getUser());
    if (user->getOpcode() == llvm::Instruction::BitCast)
        return llvm::all_of(user->uses(), uses_whole);
    return user->isBinaryOp() || llvm::isa<llvm::StoreInst, llvm::PHINode, llvm::CmpInst>(user);
}

}  // namespace

void keep_loads_whole(llvm::Function& function) {
    std::vector<llvm::LoadInst*> loads;
    for (llvm::BasicBlock& block : function) {
        for (llvm::Instruction& instr : block) {
            auto* load = llvm::dyn_cast<llvm::LoadInst>(&instr);
            if (load != nullptr && load->isVolatile() && load->getType()->isVectorTy() &&
                !llvm::all_of(load->uses(), uses_whole))
                loads.push_back(load);
        }
    }
    for (llvm::LoadInst* load : loads) {
        // Nothing, of which selection does not know that it is nothing.
        llvm::Type* const type = load->getType();
        llvm::IRBuilder<> at{load->getNextNode()};
        llvm::InlineAsm* const nothing =
            llvm::InlineAsm::get(llvm::FunctionType::get(type, {type}, false), "", "=x,0", false);
        llvm::CallInst* kept = at.CreateCall(nothing, {load});
        kept->setDoesNotThrow();
        kept->setDoesNotAccessMemory();
        load->replaceUsesWithIf(kept, [&](const llvm::Use& use) { return use.getUser() != kept; });
    }
}

}  // namespace millrace::compiler
