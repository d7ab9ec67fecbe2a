// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/translator.hpp"

namespace millrace::wasm::translation {

void Translator::skip(std::uint8_t opcode) {
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

void Translator::skip_immediates(std::uint8_t opcode) {
    if (opcode >= op::load_first && opcode <= op::store_last) {
        reader_.u32();
        reader_.u64();
        return;
    }
    switch (opcode) {
        case op::br:
        case op::br_if:
        case op::call:
        case op::return_call:
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
        case op::return_call_indirect:
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
        case op::prefix_fd:
            skip_vector(reader_.u32());
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

void Translator::skip_vector(std::uint32_t code) {
    switch (simd_signatures[code].shape) {
        case SimdShape::constant:
        case SimdShape::shuffle:
            reader_.skip(16);
            return;
        case SimdShape::extract:
        case SimdShape::replace:
            reader_.skip(1);
            return;
        case SimdShape::load:
        case SimdShape::store:
        case SimdShape::load_lane:
        case SimdShape::store_lane:
            reader_.u32();
            reader_.u64();
            if (simd_signatures[code].lanes != 0) reader_.skip(1);
            return;
        default:
            return;
    }
}

}  // namespace millrace::wasm::translation
