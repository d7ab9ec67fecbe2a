// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "base/assert.hpp"
#include "wasm/fuel.hpp"
#include "wasm/ir.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/reader.hpp"

namespace millrace::wasm {
namespace {

constexpr std::uint32_t none = 0xffffffff;

constexpr IrOp shifted(IrOp first, std::size_t by) noexcept {
    return static_cast<IrOp>(static_cast<std::size_t>(first) + by);
}
constexpr std::size_t distance(IrOp first, IrOp op) noexcept {
    return static_cast<std::size_t>(op) - static_cast<std::size_t>(first);
}
constexpr bool is_within(IrOp op, IrOp first, IrOp last) noexcept {
    return op >= first && op <= last;
}

/// What a position of the operand stack holds. A temp lies in the position's own slot.
struct Operand {
    enum class Kind : std::uint8_t { temp, local, constant };
    Kind kind = Kind::temp;
    std::uint32_t local = 0;
    std::uint32_t previous = none;  ///< next lower position that holds the same local
    std::uint64_t bits = 0;
};

struct Label {
    std::uint8_t opcode = op::block;
    bool is_targeted = false;
    bool has_else = false;
    std::uint32_t height = 0;  ///< of the stack, without the block's parameters
    std::uint32_t params = 0;
    std::uint32_t results = 0;
    std::uint32_t target = none;       ///< index in places_: loop head, or end
    std::uint32_t else_target = none;  ///< index in places_ of an if's other way
};

/// Where branches to a label arrive, once known, and the metering block that starts there.
struct Place {
    std::uint32_t index = none;
    std::uint32_t block = none;
};

struct Patch {
    enum class Kind : std::uint8_t { conditional, jump, table };
    Kind kind = Kind::jump;
    std::uint32_t index = 0;  ///< instruction, or entry of Code::targets
    std::uint32_t place = 0;
    std::uint32_t origin = 0;  ///< for tables: the instruction
};

/// A place that must be given the cost of a metering block.
struct CostSink {
    enum class Kind : std::uint8_t { entry, charge, fall };
    Kind kind = Kind::charge;
    std::uint32_t index = 0;
    std::uint32_t block = 0;
};

class Translator {
  public:
    Translator(const ModuleData& module, const Body& body, bool is_wide)
        : module_{module},
          body_{body},
          is_wide_{is_wide},
          reader_{module.bytes.data(), body.begin, body.end, error_, failed_} {}

    /// Null when a cost did not fit a branch's 16 bits: then again with is_wide.
    std::optional<Code> run() {
        const FuncType& type = module_.types[body_.type];
        code_.params = static_cast<std::uint32_t>(type.params.size());
        code_.locals = body_.locals;
        locals_ = code_.params + body_.locals;
        code_.frame_slots = locals_ + body_.stack_height;
        heads_.assign(locals_, none);
        labels_.push_back({.results = static_cast<std::uint32_t>(type.results.size())});
        begin_block();
        sinks_.push_back({CostSink::Kind::entry, 0, block_});
        costs_[block_] += body_.locals / fuel::locals_per_unit;
        while (!labels_.empty()) {
            const std::uint8_t opcode = reader_.byte();
            MILLRACE_ASSERT(!failed_);
            if (is_dead_) {
                skip(opcode);
            } else {
                costs_[block_] += fuel::opcode_cost[opcode];
                instruction(opcode);
            }
        }
        if (!resolve()) return std::nullopt;
        return std::move(code_);
    }

  private:
    // Slots and operands -----------------------------------------------------------------------

    [[nodiscard]] std::uint16_t slot(std::size_t position) const noexcept {
        return static_cast<std::uint16_t>(locals_ + position);
    }
    [[nodiscard]] std::uint32_t height() const noexcept {
        return static_cast<std::uint32_t>(stack_.size());
    }

    Instr& emit(IrOp op, std::size_t a = 0, std::size_t b = 0, std::size_t c = 0) {
        code_.instrs.push_back({.op = op,
                                .a = static_cast<std::uint16_t>(a),
                                .b = static_cast<std::uint16_t>(b),
                                .c = static_cast<std::uint16_t>(c)});
        return code_.instrs.back();
    }
    [[nodiscard]] std::uint32_t here() const noexcept {
        return static_cast<std::uint32_t>(code_.instrs.size());
    }
    void emit_constant(std::uint16_t target, std::uint64_t bits) {
        emit(IrOp::constant, target).set_wide(bits);
    }

    void push_temp() { stack_.push_back({}); }
    void push_constant(std::uint64_t bits) {
        stack_.push_back({.kind = Operand::Kind::constant, .bits = bits});
    }
    void push_local(std::uint32_t index) {
        stack_.push_back({.kind = Operand::Kind::local, .local = index, .previous = heads_[index]});
        heads_[index] = height() - 1;
    }
    /// An instruction whose one result is the new top of the stack, in its field a.
    Instr& emit_result(IrOp op, std::size_t b = 0, std::size_t c = 0) {
        Instr& instr = emit(op, slot(height()), b, c);
        result_at_ = here() - 1;
        push_temp();
        return instr;
    }

    struct Popped {
        Operand operand;
        std::uint32_t position = 0;
        [[nodiscard]] bool is_constant() const noexcept {
            return operand.kind == Operand::Kind::constant;
        }
    };
    Popped pop() {
        const Popped popped{.operand = stack_.back(), .position = height() - 1};
        stack_.pop_back();
        if (popped.operand.kind == Operand::Kind::local)
            heads_[popped.operand.local] = popped.operand.previous;
        flushed_ = std::min(flushed_, height());
        return popped;
    }
    /// The slot where a popped operand lies; a constant is written to its position first.
    std::uint16_t in_slot(const Popped& popped) {
        switch (popped.operand.kind) {
            case Operand::Kind::local:
                return static_cast<std::uint16_t>(popped.operand.local);
            case Operand::Kind::constant:
                emit_constant(slot(popped.position), popped.operand.bits);
                break;
            case Operand::Kind::temp:
                break;
        }
        return slot(popped.position);
    }
    /// Whether the last instruction's result is exactly this popped temp, and nothing came between.
    [[nodiscard]] bool is_last_result(const Popped& popped) const noexcept {
        return popped.operand.kind == Operand::Kind::temp && result_at_ + 1 == here() &&
               result_at_ != none && here() > barrier_ &&
               code_.instrs.back().a == slot(popped.position);
    }
    void materialise(std::uint32_t position) {
        Operand& operand = stack_[position];
        if (operand.kind == Operand::Kind::local) {
            emit(IrOp::move, slot(position), operand.local);
        } else if (operand.kind == Operand::Kind::constant) {
            emit_constant(slot(position), operand.bits);
        }
        operand = {};
    }
    /// Puts the topmost operands in their own slots.
    void flush_top(std::uint32_t number) {
        for (std::uint32_t left = 0; left < number; ++left) {
            const std::uint32_t position = height() - 1 - left;
            const Operand& operand = stack_[position];
            if (operand.kind == Operand::Kind::local) heads_[operand.local] = operand.previous;
            materialise(position);
        }
    }
    /// Before control splits or joins: no operand may depend on a local any more.
    void flush_locals() {
        for (; flushed_ < height(); ++flushed_) {
            const Operand& operand = stack_[flushed_];
            if (operand.kind != Operand::Kind::local) continue;
            heads_[operand.local] = none;
            materialise(flushed_);
        }
    }
    /// Before a local changes: operands that stand for it take its old value.
    void preserve(std::uint32_t local) {
        std::uint32_t position = heads_[local];
        while (position != none) {
            const std::uint32_t next = stack_[position].previous;
            materialise(position);
            position = next;
        }
        heads_[local] = none;
    }

    // Metering blocks and places ---------------------------------------------------------------

    void begin_block() {
        block_ = static_cast<std::uint32_t>(costs_.size());
        costs_.push_back(0);
    }
    std::uint32_t new_place() {
        places_.push_back({});
        return static_cast<std::uint32_t>(places_.size() - 1);
    }
    void emit_charge() {
        sinks_.push_back({CostSink::Kind::charge, here(), block_});
        emit(IrOp::charge);
    }
    /// A metering block that branches reach starts here.
    void begin_place_block(bool falls_in) {
        if (falls_in && here() == join_at_ && block_ == join_block_ && costs_[block_] == 0) return;
        begin_block();
        place_index_ = here();
        if (falls_in || is_wide_) emit_charge();
        if (!is_wide_) place_index_ = here();
        join_at_ = here();
        join_block_ = block_;
        barrier_ = here();
        result_at_ = none;
    }
    void bind(std::uint32_t place) { places_[place] = {place_index_, block_}; }

    void jump_to(std::uint32_t place) {
        patches_.push_back({.kind = Patch::Kind::jump, .index = here(), .place = place});
        emit(IrOp::jump);
    }

    static std::optional<IrOp> comparison_branch(IrOp op, bool when) noexcept {
        if (!is_within(op, IrOp::i32_eq_rr, IrOp::f64_ge_rk)) return std::nullopt;
        const IrOp first = when ? IrOp::br_i32_eq_rr : IrOp::br_not_i32_eq_rr;
        return shifted(first, distance(IrOp::i32_eq_rr, op));
    }
    static bool is_slot_form(IrOp op) noexcept { return (distance(IrOp::i32_eq_rr, op) & 1U) == 0; }
    /// The 32 bits that stand for a comparison's constant in a branch; null if it does not fit.
    static std::optional<std::uint32_t> short_constant(IrOp op, std::uint64_t bits) noexcept {
        const auto low = static_cast<std::uint32_t>(bits);
        if (is_within(op, IrOp::i64_eq_rr, IrOp::i64_ge_u_rk)) {
            const auto extended = static_cast<std::int64_t>(static_cast<std::int32_t>(low));
            if (static_cast<std::uint64_t>(extended) != bits) return std::nullopt;
        } else if (is_within(op, IrOp::f64_eq_rr, IrOp::f64_ge_rk)) {
            const auto narrow = static_cast<float>(std::bit_cast<double>(bits));
            if (std::bit_cast<std::uint64_t>(static_cast<double>(narrow)) != bits)
                return std::nullopt;
            return std::bit_cast<std::uint32_t>(narrow);
        }
        return low;
    }

    /// Branches to `place` if the popped condition is nonzero (`when`) or zero. A comparison that
    /// was just emitted becomes the branch. `flushes`: locals on the stack are settled before.
    void branch_if(const Popped& condition, bool when, std::uint32_t place, bool flushes) {
        std::optional<Instr> comparison;
        std::optional<IrOp> fused;
        if (is_last_result(condition)) {
            const Instr& last = code_.instrs.back();
            fused = comparison_branch(last.op, when);
            if (fused && !is_slot_form(last.op) && !short_constant(last.op, last.wide()))
                fused.reset();
            if (fused) {
                comparison = last;
                code_.instrs.pop_back();
            }
        }
        std::uint16_t condition_slot = 0;
        if (!fused) condition_slot = in_slot(condition);
        if (flushes) flush_locals();
        patches_.push_back({.kind = Patch::Kind::conditional, .index = here(), .place = place});
        if (fused) {
            Instr& instr = emit(*fused, comparison->b);
            instr.e = is_slot_form(comparison->op)
                          ? comparison->c
                          : *short_constant(comparison->op, comparison->wide());
        } else {
            emit(when ? IrOp::br_nonzero : IrOp::br_zero, condition_slot);
        }
        barrier_ = here();
    }
    /// The metering block after a conditional branch that was just emitted.
    void begin_fall_block() {
        begin_block();
        if (is_wide_) {
            emit_charge();
        } else {
            sinks_.push_back({CostSink::Kind::fall, here() - 1, block_});
        }
        barrier_ = here();
    }

    [[nodiscard]] Label& label(std::uint32_t depth) { return labels_[labels_.size() - 1 - depth]; }
    [[nodiscard]] bool is_function(std::uint32_t depth) const noexcept {
        return depth + 1 == labels_.size();
    }
    static std::uint32_t arity(const Label& label) noexcept {
        return label.opcode == op::loop ? label.params : label.results;
    }

    void emit_return(std::uint32_t results) {
        if (results == 0) {
            emit(IrOp::return_none);
        } else if (results == 1) {
            const Operand operand = stack_.back();
            emit(IrOp::return_one, in_slot({operand, height() - 1}));
        } else {
            flush_top(results);
            emit(IrOp::return_many, slot(height() - results)).d = results;
        }
    }
    /// Whether the topmost operands already lie where the label wants them.
    [[nodiscard]] bool is_in_place(const Label& label) const noexcept {
        const std::uint32_t number = arity(label);
        if (number == 0) return true;
        if (height() - number != label.height) return false;
        return std::all_of(stack_.end() - number, stack_.end(), [](const Operand& operand) {
            return operand.kind == Operand::Kind::temp;
        });
    }
    void emit_moves(const Label& label) {
        const std::uint32_t number = arity(label);
        if (number == 0) return;
        if (number == 1) {
            const Operand operand = stack_.back();
            const std::uint16_t target = slot(label.height);
            if (operand.kind == Operand::Kind::constant) {
                emit_constant(target, operand.bits);
            } else {
                const std::uint16_t source = in_slot({operand, height() - 1});
                if (source != target) emit(IrOp::move, target, source);
            }
            return;
        }
        flush_top(number);
        const std::uint32_t source = height() - number;
        if (source != label.height)
            emit(IrOp::move_range, slot(label.height), slot(source)).d = number;
    }
    void go_dead() {
        is_dead_ = true;
        dead_depth_ = 0;
    }

    // Control ----------------------------------------------------------------------------------

    BlockType read_block_type() {
        const auto type = block_type(module_, reader_.s33());
        MILLRACE_ASSERT(type.has_value());
        return *type;
    }

    void enter(std::uint8_t opcode) {
        const BlockType type = read_block_type();
        const auto params = static_cast<std::uint32_t>(type.params.size());
        Label entered{.opcode = opcode,
                      .params = params,
                      .results = static_cast<std::uint32_t>(type.results.size()),
                      .target = new_place()};
        if (opcode == op::if_) {
            entered.else_target = new_place();
            const Popped condition = pop();
            if (params > 0) {
                // The parameters' moves must come before the branch but may come after the
                // comparison, which reads slots above them or locals only.
                Popped settled = condition;
                if (condition.is_constant()) in_slot(condition);
                if (condition.is_constant()) settled.operand = {};
                if (condition.operand.kind == Operand::Kind::local) {
                    emit(IrOp::move, slot(condition.position), condition.operand.local);
                    settled.operand = {};
                }
                flush_top(params);
                branch_if(settled, false, entered.else_target, true);
            } else {
                branch_if(condition, false, entered.else_target, true);
            }
            begin_fall_block();
        } else {
            flush_top(params);
            flush_locals();
            if (opcode == op::loop) {
                begin_place_block(true);
                bind(entered.target);
            }
        }
        entered.height = height() - params;
        labels_.push_back(entered);
    }

    void else_() {
        Label& inner = labels_.back();
        if (!is_dead_) {
            flush_top(inner.results);
            inner.is_targeted = true;
            jump_to(inner.target);
        }
        inner.has_else = true;
        is_dead_ = false;
        reset_stack(inner.height, inner.params);
        begin_place_block(false);
        bind(inner.else_target);
    }

    void end() {
        const Label inner = labels_.back();
        if (labels_.size() == 1) {
            if (!is_dead_) emit_return(inner.results);
            labels_.pop_back();
            return;
        }
        labels_.pop_back();
        if (inner.opcode == op::loop) return;  // what falls out goes on in its metering block
        const bool joins_else = inner.opcode == op::if_ && !inner.has_else;
        if (!inner.is_targeted && !joins_else) {
            // The end of an if is a boundary also when one arm alone reaches it.
            if (inner.opcode == op::if_ && !is_dead_) {
                flush_top(inner.results);
                reset_stack(inner.height, inner.results);
                begin_place_block(true);
            }
            return;
        }
        const bool falls_in = !is_dead_;
        if (falls_in) flush_top(inner.results);
        is_dead_ = false;
        reset_stack(inner.height, inner.results);
        begin_place_block(falls_in);
        bind(inner.target);
        if (joins_else) bind(inner.else_target);
    }

    void reset_stack(std::uint32_t height_wanted, std::uint32_t temps) {
        while (height() > height_wanted)
            pop();
        for (std::uint32_t number = 0; number < temps; ++number)
            push_temp();
    }

    /// In code that cannot be reached: only the nesting matters.
    void skip(std::uint8_t opcode) {
        if (opcode == op::block || opcode == op::loop || opcode == op::if_) {
            reader_.s33();
            ++dead_depth_;
        } else if (opcode == op::end) {
            if (dead_depth_ == 0) return end();
            --dead_depth_;
        } else if (opcode == op::else_) {
            if (dead_depth_ == 0) else_();
        } else {
            skip_immediates(opcode);
        }
    }
    void skip_immediates(std::uint8_t opcode) {
        if (opcode >= op::load_first && opcode <= op::store_last) {
            reader_.u32();
            reader_.u64();
            return;
        }
        switch (opcode) {
            case op::br:
            case op::br_if:
            case op::call:
            case op::local_get:
            case op::local_set:
            case op::local_tee:
            case op::global_get:
            case op::global_set:
            case op::table_get:
            case op::table_set:
            case op::memory_size:
            case op::memory_grow:
            case op::ref_func:
                reader_.u32();
                return;
            case op::ref_null:
                reader_.byte();
                return;
            case op::call_indirect:
                reader_.u32();
                reader_.u32();
                return;
            case op::br_table:
                for (std::uint64_t left = reader_.u32() + 1ULL; left > 0; --left)
                    reader_.u32();
                return;
            case op::select_typed:
                reader_.skip(reader_.u32());
                return;
            case op::i32_const:
                reader_.s32();
                return;
            case op::i64_const:
                reader_.s64();
                return;
            case op::f32_const:
                reader_.skip(4);
                return;
            case op::f64_const:
                reader_.skip(8);
                return;
            case op::prefix_fc: {
                const std::uint32_t second = reader_.u32();
                if (second <= op_fc::trunc_sat_last) return;
                reader_.u32();
                if (second == op_fc::memory_init || second == op_fc::memory_copy ||
                    second == op_fc::table_init || second == op_fc::table_copy)
                    reader_.u32();
                return;
            }
            default:
                return;
        }
    }

    void branch(std::uint32_t depth) {
        Label& target = label(depth);
        costs_[block_] += fuel::for_branch(arity(target));
        if (is_function(depth)) {
            emit_return(target.results);
        } else {
            target.is_targeted = true;
            emit_moves(target);
            jump_to(target.target);
        }
        go_dead();
    }

    void conditional_branch(std::uint32_t depth) {
        Label& target = label(depth);
        costs_[block_] += fuel::for_branch(arity(target));
        const Popped condition = pop();
        if (!is_function(depth) && is_in_place(target)) {
            target.is_targeted = true;
            branch_if(condition, true, target.target, false);
            begin_fall_block();
            return;
        }
        // Around the moves: the other way skips them and pays for the block that follows.
        Popped settled = condition;
        if (arity(target) > 1) {
            // The operands are settled for both ways, so before the branch.
            if (condition.operand.kind != Operand::Kind::temp) {
                const std::uint16_t source = in_slot(condition);
                const std::uint16_t own = slot(condition.position);
                if (source != own) emit(IrOp::move, own, source);
                settled.operand = {};
            }
            flush_top(arity(target));
        }
        const std::uint32_t skip_place = new_place();
        branch_if(settled, false, skip_place, false);
        if (is_function(depth)) {
            emit_return_of_copy(target.results);
        } else {
            target.is_targeted = true;
            emit_moves(target);
            jump_to(target.target);
        }
        begin_place_block(false);
        bind(skip_place);
    }
    /// A return on one of two ways: the operands stay as they are for the other.
    void emit_return_of_copy(std::uint32_t results) {
        MILLRACE_ASSERT(results < 2 || std::all_of(stack_.end() - results, stack_.end(),
                                                   [](const Operand& operand) {
                                                       return operand.kind == Operand::Kind::temp;
                                                   }));
        emit_return(results);
    }

    void branch_table() {
        const std::uint32_t number = reader_.u32() + 1;
        depths_.clear();
        for (std::uint32_t index = 0; index < number; ++index)
            depths_.push_back(reader_.u32());
        const Popped selector = pop();
        const std::uint32_t values = arity(label(depths_.back()));
        costs_[block_] += fuel::for_branch(values);
        std::uint16_t selector_slot = in_slot(selector);
        flush_top(values);
        const std::uint32_t origin = here();
        const auto first = static_cast<std::uint32_t>(code_.targets.size());
        Instr& instr = emit(IrOp::br_table, selector_slot);
        instr.d = first;
        instr.e = number;
        code_.targets.resize(first + number);
        stubs_.assign(labels_.size(), none);
        for (std::uint32_t index = 0; index < number; ++index) {
            const std::uint32_t depth = depths_[index];
            Label& target = label(depth);
            if (!is_function(depth) && is_in_place(target)) {
                target.is_targeted = true;
                patches_.push_back({.kind = Patch::Kind::table,
                                    .index = first + index,
                                    .place = target.target,
                                    .origin = origin});
                continue;
            }
            if (stubs_[depth] == none) {
                stubs_[depth] = here();
                if (is_function(depth)) {
                    emit_return(values);
                } else {
                    target.is_targeted = true;
                    emit_moves(target);
                    jump_to(target.target);
                }
            }
            code_.targets[first + index] = {static_cast<std::int32_t>(stubs_[depth] - origin), 0};
        }
        go_dead();
    }

    // Plain instructions -----------------------------------------------------------------------

    void set_local(std::uint32_t index, const Popped& value) {
        if (value.operand.kind == Operand::Kind::local && value.operand.local == index) return;
        if (heads_[index] == none && is_last_result(value)) {
            code_.instrs.back().a = static_cast<std::uint16_t>(index);
            result_at_ = none;
            return;
        }
        preserve(index);
        if (value.is_constant()) {
            emit_constant(static_cast<std::uint16_t>(index), value.operand.bits);
        } else {
            emit(IrOp::move, index, in_slot(value));
        }
    }

    static bool commutes(IrOp op) noexcept {
        switch (op) {
            case IrOp::i32_add_rr:
            case IrOp::i32_mul_rr:
            case IrOp::i32_and_rr:
            case IrOp::i32_or_rr:
            case IrOp::i32_xor_rr:
            case IrOp::i64_add_rr:
            case IrOp::i64_mul_rr:
            case IrOp::i64_and_rr:
            case IrOp::i64_or_rr:
            case IrOp::i64_xor_rr:
            case IrOp::f32_add_rr:
            case IrOp::f32_mul_rr:
            case IrOp::f64_add_rr:
            case IrOp::f64_mul_rr:
            case IrOp::i32_eq_rr:
            case IrOp::i32_ne_rr:
            case IrOp::i64_eq_rr:
            case IrOp::i64_ne_rr:
            case IrOp::f32_eq_rr:
            case IrOp::f32_ne_rr:
            case IrOp::f64_eq_rr:
            case IrOp::f64_ne_rr:
                return true;
            default:
                return false;
        }
    }
    /// The operation with its operands exchanged, both in slots; null if there is none.
    static std::optional<IrOp> mirrored(IrOp op) noexcept {
        if (commutes(op)) return op;
        const auto pairs = [op](IrOp lt, std::size_t step) -> std::optional<IrOp> {
            // Order: lt, gt, le, ge, each `step` apart (with signed and unsigned between).
            const std::size_t index = distance(lt, op) / step;
            const std::size_t rest = distance(lt, op) % step;
            return shifted(lt, (index ^ 1U) * step + rest);
        };
        if (is_within(op, IrOp::i32_lt_s_rr, IrOp::i32_ge_u_rk)) return pairs(IrOp::i32_lt_s_rr, 4);
        if (is_within(op, IrOp::i64_lt_s_rr, IrOp::i64_ge_u_rk)) return pairs(IrOp::i64_lt_s_rr, 4);
        if (is_within(op, IrOp::f32_lt_rr, IrOp::f32_ge_rk)) return pairs(IrOp::f32_lt_rr, 2);
        if (is_within(op, IrOp::f64_lt_rr, IrOp::f64_ge_rk)) return pairs(IrOp::f64_lt_rr, 2);
        return std::nullopt;
    }
    static std::optional<IrOp> reversed(IrOp op) noexcept {
        switch (op) {
#define X(name, ...)      \
    case IrOp::name##_rr: \
        return IrOp::name##_kr;
            MILLRACE_WASM_REVERSED(X)
#undef X
            default:
                return std::nullopt;
        }
    }

    void binary(IrOp op) {
        const Popped right = pop();
        const Popped left = pop();
        if (right.is_constant()) {
            const std::uint16_t left_slot = in_slot(left);
            emit_result(shifted(op, 1), left_slot).set_wide(right.operand.bits);
            return;
        }
        if (left.is_constant()) {
            if (const auto exchanged = mirrored(op)) {
                emit_result(shifted(*exchanged, 1), in_slot(right)).set_wide(left.operand.bits);
                return;
            }
            if (const auto form = reversed(op)) {
                emit_result(*form, in_slot(right)).set_wide(left.operand.bits);
                return;
            }
        }
        const std::uint16_t left_slot = in_slot(left);
        const std::uint16_t right_slot = in_slot(right);
        emit_result(op, left_slot, right_slot);
    }
    void unary(IrOp op) {
        const Popped operand = pop();
        emit_result(op, in_slot(operand));
    }

    void numeric(std::uint8_t opcode) {
        const auto by = [opcode](std::uint8_t first) {
            return static_cast<std::size_t>(opcode - first);
        };
        if (opcode == op::i32_eqz || opcode == op::i64_eqz) {
            push_constant(0);
            binary(opcode == op::i32_eqz ? IrOp::i32_eq_rr : IrOp::i64_eq_rr);
        } else if (opcode <= 0x4f) {
            binary(shifted(IrOp::i32_eq_rr, 2 * by(0x46)));
        } else if (opcode <= 0x5a) {
            binary(shifted(IrOp::i64_eq_rr, 2 * by(0x51)));
        } else if (opcode <= 0x66) {
            binary(shifted(IrOp::f32_eq_rr, 2 * by(0x5b)));
        } else if (opcode <= 0x69) {
            unary(shifted(IrOp::i32_clz, by(0x67)));
        } else if (opcode <= 0x78) {
            binary(shifted(IrOp::i32_add_rr, 2 * by(0x6a)));
        } else if (opcode <= 0x7b) {
            unary(shifted(IrOp::i64_clz, by(0x79)));
        } else if (opcode <= 0x8a) {
            binary(shifted(IrOp::i64_add_rr, 2 * by(0x7c)));
        } else if (opcode <= 0x91) {
            unary(shifted(IrOp::f32_abs, by(0x8b)));
        } else if (opcode <= 0x98) {
            binary(shifted(IrOp::f32_add_rr, 2 * by(0x92)));
        } else if (opcode <= 0x9f) {
            unary(shifted(IrOp::f64_abs, by(0x99)));
        } else if (opcode <= 0xa6) {
            binary(shifted(IrOp::f64_add_rr, 2 * by(0xa0)));
        } else if (opcode <= 0xbb) {
            unary(shifted(IrOp::i32_wrap_i64, by(0xa7)));
        } else if (opcode >= 0xc0) {
            unary(shifted(IrOp::i32_extend8_s, by(0xc0)));
        }
        // 0xbc to 0xbf reinterpret bits: the slot stays as it is.
    }

    void load(std::uint8_t opcode) {
        reader_.u32();
        const auto offset = static_cast<std::uint32_t>(reader_.u64());
        const IrOp plain =
            shifted(IrOp::i32_load_r, 4 * static_cast<std::size_t>(opcode - op::load_first));
        const Popped address = pop();
        if (address.is_constant()) {
            emit_result(shifted(plain, 3)).set_wide(address.operand.bits + offset);
            return;
        }
        if (is_last_result(address)) {
            const Instr last = code_.instrs.back();
            if (last.op == IrOp::i32_add_rr) {
                code_.instrs.pop_back();
                emit_result(shifted(plain, 1), last.b, last.c).d = offset;
                return;
            }
            if (last.op == IrOp::i32_add_rk) {
                code_.instrs.pop_back();
                Instr& instr = emit_result(shifted(plain, 2), last.b);
                instr.d = offset;
                instr.e = last.d;
                return;
            }
        }
        emit_result(plain, in_slot(address)).d = offset;
    }

    void store(std::uint8_t opcode) {
        reader_.u32();
        const auto offset = static_cast<std::uint32_t>(reader_.u64());
        const IrOp plain =
            shifted(IrOp::i32_store_r, 5 * static_cast<std::size_t>(opcode - op::store_first));
        const Popped value = pop();
        const Popped address = pop();
        if (value.is_constant() && !address.is_constant()) {
            const auto low = static_cast<std::uint32_t>(value.operand.bits);
            const auto extended = static_cast<std::int64_t>(static_cast<std::int32_t>(low));
            const bool is_narrow =
                access_signatures[static_cast<std::size_t>(opcode - op::load_first)].align_log2 < 3;
            if (is_narrow || static_cast<std::uint64_t>(extended) == value.operand.bits) {
                Instr& instr = emit(shifted(plain, 4), 0, in_slot(address));
                instr.d = offset;
                instr.e = low;
                return;
            }
        }
        if (address.is_constant()) {
            const std::uint16_t value_slot = in_slot(value);
            emit(shifted(plain, 3), value_slot).set_wide(address.operand.bits + offset);
            return;
        }
        if (value.operand.kind == Operand::Kind::local && is_last_result(address)) {
            const Instr last = code_.instrs.back();
            if (last.op == IrOp::i32_add_rr || last.op == IrOp::i32_add_rk) {
                code_.instrs.pop_back();
                const bool is_sum = last.op == IrOp::i32_add_rr;
                Instr& instr = emit(shifted(plain, is_sum ? 1 : 2), value.operand.local, last.b,
                                    is_sum ? last.c : 0);
                instr.d = offset;
                if (!is_sum) instr.e = last.d;
                return;
            }
        }
        const std::uint16_t address_slot = in_slot(address);
        const std::uint16_t value_slot = in_slot(value);
        emit(plain, value_slot, address_slot).d = offset;
    }

    void call(const FuncType& type, IrOp op, std::uint16_t index_slot, std::uint32_t d,
              std::uint32_t e) {
        const auto params = static_cast<std::uint32_t>(type.params.size());
        flush_top(params);
        for (std::uint32_t number = 0; number < params; ++number)
            pop();
        Instr& instr = emit(op, slot(height()), index_slot);
        instr.d = d;
        instr.e = e;
        for (std::size_t number = 0; number < type.results.size(); ++number)
            push_temp();
    }

    /// Operands in fields a, b, c in order.
    void effect(IrOp op, std::uint32_t operands, std::uint32_t d, std::uint32_t e = 0) {
        std::uint16_t slots[3] = {};
        Popped popped[3];
        for (std::uint32_t index = operands; index > 0; --index)
            popped[index - 1] = pop();
        for (std::uint32_t index = 0; index < operands; ++index)
            slots[index] = in_slot(popped[index]);
        Instr& instr = emit(op, slots[0], slots[1], slots[2]);
        instr.d = d;
        instr.e = e;
    }

    void instruction(std::uint8_t opcode) {
        if (opcode >= op::numeric_first && opcode <= op::numeric_last) return numeric(opcode);
        if (opcode >= op::load_first && opcode <= op::load_last) return load(opcode);
        if (opcode >= op::store_first && opcode <= op::store_last) return store(opcode);
        switch (opcode) {
            case op::unreachable:
                emit(IrOp::unreachable);
                go_dead();
                return;
            case op::block:
            case op::loop:
            case op::if_:
                enter(opcode);
                return;
            case op::else_:
                else_();
                return;
            case op::end:
                end();
                return;
            case op::br:
                branch(reader_.u32());
                return;
            case op::br_if:
                conditional_branch(reader_.u32());
                return;
            case op::br_table:
                branch_table();
                return;
            case op::return_:
                costs_[block_] += fuel::for_branch(labels_.front().results);
                emit_return(labels_.front().results);
                go_dead();
                return;
            case op::call: {
                const std::uint32_t index = reader_.u32();
                call(module_.types[module_.functions[index]], IrOp::call, 0, index, 0);
                return;
            }
            case op::call_indirect: {
                const std::uint32_t type = reader_.u32();
                const std::uint32_t table = reader_.u32();
                const Popped index = pop();
                const std::uint16_t index_slot = in_slot(index);
                call(module_.types[type], IrOp::call_indirect, index_slot, type, table);
                return;
            }
            case op::drop:
                pop();
                return;
            case op::select_typed:
                reader_.skip(reader_.u32());
                [[fallthrough]];
            case op::select: {
                const Popped condition = pop();
                const Popped right = pop();
                const Popped left = pop();
                const std::uint16_t left_slot = in_slot(left);
                const std::uint16_t right_slot = in_slot(right);
                const std::uint16_t condition_slot = in_slot(condition);
                emit_result(IrOp::select, left_slot, right_slot).d = condition_slot;
                return;
            }
            case op::local_get:
                push_local(reader_.u32());
                return;
            case op::local_set: {
                const std::uint32_t index = reader_.u32();
                set_local(index, pop());
                return;
            }
            case op::local_tee: {
                const std::uint32_t index = reader_.u32();
                const Popped value = pop();
                set_local(index, value);
                if (value.is_constant()) {
                    push_constant(value.operand.bits);
                } else {
                    push_local(index);
                }
                return;
            }
            case op::global_get:
                emit_result(IrOp::global_get).d = reader_.u32();
                return;
            case op::global_set:
                effect(IrOp::global_set, 1, reader_.u32());
                return;
            case op::table_get: {
                const std::uint32_t table = reader_.u32();
                const Popped index = pop();
                emit_result(IrOp::table_get, in_slot(index)).d = table;
                return;
            }
            case op::table_set:
                effect(IrOp::table_set, 2, reader_.u32());
                return;
            case op::memory_size:
                reader_.u32();
                emit_result(IrOp::memory_size);
                return;
            case op::memory_grow: {
                reader_.u32();
                const Popped delta = pop();
                emit_result(IrOp::memory_grow, in_slot(delta));
                result_at_ = none;
                return;
            }
            case op::i32_const:
                push_constant(static_cast<std::uint32_t>(reader_.s32()));
                return;
            case op::i64_const:
                push_constant(static_cast<std::uint64_t>(reader_.s64()));
                return;
            case op::f32_const:
                push_constant(reader_.fixed_u32());
                return;
            case op::f64_const:
                push_constant(reader_.fixed_u64());
                return;
            case op::ref_null:
                reader_.byte();
                push_constant(0);
                return;
            case op::ref_is_null:
                push_constant(0);
                binary(IrOp::i64_eq_rr);
                return;
            case op::ref_func:
                emit_result(IrOp::ref_func).d = reader_.u32();
                return;
            case op::prefix_fc:
                prefixed(reader_.u32());
                return;
            default:
                return;  // nop
        }
    }

    void prefixed(std::uint32_t opcode) {
        if (opcode <= op_fc::trunc_sat_last)
            return unary(shifted(IrOp::i32_trunc_sat_f32_s, opcode));
        const std::uint32_t first = reader_.u32();
        switch (opcode) {
            case op_fc::memory_init:
                reader_.u32();
                effect(IrOp::memory_init, 3, first);
                return;
            case op_fc::data_drop:
                emit(IrOp::data_drop).d = first;
                return;
            case op_fc::memory_copy:
                reader_.u32();
                effect(IrOp::memory_copy, 3, 0);
                return;
            case op_fc::memory_fill:
                effect(IrOp::memory_fill, 3, 0);
                return;
            case op_fc::table_init:
                effect(IrOp::table_init, 3, reader_.u32(), first);
                return;
            case op_fc::elem_drop:
                emit(IrOp::elem_drop).d = first;
                return;
            case op_fc::table_copy:
                effect(IrOp::table_copy, 3, first, reader_.u32());
                return;
            case op_fc::table_grow: {
                const Popped delta = pop();
                const Popped value = pop();
                const std::uint16_t value_slot = in_slot(value);
                const std::uint16_t delta_slot = in_slot(delta);
                emit_result(IrOp::table_grow, value_slot, delta_slot).d = first;
                result_at_ = none;
                return;
            }
            case op_fc::table_size:
                emit_result(IrOp::table_size).d = first;
                return;
            default:
                effect(IrOp::table_fill, 3, first);
                return;
        }
    }

    // Fills in targets and costs ---------------------------------------------------------------

    bool resolve() {
        constexpr std::uint32_t short_max = 0xffff;
        for (const CostSink& sink : sinks_) {
            const std::uint32_t cost = costs_[sink.block];
            switch (sink.kind) {
                case CostSink::Kind::entry:
                    code_.entry_cost = cost;
                    break;
                case CostSink::Kind::charge:
                    code_.instrs[sink.index].d = cost;
                    break;
                case CostSink::Kind::fall:
                    if (cost > short_max) return false;
                    code_.instrs[sink.index].c = static_cast<std::uint16_t>(cost);
                    break;
            }
        }
        for (const Patch& patch : patches_) {
            const Place& place = places_[patch.place];
            MILLRACE_ASSERT(place.index != none);
            const std::uint32_t cost = is_wide_ ? 0 : costs_[place.block];
            if (patch.kind == Patch::Kind::table) {
                code_.targets[patch.index] = {static_cast<std::int32_t>(place.index - patch.origin),
                                              cost};
                continue;
            }
            Instr& instr = code_.instrs[patch.index];
            instr.d = place.index - patch.index;
            if (patch.kind == Patch::Kind::jump) {
                instr.e = cost;
            } else {
                if (cost > short_max) return false;
                instr.b = static_cast<std::uint16_t>(cost);
            }
        }
        return true;
    }

    const ModuleData& module_;
    const Body& body_;
    bool is_wide_;
    ModuleError error_;
    bool failed_ = false;
    Reader reader_;
    Code code_;
    std::uint32_t locals_ = 0;
    std::vector<Operand> stack_;
    std::vector<std::uint32_t> heads_;  ///< per local: the highest position that stands for it
    std::uint32_t flushed_ = 0;         ///< positions below hold no locals
    std::vector<Label> labels_;
    std::vector<Place> places_;
    std::vector<Patch> patches_;
    std::vector<CostSink> sinks_;
    std::vector<std::uint32_t> costs_;  ///< of the metering blocks
    std::uint32_t block_ = 0;           ///< the current one
    std::uint32_t place_index_ = 0;
    std::uint32_t join_at_ = none;
    std::uint32_t join_block_ = none;
    std::uint32_t barrier_ = 0;       ///< instructions before it may not be fused with later ones
    std::uint32_t result_at_ = none;  ///< the instruction that made the newest temp
    bool is_dead_ = false;
    std::uint32_t dead_depth_ = 0;
    std::vector<std::uint32_t> depths_;
    std::vector<std::uint32_t> stubs_;
};

}  // namespace

Code translate(const ModuleData& module, const Body& body) {
    for (const bool is_wide : {false, true}) {
        auto code = Translator{module, body, is_wide}.run();
        if (code) return std::move(*code);
    }
    MILLRACE_ASSERT(false);
    return {};
}

}  // namespace millrace::wasm
