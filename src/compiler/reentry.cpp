// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/reentry.hpp"

#include <llvm/Transforms/Utils/BasicBlockUtils.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include <algorithm>

#include "base/assert.hpp"
#include "compiler/unit.hpp"

namespace millrace::compiler {

std::optional<Reentry> Reentry::of(llvm::Loop& rounds) {
    llvm::Loop* whole = rounds.getParentLoop();
    if (whole == nullptr || whole->getSubLoops().size() != 1 || !whole->isLoopSimplifyForm())
        return std::nullopt;
    llvm::BasicBlock* stop = whole->getLoopLatch();
    if (!is_safe_point(*stop) || stop->getSingleSuccessor() != whole->getHeader())
        return std::nullopt;
    return Reentry{*whole, rounds, *stop};
}

void Reentry::cut(llvm::ScalarEvolution& evolution) {
    evolution.forgetLoop(whole_);
    for (llvm::PHINode& phi : entrance_->phis())
        coming_back_.push_back(phi.removeIncomingValue(stop_, false));
    stop_->getTerminator()->eraseFromParent();
    new llvm::UnreachableInst{stop_->getContext(), stop_};
}

void Reentry::join(llvm::ScalarEvolution& evolution) {
    evolution.forgetLoop(whole_);
    for (auto [phi, value] : llvm::zip_equal(entrance_->phis(), coming_back_))
        phi.addIncoming(value, stop_);
    coming_back_.clear();
    stop_->getTerminator()->eraseFromParent();
    llvm::BranchInst::Create(entrance_, stop_);
}

llvm::BasicBlock* Reentry::divide(llvm::BasicBlock& dominator, llvm::ValueToValueMapTy& copies,
                                  llvm::SmallVectorImpl<llvm::DominatorTree::UpdateType>& updates,
                                  llvm::LoopInfo& loops, llvm::DominatorTree& dominators,
                                  llvm::ScalarEvolution& evolution) {
    MILLRACE_ASSERT(coming_back_.empty());
    // The copy includes the block before, which is to be empty.
    llvm::BasicBlock* before = whole_->getLoopPreheader();
    before = llvm::SplitBlock(before, before->getTerminator(), &dominators, &loops);
    llvm::SmallVector<llvm::BasicBlock*, 8> blocks;
    llvm::Loop* copy = llvm::cloneLoopWithPreheader(before, &dominator, whole_, copies, "", &loops,
                                                    &dominators, blocks);
    llvm::remapInstructionsInBlocks(blocks, copies);
    llvm::BasicBlock* first = copy->getLoopPreheader();

    llvm::BasicBlock* entrance = copy->getHeader();
    for (llvm::PHINode& phi : entrance_->phis()) {
        auto* copied = llvm::cast<llvm::PHINode>(copies[&phi]);
        copied->addIncoming(phi.getIncomingValueForBlock(stop_), stop_);
    }
    evolution.forgetLoop(whole_);
    for (llvm::PHINode& phi : entrance_->phis())
        phi.removeIncomingValue(stop_, false);
    stop_->getTerminator()->setSuccessor(0, entrance);
    updates.push_back({llvm::DominatorTree::Insert, stop_, entrance});
    updates.push_back({llvm::DominatorTree::Delete, stop_, entrance_});
    dissolve(loops);
    return first;
}

/// The whole is no loop any more.
void Reentry::dissolve(llvm::LoopInfo& loops) {
    llvm::Loop* parent = whole_->getParentLoop();
    for (llvm::BasicBlock* block : whole_->blocks()) {
        if (loops.getLoopFor(block) == whole_) loops.changeLoopFor(block, parent);
    }
    whole_->removeChildLoop(rounds_);
    if (parent != nullptr) {
        parent->removeChildLoop(whole_);
        parent->addChildLoop(rounds_);
    } else {
        loops.removeLoop(std::ranges::find(loops, whole_));
        loops.addTopLevelLoop(rounds_);
    }
    loops.destroy(whole_);
    whole_ = nullptr;
}

}  // namespace millrace::compiler
