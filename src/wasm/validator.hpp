// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wasm/decode.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/profile.hpp"
#include "wasm/simd_ops.hpp"

/// The validator of function bodies (specification, appendix "Validation Algorithm"). For the
/// engine's own validate*.cpp only.
namespace millrace::wasm::validation {

/// A value type on the validator's stack, or 0: the unknown type of unreachable code.
using Slot = std::uint8_t;
constexpr Slot unknown = 0;
constexpr Slot slot(ValueType type) noexcept {
    return static_cast<Slot>(type);
}

struct Frame {
    std::uint8_t opcode = op::block;
    bool is_unreachable = false;
    std::uint32_t height = 0;
    BlockType type;

    [[nodiscard]] std::span<const ValueType> label() const noexcept {
        return opcode == op::loop ? type.params : type.results;
    }
};

class Validator {
  public:
    Validator(ModuleData& module, ModuleError& error)
        : module_{module}, error_{error}, reader_{module.bytes.data(), 0, 0, error, failed_} {}

    bool run();

  private:
    void body(Body& body);
    void declared_locals(Body& body);

    void invalid(std::string message) {
        reader_.fail_at(at_, ModuleErrorKind::invalid, std::move(message));
    }
    void mismatch() { invalid("type mismatch"); }

    // The operand stack ------------------------------------------------------------------------

    void push(Slot type) {
        stack_.push_back(type);
        if (type == slot(ValueType::v128)) ++vectors_;
        const std::size_t slots = stack_.size() + vectors_;
        if (slots > height_max_ && !frames_.back().is_unreachable) {
            height_max_ = static_cast<std::uint32_t>(slots);
        } else if (slots > frame_slots_max) {
            reader_.over_limit("an operand stack has more than " + std::to_string(frame_slots_max) +
                               " entries");
        }
    }
    void push(ValueType type) { push(slot(type)); }

    Slot pop_any() {
        const Frame& frame = frames_.back();
        if (stack_.size() == frame.height) {
            if (!frame.is_unreachable) mismatch();
            return unknown;
        }
        const Slot top = stack_.back();
        stack_.pop_back();
        if (top == slot(ValueType::v128)) --vectors_;
        return top;
    }
    Slot pop(Slot expected) {
        const Slot actual = pop_any();
        if (actual != expected && actual != unknown && expected != unknown) mismatch();
        return actual == unknown ? expected : actual;
    }
    void pop(ValueType expected) { pop(slot(expected)); }

    /// Operands beyond 16 are work that the module's size does not bound; see wide_operands_max.
    void count_wide(std::size_t operands);
    void push_all(std::span<const ValueType> types);
    void pop_all(std::span<const ValueType> types);

    // Control ----------------------------------------------------------------------------------

    void enter(std::uint8_t opcode, const BlockType& type);
    /// Checks the end of the innermost block and takes its results off the stack.
    BlockType leave();
    void set_unreachable();
    [[nodiscard]] const Frame* label_frame(std::uint32_t depth);
    std::optional<BlockType> read_block_type();
    void instruction(std::uint8_t opcode);
    void unknown_opcode(std::uint8_t opcode);
    void access(std::uint8_t opcode);
    /// Alignment and offset of a load or store; false when they are refused.
    bool memory_operand(std::uint32_t align_log2);
    void branch_table();

    /// As pop_all and a push of what was popped, without moving anything.
    void check_top(std::span<const ValueType> types);
    void call(const FuncType& type);
    /// A call in the place of a return: its results are the function's own.
    void tail_call(const FuncType& type);
    void select();
    Slot local(std::uint32_t index);
    const GlobalType* global(std::uint32_t index);
    bool table_exists(std::uint32_t index);
    bool memory_exists(std::uint32_t index);
    bool element_exists(std::uint32_t index);
    bool data_exists(std::uint32_t index);
    void pop_three();
    void prefixed(std::uint32_t opcode);
    void vector(std::uint32_t code);
    /// A lane index, below the number of lanes.
    void lane(std::uint32_t lanes);
    void vector_access(const SimdSignature& signature);

    ModuleData& module_;
    ModuleError& error_;
    bool failed_ = false;
    Reader reader_;
    std::size_t at_ = 0;  ///< where the current instruction starts
    std::vector<Slot> locals_;
    std::vector<Slot> stack_;
    std::vector<Frame> frames_;
    std::vector<std::uint32_t> targets_;
    std::uint32_t vectors_ = 0;     ///< those on the stack; each takes two slots
    std::uint32_t height_max_ = 0;  ///< in slots
    std::uint64_t wide_operands_ = 0;
};

}  // namespace millrace::wasm::validation
