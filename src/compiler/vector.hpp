// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>

#include "compiler/unit.hpp"

/// The instructions of fixed-width SIMD in LLVM's terms. A v128 is <2 x i64>; each instruction sees
/// it as lanes of its own shape. Results of arithmetic on float lanes are marked (exact_nan.hpp).
namespace millrace::compiler {

/// Operands as the instruction's signature says (wasm/simd_ops.hpp); the result is a vector of any
/// shape, or a scalar. `lane` is the lane index of extract and replace.
struct VectorOperands {
    llvm::Value* first = nullptr;
    llvm::Value* second = nullptr;
    llvm::Value* third = nullptr;
    unsigned lane = 0;
};
llvm::Value* vector_plain(Builder& at, std::uint32_t code, const VectorOperands& operands);

llvm::Value* vector_shuffle(Builder& at, llvm::Value* left, llvm::Value* right,
                            const std::array<std::uint8_t, 16>& lanes);

/// A load; `old` is the vector whose lane a load_lane replaces.
llvm::Value* vector_load(Builder& at, std::uint32_t code, llvm::Value* place, llvm::Value* old,
                         unsigned lane);
void vector_store(Builder& at, std::uint32_t code, llvm::Value* place, llvm::Value* value,
                  unsigned lane);

}  // namespace millrace::compiler
