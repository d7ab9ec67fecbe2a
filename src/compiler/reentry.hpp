// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Transforms/Utils/ValueMapper.h>

#include <optional>
#include <utility>

/// How a loop is entered again after a checkpoint. The lowering puts its rounds into another loop:
///
///     whole:   entrance -> rounds ... -> exits
///                  ^          | fuel is short
///                  +-------- stop
///
/// On the way round, nothing is known of where the variables start. Cut at the stop, the loop is
/// one that starts from outside only, of which much can be foretold; what is then made of it leaves
/// the case that fuel is short to a copy of the whole.
namespace millrace::compiler {

class Reentry {
  public:
    /// Null when `rounds` has none, or is not the only loop inside.
    static std::optional<Reentry> of(llvm::Loop& rounds);

    /// Takes the way from the stop to the entrance out, for a look at the loop. Loops and
    /// dominators stay as they are.
    void cut(llvm::ScalarEvolution& evolution);
    void join(llvm::ScalarEvolution& evolution);

    /// Copies the whole; what stops in this one goes on in the copy from then on, so that the
    /// rounds are a loop by themselves. Not cut. The copy's first block, which nothing leads to
    /// yet; `dominator` will. The ways out of the copy are missing in `updates` and in the
    /// dominators.
    llvm::BasicBlock* divide(llvm::BasicBlock& dominator, llvm::ValueToValueMapTy& copies,
                             llvm::SmallVectorImpl<llvm::DominatorTree::UpdateType>& updates,
                             llvm::LoopInfo& loops, llvm::DominatorTree& dominators,
                             llvm::ScalarEvolution& evolution);

    [[nodiscard]] const llvm::Loop& whole() const noexcept { return *whole_; }

  private:
    Reentry(llvm::Loop& whole, llvm::Loop& rounds, llvm::BasicBlock& stop)
        : whole_{&whole}, rounds_{&rounds}, entrance_{whole.getHeader()}, stop_{&stop} {}
    void dissolve(llvm::LoopInfo& loops);

    llvm::Loop* whole_;
    llvm::Loop* rounds_;
    llvm::BasicBlock* entrance_;
    llvm::BasicBlock* stop_;
    /// Of the entrance's phis, in their order, while cut.
    llvm::SmallVector<llvm::Value*, 8> coming_back_;
};

}  // namespace millrace::compiler
