// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/operations.hpp"
#include "wasm/module_data.hpp"

/// Which types each slot of a frame is read as. Slots are untyped in the intermediate form: the
/// same one may hold an integer and later a float, and `reinterpret` leaves no trace. A parameter
/// or local has its declared type always. A position of the operand stack gets one variable for
/// each type that some instruction reads there; whoever writes the slot writes those of its width.
namespace millrace::compiler {

/// Of a value that takes one slot.
Type type_of(wasm::ValueType type) noexcept;
/// Of the slots that values take one after the other: a v128 is two of i64.
std::vector<Type> slot_types(const std::vector<wasm::ValueType>& values);

struct FunctionView {
    const wasm::ModuleData& module;
    const wasm::Body& body;
    const wasm::Code& code;

    [[nodiscard]] const wasm::FuncType& type() const { return module.types[body.type]; }
};

class SlotTypes {
  public:
    explicit SlotTypes(const FunctionView& function);

    [[nodiscard]] bool is_local(std::uint32_t slot) const noexcept { return slot < locals_.size(); }
    [[nodiscard]] Type local(std::uint32_t slot) const noexcept { return locals_[slot].type; }
    /// A v128 local is one variable, that of its first slot.
    [[nodiscard]] bool is_vector_half(std::uint32_t slot) const noexcept {
        return locals_[slot].half != Half::none;
    }
    [[nodiscard]] bool is_high_half(std::uint32_t slot) const noexcept {
        return locals_[slot].half == Half::high;
    }
    [[nodiscard]] bool is_read_as(std::uint32_t slot, Type type) const noexcept {
        return (reads_[slot] & bit(type)) != 0;
    }

  private:
    static std::uint8_t bit(Type type) noexcept {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(type));
    }
    enum class Half : std::uint8_t { none, low, high };
    struct Local {
        Type type = Type::i64;
        Half half = Half::none;
    };
    struct Copy {
        std::uint32_t target;
        std::uint32_t source;
    };
    void note(const FunctionView& function, const wasm::Instr& instr);
    void add_locals(wasm::ValueType type, std::uint32_t count);
    void read_vector(std::uint32_t slot) {
        read(slot, Type::i64);
        read(slot + 1, Type::i64);
    }
    void note_simd(const wasm::Instr& instr);
    void read(std::uint32_t slot, Type type) { reads_[slot] |= bit(type); }
    void copy(std::uint32_t target, std::uint32_t source) { copies_.push_back({target, source}); }

    std::vector<Local> locals_;  ///< parameters included
    std::vector<std::uint8_t> reads_;
    std::vector<Copy> copies_;
};

}  // namespace millrace::compiler
