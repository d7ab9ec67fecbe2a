// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <optional>

#include "aot/abi.hpp"
#include "base/assert.hpp"
#include "compiler/arithmetic.hpp"
#include "compiler/slots.hpp"
#include "compiler/unit.hpp"
#include "compiler/vector.hpp"
#include "wasm/simd_ops.hpp"
#include "wasm/trap.hpp"

namespace millrace::compiler {
namespace {

using aot::NativeContext;
using wasm::Instr;
using wasm::TrapKind;

/// Translates one function, instruction by instruction; see slots.hpp for what becomes of slots,
/// and aot/abi.hpp for the conventions. LLVM's own passes turn the variables into registers.
class Lowering : public TrapSink {
  public:
    Lowering(Unit& unit, std::uint32_t index, const wasm::Code& code)
        : unit_{unit},
          module_{unit.source()},
          code_{code},
          view_{module_, module_.bodies[index - module_.imported_functions], code},
          types_{view_},
          function_{*unit.function(index)},
          entry_{llvm::BasicBlock::Create(unit.context(), "", &function_)},
          variables_at_{entry_},
          at_{entry_},
          context_{function_.getArg(0)},
          room_{function_.getArg(2)} {
        variables_.resize(std::size_t{code.frame_slots} * type_count);
    }

    void run() {
        find_blocks();
        llvm::BasicBlock* start = llvm::BasicBlock::Create(unit_.context(), "", &function_);
        at_.SetInsertPoint(start);
        prologue();
        for (std::uint32_t index = 0; index < code_.instrs.size(); ++index) {
            if (blocks_[index] != nullptr) begin_block(index);
            if (!is_dead_) instruction(index, code_.instrs[index]);
        }
        // The translator ends every function with a return, a trap or a jump.
        MILLRACE_ASSERT(is_dead_);
        variables_at_.SetInsertPoint(entry_);
        variables_at_.CreateBr(start);
    }

    // For arithmetic.cpp -----------------------------------------------------------------------

    void trap_if(llvm::Value* condition, TrapKind kind) override {
        llvm::BasicBlock* next = new_block();
        at_.CreateCondBr(condition, end_block(static_cast<std::uint32_t>(kind)), next,
                         unit_.unlikely());
        at_.SetInsertPoint(next);
    }

  private:
    llvm::BasicBlock* new_block() {
        return llvm::BasicBlock::Create(unit_.context(), "", &function_);
    }
    llvm::Type* type(Type type) const { return unit_.type(type); }

    // Ways through the function ----------------------------------------------------------------

    /// What a metering block costs is charged where it starts, if every way into it says the same;
    /// else on the way.
    struct Start {
        bool is_start = false;
        bool is_loop_head = false;
        bool is_mixed = false;
        std::optional<std::uint32_t> cost;
    };
    void note_way(std::uint32_t to, std::uint32_t cost) {
        Start& start = starts_[to];
        start.is_start = true;
        if (start.cost && *start.cost != cost) start.is_mixed = true;
        start.cost = cost;
    }
    void note_branch(std::uint32_t from, std::uint32_t offset, std::uint32_t cost) {
        const std::uint32_t to = from + offset;
        note_way(to, cost);
        if (to <= from) starts_[to].is_loop_head = true;
    }
    static bool ends_block(Base base) noexcept {
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
    static bool is_conditional(const Operation& operation) noexcept {
        return operation.shape == Shape::branch_when || operation.shape == Shape::branch_unless ||
               operation.base == Base::br_nonzero || operation.base == Base::br_zero;
    }

    void find_blocks() {
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
            if (!starts_[index].is_start) continue;
            const Instr& before = instrs[index - 1];
            const Operation& operation = operation_of(before.op);
            if (is_conditional(operation) || ends_block(operation.base)) continue;
            note_way(index, operation.base == Base::charge ? before.d : 0);
        }
        blocks_.resize(instrs.size());
        for (std::uint32_t index = 0; index < instrs.size(); ++index) {
            if (starts_[index].is_start) blocks_[index] = new_block();
        }
    }
    [[nodiscard]] bool charges_at_start(std::uint32_t index) const {
        return starts_[index].is_start && !starts_[index].is_mixed;
    }

    void begin_block(std::uint32_t index) {
        if (!is_dead_) at_.CreateBr(blocks_[index]);
        is_dead_ = false;
        at_.SetInsertPoint(blocks_[index]);
        is_fuel_told_ = false;
        if (charges_at_start(index)) charge(*starts_[index].cost);
        if (starts_[index].is_loop_head) check_fuel();
    }
    /// Where a way from here that costs `cost` leads.
    llvm::BasicBlock* way(std::uint32_t to, std::uint32_t cost) {
        if (charges_at_start(to) || cost == 0) return blocks_[to];
        llvm::BasicBlock* block = new_block();
        Builder at{block};
        at.CreateStore(at.CreateSub(at.CreateLoad(unit_.i64(), fuel_), at.getInt64(cost)), fuel_);
        at.CreateBr(blocks_[to]);
        return block;
    }
    void branch_if(std::uint32_t index, llvm::Value* condition) {
        const Instr& instr = code_.instrs[index];
        at_.CreateCondBr(condition, way(index + instr.d, instr.b), way(index + 1, instr.c));
        is_dead_ = true;
    }

    // Fuel -------------------------------------------------------------------------------------

    llvm::Value* fuel() { return at_.CreateLoad(unit_.i64(), fuel_); }
    void set_fuel(llvm::Value* value) {
        at_.CreateStore(value, fuel_);
        is_fuel_told_ = false;
    }
    void charge(std::uint32_t cost) {
        if (cost != 0) set_fuel(at_.CreateSub(fuel(), at_.getInt64(cost)));
    }
    void check_fuel() {
        llvm::BasicBlock* next = new_block();
        at_.CreateCondBr(at_.CreateICmpSLT(fuel(), at_.getInt64(0)),
                         end_block(aot::end_out_of_fuel), next, unit_.unlikely());
        at_.SetInsertPoint(next);
    }
    llvm::BasicBlock* end_block(std::uint32_t kind) {
        llvm::BasicBlock*& block = ends_[kind];
        if (block != nullptr) return block;
        block = new_block();
        Builder at{block};
        at.CreateCall(unit_.trap(),
                      {context_, at.CreateLoad(unit_.i64(), fuel_), at.getInt32(kind)})
            ->setDoesNotReturn();
        at.CreateUnreachable();
        return block;
    }

    // Slots ------------------------------------------------------------------------------------

    llvm::AllocaInst* variable(std::uint32_t slot, Type type) {
        llvm::AllocaInst*& variable =
            variables_[std::size_t{slot} * type_count + static_cast<std::size_t>(type)];
        if (variable == nullptr) variable = variables_at_.CreateAlloca(this->type(type));
        return variable;
    }
    /// The same value as a type of the same width.
    llvm::Value* as(llvm::Value* value, Type from, Type to) {
        if (from == to) return value;
        MILLRACE_ASSERT(to == twin_of(from));
        if (is_float(from)) value = exact(value, from);
        return at_.CreateBitCast(value, type(to));
    }
    /// A float whose bits are about to be seen.
    llvm::Value* exact(llvm::Value* value, Type type) {
        return is_float(type) ? at_.CreateCall(unit_.exact(type), value) : value;
    }
    /// A v128 local is one variable of two lanes.
    llvm::AllocaInst* vector_variable(std::uint32_t low_slot) {
        llvm::AllocaInst*& variable =
            variables_[std::size_t{low_slot} * type_count + static_cast<std::size_t>(Type::i64)];
        if (variable == nullptr) variable = variables_at_.CreateAlloca(vector_type());
        return variable;
    }
    llvm::Type* vector_type() { return llvm::FixedVectorType::get(unit_.i64(), 2); }
    llvm::AllocaInst* half_variable(std::uint32_t slot) {
        return vector_variable(types_.is_high_half(slot) ? slot - 1 : slot);
    }
    llvm::Value* read_half(std::uint32_t slot) {
        llvm::Value* both = at_.CreateLoad(vector_type(), half_variable(slot));
        return at_.CreateExtractElement(both, types_.is_high_half(slot) ? 1U : 0U);
    }
    void write_half(std::uint32_t slot, llvm::Value* value) {
        llvm::AllocaInst* variable = half_variable(slot);
        llvm::Value* both = at_.CreateLoad(vector_type(), variable);
        both = at_.CreateInsertElement(both, value, types_.is_high_half(slot) ? 1U : 0U);
        at_.CreateStore(both, variable);
    }
    [[nodiscard]] bool is_vector_local(std::uint32_t slot) const {
        return types_.is_local(slot) && types_.is_vector_half(slot);
    }
    llvm::Value* read_vector(std::uint32_t slot) {
        if (is_vector_local(slot) && !types_.is_high_half(slot))
            return at_.CreateLoad(vector_type(), vector_variable(slot));
        llvm::Value* both = llvm::PoisonValue::get(vector_type());
        both = at_.CreateInsertElement(both, read(slot, Type::i64), std::uint64_t{0});
        return at_.CreateInsertElement(both, read(slot + 1, Type::i64), std::uint64_t{1});
    }
    void write_vector(std::uint32_t slot, llvm::Value* value) {
        value = at_.CreateBitCast(value, vector_type());
        if (is_vector_local(slot) && !types_.is_high_half(slot)) {
            at_.CreateStore(value, vector_variable(slot));
            return;
        }
        write(slot, at_.CreateExtractElement(value, std::uint64_t{0}), Type::i64);
        write(slot + 1, at_.CreateExtractElement(value, std::uint64_t{1}), Type::i64);
    }

    llvm::Value* read(std::uint32_t slot, Type type) {
        if (is_vector_local(slot)) return as(read_half(slot), Type::i64, type);
        const Type stored = types_.is_local(slot) ? types_.local(slot) : type;
        return as(at_.CreateLoad(this->type(stored), variable(slot, stored)), stored, type);
    }
    void write(std::uint32_t slot, llvm::Value* value, Type type) {
        if (is_vector_local(slot)) return write_half(slot, as(value, type, Type::i64));
        if (types_.is_local(slot)) {
            at_.CreateStore(as(value, type, types_.local(slot)),
                            variable(slot, types_.local(slot)));
            return;
        }
        for (const Type stored : {type, twin_of(type)}) {
            if (types_.is_read_as(slot, stored))
                at_.CreateStore(as(value, type, stored), variable(slot, stored));
        }
    }
    void write_constant(std::uint32_t slot, std::uint64_t bits) {
        if (is_vector_local(slot)) return write_half(slot, at_.getInt64(bits));
        for (std::size_t number = 0; number < type_count; ++number) {
            const auto each = static_cast<Type>(number);
            const bool wanted =
                types_.is_local(slot) ? types_.local(slot) == each : types_.is_read_as(slot, each);
            if (wanted) at_.CreateStore(constant(bits, each), variable(slot, each));
        }
    }
    llvm::Constant* constant(std::uint64_t bits, Type type) {
        const llvm::APInt wide{64, bits};
        switch (type) {
            case Type::i32:
                return at_.getInt32(static_cast<std::uint32_t>(bits));
            case Type::i64:
                return at_.getInt64(bits);
            case Type::f32:
                return llvm::ConstantFP::get(
                    unit_.context(), llvm::APFloat{llvm::APFloat::IEEEsingle(), wide.trunc(32)});
            case Type::f64:
                return llvm::ConstantFP::get(unit_.context(),
                                             llvm::APFloat{llvm::APFloat::IEEEdouble(), wide});
        }
        return nullptr;
    }
    /// The types in which a copy to `target` is wanted.
    llvm::SmallVector<Type, 4> copied_types(std::uint32_t target) {
        llvm::SmallVector<Type, 4> list;
        for (std::size_t number = 0; number < type_count; ++number) {
            const auto each = static_cast<Type>(number);
            if (types_.is_local(target) ? types_.local(target) == each
                                        : types_.is_read_as(target, each))
                list.push_back(each);
        }
        return list;
    }
    /// A local of another width cannot be what a copy wants: its slot was used for something else.
    [[nodiscard]] bool can_hold(std::uint32_t source, Type wanted) const noexcept {
        return !types_.is_local(source) || is_wide(types_.local(source)) == is_wide(wanted);
    }
    /// One value of a copy, on its way to one variable.
    struct Copied {
        std::uint32_t slot;
        Type type;
        llvm::Value* value;
    };
    void put(const Copied& copied) {
        if (is_vector_local(copied.slot)) return write_half(copied.slot, copied.value);
        at_.CreateStore(copied.value, variable(copied.slot, copied.type));
    }
    void copy(std::uint32_t target, std::uint32_t first, std::uint32_t count) {
        llvm::SmallVector<Copied, 8> list;
        for (std::uint32_t index = 0; index < count; ++index) {
            for (const Type each : copied_types(target + index)) {
                if (can_hold(first + index, each))
                    list.push_back({target + index, each, read(first + index, each)});
            }
        }
        for (const Copied& copied : list)
            put(copied);
    }
    void select(const Instr& instr) {
        llvm::Value* condition = at_.CreateIsNotNull(read(instr.d, Type::i32));
        llvm::SmallVector<Copied, 4> list;
        for (const Type each : copied_types(instr.a)) {
            if (!can_hold(instr.b, each) || !can_hold(instr.c, each)) continue;
            llvm::Value* value =
                at_.CreateSelect(condition, read(instr.b, each), read(instr.c, each));
            list.push_back({instr.a, each, value});
        }
        for (const Copied& copied : list)
            put(copied);
    }

    // The function's beginning -----------------------------------------------------------------

    void prologue() {
        fuel_ = variables_at_.CreateAlloca(unit_.i64());
        at_.CreateStore(function_.getArg(1), fuel_);
        // Calls left below zero, or fewer slots than the frame has; before the function's own cost.
        llvm::Value* slots = at_.CreateTrunc(room_, type(Type::i32));
        trap_if(at_.CreateICmpSLT(room_, at_.getInt64(0)), TrapKind::call_stack_exhausted);
        if (code_.frame_slots > 0) {
            trap_if(at_.CreateICmpULT(slots, at_.getInt32(code_.frame_slots)),
                    TrapKind::call_stack_exhausted);
        }
        charge(code_.entry_cost);
        check_fuel();
        if (!module_.memories.empty()) {
            memory_ = unit_.constant_field(at_, context_, offsetof(NativeContext, memory),
                                           unit_.pointer(), "memory");
        }
        for (std::uint32_t slot = 0; slot < code_.params + code_.locals; ++slot) {
            const Type each = types_.local(slot);
            llvm::Value* value = constant(0, each);
            if (slot < code_.params) value = function_.getArg(3 + slot);
            put({slot, each, value});
        }
    }

    // Memory -----------------------------------------------------------------------------------

    /// Accesses are volatile: one that faults is a trap, so none may be dropped, doubled or moved
    /// across another or across the telling of fuel.
    llvm::Value* address(const Instr& instr, Form form) {
        if (!is_fuel_told_) {
            llvm::Value* cell =
                at_.CreateGEP(at_.getInt8Ty(), memory_,
                              at_.getInt64(static_cast<std::uint64_t>(aot::fuel_cell_offset)));
            at_.CreateAlignedStore(fuel(), cell, llvm::Align{8}, true);
            is_fuel_told_ = true;
        }
        if (form == Form::a) return Unit::offset(at_, memory_, instr.wide());
        llvm::Value* index = read(instr.b, Type::i32);
        if (form == Form::x) index = at_.CreateAdd(index, read(instr.c, Type::i32));
        if (form == Form::i) index = at_.CreateAdd(index, at_.getInt32(instr.e));
        llvm::Value* place =
            at_.CreateGEP(at_.getInt8Ty(), memory_, at_.CreateZExt(index, unit_.i64()));
        return Unit::offset(at_, place, instr.d);
    }
    static unsigned access_bits(Base base) noexcept {
        switch (base) {
            case Base::i32_load8_s:
            case Base::i32_load8_u:
            case Base::i64_load8_s:
            case Base::i64_load8_u:
            case Base::i32_store8:
            case Base::i64_store8:
                return 8;
            case Base::i32_load16_s:
            case Base::i32_load16_u:
            case Base::i64_load16_s:
            case Base::i64_load16_u:
            case Base::i32_store16:
            case Base::i64_store16:
                return 16;
            case Base::i64_load32_s:
            case Base::i64_load32_u:
            case Base::i64_store32:
                return 32;
            default:
                return 0;  // the type's own width
        }
    }
    static bool extends_sign(Base base) noexcept {
        return base == Base::i32_load8_s || base == Base::i32_load16_s ||
               base == Base::i64_load8_s || base == Base::i64_load16_s ||
               base == Base::i64_load32_s;
    }
    void load(const Instr& instr, const Operation& operation) {
        llvm::Value* place = address(instr, operation.form);
        llvm::Type* const wanted = type(operation.result);
        const unsigned bits = access_bits(operation.base);
        llvm::Type* const stored = bits == 0 ? wanted : at_.getIntNTy(bits);
        llvm::Value* value = at_.CreateAlignedLoad(stored, place, llvm::Align{1}, true);
        if (bits != 0) {
            value = extends_sign(operation.base) ? at_.CreateSExt(value, wanted)
                                                 : at_.CreateZExt(value, wanted);
        }
        write(instr.a, value, operation.result);
    }
    void store(const Instr& instr, const Operation& operation) {
        llvm::Value* value = nullptr;
        if (operation.form == Form::k) {
            value = constant(
                static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(instr.e)}),
                operation.operand);
        } else {
            value = exact(read(instr.a, operation.operand), operation.operand);
        }
        const unsigned bits = access_bits(operation.base);
        if (bits != 0) value = at_.CreateTrunc(value, at_.getIntNTy(bits));
        llvm::Value* place = address(instr, operation.form);
        at_.CreateAlignedStore(value, place, llvm::Align{1}, true);
    }

    // Vectors ----------------------------------------------------------------------------------

    void simd(const Instr& instr) {
        const wasm::SimdSignature& signature = wasm::simd_signatures[instr.e];
        VectorOperands operands{.lane = instr.d};
        switch (signature.shape) {
            case wasm::SimdShape::splat:
                operands.first = scalar(instr.b, signature);
                break;
            case wasm::SimdShape::replace:
                operands.first = read_vector(instr.b);
                operands.second = scalar(instr.c, signature);
                break;
            case wasm::SimdShape::shift:
                operands.first = read_vector(instr.b);
                operands.second = read(instr.c, Type::i32);
                break;
            case wasm::SimdShape::ternary:
                operands.third = read_vector(instr.d);
                [[fallthrough]];
            case wasm::SimdShape::binary:
                operands.second = read_vector(instr.c);
                [[fallthrough]];
            default:
                operands.first = read_vector(instr.b);
        }
        llvm::Value* result = vector_plain(at_, instr.e, operands);
        if (signature.shape == wasm::SimdShape::test) return write(instr.a, result, Type::i32);
        if (signature.shape == wasm::SimdShape::extract)
            return write(instr.a, result, type_of(signature.scalar));
        write_vector(instr.a, result);
    }
    llvm::Value* scalar(std::uint32_t slot, const wasm::SimdSignature& signature) {
        const Type each = type_of(signature.scalar);
        return exact(read(slot, each), each);
    }
    void simd_memory(const Instr& instr) {
        const std::uint32_t code = instr.e & 0xffffU;
        const unsigned lane = instr.e >> 16U;
        const wasm::SimdShape shape = wasm::simd_signatures[code].shape;
        if (shape == wasm::SimdShape::store || shape == wasm::SimdShape::store_lane) {
            llvm::Value* value = read_vector(instr.a);
            return vector_store(at_, code, address(instr, Form::r), value, lane);
        }
        llvm::Value* old = shape == wasm::SimdShape::load_lane ? read_vector(instr.c) : nullptr;
        write_vector(instr.a, vector_load(at_, code, address(instr, Form::r), old, lane));
    }
    void simd_shuffle(const Instr& instr) {
        write_vector(instr.a, vector_shuffle(at_, read_vector(instr.b), read_vector(instr.c),
                                             code_.shuffles[instr.d]));
    }
    void vector_select(const Instr& instr) {
        llvm::Value* condition = at_.CreateIsNotNull(read(instr.d, Type::i32));
        write_vector(instr.a,
                     at_.CreateSelect(condition, read_vector(instr.b), read_vector(instr.c)));
    }
    void vector_global_get(const Instr& instr) {
        write_vector(instr.a,
                     at_.CreateAlignedLoad(vector_type(), global(instr.d), llvm::Align{8}));
    }
    void vector_global_set(const Instr& instr) {
        at_.CreateAlignedStore(read_vector(instr.a), global(instr.d), llvm::Align{8}, true);
    }

    // Calls ------------------------------------------------------------------------------------

    struct Target {
        llvm::Value* code;
        llvm::Value* context;
        llvm::Value* room;  ///< or the host function
    };
    llvm::Value* room_for(const Instr& instr, bool is_last) {
        if (is_last) return room_;
        const std::uint32_t first_slot = instr.a;
        return at_.CreateSub(room_, at_.getInt64((1ULL << 32U) + first_slot));
    }
    void call(const Instr& instr, const wasm::FuncType& type, const Target& target, bool is_last) {
        llvm::SmallVector<llvm::Value*, 12> args{target.context, fuel(), target.room};
        std::uint32_t slot = instr.a;
        for (const Type each : slot_types(type.params)) {
            args.push_back(exact(read(slot, each), each));
            ++slot;
        }
        llvm::CallInst* returned = at_.CreateCall(unit_.function_type(type), target.code, args);
        returned->setCallingConv(unit_.convention());
        if (is_last) {
            // The callee takes this call's place: its frame, its room, and whoever waits for it.
            returned->setTailCallKind(llvm::CallInst::TCK_MustTail);
            at_.CreateRet(returned);
            is_dead_ = true;
            return;
        }
        set_fuel(Unit::fuel_of(at_, returned, type));
        const auto results = unit_.take_results(at_, context_, returned, type);
        const auto types = slot_types(type.results);
        for (std::size_t index = 0; index < results.size(); ++index)
            write(instr.a + static_cast<std::uint32_t>(index), results[index], types[index]);
    }
    /// A callee that may be a host's, as its entry in the directory says.
    Target dynamic_target(llvm::Value* callee, std::uint32_t type, llvm::Value* room) {
        const auto field = [&](std::size_t place) {
            return unit_.constant_load(at_, unit_.pointer(), Unit::offset(at_, callee, place));
        };
        llvm::Value* code = field(offsetof(aot::Callee, code));
        llvm::Value* context = field(offsetof(aot::Callee, context));
        llvm::BasicBlock* before = at_.GetInsertBlock();
        llvm::BasicBlock* host = new_block();
        llvm::BasicBlock* next = new_block();
        at_.CreateCondBr(at_.CreateIsNull(code), host, next, unit_.unlikely());
        at_.SetInsertPoint(host);
        llvm::Value* function =
            at_.CreatePtrToInt(field(offsetof(aot::Callee, function)), unit_.i64());
        at_.CreateBr(next);
        at_.SetInsertPoint(next);
        const auto either = [&](llvm::Value* usual, llvm::Value* hosted) {
            llvm::PHINode* phi = at_.CreatePHI(usual->getType(), 2);
            phi->addIncoming(usual, before);
            phi->addIncoming(hosted, host);
            return phi;
        };
        return {.code = either(code, unit_.host_thunk(type)),
                .context = either(context, context_),
                .room = either(room, function)};
    }
    void call_direct(const Instr& instr, bool is_last) {
        const std::uint32_t type_index = module_.functions[instr.d];
        const wasm::FuncType& type = module_.types[type_index];
        if (instr.d >= module_.imported_functions) {
            return call(instr, type,
                        {.code = unit_.function(instr.d),
                         .context = context_,
                         .room = room_for(instr, is_last)},
                        is_last);
        }
        llvm::Value* imports = unit_.constant_field(at_, context_, offsetof(NativeContext, imports),
                                                    unit_.pointer(), "imports");
        llvm::Value* callee = Unit::offset(at_, imports, sizeof(aot::Callee) * instr.d);
        call(instr, type, dynamic_target(callee, type_index, room_for(instr, is_last)), is_last);
    }
    llvm::Value* table_view(std::uint32_t table) {
        llvm::Value* tables = unit_.constant_field(at_, context_, offsetof(NativeContext, tables),
                                                   unit_.pointer(), "tables");
        return unit_.constant_load(at_, unit_.pointer(), Unit::offset(at_, tables, 8U * table));
    }
    llvm::Value* table_count(llvm::Value* view) {
        return at_.CreateAlignedLoad(unit_.i64(), Unit::offset(at_, view, 8), llvm::Align{8});
    }
    llvm::Value* table_entry(std::uint32_t table, llvm::Value* index, TrapKind beyond) {
        llvm::Value* view = table_view(table);
        llvm::Value* wide = at_.CreateZExt(index, unit_.i64());
        trap_if(at_.CreateICmpUGE(wide, table_count(view)), beyond);
        llvm::Value* entries = at_.CreateAlignedLoad(unit_.pointer(), view, llvm::Align{8});
        return at_.CreateAlignedLoad(unit_.i64(), at_.CreateGEP(unit_.i64(), entries, wide),
                                     llvm::Align{8});
    }
    void call_indirect(const Instr& instr, bool is_last) {
        llvm::Value* reference =
            table_entry(instr.e, read(instr.b, Type::i32), TrapKind::undefined_element);
        llvm::Value* directory = at_.CreateAlignedLoad(
            unit_.pointer(), Unit::offset(at_, context_, offsetof(NativeContext, directory)),
            llvm::Align{8});
        llvm::Value* callee =
            at_.CreateGEP(at_.getInt8Ty(), directory,
                          at_.CreateMul(reference, at_.getInt64(sizeof(aot::Callee))));
        llvm::Value* has = unit_.constant_load(
            at_, unit_.i64(), Unit::offset(at_, callee, offsetof(aot::Callee, type_id)));
        llvm::Value* ids = unit_.constant_field(at_, context_, offsetof(NativeContext, type_ids),
                                                unit_.pointer(), "type_ids");
        llvm::Value* wanted =
            unit_.constant_load(at_, unit_.i64(), Unit::offset(at_, ids, 8ULL * instr.d));
        llvm::BasicBlock* wrong = new_block();
        llvm::BasicBlock* next = new_block();
        at_.CreateCondBr(at_.CreateICmpNE(has, wanted), wrong, next, unit_.unlikely());
        at_.SetInsertPoint(wrong);
        at_.CreateCondBr(
            at_.CreateICmpEQ(reference, at_.getInt64(0)),
            end_block(static_cast<std::uint32_t>(TrapKind::uninitialized_element)),
            end_block(static_cast<std::uint32_t>(TrapKind::indirect_call_type_mismatch)));
        at_.SetInsertPoint(next);
        call(instr, module_.types[instr.d],
             dynamic_target(callee, instr.d, room_for(instr, is_last)), is_last);
    }

    // What a helper does -----------------------------------------------------------------------

    void operate(aot::Operation operation, llvm::ArrayRef<llvm::Value*> operands,
                 std::uint32_t d = 0, std::uint32_t e = 0) {
        llvm::Type* const i64 = unit_.i64();
        llvm::Value* helper = unit_.constant_field(at_, context_, offsetof(NativeContext, operate),
                                                   unit_.pointer(), "operate");
        llvm::SmallVector<llvm::Value*, 8> args{
            context_, fuel(), at_.getInt64(static_cast<std::uint64_t>(operation))};
        for (std::size_t index = 0; index < 3; ++index) {
            llvm::Value* value = index < operands.size() ? operands[index] : at_.getInt64(0);
            args.push_back(value->getType() == i64 ? value : at_.CreateZExt(value, i64));
        }
        args.push_back(at_.getInt64(d | (std::uint64_t{e} << 32U)));
        llvm::FunctionType* const type =
            llvm::FunctionType::get(i64, {unit_.pointer(), i64, i64, i64, i64, i64, i64}, false);
        set_fuel(at_.CreateCall(type, helper, args));
    }
    void operate_with_result(std::uint32_t target, aot::Operation operation,
                             llvm::ArrayRef<llvm::Value*> operands, std::uint32_t d = 0) {
        operate(operation, operands, d);
        llvm::Value* values = unit_.constant_field(at_, context_, offsetof(NativeContext, values),
                                                   unit_.pointer(), "values");
        llvm::Value* result = at_.CreateAlignedLoad(unit_.i64(), values, llvm::Align{8});
        write(target, at_.CreateTrunc(result, type(Type::i32)), Type::i32);
    }
    llvm::SmallVector<llvm::Value*, 3> operands_of(const Instr& instr, Type second = Type::i32) {
        return {read(instr.a, Type::i32), read(instr.b, second), read(instr.c, Type::i32)};
    }

    llvm::Value* global(std::uint32_t index) {
        llvm::Value* globals = unit_.constant_field(at_, context_, offsetof(NativeContext, globals),
                                                    unit_.pointer(), "globals");
        return unit_.constant_load(at_, unit_.pointer(), Unit::offset(at_, globals, 8ULL * index));
    }
    void global_get(const Instr& instr) {
        const Type each = type_of(module_.globals[instr.d].value);
        write(instr.a, at_.CreateAlignedLoad(type(each), global(instr.d), llvm::Align{8}), each);
    }
    void global_set(const Instr& instr) {
        const Type each = type_of(module_.globals[instr.d].value);
        llvm::Value* value = exact(read(instr.a, each), each);
        // Volatile, so that an access of memory that traps finds it done, or not yet.
        at_.CreateAlignedStore(unit_.to_slot(at_, value, each), global(instr.d), llvm::Align{8},
                               true);
    }

    // Instructions -----------------------------------------------------------------------------

    llvm::Value* short_constant(std::uint32_t bits, Type type) {
        switch (type) {
            case Type::i64:
                return at_.getInt64(
                    static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(bits)}));
            case Type::f64:
                return constant(
                    std::bit_cast<std::uint64_t>(static_cast<double>(std::bit_cast<float>(bits))),
                    type);
            case Type::i32:
            case Type::f32:
                break;
        }
        return constant(bits, type);
    }
    void return_many(const Instr& instr) {
        const wasm::FuncType& type = view_.type();
        const auto types = slot_types(type.results);
        llvm::SmallVector<llvm::Value*, 8> values;
        for (std::uint32_t index = 0; index < instr.d; ++index) {
            const Type each = types[index];
            values.push_back(exact(read(instr.a + index, each), each));
        }
        unit_.give_many(at_, context_, values, type);
        Unit::give(at_, function_, fuel(), nullptr);
        is_dead_ = true;
    }
    void branch_table(std::uint32_t index, const Instr& instr) {
        std::map<std::pair<std::int32_t, std::uint32_t>, llvm::BasicBlock*> known;
        const auto block = [&](std::uint32_t entry) {
            const wasm::BranchTarget& target = code_.targets[instr.d + entry];
            llvm::BasicBlock*& found = known[{target.offset, target.cost}];
            if (found == nullptr)
                found = way(index + static_cast<std::uint32_t>(target.offset), target.cost);
            return found;
        };
        const std::uint32_t last = instr.e - 1;
        llvm::SwitchInst* chosen = at_.CreateSwitch(read(instr.a, Type::i32), block(last), last);
        for (std::uint32_t entry = 0; entry < last; ++entry)
            chosen->addCase(at_.getInt32(entry), block(entry));
        is_dead_ = true;
    }

    void instruction(std::uint32_t index, const Instr& instr) {
        const Operation& operation = operation_of(instr.op);
        switch (operation.shape) {
            case Shape::binary: {
                llvm::Value* left = nullptr;
                llvm::Value* right = nullptr;
                if (operation.form == Form::kr) {
                    left = constant(instr.wide(), operation.operand);
                    right = read(instr.b, operation.operand);
                } else {
                    left = read(instr.b, operation.operand);
                    right = operation.form == Form::rk ? constant(instr.wide(), operation.operand)
                                                       : read(instr.c, operation.operand);
                }
                if (operation.base == Base::f32_copysign || operation.base == Base::f64_copysign)
                    right = exact(right, operation.operand);
                write(instr.a, binary(at_, operation.base, left, right, *this), operation.result);
                return;
            }
            case Shape::compare: {
                llvm::Value* left = read(instr.b, operation.operand);
                llvm::Value* right = operation.form == Form::rk
                                         ? constant(instr.wide(), operation.operand)
                                         : read(instr.c, operation.operand);
                llvm::Value* bit = compare(at_, operation.base, left, right);
                write(instr.a, at_.CreateZExt(bit, type(Type::i32)), Type::i32);
                return;
            }
            case Shape::branch_when:
            case Shape::branch_unless: {
                llvm::Value* left = read(instr.a, operation.operand);
                llvm::Value* right = operation.form == Form::rk
                                         ? short_constant(instr.e, operation.operand)
                                         : read(instr.e, operation.operand);
                llvm::Value* bit = compare(at_, operation.base, left, right);
                if (operation.shape == Shape::branch_unless) bit = at_.CreateNot(bit);
                return branch_if(index, bit);
            }
            case Shape::unary:
                write(instr.a, unary(at_, operation.base, read(instr.b, operation.operand), *this),
                      operation.result);
                return;
            case Shape::load:
                return load(instr, operation);
            case Shape::store:
                return store(instr, operation);
            case Shape::other:
                return other(index, instr, operation.base);
        }
    }

    void other(std::uint32_t index, const Instr& instr, Base base) {
        switch (base) {
            case Base::unreachable:
                at_.CreateBr(end_block(static_cast<std::uint32_t>(TrapKind::unreachable)));
                is_dead_ = true;
                return;
            case Base::charge:
                if (index + 1 < code_.instrs.size() && charges_at_start(index + 1)) return;
                return charge(instr.d);
            case Base::jump:
                at_.CreateBr(way(index + instr.d, instr.e));
                is_dead_ = true;
                return;
            case Base::br_nonzero:
                return branch_if(index, at_.CreateIsNotNull(read(instr.a, Type::i32)));
            case Base::br_zero:
                return branch_if(index, at_.CreateIsNull(read(instr.a, Type::i32)));
            case Base::br_table:
                return branch_table(index, instr);
            case Base::return_none:
                Unit::give(at_, function_, fuel(), nullptr);
                is_dead_ = true;
                return;
            case Base::return_one: {
                const Type each = slot_types(view_.type().results)[0];
                Unit::give(at_, function_, fuel(), exact(read(instr.a, each), each));
                is_dead_ = true;
                return;
            }
            case Base::return_many:
                return return_many(instr);
            case Base::call:
                return call_direct(instr, false);
            case Base::call_indirect:
                return call_indirect(instr, false);
            case Base::return_call:
                return call_direct(instr, true);
            case Base::return_call_indirect:
                return call_indirect(instr, true);
            case Base::move:
                return copy(instr.a, instr.b, 1);
            case Base::move_range:
                return copy(instr.a, instr.b, instr.d);
            case Base::constant:
                return write_constant(instr.a, instr.wide());
            case Base::select:
                return select(instr);
            case Base::global_get:
                return global_get(instr);
            case Base::global_set:
                return global_set(instr);
            case Base::table_get:
                write(instr.a,
                      table_entry(instr.d, read(instr.b, Type::i32), TrapKind::table_out_of_bounds),
                      Type::i64);
                return;
            case Base::table_set:
                return operate(aot::Operation::table_set,
                               {read(instr.a, Type::i32), read(instr.b, Type::i64)}, instr.d);
            case Base::table_size:
                write(instr.a, at_.CreateTrunc(table_count(table_view(instr.d)), type(Type::i32)),
                      Type::i32);
                return;
            case Base::table_grow:
                return operate_with_result(instr.a, aot::Operation::table_grow,
                                           {read(instr.b, Type::i64), read(instr.c, Type::i32)},
                                           instr.d);
            case Base::table_fill:
                return operate(aot::Operation::table_fill, operands_of(instr, Type::i64), instr.d);
            case Base::table_init:
                return operate(aot::Operation::table_init, operands_of(instr), instr.d, instr.e);
            case Base::table_copy:
                return operate(aot::Operation::table_copy, operands_of(instr), instr.d, instr.e);
            case Base::elem_drop:
                return operate(aot::Operation::elem_drop, {}, instr.d);
            case Base::memory_size:
                return operate_with_result(instr.a, aot::Operation::memory_size, {});
            case Base::memory_grow:
                return operate_with_result(instr.a, aot::Operation::memory_grow,
                                           {read(instr.b, Type::i32)});
            case Base::memory_init:
                return operate(aot::Operation::memory_init, operands_of(instr), instr.d);
            case Base::memory_copy:
                return operate(aot::Operation::memory_copy, operands_of(instr));
            case Base::memory_fill:
                return operate(aot::Operation::memory_fill, operands_of(instr));
            case Base::data_drop:
                return operate(aot::Operation::data_drop, {}, instr.d);
            case Base::ref_func: {
                llvm::Value* references =
                    unit_.constant_field(at_, context_, offsetof(NativeContext, references),
                                         unit_.pointer(), "references");
                write(instr.a,
                      unit_.constant_load(at_, unit_.i64(),
                                          Unit::offset(at_, references, 8ULL * instr.d)),
                      Type::i64);
                return;
            }
            case Base::simd:
                return simd(instr);
            case Base::simd_memory:
                return simd_memory(instr);
            case Base::simd_shuffle:
                return simd_shuffle(instr);
            case Base::vector_select:
                return vector_select(instr);
            case Base::vector_global_get:
                return vector_global_get(instr);
            case Base::vector_global_set:
                return vector_global_set(instr);
            default:
                MILLRACE_ASSERT(false);
        }
    }

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
    std::map<std::uint32_t, llvm::BasicBlock*> ends_;
    bool is_dead_ = false;
    bool is_fuel_told_ = false;  ///< the memory's cell holds the fuel as it is now
};

}  // namespace

void lower_function(Unit& unit, std::uint32_t index, const wasm::Code& code) {
    Lowering{unit, index, code}.run();
}

}  // namespace millrace::compiler
