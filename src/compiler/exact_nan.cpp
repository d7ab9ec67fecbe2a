// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/exact_nan.hpp"

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/MapVector.h>
#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <vector>

#include "compiler/unit.hpp"

namespace millrace::compiler {
namespace {

/// Where a float's bits come from.
enum class Origin : std::uint8_t {
    nothing,     ///< no NaN, or not known yet
    exact,       ///< bits as they must be
    arithmetic,  ///< a NaN may have any bits
    both,
};

Origin join(Origin left, Origin right) {
    return static_cast<Origin>(static_cast<unsigned>(left) | static_cast<unsigned>(right));
}

/// Whether the instruction passes its first operand's payload on.
bool changes_sign_only(const llvm::Instruction& instr) {
    if (instr.getOpcode() == llvm::Instruction::FNeg) return true;
    const auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instr);
    return call != nullptr && (call->getIntrinsicID() == llvm::Intrinsic::fabs ||
                               call->getIntrinsicID() == llvm::Intrinsic::copysign);
}

class Placement {
  public:
    explicit Placement(llvm::Function& function) : function_{function} {}

    void run() {
        for (llvm::BasicBlock& block : function_) {
            for (llvm::Instruction& instr : block) {
                if (is_exact_call(&instr)) demands_.push_back(llvm::cast<llvm::CallInst>(&instr));
            }
        }
        if (demands_.empty()) return;
        find_origins();
        for (llvm::CallInst* demand : demands_) {
            llvm::Value* value = demand->getArgOperand(0);
            if (origin(value) == Origin::arithmetic) continue;  // stays
            demand->replaceAllUsesWith(exact(value, demand));
            origins_.erase(demand);
            demand->eraseFromParent();
            finish();
        }
    }

  private:
    Origin origin(const llvm::Value* value) const {
        if (const auto* constant = llvm::dyn_cast<llvm::ConstantFP>(value))
            return constant->isNaN() ? Origin::exact : Origin::nothing;
        if (llvm::isa<llvm::Constant>(value)) return Origin::nothing;  // poison of dead ways
        if (llvm::isa<llvm::Argument>(value)) return Origin::exact;
        const auto found = origins_.find(value);
        return found == origins_.end() ? Origin::nothing : found->second;
    }
    Origin origin_of(const llvm::Instruction& instr) const {
        if (const auto* phi = llvm::dyn_cast<llvm::PHINode>(&instr)) {
            Origin all = Origin::nothing;
            for (const llvm::Value* incoming : phi->incoming_values())
                all = join(all, origin(incoming));
            return all;
        }
        if (const auto* select = llvm::dyn_cast<llvm::SelectInst>(&instr))
            return join(origin(select->getTrueValue()), origin(select->getFalseValue()));
        if (changes_sign_only(instr)) {
            // Never a plain demand: the check has to come before the change.
            const Origin from = origin(instr.getOperand(0));
            return from == Origin::arithmetic ? Origin::both : from;
        }
        switch (instr.getOpcode()) {
            case llvm::Instruction::FAdd:
            case llvm::Instruction::FSub:
            case llvm::Instruction::FMul:
            case llvm::Instruction::FDiv:
            case llvm::Instruction::FPTrunc:
            case llvm::Instruction::FPExt:
                return Origin::arithmetic;
            case llvm::Instruction::SIToFP:
            case llvm::Instruction::UIToFP:
                return Origin::nothing;
            default:
                break;
        }
        // Arithmetic by intrinsic; loads, bit casts, results of calls and exact values.
        return llvm::isa<llvm::IntrinsicInst>(instr) ? Origin::arithmetic : Origin::exact;
    }
    void find_origins() {
        std::vector<llvm::Instruction*> floats;
        const llvm::ReversePostOrderTraversal<llvm::Function*> order{&function_};
        for (llvm::BasicBlock* block : order) {
            for (llvm::Instruction& instr : *block) {
                if (instr.getType()->isFloatingPointTy()) floats.push_back(&instr);
            }
        }
        for (bool changed = true; changed;) {
            changed = false;
            for (llvm::Instruction* instr : floats) {
                Origin& known = origins_[instr];
                const Origin now = join(known, origin_of(*instr));
                changed = changed || now != known;
                known = now;
            }
        }
    }

    static llvm::CallInst* check(llvm::Value* value, llvm::Instruction* before) {
        const bool is_f32 = value->getType()->isFloatTy();
        llvm::Function* exact =
            before->getModule()->getFunction(is_f32 ? exact_f32_name : exact_f64_name);
        return llvm::CallInst::Create(exact, {value}, "", before->getIterator());
    }
    /// The value with exact bits; what must still be filled in waits for finish().
    llvm::Value* exact(llvm::Value* value, llvm::Instruction* before) {
        switch (origin(value)) {
            case Origin::nothing:
            case Origin::exact:
                return value;
            case Origin::arithmetic:
                return check(value, before);
            case Origin::both:
                break;
        }
        const auto [found, is_new] = exact_.try_emplace(value, nullptr);
        if (!is_new) return found->second;
        auto* instr = llvm::cast<llvm::Instruction>(value);
        llvm::Instruction* copy = instr->clone();
        if (llvm::isa<llvm::PHINode>(instr)) {
            copy->insertBefore(instr->getIterator());
        } else {
            copy->insertAfter(instr);
        }
        found->second = copy;
        origins_[copy] = Origin::exact;
        waiting_.push_back(copy);
        return copy;
    }
    void finish() {
        while (!waiting_.empty()) {
            llvm::Instruction* instr = waiting_.back();
            waiting_.pop_back();
            if (auto* phi = llvm::dyn_cast<llvm::PHINode>(instr)) {
                // Two edges from one block must bring the same value.
                llvm::DenseMap<llvm::BasicBlock*, llvm::Value*> brought;
                for (unsigned index = 0; index < phi->getNumIncomingValues(); ++index) {
                    llvm::BasicBlock* block = phi->getIncomingBlock(index);
                    llvm::Value*& value = brought[block];
                    if (value == nullptr)
                        value = exact(phi->getIncomingValue(index), block->getTerminator());
                    phi->setIncomingValue(index, value);
                }
                continue;
            }
            const bool is_select = llvm::isa<llvm::SelectInst>(instr);
            for (unsigned index = is_select ? 1 : 0; index < (is_select ? 3U : 1U); ++index)
                instr->setOperand(index, exact(instr->getOperand(index), instr));
        }
    }

    llvm::Function& function_;
    std::vector<llvm::CallInst*> demands_;
    llvm::DenseMap<const llvm::Value*, Origin> origins_;
    llvm::DenseMap<llvm::Value*, llvm::Value*> exact_;
    std::vector<llvm::Instruction*> waiting_;
};

}  // namespace

bool is_exact_call(const llvm::Value* value) {
    const auto* call = llvm::dyn_cast<llvm::CallInst>(value);
    if (call == nullptr || call->getCalledFunction() == nullptr) return false;
    const llvm::StringRef name = call->getCalledFunction()->getName();
    return name == exact_f32_name || name == exact_f64_name;
}

void place_exact_nans(llvm::Function& function) {
    Placement{function}.run();
}

void expand_exact_nans(llvm::Function& function) {
    std::vector<llvm::CallInst*> calls;
    for (llvm::BasicBlock& block : function) {
        for (llvm::Instruction& instr : block) {
            if (is_exact_call(&instr) || exact_vector_call(&instr) == &instr)
                calls.push_back(llvm::cast<llvm::CallInst>(&instr));
        }
    }
    llvm::MDBuilder metadata{function.getContext()};
    llvm::MDNode* unlikely = metadata.createBranchWeights(1, 1U << 20U);
    for (llvm::CallInst* call : calls) {
        llvm::IRBuilder<> at{call};
        llvm::Value* value = call->getArgOperand(0);
        llvm::BasicBlock* before = call->getParent();
        llvm::Value* odd = at.CreateFCmpUNO(value, value);
        const bool is_vector = value->getType()->isVectorTy();
        llvm::Instruction* rare = llvm::SplitBlockAndInsertIfThen(
            is_vector ? at.CreateOrReduce(odd) : odd, call->getIterator(), false, unlikely);
        // Positive and quiet, with no other bit of the payload.
        llvm::Value* canonical = llvm::ConstantFP::getQNaN(value->getType());
        if (is_vector) {
            at.SetInsertPoint(rare);
            canonical = at.CreateSelect(odd, canonical, value);
        }
        llvm::PHINode* phi = llvm::PHINode::Create(value->getType(), 2, "", call->getIterator());
        phi->addIncoming(value, before);
        phi->addIncoming(canonical, rare->getParent());
        call->replaceAllUsesWith(phi);
        call->eraseFromParent();
    }
}

}  // namespace millrace::compiler
