// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/assert.hpp"
#include "wasm/fuel.hpp"
#include "wasm/ir.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/reader.hpp"
#include "wasm/simd_ops.hpp"

/// The translator from WebAssembly code to the intermediate form (src/wasm/ir.hpp): one pass over a
/// validated body. For the engine's own translate*.cpp only.
namespace millrace::wasm::translation {

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
    bool is_high = false;  ///< the upper half of a v128, whose lower half is the position below
};

struct Label {
    std::uint8_t opcode = op::block;
    bool is_targeted = false;
    bool has_else = false;
    std::uint32_t height = 0;  ///< of the stack, without the block's parameters
    BlockType type;
    std::uint32_t params = 0;  ///< slots
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

/// Where a local lies.
struct LocalPlace {
    std::uint32_t slot = 0;
    bool is_vector = false;
};

class Translator {
  public:
    Translator(const ModuleData& module, const Body& body, bool is_wide)
        : module_{module},
          body_{body},
          is_wide_{is_wide},
          reader_{module.bytes.data(), body.begin, body.end, error_, failed_} {}

    /// Null when a cost did not fit a branch's 16 bits: then again with is_wide.
    std::optional<Code> run();

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
    void push_temps(std::span<const ValueType> types) {
        for (const ValueType type : types) {
            push_temp();
            if (type == ValueType::v128) push_high_temp();
        }
    }
    void push_vector_constant(std::uint64_t low, std::uint64_t high) {
        push_constant(low);
        push_constant(high);
        stack_.back().is_high = true;
    }
    void push_high_temp() { stack_.push_back({.is_high = true}); }
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
    std::uint16_t in_slot(const Popped& popped);
    /// Whether the last instruction's result is exactly this popped temp, and nothing came between.
    [[nodiscard]] bool is_last_result(const Popped& popped) const noexcept;
    void materialise(std::uint32_t position);
    /// Puts the topmost operands in their own slots.
    void flush_top(std::uint32_t number);
    /// Before control splits or joins: no operand may depend on a local any more.
    void flush_locals();
    /// Before a local changes: operands that stand for it take its old value.
    void preserve(std::uint32_t local);

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
    void begin_place_block(bool falls_in);
    void bind(std::uint32_t place) { places_[place] = {place_index_, block_}; }

    void jump_to(std::uint32_t place) {
        patches_.push_back({.kind = Patch::Kind::jump, .index = here(), .place = place});
        emit(IrOp::jump);
    }

    static std::optional<IrOp> comparison_branch(IrOp op, bool when) noexcept;
    static bool is_slot_form(IrOp op) noexcept;
    /// The 32 bits that stand for a comparison's constant in a branch; null if it does not fit.
    static std::optional<std::uint32_t> short_constant(IrOp op, std::uint64_t bits) noexcept;

    /// Branches to `place` if the popped condition is nonzero (`when`) or zero. A comparison that
    /// was just emitted becomes the branch. `flushes`: locals on the stack are settled before.
    void branch_if(const Popped& condition, bool when, std::uint32_t place, bool flushes);
    /// The metering block after a conditional branch that was just emitted.
    void begin_fall_block();

    [[nodiscard]] Label& label(std::uint32_t depth) { return labels_[labels_.size() - 1 - depth]; }
    [[nodiscard]] bool is_function(std::uint32_t depth) const noexcept {
        return depth + 1 == labels_.size();
    }
    static std::uint32_t arity(const Label& label) noexcept {
        return label.opcode == op::loop ? label.params : label.results;
    }

    void emit_return(std::uint32_t results);
    /// Whether the topmost operands already lie where the label wants them.
    [[nodiscard]] bool is_in_place(const Label& label) const noexcept;
    void emit_moves(const Label& label);
    void go_dead() {
        is_dead_ = true;
        dead_depth_ = 0;
    }

    // Control ----------------------------------------------------------------------------------

    BlockType read_block_type();
    void enter(std::uint8_t opcode);
    void else_();
    void end();
    void reset_stack(std::uint32_t height_wanted, std::span<const ValueType> temps);

    /// In code that cannot be reached: only the nesting matters.
    void skip(std::uint8_t opcode);
    void skip_immediates(std::uint8_t opcode);
    void skip_vector(std::uint32_t code);
    void branch(std::uint32_t depth);
    void conditional_branch(std::uint32_t depth);
    /// A return on one of two ways: the operands stay as they are for the other.
    void emit_return_of_copy(std::uint32_t results);
    void branch_table();

    // Plain instructions -----------------------------------------------------------------------

    void place_locals(std::span<const ValueType> params);
    void place_local(ValueType type);
    void get_local(const LocalPlace& local);
    void tee_local(const LocalPlace& local);
    void set_local(std::uint32_t index, const Popped& value);

    // Vectors: two positions, two slots.
    struct PoppedPair {
        Popped low;
        Popped high;
    };
    PoppedPair pop_pair();
    /// The first of the two slots where a popped v128 lies, moved to its own place if need be.
    std::uint16_t in_pair(const PoppedPair& popped);
    Instr& emit_pair_result(IrOp op, std::size_t b = 0, std::size_t c = 0);
    void set_vector_local(std::uint32_t first, const PoppedPair& value);
    void vector_select();
    void vector(std::uint32_t code);
    void vector_access(std::uint32_t code, SimdShape shape);

    static bool commutes(IrOp op) noexcept;
    /// The operation with its operands exchanged, both in slots; null if there is none.
    static std::optional<IrOp> mirrored(IrOp op) noexcept;
    static std::optional<IrOp> reversed(IrOp op) noexcept;

    void binary(IrOp op);
    void unary(IrOp op);
    void numeric(std::uint8_t opcode);
    void load(std::uint8_t opcode);
    void store(std::uint8_t opcode);

    /// Puts the arguments on top in their slots; the first one's.
    std::uint16_t settle_arguments(std::uint32_t params);
    void tail_call(const FuncType& type, IrOp op, std::uint16_t index_slot, std::uint32_t d,
                   std::uint32_t e);
    void call(const FuncType& type, IrOp op, std::uint16_t index_slot, std::uint32_t d,
              std::uint32_t e);

    /// Operands in fields a, b, c in order.
    void effect(IrOp op, std::uint32_t operands, std::uint32_t d, std::uint32_t e = 0);
    void instruction(std::uint8_t opcode);
    void prefixed(std::uint32_t opcode);

    // Fills in targets and costs ---------------------------------------------------------------

    bool resolve();

    const ModuleData& module_;
    const Body& body_;
    bool is_wide_;
    ModuleError error_;
    bool failed_ = false;
    Reader reader_;
    Code code_;
    std::uint32_t locals_ = 0;
    std::vector<LocalPlace> local_places_;
    std::vector<Operand> stack_;
    std::vector<std::uint32_t> heads_;  ///< per local slot: the highest position for it
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

}  // namespace millrace::wasm::translation
