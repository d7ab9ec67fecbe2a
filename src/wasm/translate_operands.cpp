// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

std::uint16_t Translator::in_slot(const Popped& popped) {
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

bool Translator::is_last_result(const Popped& popped) const noexcept {
    return popped.operand.kind == Operand::Kind::temp && result_at_ + 1 == here() &&
           result_at_ != none && here() > barrier_ &&
           code_.instrs.back().a == slot(popped.position);
}

void Translator::materialise(std::uint32_t position) {
    Operand& operand = stack_[position];
    if (operand.kind == Operand::Kind::local) {
        emit(IrOp::move, slot(position), operand.local);
    } else if (operand.kind == Operand::Kind::constant) {
        emit_constant(slot(position), operand.bits);
    }
    operand = {.is_high = operand.is_high};
}

void Translator::flush_top(std::uint32_t number) {
    for (std::uint32_t left = 0; left < number; ++left) {
        const std::uint32_t position = height() - 1 - left;
        const Operand& operand = stack_[position];
        if (operand.kind == Operand::Kind::local) heads_[operand.local] = operand.previous;
        materialise(position);
    }
}

void Translator::flush_locals() {
    for (; flushed_ < height(); ++flushed_) {
        const Operand& operand = stack_[flushed_];
        if (operand.kind != Operand::Kind::local) continue;
        heads_[operand.local] = none;
        materialise(flushed_);
    }
}

void Translator::preserve(std::uint32_t local) {
    std::uint32_t position = heads_[local];
    while (position != none) {
        const std::uint32_t next = stack_[position].previous;
        materialise(position);
        position = next;
    }
    heads_[local] = none;
}

void Translator::reset_stack(std::uint32_t height_wanted, std::span<const ValueType> temps) {
    while (height() > height_wanted)
        pop();
    push_temps(temps);
}

}  // namespace millrace::wasm::translation
