// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "aot/abi.hpp"
#include "compiler/arithmetic.hpp"
#include "compiler/slots.hpp"
#include "compiler/unit.hpp"
#include "wasm/ir.hpp"
#include "wasm/simd_ops.hpp"
#include "wasm/trap.hpp"

/// Translates one function of the intermediate form, instruction by instruction; see slots.hpp for
/// what becomes of slots, and aot/abi.hpp for the conventions. LLVM's own passes turn the variables
/// into registers.
namespace millrace::compiler {

using wasm::Instr;
using wasm::TrapKind;

class Lowering : public TrapSink {
  public:
    Lowering(Unit& unit, std::uint32_t index, const wasm::Code& code);
    void run();

    // For arithmetic.cpp
    void trap_if(llvm::Value* condition, TrapKind kind) override;

  private:
    llvm::BasicBlock* new_block() {
        return llvm::BasicBlock::Create(unit_.context(), "", &function_);
    }
    llvm::Type* type(Type type) const { return unit_.type(type); }

    // Ways through the function
    /// What a metering block costs is charged where it starts: the translator gives every way into
    /// an instruction the same cost.
    struct Start {
        bool is_loop_head = false;
        std::optional<std::uint32_t> cost;  ///< null: nothing starts here
    };
    void note_way(std::uint32_t to, std::uint32_t cost);
    void note_branch(std::uint32_t from, std::uint32_t offset, std::uint32_t cost);
    void find_blocks();
    void begin_block(std::uint32_t index);
    /// Where a way from one instruction to another leads.
    llvm::BasicBlock* way(std::uint32_t from, std::uint32_t to);
    void branch_if(std::uint32_t index, llvm::Value* condition);

    // Fuel
    llvm::Value* fuel() { return at_.CreateLoad(unit_.i64(), fuel_); }
    void set_fuel(llvm::Value* value);
    void charge(std::uint32_t cost);
    /// A safe point. Where fuel is short the process decides (aot/abi.hpp); if the run goes on,
    /// then at `again` after `cost` has been given back, or else here.
    void check_fuel(llvm::BasicBlock* again = nullptr, std::uint32_t cost = 0);
    llvm::BasicBlock* end_block(std::uint32_t kind);

    // Slots
    llvm::AllocaInst* variable(std::uint32_t slot, Type type);
    /// The same value as a type of the same width.
    llvm::Value* as(llvm::Value* value, Type from, Type to);
    /// A float whose bits are about to be seen.
    llvm::Value* exact(llvm::Value* value, Type type);
    /// A v128 local is one variable of two lanes.
    llvm::AllocaInst* vector_variable(std::uint32_t low_slot);
    llvm::Type* vector_type() { return llvm::FixedVectorType::get(unit_.i64(), 2); }
    llvm::AllocaInst* half_variable(std::uint32_t slot);
    llvm::Value* read_half(std::uint32_t slot);
    void write_half(std::uint32_t slot, llvm::Value* value);
    [[nodiscard]] bool is_vector_local(std::uint32_t slot) const;
    llvm::Value* read_vector(std::uint32_t slot);
    void write_vector(std::uint32_t slot, llvm::Value* value);
    llvm::Value* read(std::uint32_t slot, Type type);
    void write(std::uint32_t slot, llvm::Value* value, Type type);
    void write_constant(std::uint32_t slot, std::uint64_t bits);
    llvm::Constant* constant(std::uint64_t bits, Type type);
    /// The types in which a copy to `target` is wanted.
    llvm::SmallVector<Type, 4> copied_types(std::uint32_t target);
    /// A local of another width cannot be what a copy wants: its slot was used for something else.
    [[nodiscard]] bool can_hold(std::uint32_t source, Type wanted) const noexcept;
    /// One value of a copy, on its way to one variable.
    struct Copied {
        std::uint32_t slot;
        Type type;
        llvm::Value* value;
    };
    void put(const Copied& copied);
    void copy(std::uint32_t target, std::uint32_t first, std::uint32_t count);
    void select(const Instr& instr);

    // The function's beginning
    void prologue();

    // Memory
    /// Accesses are volatile: one that faults is a trap, so none may be dropped, doubled or moved
    /// across another or across the telling of fuel.
    llvm::Value* address(const Instr& instr, Form form);
    void load(const Instr& instr, const Operation& operation);
    void store(const Instr& instr, const Operation& operation);

    // Vectors
    void simd(const Instr& instr);
    llvm::Value* scalar(std::uint32_t slot, const wasm::SimdSignature& signature);
    void simd_memory(const Instr& instr);
    void simd_shuffle(const Instr& instr);
    void vector_select(const Instr& instr);
    void vector_global_get(const Instr& instr);
    void vector_global_set(const Instr& instr);

    // Calls
    struct Target {
        llvm::Value* code;
        llvm::Value* context;
        llvm::Value* room;  ///< or the host function
    };
    llvm::Value* room_for(const Instr& instr, bool is_last);
    void call(const Instr& instr, const wasm::FuncType& type, const Target& target, bool is_last);
    /// A callee that may be a host's, as its entry in the directory says.
    Target dynamic_target(llvm::Value* callee, std::uint32_t type, llvm::Value* room);
    void call_direct(const Instr& instr, bool is_last);
    llvm::Value* table_view(std::uint32_t table);
    llvm::Value* table_count(llvm::Value* view);
    llvm::Value* table_entry(std::uint32_t table, llvm::Value* index, TrapKind beyond);
    void call_indirect(const Instr& instr, bool is_last);

    // What a helper does
    void operate(aot::Operation operation, llvm::ArrayRef<llvm::Value*> operands,
                 std::uint32_t d = 0, std::uint32_t e = 0);
    void operate_with_result(std::uint32_t target, aot::Operation operation,
                             llvm::ArrayRef<llvm::Value*> operands, std::uint32_t d = 0);
    llvm::SmallVector<llvm::Value*, 3> operands_of(const Instr& instr, Type second = Type::i32);
    llvm::Value* global(std::uint32_t index);
    void global_get(const Instr& instr);
    void global_set(const Instr& instr);

    // Instructions
    llvm::Value* short_constant(std::uint32_t bits, Type type);
    void return_many(const Instr& instr);
    void branch_table(std::uint32_t index, const Instr& instr);
    void instruction(std::uint32_t index, const Instr& instr);
    void other(std::uint32_t index, const Instr& instr, Base base);

    Unit& unit_;
    const wasm::ModuleData& module_;
    const wasm::Code& code_;
    FunctionView view_;
    SlotTypes types_;
    llvm::Function& function_;
    llvm::BasicBlock* entry_;
    Builder variables_at_;  ///< the entry block, which holds the variables alone
    Builder at_;
    llvm::Value* context_;
    llvm::Value* room_;
    llvm::Value* memory_ = nullptr;
    llvm::AllocaInst* fuel_ = nullptr;
    std::vector<llvm::AllocaInst*> variables_;
    std::vector<Start> starts_;
    std::vector<llvm::BasicBlock*> blocks_;  ///< by first instruction
    /// Of a loop's head, by the same: where the loop is entered, and entered again after a
    /// checkpoint. So its rounds stay a loop in which fuel falls evenly.
    std::vector<llvm::BasicBlock*> entrances_;
    std::map<std::uint32_t, llvm::BasicBlock*> ends_;
    bool is_dead_ = false;
    bool is_fuel_told_ = false;  ///< the memory's cell holds the fuel as it is now
};

}  // namespace millrace::compiler
