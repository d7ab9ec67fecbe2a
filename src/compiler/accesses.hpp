// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/Function.h>
#include <llvm/IR/PassManager.h>

#include <cstdint>
#include <optional>

/// Accesses to the linear memory in LLVM's terms, as the lowering makes them: a volatile load or
/// store at the memory's base, plus a 32-bit index that is widened, plus a constant.
namespace millrace::compiler {

struct AccessPlace {
    llvm::Value* memory = nullptr;
    llvm::Value* index = nullptr;  ///< 32 bits; null: a constant address
    std::int64_t offset = 0;
};
/// Null when the pointer is made in another way, or leads elsewhere.
std::optional<AccessPlace> access_place(llvm::Value* pointer);

/// Takes out the tellings of fuel (aot/abi.hpp) after which nothing can fault. An access cannot
/// when every way to it leads through one with the same index that reaches as far: memories never
/// shrink. Nor can one below `bytes_min`, the least size of the memory.
void drop_needless_tellings(llvm::Function& function, llvm::FunctionAnalysisManager& analyses,
                            std::uint64_t bytes_min);

}  // namespace millrace::compiler
