// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/Function.h>

/// memory.copy and memory.fill of a few bytes, which is how programs assign structures: done in
/// place when fuel suffices and the bytes are inside, else by the helper as before.
namespace millrace::compiler {

void inline_small_copies(llvm::Function& function);

}  // namespace millrace::compiler
