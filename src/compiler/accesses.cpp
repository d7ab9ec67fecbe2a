// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/accesses.hpp"

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/DataLayout.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Operator.h>

#include <vector>

#include "aot/abi.hpp"

namespace millrace::compiler {
namespace {

bool is_memory_base(const llvm::Value* value) {
    const auto* load = llvm::dyn_cast<llvm::LoadInst>(value);
    if (load == nullptr || !load->hasMetadata(llvm::LLVMContext::MD_invariant_load)) return false;
    static_assert(offsetof(aot::NativeContext, memory) == 0);
    return load->getPointerOperand() == load->getFunction()->getArg(0);
}

enum class Event : std::uint8_t { none, telling, access };

/// Of every volatile instruction of a function: a telling of fuel, an access that may fault, or
/// neither.
class Events {
  public:
    Events(llvm::Function& function, llvm::DominatorTree& dominators, std::uint64_t bytes_min)
        : bytes_min_{static_cast<std::int64_t>(bytes_min)} {
        // Down the tree of dominators; what is known below a node is forgotten above it.
        struct Visit {
            llvm::DomTreeNode* node;
            std::size_t known_before;
            bool is_left;
        };
        std::vector<Visit> visits{{dominators.getNode(&function.getEntryBlock()), 0, false}};
        while (!visits.empty()) {
            Visit& visit = visits.back();
            if (visit.is_left) {
                forget(visit.known_before);
                visits.pop_back();
                continue;
            }
            visit.is_left = true;
            visit.known_before = changes_.size();
            llvm::DomTreeNode* node = visit.node;
            for (llvm::Instruction& instr : *node->getBlock())
                note(instr);
            for (llvm::DomTreeNode* child : node->children())
                visits.push_back({child, 0, false});
        }
    }
    [[nodiscard]] Event of(const llvm::Instruction& instr) const {
        const auto found = events_.find(&instr);
        return found == events_.end() ? Event::none : found->second;
    }

  private:
    void note(llvm::Instruction& instr) {
        if (!instr.isVolatile()) return;
        llvm::Value* pointer = llvm::getLoadStorePointerOperand(&instr);
        if (pointer == nullptr) return;
        const std::optional<AccessPlace> place = access_place(pointer);
        if (place && place->index == nullptr && place->offset == aot::fuel_cell_offset) {
            events_[&instr] = Event::telling;
            return;
        }
        if (place && cannot_fault(instr, *place)) return;
        events_[&instr] = Event::access;
    }
    bool cannot_fault(llvm::Instruction& instr, const AccessPlace& place) {
        if (place.offset < 0) return false;
        const std::int64_t end =
            place.offset + static_cast<std::int64_t>(instr.getDataLayout().getTypeStoreSize(
                               llvm::getLoadStoreType(&instr)));
        if (place.index == nullptr && end <= bytes_min_) return true;
        const auto [known, is_new] = ends_.try_emplace(place.index, 0);
        if (known->second >= end) return true;
        changes_.push_back({place.index, known->second});
        known->second = end;
        return false;
    }
    void forget(std::size_t known_before) {
        while (changes_.size() > known_before) {
            ends_[changes_.back().index] = changes_.back().end;
            changes_.pop_back();
        }
    }

    struct Change {
        llvm::Value* index;
        std::int64_t end;
    };
    const std::int64_t bytes_min_;
    llvm::DenseMap<const llvm::Value*, std::int64_t> ends_;  ///< reached so far, by index
    std::vector<Change> changes_;
    llvm::DenseMap<const llvm::Instruction*, Event> events_;
};

}  // namespace

std::optional<AccessPlace> access_place(llvm::Value* pointer) {
    AccessPlace place;
    llvm::Value* index = nullptr;
    while (!is_memory_base(pointer)) {
        const auto* step = llvm::dyn_cast<llvm::GEPOperator>(pointer);
        if (step == nullptr || step->getNumIndices() != 1) return std::nullopt;
        llvm::Value* moved = step->idx_begin()->get();
        const auto* function = llvm::dyn_cast<llvm::Instruction>(pointer);
        if (function == nullptr) return std::nullopt;
        const std::int64_t scale =
            static_cast<std::int64_t>(function->getDataLayout()
                                          .getTypeAllocSize(step->getSourceElementType())
                                          .getFixedValue());
        if (const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(moved)) {
            place.offset += constant->getSExtValue() * scale;
        } else {
            if (index != nullptr || scale != 1) return std::nullopt;
            index = moved;
        }
        pointer = step->getOperand(0);
    }
    place.memory = pointer;
    if (index == nullptr) return place;
    const auto* widened = llvm::dyn_cast<llvm::ZExtInst>(index);
    if (widened == nullptr || !widened->getSrcTy()->isIntegerTy(32)) return std::nullopt;
    place.index = widened->getOperand(0);
    return place;
}

void drop_needless_tellings(llvm::Function& function, llvm::FunctionAnalysisManager& analyses,
                            std::uint64_t bytes_min) {
    const Events events{function, analyses.getResult<llvm::DominatorTreeAnalysis>(function),
                        bytes_min};
    // Whether an access may come before the next telling, after each block; from the ends up, until
    // no loop changes it.
    llvm::DenseMap<const llvm::BasicBlock*, bool> needs;
    const auto needs_after = [&](const llvm::BasicBlock& block) {
        return llvm::any_of(llvm::successors(&block),
                            [&](const llvm::BasicBlock* next) { return needs.lookup(next); });
    };
    const auto first_event = [&](const llvm::BasicBlock& block) {
        for (const llvm::Instruction& instr : block) {
            if (const Event event = events.of(instr); event != Event::none) return event;
        }
        return Event::none;
    };
    const std::vector<llvm::BasicBlock*> order{llvm::po_begin(&function), llvm::po_end(&function)};
    std::vector<Event> first;
    first.reserve(order.size());
    for (const llvm::BasicBlock* block : order)
        first.push_back(first_event(*block));
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (std::size_t index = 0; index < order.size(); ++index) {
            const bool now = first[index] == Event::access ||
                             (first[index] == Event::none && needs_after(*order[index]));
            bool& known = needs[order[index]];
            is_changed = is_changed || now != known;
            known = now;
        }
    }
    for (llvm::BasicBlock* block : order) {
        bool is_needed = needs_after(*block);
        for (llvm::Instruction& instr : llvm::make_early_inc_range(llvm::reverse(*block))) {
            const Event event = events.of(instr);
            if (event == Event::telling && !is_needed) {
                instr.eraseFromParent();
            } else if (event != Event::none) {
                is_needed = event == Event::access;
            }
        }
    }
}

}  // namespace millrace::compiler
