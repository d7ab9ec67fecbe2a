// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <llvm/ADT/MapVector.h>
#include <llvm/Analysis/AliasAnalysis.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <vector>

#include "compiler/fast_loops.hpp"

namespace millrace::compiler {
namespace {

bool needs_check(const llvm::StoreInst& store) {
    const llvm::Value* value = store.getValueOperand();
    return store.getPointerAddressSpace() == fast_space && value->getType()->isFPOrFPVectorTy();
}

/// Stores that can happen together, in their order, before one instruction.
struct Batch {
    std::vector<llvm::StoreInst*> stores;
    llvm::Instruction* before = nullptr;
};

std::vector<Batch> find_batches(llvm::BasicBlock& block, llvm::BatchAAResults& aliases) {
    std::vector<Batch> batches;
    Batch open;
    const auto close = [&](llvm::Instruction& before) {
        if (open.stores.empty()) return;
        open.before = &before;
        batches.push_back(std::move(open));
        open = {};
    };
    for (llvm::Instruction& instr : block) {
        if (instr.isTerminator()) close(instr);
        if (instr.mayReadOrWriteMemory()) {
            for (const llvm::StoreInst* store : open.stores) {
                const llvm::ModRefInfo effect =
                    aliases.getModRefInfo(&instr, llvm::MemoryLocation::get(store));
                if (!llvm::isModOrRefSet(effect)) continue;
                close(instr);
                break;
            }
        }
        auto* store = llvm::dyn_cast<llvm::StoreInst>(&instr);
        if (store != nullptr && needs_check(*store)) open.stores.push_back(store);
    }
    return batches;
}

llvm::Value* canonical_nan(llvm::Type* type) {
    return llvm::ConstantFP::getQNaN(type);
}

/// Whether any of the values is a NaN: two are compared with each other at a time.
llvm::Value* any_nan(llvm::IRBuilder<>& at, const std::vector<llvm::StoreInst*>& stores) {
    llvm::MapVector<llvm::Type*, llvm::Value*> odd;
    llvm::MapVector<llvm::Type*, llvm::Value*> found;  // by type of the comparison
    const auto add = [&](llvm::Value* bits) {
        llvm::Value*& all = found[bits->getType()];
        all = all == nullptr ? bits : at.CreateOr(all, bits);
    };
    for (llvm::StoreInst* store : stores) {
        llvm::Value* value = store->getValueOperand();
        llvm::Value*& other = odd[value->getType()];
        if (other == nullptr) {
            other = value;
            continue;
        }
        add(at.CreateFCmpUNO(other, value));
        other = nullptr;
    }
    for (const auto& [type, value] : odd) {
        if (value != nullptr) add(at.CreateFCmpUNO(value, value));
    }
    llvm::Value* any = nullptr;
    for (const auto& [type, bits] : found) {
        llvm::Value* bit = type->isVectorTy() ? at.CreateOrReduce(bits) : bits;
        any = any == nullptr ? bit : at.CreateOr(any, bit);
    }
    return any;
}

void check(const Batch& batch) {
    for (llvm::StoreInst* store : batch.stores)
        store->moveBefore(batch.before);
    llvm::Instruction* first = batch.stores.front();
    llvm::BasicBlock* usual = first->getParent();
    llvm::IRBuilder<> at{first};
    llvm::MDBuilder metadata{first->getContext()};
    llvm::Instruction* rare =
        llvm::SplitBlockAndInsertIfThen(any_nan(at, batch.stores), first->getIterator(), false,
                                        metadata.createBranchWeights(1, 1U << 20U));
    llvm::IRBuilder<> there{rare};
    llvm::IRBuilder<> joined{first->getParent(), first->getParent()->begin()};
    for (llvm::StoreInst* store : batch.stores) {
        llvm::Value* value = store->getValueOperand();
        llvm::Value* exact = there.CreateSelect(there.CreateFCmpUNO(value, value),
                                                canonical_nan(value->getType()), value);
        llvm::PHINode* either = joined.CreatePHI(value->getType(), 2);
        either->addIncoming(value, usual);
        either->addIncoming(exact, rare->getParent());
        store->setOperand(0, either);
    }
}

}  // namespace

void check_fast_stores(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
    std::vector<Batch> batches;
    {
        llvm::BatchAAResults aliases{analyses.getResult<llvm::AAManager>(function)};
        for (llvm::BasicBlock& block : function) {
            for (Batch& batch : find_batches(block, aliases))
                batches.push_back(std::move(batch));
        }
    }
    for (const Batch& batch : batches)
        check(batch);
}

}  // namespace millrace::compiler
