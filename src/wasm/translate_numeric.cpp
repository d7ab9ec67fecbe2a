// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

bool Translator::commutes(IrOp op) noexcept {
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

std::optional<IrOp> Translator::mirrored(IrOp op) noexcept {
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

std::optional<IrOp> Translator::reversed(IrOp op) noexcept {
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

void Translator::binary(IrOp op) {
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

void Translator::unary(IrOp op) {
    const Popped operand = pop();
    emit_result(op, in_slot(operand));
}

void Translator::numeric(std::uint8_t opcode) {
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

void Translator::load(std::uint8_t opcode) {
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

void Translator::store(std::uint8_t opcode) {
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

}  // namespace millrace::wasm::translation
