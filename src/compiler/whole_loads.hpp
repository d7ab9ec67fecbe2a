// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/Function.h>

namespace millrace::compiler {

/// Loads of vectors stay loads of all their bytes. LLVM's instruction selection folds a load, even
/// a volatile one, into instructions that use its low half (PMOVSXDQ and its like) and then reads
/// no more than that half; the other may lie outside of the memory, where the access is a trap. The
/// last pass before code is made.
void keep_loads_whole(llvm::Function& function);

}  // namespace millrace::compiler
