// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/decode.hpp"
#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

void Translator::place_locals(std::span<const ValueType> params) {
    for (const ValueType type : params)
        place_local(type);
    Reader declarations{module_.bytes.data(), body_.locals_begin, body_.begin, error_, failed_};
    for (std::uint32_t groups = declarations.u32(); groups > 0; --groups) {
        const std::uint32_t number = declarations.u32();
        const ValueType type = read_value_type(declarations);
        for (std::uint32_t left = number; left > 0; --left)
            place_local(type);
    }
    heads_.assign(locals_, none);
}

void Translator::place_local(ValueType type) {
    LocalPlace place{.is_vector = type == ValueType::v128};
    if (!local_places_.empty()) {
        const LocalPlace& last = local_places_.back();
        place.slot = last.slot + (last.is_vector ? 2 : 1);
    }
    local_places_.push_back(place);
}

void Translator::get_local(const LocalPlace& local) {
    push_local(local.slot);
    if (!local.is_vector) return;
    push_local(local.slot + 1);
    stack_.back().is_high = true;
}

void Translator::set_local(std::uint32_t index, const Popped& value) {
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

void Translator::set_vector_local(std::uint32_t first, const PoppedPair& value) {
    if (value.low.operand.kind == Operand::Kind::local && value.low.operand.local == first) return;
    if (heads_[first] == none && heads_[first + 1] == none && is_last_result(value.low)) {
        code_.instrs.back().a = static_cast<std::uint16_t>(first);
        result_at_ = none;
        return;
    }
    set_local(first, value.low);
    set_local(first + 1, value.high);
}

void Translator::tee_local(const LocalPlace& local) {
    if (local.is_vector) {
        const PoppedPair value = pop_pair();
        set_vector_local(local.slot, value);
        if (value.low.is_constant() && value.high.is_constant())
            return push_vector_constant(value.low.operand.bits, value.high.operand.bits);
        return get_local(local);
    }
    const Popped value = pop();
    set_local(local.slot, value);
    if (value.is_constant()) {
        push_constant(value.operand.bits);
    } else {
        push_local(local.slot);
    }
}

}  // namespace millrace::wasm::translation
