// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/codegen.hpp"

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/BDCE.h>
#include <llvm/Transforms/Scalar/CorrelatedValuePropagation.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/JumpThreading.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/LoopRotation.h>
#include <llvm/Transforms/Scalar/Reassociate.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/Mem2Reg.h>
#include <llvm/Transforms/Vectorize/SLPVectorizer.h>

#include <mutex>

#include "compiler/accesses.hpp"
#include "compiler/exact_nan.hpp"
#include "compiler/fast_loops.hpp"
#include "compiler/small_copies.hpp"
#include "compiler/whole_loads.hpp"

namespace millrace::compiler {
namespace {

constexpr const char* triple = "x86_64-unknown-linux-gnu";
/// The baseline of every provider: SSE4.2 and POPCNT. The same module gives the same code
/// everywhere, so that its image can be shared and compared.
constexpr const char* processor = "x86-64-v2";
/// Rotations as such: the shift of two registers that LLVM prefers here has thrice the latency.
constexpr const char* features = "-fast-shld-rotate";

/// The passes that matter for code which some compiler has optimised once: values into registers,
/// then what the translation itself left behind.
void optimise(llvm::Module& module, llvm::TargetMachine& machine, std::uint64_t memory_min) {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager components;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder{&machine};
    // Nothing may become a call of the C library.
    functions.registerPass([] {
        llvm::TargetLibraryInfoImpl library{llvm::Triple{triple}};
        library.disableAllFunctions();
        return llvm::TargetLibraryAnalysis{library};
    });
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);

    llvm::FunctionPassManager first;
    first.addPass(llvm::PromotePass{});
    first.addPass(llvm::ADCEPass{});
    llvm::FunctionPassManager second;
    second.addPass(llvm::SimplifyCFGPass{});
    second.addPass(llvm::EarlyCSEPass{true});
    second.addPass(llvm::InstCombinePass{});
    second.addPass(llvm::SimplifyCFGPass{});
    second.addPass(DropHiddenMarks{});
    second.addPass(llvm::ADCEPass{});
    second.addPass(llvm::ReassociatePass{});
    {
        llvm::LoopPassManager loop;
        loop.addPass(llvm::LoopRotatePass{});
        loop.addPass(llvm::LICMPass{llvm::LICMOptions{}});
        second.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loop), true));
    }
    second.addPass(llvm::GVNPass{});
    second.addPass(llvm::InstCombinePass{});
    second.addPass(llvm::ADCEPass{});
    second.addPass(
        llvm::SimplifyCFGPass{llvm::SimplifyCFGOptions{}.convertSwitchRangeToICmp(true)});
    llvm::FunctionPassManager fast;
    fast.addPass(llvm::ADCEPass{});
    fast.addPass(llvm::SLPVectorizerPass{});
    fast.addPass(llvm::ADCEPass{});
    for (llvm::Function& function : module) {
        if (function.isDeclaration() || function.hasFnAttribute(straight_attribute)) continue;
        first.run(function, functions);
        place_exact_nans(function);
        functions.invalidate(function, llvm::PreservedAnalyses::none());
        second.run(function, functions);
        drop_needless_tellings(function, functions, memory_min);
        if (make_fast_loops(function, functions)) {
            functions.invalidate(function, llvm::PreservedAnalyses::none());
            fast.run(function, functions);
            check_fast_stores(function, functions);
        }
        inline_small_copies(function);
        expand_exact_nans(function);
        keep_loads_whole(function);
        functions.invalidate(function, llvm::PreservedAnalyses::none());
    }
}

}  // namespace

CodeGenerator::CodeGenerator(std::unique_ptr<llvm::TargetMachine> machine)
    : machine_{std::move(machine)} {}
CodeGenerator::CodeGenerator(CodeGenerator&&) noexcept = default;
CodeGenerator& CodeGenerator::operator=(CodeGenerator&&) noexcept = default;
CodeGenerator::~CodeGenerator() = default;

Outcome<CodeGenerator> CodeGenerator::create() {
    static std::once_flag once;
    std::call_once(once, [] {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        LLVMInitializeX86AsmParser();
        // That pass would make a load conditional which only a select uses, volatile or not; a load
        // that faults is a trap, used or not.
        constexpr const char* arguments[] = {"millrace-compile",
                                             "-x86-cmov-converter-force-mem-operand=false"};
        llvm::cl::ParseCommandLineOptions(2, arguments);
    });
    std::string error;
    const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
    if (target == nullptr)
        return Err{
            Failure{"LLVM has no code generator for x86-64: " + error, "", "install llvm-19"}};
    llvm::TargetOptions options;
    options.EmitStackSizeSection = true;
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
    std::unique_ptr<llvm::TargetMachine> machine{
        target->createTargetMachine(triple, processor, features, options, llvm::Reloc::PIC_,
                                    llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default)};
    return CodeGenerator{std::move(machine)};
}

Outcome<Bytes> CodeGenerator::generate(Unit& unit) {
    llvm::Module& module = unit.module();
    module.setTargetTriple(triple);
    module.setDataLayout(machine_->createDataLayout());
    module.setPICLevel(llvm::PICLevel::BigPIC);
    const auto broken = [&](const std::string& what) {
        return Err{Failure{"the compiler made wrong intermediate code: " + what,
                           module.getName().str(),
                           "this is an error of millrace-compile; please report it"}};
    };
    std::string report;
    llvm::raw_string_ostream text{report};
    if (llvm::verifyModule(module, &text)) return broken(text.str());
    const auto& memories = unit.source().memories;
    optimise(module, *machine_, memories.empty() ? 0 : memories[0].min * wasm::page_size);
    if (llvm::verifyModule(module, &text)) return broken(text.str());
    llvm::SmallVector<char, 0> object;
    llvm::raw_svector_ostream stream{object};
    llvm::legacy::PassManager passes;
    if (machine_->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
        return broken("no object files");
    passes.run(module);
    return Bytes{object.begin(), object.end()};
}

}  // namespace millrace::compiler
