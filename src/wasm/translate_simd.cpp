// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

Translator::PoppedPair Translator::pop_pair() {
    const Popped high = pop();
    const Popped low = pop();
    return {.low = low, .high = high};
}

std::uint16_t Translator::in_pair(const PoppedPair& popped) {
    const Operand& low = popped.low.operand;
    const Operand& high = popped.high.operand;
    if (low.kind == Operand::Kind::local && high.kind == Operand::Kind::local &&
        high.local == low.local + 1)
        return static_cast<std::uint16_t>(low.local);
    for (const Popped& half : {popped.low, popped.high}) {
        const std::uint16_t own = slot(half.position);
        const std::uint16_t source = in_slot(half);
        if (source != own) emit(IrOp::move, own, source);
    }
    return slot(popped.low.position);
}

Instr& Translator::emit_pair_result(IrOp op, std::size_t b, std::size_t c) {
    Instr& instr = emit_result(op, b, c);
    push_high_temp();
    return instr;
}

void Translator::vector_select() {
    const Popped condition = pop();
    const PoppedPair right = pop_pair();
    const PoppedPair left = pop_pair();
    const std::uint16_t left_slot = in_pair(left);
    const std::uint16_t right_slot = in_pair(right);
    const std::uint16_t condition_slot = in_slot(condition);
    emit_pair_result(IrOp::vector_select, left_slot, right_slot).d = condition_slot;
}

void Translator::vector_access(std::uint32_t code, SimdShape shape) {
    reader_.u32();
    const auto offset = static_cast<std::uint32_t>(reader_.u64());
    const bool has_lane = simd_signatures[code].lanes != 0;
    const std::uint32_t lane = has_lane ? reader_.byte() : 0U;
    std::uint16_t vector_slot = 0;
    if (shape != SimdShape::load) {
        const PoppedPair value = pop_pair();
        vector_slot = in_pair(value);
    }
    const Popped address = pop();
    const std::uint16_t address_slot = in_slot(address);
    const bool is_store = shape == SimdShape::store || shape == SimdShape::store_lane;
    Instr& instr = is_store ? emit(IrOp::simd_memory, vector_slot, address_slot)
                            : emit_pair_result(IrOp::simd_memory, address_slot, vector_slot);
    instr.d = offset;
    instr.e = code | (lane << 16U);
}

void Translator::vector(std::uint32_t code) {
    const SimdShape shape = simd_signatures[code].shape;
    std::uint32_t third = 0;
    std::uint16_t first_slot = 0;
    std::uint16_t second_slot = 0;
    switch (shape) {
        case SimdShape::none:
            return;
        case SimdShape::constant: {
            const std::uint64_t low = reader_.fixed_u64();
            return push_vector_constant(low, reader_.fixed_u64());
        }
        case SimdShape::load:
        case SimdShape::store:
        case SimdShape::load_lane:
        case SimdShape::store_lane:
            return vector_access(code, shape);
        case SimdShape::unary:
        case SimdShape::test:
            first_slot = in_pair(pop_pair());
            break;
        case SimdShape::shuffle: {
            third = static_cast<std::uint32_t>(code_.shuffles.size());
            auto& lanes = code_.shuffles.emplace_back();
            for (std::uint8_t& lane : lanes)
                lane = reader_.byte();
            [[fallthrough]];
        }
        case SimdShape::binary: {
            const PoppedPair right = pop_pair();
            const PoppedPair left = pop_pair();
            first_slot = in_pair(left);
            second_slot = in_pair(right);
            break;
        }
        case SimdShape::ternary: {
            const PoppedPair last = pop_pair();
            const PoppedPair right = pop_pair();
            const PoppedPair left = pop_pair();
            first_slot = in_pair(left);
            second_slot = in_pair(right);
            third = in_pair(last);
            break;
        }
        case SimdShape::splat:
            first_slot = in_slot(pop());
            break;
        case SimdShape::extract:
            third = reader_.byte();
            first_slot = in_pair(pop_pair());
            break;
        case SimdShape::replace:
            third = reader_.byte();
            [[fallthrough]];
        case SimdShape::shift: {
            const Popped scalar = pop();
            const PoppedPair vector = pop_pair();
            first_slot = in_pair(vector);
            second_slot = in_slot(scalar);
            break;
        }
    }
    const IrOp ir = shape == SimdShape::shuffle ? IrOp::simd_shuffle : IrOp::simd;
    const bool is_scalar = shape == SimdShape::test || shape == SimdShape::extract;
    Instr& instr = is_scalar ? emit_result(ir, first_slot, second_slot)
                             : emit_pair_result(ir, first_slot, second_slot);
    instr.d = third;
    instr.e = code;
}

}  // namespace millrace::wasm::translation
