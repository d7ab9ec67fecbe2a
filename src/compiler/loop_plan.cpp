// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/loop_plan.hpp"

#include <llvm/Analysis/ScalarEvolutionExpressions.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/PatternMatch.h>

#include <algorithm>

#include "aot/abi.hpp"
#include "compiler/accesses.hpp"
#include "compiler/exact_nan.hpp"

namespace millrace::compiler {
namespace {

// Beyond these a second version costs more than it brings.
constexpr std::size_t instructions_max = 400;
constexpr std::size_t groups_max = 8;
constexpr std::int64_t step_max = 1 << 20;
constexpr std::int64_t offset_max = std::int64_t{1} << 32U;
constexpr std::int64_t fuel_per_round_max = 1 << 20;

/// An address in the memory, taken apart.
struct Place {
    llvm::Value* memory = nullptr;
    const llvm::SCEV* start = nullptr;
    std::int64_t step = 0;
    std::int64_t offset = 0;
};

class Planner {
  public:
    Planner(llvm::Loop& loop, llvm::ScalarEvolution& evolution)
        : loop_{loop}, evolution_{evolution} {
        plan_.loop = &loop;
    }

    std::optional<LoopPlan> run() {
        if (!loop_.isInnermost() || !loop_.isLoopSimplifyForm()) return std::nullopt;
        if (!find_exits() || !find_accesses()) return std::nullopt;
        return std::move(plan_);
    }

  private:
    bool find_exits() {
        llvm::SmallVector<llvm::BasicBlock*, 4> exiting;
        loop_.getExitingBlocks(exiting);
        for (llvm::BasicBlock* block : exiting) {
            if (plan_.fuel_block == nullptr && is_fuel_exit(*block)) {
                plan_.fuel_block = block;
                continue;
            }
            if (plan_.repeats != nullptr) continue;
            const llvm::SCEV* count = evolution_.getExitCount(&loop_, block);
            if (llvm::isa<llvm::SCEVCouldNotCompute>(count)) continue;
            if (evolution_.getTypeSizeInBits(count->getType()) > 64) continue;
            plan_.counting_block = block;
            plan_.repeats = count;
        }
        const std::size_t known = plan_.fuel_block != nullptr ? 2 : 1;
        plan_.is_only_exit =
            exiting.size() == known && plan_.counting_block == loop_.getLoopLatch();
        return plan_.repeats != nullptr;
    }
    /// A branch out when fuel, which falls evenly, is below zero.
    bool is_fuel_exit(llvm::BasicBlock& block) {
        using namespace llvm::PatternMatch;
        llvm::Value* fuel = nullptr;
        llvm::BasicBlock* out = nullptr;
        llvm::BasicBlock* in = nullptr;
        llvm::CmpInst::Predicate predicate{};
        if (!match(block.getTerminator(),
                   m_Br(m_ICmp(predicate, m_Value(fuel), m_Zero()), out, in)) ||
            predicate != llvm::CmpInst::ICMP_SLT || loop_.contains(out) || !loop_.contains(in))
            return false;
        const auto* falling = llvm::dyn_cast<llvm::SCEVAddRecExpr>(evolution_.getSCEV(fuel));
        if (falling == nullptr || falling->getLoop() != &loop_ || !falling->isAffine() ||
            !fuel->getType()->isIntegerTy(64))
            return false;
        const auto* step =
            llvm::dyn_cast<llvm::SCEVConstant>(falling->getStepRecurrence(evolution_));
        if (step == nullptr) return false;
        const std::int64_t cost = -step->getAPInt().getSExtValue();
        if (cost < 0 || cost > fuel_per_round_max) return false;
        plan_.fuel_at_first = falling->getStart();
        plan_.fuel_per_round = cost;
        return true;
    }

    bool find_accesses() {
        std::size_t count = 0;
        for (llvm::BasicBlock* block : loop_.blocks()) {
            count += block->size();
            if (count > instructions_max) return false;
            for (llvm::Instruction& instr : *block) {
                if (!note(instr)) return false;
            }
        }
        for (AccessGroup& group : plan_.groups)
            settle(group);
        return !plan_.groups.empty();
    }
    bool note(llvm::Instruction& instr) {
        if (const auto* call = llvm::dyn_cast<llvm::CallInst>(&instr))
            return is_exact_call(call) || !call->mayReadOrWriteMemory();
        if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instr)) {
            return note_access(*store, store->getPointerOperand(),
                               *store->getValueOperand()->getType());
        }
        if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instr)) {
            // Globals and fields of the context, which are no memory of WebAssembly.
            if (!load->isVolatile()) return true;
            return note_access(*load, load->getPointerOperand(), *load->getType());
        }
        return !instr.mayReadOrWriteMemory();
    }
    bool note_access(llvm::Instruction& instr, llvm::Value* pointer, llvm::Type& type) {
        std::optional<Place> place = find_place(pointer);
        if (!place || (plan_.memory != nullptr && plan_.memory != place->memory)) return false;
        plan_.memory = place->memory;
        const bool is_store = llvm::isa<llvm::StoreInst>(instr);
        if (place->offset == aot::fuel_cell_offset && place->start == nullptr && is_store) {
            plan_.fuel_stores.push_back(&instr);
            return true;
        }
        if (place->offset < 0 || place->offset > offset_max) return false;
        if (is_store &&
            (type.isFPOrFPVectorTy() || exact_vector_call(instr.getOperand(0)) != nullptr))
            plan_.float_stores.push_back(llvm::cast<llvm::StoreInst>(&instr));
        const std::uint64_t size = instr.getDataLayout().getTypeStoreSize(&type);
        add(*place, {&instr, place->offset, size}, is_store);
        return plan_.groups.size() <= groups_max;
    }
    std::optional<Place> find_place(llvm::Value* pointer) {
        const std::optional<AccessPlace> found = access_place(pointer);
        if (!found) return std::nullopt;
        Place place{.memory = found->memory, .offset = found->offset};
        if (found->index == nullptr) return place;
        const llvm::SCEV* narrow = evolution_.getSCEV(found->index);
        if (evolution_.isLoopInvariant(narrow, &loop_)) {
            place.start = narrow;
            return place;
        }
        const auto* moving = llvm::dyn_cast<llvm::SCEVAddRecExpr>(narrow);
        if (moving == nullptr || moving->getLoop() != &loop_ || !moving->isAffine())
            return std::nullopt;
        const auto* step =
            llvm::dyn_cast<llvm::SCEVConstant>(moving->getStepRecurrence(evolution_));
        if (step == nullptr) return std::nullopt;
        place.step = step->getAPInt().getSExtValue();
        place.start = moving->getStart();
        if (place.step > step_max || place.step < -step_max) return std::nullopt;
        return place;
    }

    void add(const Place& place, AccessGroup::Access access, bool is_store) {
        for (AccessGroup& group : plan_.groups) {
            if (group.step != place.step || (group.start == nullptr) != (place.start == nullptr))
                continue;
            if (place.start != nullptr) {
                const auto* apart = llvm::dyn_cast<llvm::SCEVConstant>(
                    evolution_.getMinusSCEV(place.start, group.start));
                if (apart == nullptr) continue;
                // Signed: the group's place moves to its lowest in settle().
                access.offset += apart->getAPInt().getSExtValue();
                note_distance(group, apart->getAPInt().getSExtValue());
            }
            group.accesses.push_back(access);
            group.has_store = group.has_store || is_store;
            return;
        }
        plan_.groups.push_back({place.start, place.step, {access}, is_store});
        lowest_.push_back(0);
    }
    void note_distance(const AccessGroup& group, std::int64_t distance) {
        const auto number = static_cast<std::size_t>(&group - plan_.groups.data());
        lowest_[number] = std::min(lowest_[number], distance);
    }
    /// Makes the lowest of the group's starts its place: the others then follow without wrapping
    /// around, if the last does.
    void settle(AccessGroup& group) {
        const std::int64_t lowest = lowest_[static_cast<std::size_t>(&group - plan_.groups.data())];
        if (lowest == 0) return;
        group.start = evolution_.getAddExpr(
            group.start, evolution_.getConstant(group.start->getType(),
                                                static_cast<std::uint64_t>(lowest), true));
        for (AccessGroup::Access& access : group.accesses)
            access.offset -= lowest;
    }

    llvm::Loop& loop_;
    llvm::ScalarEvolution& evolution_;
    LoopPlan plan_;
    std::vector<std::int64_t> lowest_;  ///< by group
};

}  // namespace

std::int64_t AccessGroup::first_offset() const {
    std::int64_t first = offset_max;
    for (const Access& access : accesses)
        first = std::min(first, access.offset);
    return first;
}

std::int64_t AccessGroup::end_offset() const {
    std::int64_t end = 0;
    for (const Access& access : accesses)
        end = std::max(end, access.offset + static_cast<std::int64_t>(access.size));
    return end;
}

std::optional<LoopPlan> plan_loop(llvm::Loop& loop, llvm::ScalarEvolution& evolution) {
    return Planner{loop, evolution}.run();
}

}  // namespace millrace::compiler
