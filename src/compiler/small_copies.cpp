// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/small_copies.hpp"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <cstddef>
#include <vector>

#include "aot/abi.hpp"
#include "wasm/fuel.hpp"

namespace millrace::compiler {
namespace {

using aot::NativeContext;

constexpr std::uint64_t bytes_max = 256;  ///< as many as the vector registers hold
constexpr std::uint64_t vector_bytes = 16;

bool calls_helper(const llvm::CallInst& call) {
    const auto* helper = llvm::dyn_cast<llvm::LoadInst>(call.getCalledOperand());
    if (helper == nullptr || call.arg_size() != 7) return false;
    llvm::APInt place{64, 0};
    const llvm::Value* base = helper->getPointerOperand()->stripAndAccumulateConstantOffsets(
        call.getDataLayout(), place, true);
    return base == call.getFunction()->getArg(0) && place == offsetof(NativeContext, operate);
}

struct SmallCopy {
    llvm::CallInst* call;
    bool is_fill;
    std::uint64_t length;
};

std::vector<SmallCopy> find_small_copies(llvm::Function& function) {
    std::vector<SmallCopy> found;
    for (llvm::BasicBlock& block : function) {
        for (llvm::Instruction& instr : block) {
            auto* call = llvm::dyn_cast<llvm::CallInst>(&instr);
            if (call == nullptr || !calls_helper(*call)) continue;
            const auto* which = llvm::dyn_cast<llvm::ConstantInt>(call->getArgOperand(2));
            const auto* length = llvm::dyn_cast<llvm::ConstantInt>(call->getArgOperand(5));
            if (which == nullptr || length == nullptr) continue;
            const auto operation = static_cast<aot::Operation>(which->getZExtValue());
            const bool is_fill = operation == aot::Operation::memory_fill;
            if (!is_fill && operation != aot::Operation::memory_copy) continue;
            const std::uint64_t bytes = length->getZExtValue();
            if (bytes > 0 && bytes <= bytes_max) found.push_back({call, is_fill, bytes});
        }
    }
    return found;
}

/// The bytes in pieces of one size, of which the last may begin inside the one before.
struct Pieces {
    std::uint64_t size = 0;
    std::vector<std::uint64_t> places;
};
Pieces pieces_of(std::uint64_t length) {
    Pieces pieces{vector_bytes, {}};
    while (pieces.size > length)
        pieces.size /= 2;
    for (std::uint64_t place = 0; place + pieces.size <= length; place += pieces.size)
        pieces.places.push_back(place);
    if (length % pieces.size != 0) pieces.places.push_back(length - pieces.size);
    return pieces;
}

class Inlining {
  public:
    explicit Inlining(const SmallCopy& copy)
        : copy_{copy},
          at_{copy.call},
          fuel_{copy.call->getArgOperand(1)},
          target_{copy.call->getArgOperand(3)},
          source_{copy.call->getArgOperand(4)} {}

    void run() {
        const auto cost = at_.getInt64(wasm::fuel::for_bytes(copy_.length));
        llvm::LoadInst* memory =
            at_.CreateAlignedLoad(at_.getPtrTy(), copy_.call->getArgOperand(0), llvm::Align{8});
        static_assert(offsetof(NativeContext, memory) == 0);
        memory_ = memory;
        llvm::Value* bytes = at_.CreateAlignedLoad(
            at_.getInt64Ty(), byte(static_cast<std::uint64_t>(aot::size_cell_offset)),
            llvm::Align{8});
        llvm::Value* is_usual = at_.CreateICmpSGE(fuel_, cost);
        is_usual = at_.CreateAnd(is_usual, at_.CreateICmpULE(end_of(target_), bytes));
        if (!copy_.is_fill)
            is_usual = at_.CreateAnd(is_usual, at_.CreateICmpULE(end_of(source_), bytes));
        llvm::Instruction* usual = nullptr;
        llvm::Instruction* rare = nullptr;
        llvm::MDBuilder metadata{copy_.call->getContext()};
        llvm::SplitBlockAndInsertIfThenElse(is_usual, copy_.call, &usual, &rare,
                                            metadata.createBranchWeights(1U << 20U, 1));
        llvm::BasicBlock* after = copy_.call->getParent();
        copy_.call->moveBefore(rare);
        at_.SetInsertPoint(usual);
        if (copy_.is_fill) {
            fill();
        } else {
            copy();
        }
        llvm::Value* left = at_.CreateSub(fuel_, cost);
        llvm::PHINode* either = llvm::PHINode::Create(left->getType(), 2, "", after->begin());
        copy_.call->replaceAllUsesWith(either);
        either->addIncoming(left, usual->getParent());
        either->addIncoming(copy_.call, rare->getParent());
    }

  private:
    llvm::Value* byte(std::uint64_t place) {
        return at_.CreateGEP(at_.getInt8Ty(), memory_, at_.getInt64(place));
    }
    llvm::Value* byte(llvm::Value* address, std::uint64_t place) {
        llvm::Value* start = at_.CreateGEP(at_.getInt8Ty(), memory_, address);
        return at_.CreateGEP(at_.getInt8Ty(), start, at_.getInt64(place));
    }
    llvm::Value* end_of(llvm::Value* address) {
        return at_.CreateAdd(address, at_.getInt64(copy_.length));
    }
    llvm::Type* type_of(std::uint64_t size) {
        if (size == vector_bytes) return llvm::FixedVectorType::get(at_.getInt64Ty(), 2);
        return at_.getIntNTy(static_cast<unsigned>(8 * size));
    }
    /// Volatile as all that a program sees of its memory; and all is read before any is written.
    void copy() {
        const Pieces pieces = pieces_of(copy_.length);
        std::vector<llvm::Value*> values;
        values.reserve(pieces.places.size());
        for (const std::uint64_t place : pieces.places) {
            values.push_back(at_.CreateAlignedLoad(type_of(pieces.size), byte(source_, place),
                                                   llvm::Align{1}, true));
        }
        for (std::size_t index = 0; index < values.size(); ++index) {
            at_.CreateAlignedStore(values[index], byte(target_, pieces.places[index]),
                                   llvm::Align{1}, true);
        }
    }
    void fill() {
        const Pieces pieces = pieces_of(copy_.length);
        llvm::Value* low = at_.CreateAnd(source_, at_.getInt64(0xff));
        llvm::Value* value = at_.CreateMul(low, at_.getInt64(0x0101010101010101));
        value = pieces.size == vector_bytes ? at_.CreateVectorSplat(2, value)
                                            : at_.CreateTrunc(value, type_of(pieces.size));
        for (const std::uint64_t place : pieces.places)
            at_.CreateAlignedStore(value, byte(target_, place), llvm::Align{1}, true);
    }

    const SmallCopy copy_;
    llvm::IRBuilder<> at_;
    llvm::Value* fuel_;
    llvm::Value* target_;
    llvm::Value* source_;
    llvm::Value* memory_ = nullptr;
};

}  // namespace

void inline_small_copies(llvm::Function& function) {
    for (const SmallCopy& copy : find_small_copies(function))
        Inlining{copy}.run();
}

}  // namespace millrace::compiler
