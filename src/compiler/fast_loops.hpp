// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/PassManager.h>

/// Loops in two versions.
///
/// An innermost loop whose rounds, fuel and addresses can be foretold (loop_plan.hpp) is asked
/// once, on entry: does the fuel suffice for all rounds, does every access stay inside the memory,
/// and do the ranges that are written stay apart from the others? Then nothing in it can end the
/// run, so its accesses are ordinary ones, which LLVM may move and join, the fuel is subtracted at
/// once, and floats may be checked several at a time before they are stored. Else the loop runs as
/// it is. Nobody can tell which version ran.
namespace millrace::compiler {

/// Accesses of fast loops have an address space of their own, which is the same to the processor.
/// A float stored there may be a NaN with any bits until check_fast_stores() has passed.
constexpr unsigned fast_space = 1;

/// True when there is a fast loop now.
bool make_fast_loops(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);

/// Canonical NaNs for the stores of fast loops: those of one block are checked together where
/// nothing between them could see the difference.
void check_fast_stores(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);

}  // namespace millrace::compiler
