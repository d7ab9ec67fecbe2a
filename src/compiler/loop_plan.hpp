// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/IR/Function.h>

#include <optional>
#include <vector>

/// What can be foretold of an innermost loop: how often it runs at most, what fuel it takes, and
/// which bytes of the memory it touches. Addresses of WebAssembly are sums of 32 bits that may wrap
/// around; the plan says what must hold on entry so that none does.
namespace millrace::compiler {

/// Accesses whose addresses stay the same distance from each other.
struct AccessGroup {
    struct Access {
        llvm::Instruction* instr = nullptr;
        std::int64_t offset = 0;  ///< from the group's place
        std::uint64_t size = 0;
    };
    const llvm::SCEV* start = nullptr;  ///< 32 bits: the place in the first round; null: at 0
    std::int64_t step = 0;              ///< bytes by which the place moves each round
    std::vector<Access> accesses;       ///< offsets from 0 up
    bool has_store = false;

    [[nodiscard]] std::int64_t first_offset() const;
    [[nodiscard]] std::int64_t end_offset() const;
};

struct LoopPlan {
    llvm::Loop* loop = nullptr;
    llvm::Value* memory = nullptr;           ///< null when nothing is accessed
    llvm::BasicBlock* fuel_block = nullptr;  ///< ends with the branch that looks at fuel, if any
    const llvm::SCEV* fuel_at_first = nullptr;
    std::int64_t fuel_per_round = 0;
    llvm::BasicBlock* counting_block = nullptr;  ///< the exit whose count is known
    const llvm::SCEV* repeats = nullptr;         ///< rounds after the first, at most
    bool is_only_exit = false;                   ///< and exactly: no way out but this and fuel's
    std::vector<AccessGroup> groups;
    std::vector<llvm::Instruction*> fuel_stores;
    std::vector<llvm::StoreInst*> float_stores;
};

/// The loop must have LoopSimplify's form.
std::optional<LoopPlan> plan_loop(llvm::Loop& loop, llvm::ScalarEvolution& evolution);

}  // namespace millrace::compiler
