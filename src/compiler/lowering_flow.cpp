// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/lowering.hpp"

#include "base/assert.hpp"

namespace millrace::compiler {
namespace {

bool ends_block(Base base) noexcept {
    switch (base) {
        case Base::jump:
        case Base::br_table:
        case Base::return_none:
        case Base::return_one:
        case Base::return_many:
        case Base::return_call:
        case Base::return_call_indirect:
        case Base::unreachable:
            return true;
        default:
            return false;
    }
}

bool is_conditional(const Operation& operation) noexcept {
    return operation.shape == Shape::branch_when || operation.shape == Shape::branch_unless ||
           operation.base == Base::br_nonzero || operation.base == Base::br_zero;
}

}  // namespace

void Lowering::trap_if(llvm::Value* condition, TrapKind kind) {
    llvm::BasicBlock* next = new_block();
    at_.CreateCondBr(condition, end_block(static_cast<std::uint32_t>(kind)), next,
                     unit_.unlikely());
    at_.SetInsertPoint(next);
}

void Lowering::note_way(std::uint32_t to, std::uint32_t cost) {
    Start& start = starts_[to];
    MILLRACE_ASSERT(start.cost.value_or(cost) == cost);
    start.cost = cost;
}

void Lowering::note_branch(std::uint32_t from, std::uint32_t offset, std::uint32_t cost) {
    const std::uint32_t to = from + offset;
    note_way(to, cost);
    if (to <= from) starts_[to].is_loop_head = true;
}

void Lowering::find_blocks() {
    const auto& instrs = code_.instrs;
    starts_.resize(instrs.size());
    for (std::uint32_t index = 0; index < instrs.size(); ++index) {
        const Instr& instr = instrs[index];
        const Operation& operation = operation_of(instr.op);
        if (is_conditional(operation)) {
            note_branch(index, instr.d, instr.b);
            note_way(index + 1, instr.c);
        } else if (operation.base == Base::jump) {
            note_branch(index, instr.d, instr.e);
        } else if (operation.base == Base::br_table) {
            for (std::uint32_t entry = 0; entry < instr.e; ++entry) {
                const wasm::BranchTarget& target = code_.targets[instr.d + entry];
                note_branch(index, static_cast<std::uint32_t>(target.offset), target.cost);
            }
        }
    }
    // Falling in from the instruction before, which may be the charge for it.
    for (std::uint32_t index = 1; index < instrs.size(); ++index) {
        if (!starts_[index].cost) continue;
        const Instr& before = instrs[index - 1];
        const Operation& operation = operation_of(before.op);
        if (is_conditional(operation) || ends_block(operation.base)) continue;
        note_way(index, operation.base == Base::charge ? before.d : 0);
    }
    blocks_.resize(instrs.size());
    entrances_.resize(instrs.size());
    for (std::uint32_t index = 0; index < instrs.size(); ++index) {
        if (!starts_[index].cost) continue;
        blocks_[index] = new_block();
        if (starts_[index].is_loop_head && unit_.is_metered()) entrances_[index] = new_block();
    }
}

void Lowering::begin_block(std::uint32_t index) {
    llvm::BasicBlock* const entrance = entrances_[index];
    if (!is_dead_) at_.CreateBr(entrance != nullptr ? entrance : blocks_[index]);
    is_dead_ = false;
    if (entrance != nullptr) Builder{entrance}.CreateBr(blocks_[index]);
    at_.SetInsertPoint(blocks_[index]);
    is_fuel_told_ = false;
    const std::uint32_t cost = *starts_[index].cost;
    charge(cost);
    if (starts_[index].is_loop_head) check_fuel(entrance, cost);
}

llvm::BasicBlock* Lowering::way(std::uint32_t from, std::uint32_t to) {
    const bool enters = to > from && entrances_[to] != nullptr;
    return enters ? entrances_[to] : blocks_[to];
}

void Lowering::branch_if(std::uint32_t index, llvm::Value* condition) {
    const Instr& instr = code_.instrs[index];
    at_.CreateCondBr(condition, way(index, index + instr.d), way(index, index + 1));
    is_dead_ = true;
}

void Lowering::set_fuel(llvm::Value* value) {
    at_.CreateStore(value, fuel_);
    is_fuel_told_ = false;
}

void Lowering::charge(std::uint32_t cost) {
    if (cost != 0 && unit_.is_metered()) set_fuel(at_.CreateSub(fuel(), at_.getInt64(cost)));
}

void Lowering::check_fuel(llvm::BasicBlock* again, std::uint32_t cost) {
    if (!unit_.is_metered()) return;
    llvm::BasicBlock* shortage = new_block();
    llvm::BasicBlock* next = new_block();
    at_.CreateCondBr(at_.CreateICmpSLT(fuel(), at_.getInt64(0)), shortage, next, unit_.unlikely());
    at_.SetInsertPoint(shortage);
    llvm::Value* left = unit_.stop_at_safe_point(at_, fuel());
    at_.CreateStore(at_.CreateAdd(left, at_.getInt64(cost)), fuel_);
    at_.CreateBr(again != nullptr ? again : next);
    at_.SetInsertPoint(next);
}

llvm::BasicBlock* Lowering::end_block(std::uint32_t kind) {
    llvm::BasicBlock*& block = ends_[kind];
    if (block != nullptr) return block;
    block = new_block();
    Builder at{block};
    at.CreateCall(unit_.trap(), {context_, at.CreateLoad(unit_.i64(), fuel_), at.getInt32(kind)})
        ->setDoesNotReturn();
    at.CreateUnreachable();
    return block;
}

void Lowering::branch_table(std::uint32_t index, const Instr& instr) {
    const auto block = [&](std::uint32_t entry) {
        const wasm::BranchTarget& target = code_.targets[instr.d + entry];
        return way(index, index + static_cast<std::uint32_t>(target.offset));
    };
    const std::uint32_t last = instr.e - 1;
    llvm::SwitchInst* chosen = at_.CreateSwitch(read(instr.a, Type::i32), block(last), last);
    for (std::uint32_t entry = 0; entry < last; ++entry)
        chosen->addCase(at_.getInt32(entry), block(entry));
    is_dead_ = true;
}

}  // namespace millrace::compiler
