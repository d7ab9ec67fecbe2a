// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "compiler/unit.hpp"
#include "wasm/trap.hpp"

/// What one arithmetic instruction is in LLVM's terms. A float result may be any NaN where
/// WebAssembly's is one: exact_nan.hpp makes that invisible.
namespace millrace::compiler {

/// Where a checked instruction goes when its check fails.
class TrapSink {
  public:
    /// Ends the run when the condition holds; what is built next runs when it does not.
    virtual void trap_if(llvm::Value* condition, wasm::TrapKind kind) = 0;

  protected:
    ~TrapSink() = default;
};

llvm::Value* binary(Builder& at, Base base, llvm::Value* left, llvm::Value* right, TrapSink& traps);
/// f32.min, f64x2.max and the like, of scalars or vectors.
llvm::Value* extreme(Builder& at, bool is_least, llvm::Value* left, llvm::Value* right);
llvm::Value* compare(Builder& at, Base base, llvm::Value* left, llvm::Value* right);
llvm::Value* unary(Builder& at, Base base, llvm::Value* value, TrapSink& traps);

}  // namespace millrace::compiler
