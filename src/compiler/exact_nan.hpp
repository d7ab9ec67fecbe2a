// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/PassManager.h>

/// Canonical NaNs, late (design 6.6).
///
/// The rule: every arithmetic instruction that gives a NaN gives the positive canonical one. Its
/// bits can be seen only where they leave float arithmetic: stores, reinterpretation, copysign's
/// sign, calls, results, globals. Lowering marks each such place with a call of the exact function.
///
/// place_exact_nans() decides, before any pass that could fold arithmetic away, where a check has
/// to stay: not for a value that was loaded, passed or written as a constant, since its bits must
/// be kept; for one that arithmetic gave; and where both may arrive by different ways, on the ways
/// of arithmetic. abs, neg and copysign only change the sign, so the check comes before them.
///
/// expand_exact_nans() makes each remaining call a comparison and a branch that is never taken in
/// ordinary programs: measured, this costs a third of a select.
namespace millrace::compiler {

/// Variables must have been promoted to values.
void place_exact_nans(llvm::Function& function);
void expand_exact_nans(llvm::Function& function);

bool is_exact_call(const llvm::Value* value);

// Vectors of floats are plain bits to most instructions, so there the mark is put where arithmetic
// gives a value, and taken away where only arithmetic sees it.

/// The mark on a result of arithmetic.
llvm::Value* exact_vector(llvm::IRBuilderBase& at, llvm::Value* value);
/// The marked value that this is, perhaps as lanes of another shape; null: it is none.
llvm::CallInst* exact_vector_call(llvm::Value* value);

/// Lets arithmetic have values without the mark, also from one round of a loop to the next. After
/// InstCombine, which takes changes of shape away that undo each other.
struct DropHiddenMarks : llvm::PassInfoMixin<DropHiddenMarks> {
    static llvm::PreservedAnalyses run(llvm::Function& function,
                                       llvm::FunctionAnalysisManager& analyses);
};

}  // namespace millrace::compiler
