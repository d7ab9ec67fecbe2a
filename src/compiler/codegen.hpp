// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>

#include "base/bytes.hpp"
#include "base/failure.hpp"
#include "compiler/unit.hpp"

/// From a lowered unit to an ELF object for the target of aot/image.hpp.
namespace llvm {
class TargetMachine;
}

namespace millrace::compiler {

class CodeGenerator {
  public:
    static Outcome<CodeGenerator> create();
    CodeGenerator(CodeGenerator&&) noexcept;
    CodeGenerator& operator=(CodeGenerator&&) noexcept;
    ~CodeGenerator();

    /// Takes the unit apart on the way.
    Outcome<Bytes> generate(Unit& unit);

  private:
    explicit CodeGenerator(std::unique_ptr<llvm::TargetMachine> machine);
    std::unique_ptr<llvm::TargetMachine> machine_;
};

}  // namespace millrace::compiler
