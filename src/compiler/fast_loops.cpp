// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/fast_loops.hpp"

#include <llvm/Analysis/AssumptionCache.h>
#include <llvm/Analysis/DomTreeUpdater.h>
#include <llvm/Analysis/OptimizationRemarkEmitter.h>
#include <llvm/Analysis/ScalarEvolutionExpressions.h>
#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>
#include <llvm/Transforms/Utils/Cloning.h>
#include <llvm/Transforms/Utils/Local.h>
#include <llvm/Transforms/Utils/LoopSimplify.h>
#include <llvm/Transforms/Utils/LoopUtils.h>
#include <llvm/Transforms/Utils/ScalarEvolutionExpander.h>
#include <llvm/Transforms/Utils/UnrollLoop.h>

#include "aot/abi.hpp"
#include "compiler/exact_nan.hpp"
#include "compiler/loop_plan.hpp"
#include "compiler/reentry.hpp"

namespace millrace::compiler {
namespace {

struct Analyses {
    llvm::LoopInfo& loops;
    llvm::DominatorTree& dominators;
    llvm::ScalarEvolution& evolution;
    llvm::AssumptionCache& assumptions;
    const llvm::TargetTransformInfo& target;
    llvm::OptimizationRemarkEmitter& remarks;
};

/// Where a group lies in the memory, as 64-bit values of the block before the loop.
struct Range {
    llvm::Value* place = nullptr;  ///< in the first round
    llvm::Value* begin = nullptr;
    llvm::Value* end = nullptr;
};

class Versions {
  public:
    /// With `reentry`, which is cut, if the loop has one.
    Versions(LoopPlan plan, std::optional<Reentry>& reentry, const Analyses& analyses)
        : plan_{std::move(plan)},
          loop_{*plan_.loop},
          reentry_{reentry},
          with_{analyses},
          before_{*loop_.getLoopPreheader()},
          at_{before_.getTerminator()},
          expander_{analyses.evolution, before_.getDataLayout(), ""},
          i64_{at_.getInt64Ty()} {}

    bool run() {
        const llvm::SCEV* repeats = with_.evolution.getNoopOrZeroExtend(plan_.repeats, i64_);
        if (!is_worth_it() || !can_expand(repeats)) return false;
        if (reentry_) copy_whole();
        repeats_ = expand(repeats);
        llvm::Value* holds = conditions();
        divide(holds);
        give_exit_values(repeats);
        drop_fuel();
        count_rounds();
        for (std::size_t group = 0; group < plan_.groups.size(); ++group)
            free_accesses(group);
        clean();
        return true;
    }
    [[nodiscard]] bool stores_floats() const { return !plan_.float_stores.empty(); }
    /// As many rounds in one as make the checks of what is stored few.
    [[nodiscard]] unsigned unrolling() const {
        if (plan_.float_stores.empty() || !plan_.is_only_exit || loop_.getNumBlocks() != 1)
            return 1;
        constexpr std::size_t few_stores = 4;
        constexpr std::size_t enough_stores = 12;
        constexpr std::size_t most_instructions = 200;
        if (plan_.float_stores.size() > few_stores) return 1;
        unsigned count = 1;
        while (count * plan_.float_stores.size() < enough_stores &&
               2 * count * loop_.getHeader()->size() <= most_instructions)
            count *= 2;
        return count;
    }

  private:
    [[nodiscard]] bool is_worth_it() const {
        const auto* constant = llvm::dyn_cast<llvm::SCEVConstant>(plan_.repeats);
        return constant == nullptr || constant->getAPInt().uge(3);
    }
    bool can_expand(const llvm::SCEV* repeats) {
        const llvm::Instruction* place = before_.getTerminator();
        const auto can = [&](const llvm::SCEV* what) {
            return what == nullptr || expander_.isSafeToExpandAt(what, place);
        };
        if (!can(repeats) || !can(plan_.fuel_at_first)) return false;
        for (const AccessGroup& group : plan_.groups) {
            if (!can(group.start)) return false;
        }
        return true;
    }
    llvm::Value* expand(const llvm::SCEV* what) {
        return expander_.expandCodeFor(what, what->getType(), before_.getTerminator());
    }

    // The question -----------------------------------------------------------------------------

    void require(llvm::Value* condition) {
        holds_ = holds_ == nullptr ? condition : at_.CreateAnd(holds_, condition);
    }
    llvm::Value* conditions() {
        // None of the products below can then wrap around.
        if (plan_.repeats->getType()->getIntegerBitWidth() > 32)
            require(at_.CreateICmpULT(repeats_, at_.getInt64(1ULL << 32U)));
        if (plan_.fuel_block != nullptr) {
            llvm::Value* fuel = expand(plan_.fuel_at_first);
            llvm::Value* needed = at_.CreateMul(repeats_, signed64(plan_.fuel_per_round));
            require(at_.CreateICmpSGE(fuel, needed));
        }
        llvm::Value* bytes = at_.CreateAlignedLoad(
            i64_, at_.CreateGEP(at_.getInt8Ty(), plan_.memory, signed64(aot::size_cell_offset)),
            llvm::Align{8});
        for (const AccessGroup& group : plan_.groups) {
            ranges_.push_back(range_of(group));
            require(at_.CreateICmpULE(ranges_.back().end, bytes));
        }
        if (stores_floats()) require_distance();
        return holds_;
    }
    Range range_of(const AccessGroup& group) {
        Range range;
        range.place =
            group.start == nullptr ? at_.getInt64(0) : at_.CreateZExt(expand(group.start), i64_);
        llvm::Value* first = range.place;
        llvm::Value* last = range.place;
        if (group.step > 0)
            last = at_.CreateAdd(last, at_.CreateMul(repeats_, signed64(group.step)));
        if (group.step < 0) {
            llvm::Value* down = at_.CreateMul(repeats_, signed64(-group.step));
            require(at_.CreateICmpUGE(range.place, down));
            first = at_.CreateSub(first, down);
        }
        range.begin = at_.CreateAdd(first, signed64(group.first_offset()));
        range.end = at_.CreateAdd(last, signed64(group.end_offset()));
        return range;
    }
    [[nodiscard]] bool must_be_apart(std::size_t one, std::size_t other) const {
        return one != other && (plan_.groups[one].has_store || plan_.groups[other].has_store);
    }
    void require_distance() {
        for (std::size_t one = 0; one < ranges_.size(); ++one) {
            for (std::size_t other = one + 1; other < ranges_.size(); ++other) {
                if (!must_be_apart(one, other)) continue;
                require(at_.CreateOr(at_.CreateICmpULE(ranges_[one].end, ranges_[other].begin),
                                     at_.CreateICmpULE(ranges_[other].end, ranges_[one].begin)));
            }
        }
    }
    llvm::ConstantInt* signed64(std::int64_t number) {
        return at_.getInt64(static_cast<std::uint64_t>(number));
    }

    // Two loops --------------------------------------------------------------------------------

    /// The slow version is a copy of the loop with its reentry, which this one loses.
    void copy_whole() {
        reentry_->join(with_.evolution);
        reentry_->whole().getUniqueExitBlocks(exits_);
        slow_ = reentry_->divide(before_, copies_, updates_, with_.loops, with_.dominators,
                                 with_.evolution);
        reentry_.reset();
    }
    void copy_rounds(llvm::BasicBlock* fast_before) {
        loop_.getUniqueExitBlocks(exits_);
        llvm::SmallVector<llvm::BasicBlock*, 8> blocks;
        llvm::Loop* slow = llvm::cloneLoopWithPreheader(fast_before, &before_, &loop_, copies_, "",
                                                        &with_.loops, &with_.dominators, blocks);
        llvm::remapInstructionsInBlocks(blocks, copies_);
        slow_ = slow->getLoopPreheader();
    }
    llvm::Value* copy_of(llvm::Value* value) const {
        const auto found = copies_.find(value);
        return found == copies_.end() ? value : static_cast<llvm::Value*>(found->second);
    }
    void divide(llvm::Value* holds) {
        llvm::BasicBlock* fast_before =
            llvm::SplitBlock(&before_, before_.getTerminator(), &with_.dominators, &with_.loops);
        if (slow_ == nullptr) {
            copy_rounds(fast_before);
        } else {
            // SplitBlock() put all below the block's second half; the slow copy is below its first.
            with_.dominators.changeImmediateDominator(slow_, &before_);
        }
        llvm::MDBuilder metadata{before_.getContext()};
        llvm::BranchInst* choice = llvm::BranchInst::Create(fast_before, slow_, holds,
                                                            before_.getTerminator()->getIterator());
        choice->setMetadata(llvm::LLVMContext::MD_prof, metadata.createBranchWeights(1000, 1));
        choice->getNextNode()->eraseFromParent();
        for (llvm::BasicBlock* exit : exits_) {
            const llvm::SmallVector<llvm::BasicBlock*, 4> ways{llvm::predecessors(exit)};
            for (llvm::BasicBlock* way : ways) {
                if (!copies_.count(way)) continue;  // a copy's
                auto* copy = llvm::cast<llvm::BasicBlock>(copy_of(way));
                updates_.push_back({llvm::DominatorTree::Insert, copy, exit});
                for (llvm::PHINode& phi : exit->phis())
                    phi.addIncoming(copy_of(phi.getIncomingValueForBlock(way)), copy);
            }
        }
        llvm::DomTreeUpdater{with_.dominators, llvm::DomTreeUpdater::UpdateStrategy::Eager}
            .applyUpdates(updates_);
        at_.SetInsertPoint(fast_before->getTerminator());
    }
    /// What falls or rises evenly is known after the loop, so the loop need not carry it.
    void give_exit_values(const llvm::SCEV* repeats) {
        if (!plan_.is_only_exit) return;
        llvm::BasicBlock* latch = loop_.getLoopLatch();
        llvm::SmallVector<llvm::BasicBlock*, 4> exits;
        loop_.getUniqueExitBlocks(exits);
        for (llvm::BasicBlock* exit : exits) {
            for (llvm::PHINode& phi : exit->phis()) {
                const int index = phi.getBasicBlockIndex(latch);
                if (index < 0 || !phi.getType()->isIntegerTy()) continue;
                const auto number = static_cast<unsigned>(index);
                const auto* even = llvm::dyn_cast<llvm::SCEVAddRecExpr>(
                    with_.evolution.getSCEV(phi.getIncomingValue(number)));
                if (even == nullptr || even->getLoop() != &loop_ || !even->isAffine()) continue;
                const llvm::SCEV* last = even->evaluateAtIteration(repeats, with_.evolution);
                if (!expander_.isSafeToExpandAt(last, at_.GetInsertBlock()->getTerminator()))
                    continue;
                phi.setIncomingValue(
                    number, expander_.expandCodeFor(last, last->getType(),
                                                    at_.GetInsertBlock()->getTerminator()));
            }
        }
    }
    void drop_fuel() {
        if (plan_.fuel_block != nullptr) drop_fuel_exit();
        for (llvm::Instruction* store : plan_.fuel_stores)
            store->eraseFromParent();
        llvm::formDedicatedExitBlocks(&loop_, &with_.dominators, &with_.loops, nullptr, true);
    }
    void drop_fuel_exit() {
        auto* branch = llvm::cast<llvm::BranchInst>(plan_.fuel_block->getTerminator());
        const bool first_is_out = !loop_.contains(branch->getSuccessor(0));
        llvm::BasicBlock* out = branch->getSuccessor(first_is_out ? 0 : 1);
        llvm::BasicBlock* in = branch->getSuccessor(first_is_out ? 1 : 0);
        out->removePredecessor(plan_.fuel_block, true);
        llvm::BranchInst::Create(in, branch->getIterator());
        branch->eraseFromParent();
        with_.dominators.deleteEdge(plan_.fuel_block, out);
    }
    void count_rounds() {
        llvm::BasicBlock* header = loop_.getHeader();
        llvm::BasicBlock* latch = loop_.getLoopLatch();
        llvm::IRBuilder<> in_header{header, header->begin()};
        llvm::IRBuilder<> in_latch{latch->getTerminator()};
        round_ = in_header.CreatePHI(i64_, 2);
        llvm::Value* next = in_latch.CreateAdd(round_, in_latch.getInt64(1), "", true, true);
        round_->addIncoming(at_.getInt64(0), loop_.getLoopPreheader());
        round_->addIncoming(next, latch);
        if (!plan_.is_only_exit) return;
        llvm::Value* rounds = at_.CreateAdd(repeats_, at_.getInt64(1), "", true, true);
        auto* branch = llvm::cast<llvm::BranchInst>(latch->getTerminator());
        const bool first_is_out = !loop_.contains(branch->getSuccessor(0));
        branch->setCondition(first_is_out ? in_latch.CreateICmpEQ(next, rounds)
                                          : in_latch.CreateICmpNE(next, rounds));
    }

    // Ordinary accesses ------------------------------------------------------------------------

    void free_accesses(std::size_t number) {
        const AccessGroup& group = plan_.groups[number];
        llvm::Type* const pointer = at_.getPtrTy(fast_space);
        llvm::Type* const byte = at_.getInt8Ty();
        llvm::Value* place = at_.CreateGEP(byte, at_.CreateAddrSpaceCast(plan_.memory, pointer),
                                           ranges_[number].place);
        if (group.step != 0) {
            llvm::BasicBlock* header = loop_.getHeader();
            llvm::IRBuilder<> in_header{header, header->getFirstInsertionPt()};
            place = in_header.CreateGEP(
                byte, place,
                in_header.CreateMul(round_, signed64(group.step), "", group.step > 0, true));
        }
        for (const AccessGroup::Access& access : group.accesses) {
            llvm::IRBuilder<> there{access.instr};
            llvm::Value* address = there.CreateGEP(byte, place, signed64(access.offset));
            llvm::Instruction* free = nullptr;
            if (auto* load = llvm::dyn_cast<llvm::LoadInst>(access.instr)) {
                free = there.CreateAlignedLoad(load->getType(), address, llvm::Align{1});
                load->replaceAllUsesWith(free);
            } else {
                auto* store = llvm::cast<llvm::StoreInst>(access.instr);
                free = there.CreateAlignedStore(stored_value(there, store->getValueOperand()),
                                                address, llvm::Align{1});
            }
            if (stores_floats()) mark(*free, number);
            free->takeName(access.instr);
            dead_.emplace_back(access.instr);
        }
    }
    /// A float whose bits count is stored as it is, and checked with others later; all else is
    /// stored as an integer, which nobody checks.
    llvm::Value* stored_value(llvm::IRBuilder<>& there, llvm::Value* value) {
        if (llvm::CallInst* marked = exact_vector_call(value); marked && loop_.contains(marked)) {
            dead_.emplace_back(value);
            return marked->getArgOperand(0);
        }
        if (!value->getType()->isFPOrFPVectorTy()) return value;
        if (is_exact_call(value) && loop_.contains(llvm::cast<llvm::Instruction>(value))) {
            llvm::Value* raw = llvm::cast<llvm::CallInst>(value)->getArgOperand(0);
            dead_.emplace_back(value);
            return raw;
        }
        return there.CreateBitCast(value, value->getType()->getWithNewType(there.getIntNTy(
                                              value->getType()->getScalarSizeInBits())));
    }
    void mark(llvm::Instruction& access, std::size_t number) {
        llvm::LLVMContext& context = before_.getContext();
        if (scopes_.empty()) {
            llvm::MDBuilder metadata{context};
            llvm::MDNode* domain = metadata.createAnonymousAliasScopeDomain();
            for (std::size_t group = 0; group < plan_.groups.size(); ++group)
                scopes_.push_back(metadata.createAnonymousAliasScope(domain));
        }
        llvm::SmallVector<llvm::Metadata*, 8> others;
        for (std::size_t other = 0; other < scopes_.size(); ++other) {
            if (must_be_apart(number, other)) others.push_back(scopes_[other]);
        }
        access.setMetadata(llvm::LLVMContext::MD_alias_scope,
                           llvm::MDNode::get(context, {scopes_[number]}));
        if (!others.empty())
            access.setMetadata(llvm::LLVMContext::MD_noalias, llvm::MDNode::get(context, others));
    }

    void clean() {
        for (auto number = dead_.size(); number-- > 0;) {
            auto* instr = llvm::dyn_cast_or_null<llvm::Instruction>(dead_[number]);
            if (instr == nullptr) continue;
            if (instr->mayReadOrWriteMemory() && !is_exact_call(instr)) {
                llvm::WeakTrackingVH address{llvm::getLoadStorePointerOperand(instr)};
                instr->eraseFromParent();
                if (address.pointsToAliveValue())
                    llvm::RecursivelyDeleteTriviallyDeadInstructions(address);
            } else {
                llvm::RecursivelyDeleteTriviallyDeadInstructions(instr);
            }
        }
        llvm::SmallVector<llvm::WeakTrackingVH, 8> phis;
        for (llvm::PHINode& phi : loop_.getHeader()->phis())
            phis.emplace_back(&phi);
        for (const llvm::WeakTrackingVH& phi : phis) {
            if (auto* alive = llvm::dyn_cast_or_null<llvm::PHINode>(phi))
                llvm::RecursivelyDeleteDeadPHINode(alive);
        }
        llvm::DomTreeUpdater updater{with_.dominators, llvm::DomTreeUpdater::UpdateStrategy::Eager};
        const std::vector<llvm::BasicBlock*> blocks{loop_.block_begin(), loop_.block_end()};
        for (llvm::BasicBlock* block : blocks) {
            if (block != loop_.getHeader())
                llvm::MergeBlockIntoPredecessor(block, &updater, &with_.loops);
        }
        with_.evolution.forgetTopmostLoop(&loop_);
        with_.evolution.forgetBlockAndLoopDispositions();
    }

    LoopPlan plan_;
    llvm::Loop& loop_;
    std::optional<Reentry>& reentry_;
    Analyses with_;
    llvm::BasicBlock& before_;
    llvm::IRBuilder<> at_;
    llvm::SCEVExpander expander_;
    llvm::Type* i64_;
    llvm::Value* repeats_ = nullptr;
    llvm::Value* holds_ = nullptr;
    llvm::PHINode* round_ = nullptr;
    llvm::BasicBlock* slow_ = nullptr;  ///< where the slow version begins
    llvm::ValueToValueMapTy copies_;    ///< in it
    llvm::SmallVector<llvm::BasicBlock*, 4> exits_;
    llvm::SmallVector<llvm::DominatorTree::UpdateType, 8> updates_;
    std::vector<Range> ranges_;
    std::vector<llvm::MDNode*> scopes_;
    std::vector<llvm::WeakTrackingVH> dead_;
};

void unroll(llvm::Loop& loop, unsigned count, const Analyses& with) {
    llvm::UnrollLoopOptions options{};
    options.Count = count;
    options.Force = true;
    options.Runtime = true;
    options.AllowExpensiveTripCount = true;
    options.ForgetAllSCEV = false;
    llvm::UnrollLoop(&loop, options, &with.loops, &with.evolution, &with.dominators,
                     &with.assumptions, &with.target, &with.remarks, true);
}

/// In how many rounds at a time the fast version is to run; 0: there is none. A reentry that is
/// left is still cut.
unsigned make_fast(llvm::Loop& loop, std::optional<Reentry>& reentry, const Analyses& with) {
    std::optional<LoopPlan> plan = plan_loop(loop, with.evolution);
    if (!plan) return 0;
    Versions versions{std::move(*plan), reentry, with};
    return versions.run() ? versions.unrolling() : 0;
}

}  // namespace

bool make_fast_loops(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
    Analyses with{analyses.getResult<llvm::LoopAnalysis>(function),
                  analyses.getResult<llvm::DominatorTreeAnalysis>(function),
                  analyses.getResult<llvm::ScalarEvolutionAnalysis>(function),
                  analyses.getResult<llvm::AssumptionAnalysis>(function),
                  analyses.getResult<llvm::TargetIRAnalysis>(function),
                  analyses.getResult<llvm::OptimizationRemarkEmitterAnalysis>(function)};
    if (with.loops.empty()) return false;
    for (llvm::Loop* loop : with.loops) {
        llvm::simplifyLoop(loop, &with.dominators, &with.loops, &with.evolution, &with.assumptions,
                           nullptr, false);
        llvm::formLCSSARecursively(*loop, with.dominators, &with.loops, &with.evolution);
    }
    std::vector<llvm::Loop*> innermost;
    for (llvm::Loop* loop : with.loops.getLoopsInPreorder()) {
        if (loop->isInnermost()) innermost.push_back(loop);
    }
    bool is_any = false;
    for (llvm::Loop* loop : innermost) {
        std::optional<Reentry> reentry = Reentry::of(*loop);
        if (reentry) reentry->cut(with.evolution);
        const unsigned count = make_fast(*loop, reentry, with);
        if (reentry) reentry->join(with.evolution);
        if (count == 0) continue;
        is_any = true;
        if (count > 1) unroll(*loop, count, with);
    }
    if (is_any) llvm::EliminateUnreachableBlocks(function);
    return is_any;
}

}  // namespace millrace::compiler
