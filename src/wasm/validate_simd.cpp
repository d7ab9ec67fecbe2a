// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <string>

#include "wasm/validator.hpp"

namespace millrace::wasm {

void fail_simd(Reader& reader, std::size_t at, std::uint32_t code) {
    if (code >= op_fd::relaxed_first && code <= op_fd::relaxed_last) {
        reader.fail_at(at, ModuleErrorKind::unsupported,
                       feature_message("relaxed SIMD", op::prefix_fd, at));
    } else {
        reader.fail_at(at, ModuleErrorKind::malformed, "illegal opcode after 0xfd");
    }
}

}  // namespace millrace::wasm

namespace millrace::wasm::validation {

void Validator::lane(std::uint32_t lanes) {
    const std::uint8_t index = reader_.byte();
    if (!failed_ && index >= lanes) invalid("invalid lane index " + std::to_string(index));
}

void Validator::vector_access(const SimdSignature& signature) {
    if (!memory_operand(signature.align_log2)) return;
    const bool has_lane =
        signature.shape == SimdShape::load_lane || signature.shape == SimdShape::store_lane;
    if (has_lane) lane(signature.lanes);
    if (signature.shape != SimdShape::load) pop(ValueType::v128);
    pop(ValueType::i32);
    if (signature.shape == SimdShape::load || signature.shape == SimdShape::load_lane)
        push(ValueType::v128);
}

void Validator::vector(std::uint32_t code) {
    if (failed_) return;
    if (!is_simd(code)) return fail_simd(reader_, at_, code);
    const SimdSignature& signature = simd_signatures[code];
    constexpr ValueType v128 = ValueType::v128;
    switch (signature.shape) {
        case SimdShape::none:
            return;
        case SimdShape::constant:
            reader_.skip(16);
            return push(v128);
        case SimdShape::shuffle:
            for (int index = 0; index < 16 && !failed_; ++index)
                lane(signature.lanes);
            [[fallthrough]];
        case SimdShape::binary:
            pop(v128);
            pop(v128);
            return push(v128);
        case SimdShape::unary:
            pop(v128);
            return push(v128);
        case SimdShape::ternary:
            for (int operand = 0; operand < 3; ++operand)
                pop(v128);
            return push(v128);
        case SimdShape::shift:
            pop(ValueType::i32);
            pop(v128);
            return push(v128);
        case SimdShape::test:
            pop(v128);
            return push(ValueType::i32);
        case SimdShape::splat:
            pop(signature.scalar);
            return push(v128);
        case SimdShape::extract:
            lane(signature.lanes);
            pop(v128);
            return push(signature.scalar);
        case SimdShape::replace:
            lane(signature.lanes);
            pop(signature.scalar);
            pop(v128);
            return push(v128);
        case SimdShape::load:
        case SimdShape::store:
        case SimdShape::load_lane:
        case SimdShape::store_lane:
            return vector_access(signature);
    }
}

}  // namespace millrace::wasm::validation
