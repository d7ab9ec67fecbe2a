// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/Function.h>

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

}  // namespace millrace::compiler
