// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/lowering.hpp"
#include "compiler/vector.hpp"

namespace millrace::compiler {

void Lowering::simd(const Instr& instr) {
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

llvm::Value* Lowering::scalar(std::uint32_t slot, const wasm::SimdSignature& signature) {
    const Type each = type_of(signature.scalar);
    return exact(read(slot, each), each);
}

void Lowering::simd_memory(const Instr& instr) {
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

void Lowering::simd_shuffle(const Instr& instr) {
    write_vector(instr.a, vector_shuffle(at_, read_vector(instr.b), read_vector(instr.c),
                                         code_.shuffles[instr.d]));
}

void Lowering::vector_select(const Instr& instr) {
    llvm::Value* condition = at_.CreateIsNotNull(read(instr.d, Type::i32));
    write_vector(instr.a, at_.CreateSelect(condition, read_vector(instr.b), read_vector(instr.c)));
}

void Lowering::vector_global_get(const Instr& instr) {
    write_vector(instr.a, at_.CreateAlignedLoad(vector_type(), global(instr.d), llvm::Align{8}));
}

void Lowering::vector_global_set(const Instr& instr) {
    at_.CreateAlignedStore(read_vector(instr.a), global(instr.d), llvm::Align{8}, true);
}

}  // namespace millrace::compiler
