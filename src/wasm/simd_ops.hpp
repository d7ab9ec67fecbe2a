// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>

#include "wasm/values.hpp"

/// The 236 instructions of fixed-width SIMD (specification 5.4.8, after the prefix 0xfd), as lists
/// for macros. Everything about them follows from these lists: validation, translation, and the
/// table of functions that run them.

/// X(opcode, name, shape, scalar type, lanes): instructions that touch no memory. Lanes are given
/// where a lane index follows the opcode.
#define MILLRACE_WASM_SIMD_PLAIN(X)                       \
    X(0x0e, i8x16_swizzle, binary, i32, 0)                \
    X(0x0f, i8x16_splat, splat, i32, 0)                   \
    X(0x10, i16x8_splat, splat, i32, 0)                   \
    X(0x11, i32x4_splat, splat, i32, 0)                   \
    X(0x12, i64x2_splat, splat, i64, 0)                   \
    X(0x13, f32x4_splat, splat, f32, 0)                   \
    X(0x14, f64x2_splat, splat, f64, 0)                   \
    X(0x15, i8x16_extract_lane_s, extract, i32, 16)       \
    X(0x16, i8x16_extract_lane_u, extract, i32, 16)       \
    X(0x17, i8x16_replace_lane, replace, i32, 16)         \
    X(0x18, i16x8_extract_lane_s, extract, i32, 8)        \
    X(0x19, i16x8_extract_lane_u, extract, i32, 8)        \
    X(0x1a, i16x8_replace_lane, replace, i32, 8)          \
    X(0x1b, i32x4_extract_lane, extract, i32, 4)          \
    X(0x1c, i32x4_replace_lane, replace, i32, 4)          \
    X(0x1d, i64x2_extract_lane, extract, i64, 2)          \
    X(0x1e, i64x2_replace_lane, replace, i64, 2)          \
    X(0x1f, f32x4_extract_lane, extract, f32, 4)          \
    X(0x20, f32x4_replace_lane, replace, f32, 4)          \
    X(0x21, f64x2_extract_lane, extract, f64, 2)          \
    X(0x22, f64x2_replace_lane, replace, f64, 2)          \
    X(0x23, i8x16_eq, binary, i32, 0)                     \
    X(0x24, i8x16_ne, binary, i32, 0)                     \
    X(0x25, i8x16_lt_s, binary, i32, 0)                   \
    X(0x26, i8x16_lt_u, binary, i32, 0)                   \
    X(0x27, i8x16_gt_s, binary, i32, 0)                   \
    X(0x28, i8x16_gt_u, binary, i32, 0)                   \
    X(0x29, i8x16_le_s, binary, i32, 0)                   \
    X(0x2a, i8x16_le_u, binary, i32, 0)                   \
    X(0x2b, i8x16_ge_s, binary, i32, 0)                   \
    X(0x2c, i8x16_ge_u, binary, i32, 0)                   \
    X(0x2d, i16x8_eq, binary, i32, 0)                     \
    X(0x2e, i16x8_ne, binary, i32, 0)                     \
    X(0x2f, i16x8_lt_s, binary, i32, 0)                   \
    X(0x30, i16x8_lt_u, binary, i32, 0)                   \
    X(0x31, i16x8_gt_s, binary, i32, 0)                   \
    X(0x32, i16x8_gt_u, binary, i32, 0)                   \
    X(0x33, i16x8_le_s, binary, i32, 0)                   \
    X(0x34, i16x8_le_u, binary, i32, 0)                   \
    X(0x35, i16x8_ge_s, binary, i32, 0)                   \
    X(0x36, i16x8_ge_u, binary, i32, 0)                   \
    X(0x37, i32x4_eq, binary, i32, 0)                     \
    X(0x38, i32x4_ne, binary, i32, 0)                     \
    X(0x39, i32x4_lt_s, binary, i32, 0)                   \
    X(0x3a, i32x4_lt_u, binary, i32, 0)                   \
    X(0x3b, i32x4_gt_s, binary, i32, 0)                   \
    X(0x3c, i32x4_gt_u, binary, i32, 0)                   \
    X(0x3d, i32x4_le_s, binary, i32, 0)                   \
    X(0x3e, i32x4_le_u, binary, i32, 0)                   \
    X(0x3f, i32x4_ge_s, binary, i32, 0)                   \
    X(0x40, i32x4_ge_u, binary, i32, 0)                   \
    X(0x41, f32x4_eq, binary, i32, 0)                     \
    X(0x42, f32x4_ne, binary, i32, 0)                     \
    X(0x43, f32x4_lt, binary, i32, 0)                     \
    X(0x44, f32x4_gt, binary, i32, 0)                     \
    X(0x45, f32x4_le, binary, i32, 0)                     \
    X(0x46, f32x4_ge, binary, i32, 0)                     \
    X(0x47, f64x2_eq, binary, i32, 0)                     \
    X(0x48, f64x2_ne, binary, i32, 0)                     \
    X(0x49, f64x2_lt, binary, i32, 0)                     \
    X(0x4a, f64x2_gt, binary, i32, 0)                     \
    X(0x4b, f64x2_le, binary, i32, 0)                     \
    X(0x4c, f64x2_ge, binary, i32, 0)                     \
    X(0x4d, v128_not, unary, i32, 0)                      \
    X(0x4e, v128_and, binary, i32, 0)                     \
    X(0x4f, v128_andnot, binary, i32, 0)                  \
    X(0x50, v128_or, binary, i32, 0)                      \
    X(0x51, v128_xor, binary, i32, 0)                     \
    X(0x52, v128_bitselect, ternary, i32, 0)              \
    X(0x53, v128_any_true, test, i32, 0)                  \
    X(0x5e, f32x4_demote_f64x2_zero, unary, i32, 0)       \
    X(0x5f, f64x2_promote_low_f32x4, unary, i32, 0)       \
    X(0x60, i8x16_abs, unary, i32, 0)                     \
    X(0x61, i8x16_neg, unary, i32, 0)                     \
    X(0x62, i8x16_popcnt, unary, i32, 0)                  \
    X(0x63, i8x16_all_true, test, i32, 0)                 \
    X(0x64, i8x16_bitmask, test, i32, 0)                  \
    X(0x65, i8x16_narrow_i16x8_s, binary, i32, 0)         \
    X(0x66, i8x16_narrow_i16x8_u, binary, i32, 0)         \
    X(0x67, f32x4_ceil, unary, i32, 0)                    \
    X(0x68, f32x4_floor, unary, i32, 0)                   \
    X(0x69, f32x4_trunc, unary, i32, 0)                   \
    X(0x6a, f32x4_nearest, unary, i32, 0)                 \
    X(0x6b, i8x16_shl, shift, i32, 0)                     \
    X(0x6c, i8x16_shr_s, shift, i32, 0)                   \
    X(0x6d, i8x16_shr_u, shift, i32, 0)                   \
    X(0x6e, i8x16_add, binary, i32, 0)                    \
    X(0x6f, i8x16_add_sat_s, binary, i32, 0)              \
    X(0x70, i8x16_add_sat_u, binary, i32, 0)              \
    X(0x71, i8x16_sub, binary, i32, 0)                    \
    X(0x72, i8x16_sub_sat_s, binary, i32, 0)              \
    X(0x73, i8x16_sub_sat_u, binary, i32, 0)              \
    X(0x74, f64x2_ceil, unary, i32, 0)                    \
    X(0x75, f64x2_floor, unary, i32, 0)                   \
    X(0x76, i8x16_min_s, binary, i32, 0)                  \
    X(0x77, i8x16_min_u, binary, i32, 0)                  \
    X(0x78, i8x16_max_s, binary, i32, 0)                  \
    X(0x79, i8x16_max_u, binary, i32, 0)                  \
    X(0x7a, f64x2_trunc, unary, i32, 0)                   \
    X(0x7b, i8x16_avgr_u, binary, i32, 0)                 \
    X(0x7c, i16x8_extadd_pairwise_i8x16_s, unary, i32, 0) \
    X(0x7d, i16x8_extadd_pairwise_i8x16_u, unary, i32, 0) \
    X(0x7e, i32x4_extadd_pairwise_i16x8_s, unary, i32, 0) \
    X(0x7f, i32x4_extadd_pairwise_i16x8_u, unary, i32, 0) \
    X(0x80, i16x8_abs, unary, i32, 0)                     \
    X(0x81, i16x8_neg, unary, i32, 0)                     \
    X(0x82, i16x8_q15mulr_sat_s, binary, i32, 0)          \
    X(0x83, i16x8_all_true, test, i32, 0)                 \
    X(0x84, i16x8_bitmask, test, i32, 0)                  \
    X(0x85, i16x8_narrow_i32x4_s, binary, i32, 0)         \
    X(0x86, i16x8_narrow_i32x4_u, binary, i32, 0)         \
    X(0x87, i16x8_extend_low_i8x16_s, unary, i32, 0)      \
    X(0x88, i16x8_extend_high_i8x16_s, unary, i32, 0)     \
    X(0x89, i16x8_extend_low_i8x16_u, unary, i32, 0)      \
    X(0x8a, i16x8_extend_high_i8x16_u, unary, i32, 0)     \
    X(0x8b, i16x8_shl, shift, i32, 0)                     \
    X(0x8c, i16x8_shr_s, shift, i32, 0)                   \
    X(0x8d, i16x8_shr_u, shift, i32, 0)                   \
    X(0x8e, i16x8_add, binary, i32, 0)                    \
    X(0x8f, i16x8_add_sat_s, binary, i32, 0)              \
    X(0x90, i16x8_add_sat_u, binary, i32, 0)              \
    X(0x91, i16x8_sub, binary, i32, 0)                    \
    X(0x92, i16x8_sub_sat_s, binary, i32, 0)              \
    X(0x93, i16x8_sub_sat_u, binary, i32, 0)              \
    X(0x94, f64x2_nearest, unary, i32, 0)                 \
    X(0x95, i16x8_mul, binary, i32, 0)                    \
    X(0x96, i16x8_min_s, binary, i32, 0)                  \
    X(0x97, i16x8_min_u, binary, i32, 0)                  \
    X(0x98, i16x8_max_s, binary, i32, 0)                  \
    X(0x99, i16x8_max_u, binary, i32, 0)                  \
    X(0x9b, i16x8_avgr_u, binary, i32, 0)                 \
    X(0x9c, i16x8_extmul_low_i8x16_s, binary, i32, 0)     \
    X(0x9d, i16x8_extmul_high_i8x16_s, binary, i32, 0)    \
    X(0x9e, i16x8_extmul_low_i8x16_u, binary, i32, 0)     \
    X(0x9f, i16x8_extmul_high_i8x16_u, binary, i32, 0)    \
    X(0xa0, i32x4_abs, unary, i32, 0)                     \
    X(0xa1, i32x4_neg, unary, i32, 0)                     \
    X(0xa3, i32x4_all_true, test, i32, 0)                 \
    X(0xa4, i32x4_bitmask, test, i32, 0)                  \
    X(0xa7, i32x4_extend_low_i16x8_s, unary, i32, 0)      \
    X(0xa8, i32x4_extend_high_i16x8_s, unary, i32, 0)     \
    X(0xa9, i32x4_extend_low_i16x8_u, unary, i32, 0)      \
    X(0xaa, i32x4_extend_high_i16x8_u, unary, i32, 0)     \
    X(0xab, i32x4_shl, shift, i32, 0)                     \
    X(0xac, i32x4_shr_s, shift, i32, 0)                   \
    X(0xad, i32x4_shr_u, shift, i32, 0)                   \
    X(0xae, i32x4_add, binary, i32, 0)                    \
    X(0xb1, i32x4_sub, binary, i32, 0)                    \
    X(0xb5, i32x4_mul, binary, i32, 0)                    \
    X(0xb6, i32x4_min_s, binary, i32, 0)                  \
    X(0xb7, i32x4_min_u, binary, i32, 0)                  \
    X(0xb8, i32x4_max_s, binary, i32, 0)                  \
    X(0xb9, i32x4_max_u, binary, i32, 0)                  \
    X(0xba, i32x4_dot_i16x8_s, binary, i32, 0)            \
    X(0xbc, i32x4_extmul_low_i16x8_s, binary, i32, 0)     \
    X(0xbd, i32x4_extmul_high_i16x8_s, binary, i32, 0)    \
    X(0xbe, i32x4_extmul_low_i16x8_u, binary, i32, 0)     \
    X(0xbf, i32x4_extmul_high_i16x8_u, binary, i32, 0)    \
    X(0xc0, i64x2_abs, unary, i32, 0)                     \
    X(0xc1, i64x2_neg, unary, i32, 0)                     \
    X(0xc3, i64x2_all_true, test, i32, 0)                 \
    X(0xc4, i64x2_bitmask, test, i32, 0)                  \
    X(0xc7, i64x2_extend_low_i32x4_s, unary, i32, 0)      \
    X(0xc8, i64x2_extend_high_i32x4_s, unary, i32, 0)     \
    X(0xc9, i64x2_extend_low_i32x4_u, unary, i32, 0)      \
    X(0xca, i64x2_extend_high_i32x4_u, unary, i32, 0)     \
    X(0xcb, i64x2_shl, shift, i32, 0)                     \
    X(0xcc, i64x2_shr_s, shift, i32, 0)                   \
    X(0xcd, i64x2_shr_u, shift, i32, 0)                   \
    X(0xce, i64x2_add, binary, i32, 0)                    \
    X(0xd1, i64x2_sub, binary, i32, 0)                    \
    X(0xd5, i64x2_mul, binary, i32, 0)                    \
    X(0xd6, i64x2_eq, binary, i32, 0)                     \
    X(0xd7, i64x2_ne, binary, i32, 0)                     \
    X(0xd8, i64x2_lt_s, binary, i32, 0)                   \
    X(0xd9, i64x2_gt_s, binary, i32, 0)                   \
    X(0xda, i64x2_le_s, binary, i32, 0)                   \
    X(0xdb, i64x2_ge_s, binary, i32, 0)                   \
    X(0xdc, i64x2_extmul_low_i32x4_s, binary, i32, 0)     \
    X(0xdd, i64x2_extmul_high_i32x4_s, binary, i32, 0)    \
    X(0xde, i64x2_extmul_low_i32x4_u, binary, i32, 0)     \
    X(0xdf, i64x2_extmul_high_i32x4_u, binary, i32, 0)    \
    X(0xe0, f32x4_abs, unary, i32, 0)                     \
    X(0xe1, f32x4_neg, unary, i32, 0)                     \
    X(0xe3, f32x4_sqrt, unary, i32, 0)                    \
    X(0xe4, f32x4_add, binary, i32, 0)                    \
    X(0xe5, f32x4_sub, binary, i32, 0)                    \
    X(0xe6, f32x4_mul, binary, i32, 0)                    \
    X(0xe7, f32x4_div, binary, i32, 0)                    \
    X(0xe8, f32x4_min, binary, i32, 0)                    \
    X(0xe9, f32x4_max, binary, i32, 0)                    \
    X(0xea, f32x4_pmin, binary, i32, 0)                   \
    X(0xeb, f32x4_pmax, binary, i32, 0)                   \
    X(0xec, f64x2_abs, unary, i32, 0)                     \
    X(0xed, f64x2_neg, unary, i32, 0)                     \
    X(0xef, f64x2_sqrt, unary, i32, 0)                    \
    X(0xf0, f64x2_add, binary, i32, 0)                    \
    X(0xf1, f64x2_sub, binary, i32, 0)                    \
    X(0xf2, f64x2_mul, binary, i32, 0)                    \
    X(0xf3, f64x2_div, binary, i32, 0)                    \
    X(0xf4, f64x2_min, binary, i32, 0)                    \
    X(0xf5, f64x2_max, binary, i32, 0)                    \
    X(0xf6, f64x2_pmin, binary, i32, 0)                   \
    X(0xf7, f64x2_pmax, binary, i32, 0)                   \
    X(0xf8, i32x4_trunc_sat_f32x4_s, unary, i32, 0)       \
    X(0xf9, i32x4_trunc_sat_f32x4_u, unary, i32, 0)       \
    X(0xfa, f32x4_convert_i32x4_s, unary, i32, 0)         \
    X(0xfb, f32x4_convert_i32x4_u, unary, i32, 0)         \
    X(0xfc, i32x4_trunc_sat_f64x2_s_zero, unary, i32, 0)  \
    X(0xfd, i32x4_trunc_sat_f64x2_u_zero, unary, i32, 0)  \
    X(0xfe, f64x2_convert_low_i32x4_s, unary, i32, 0)     \
    X(0xff, f64x2_convert_low_i32x4_u, unary, i32, 0)

/// X(opcode, name, shape, lanes, natural alignment as a power of 2)
#define MILLRACE_WASM_SIMD_MEMORY(X)             \
    X(0x00, v128_load, load, 0, 4)               \
    X(0x01, v128_load8x8_s, load, 0, 3)          \
    X(0x02, v128_load8x8_u, load, 0, 3)          \
    X(0x03, v128_load16x4_s, load, 0, 3)         \
    X(0x04, v128_load16x4_u, load, 0, 3)         \
    X(0x05, v128_load32x2_s, load, 0, 3)         \
    X(0x06, v128_load32x2_u, load, 0, 3)         \
    X(0x07, v128_load8_splat, load, 0, 0)        \
    X(0x08, v128_load16_splat, load, 0, 1)       \
    X(0x09, v128_load32_splat, load, 0, 2)       \
    X(0x0a, v128_load64_splat, load, 0, 3)       \
    X(0x0b, v128_store, store, 0, 4)             \
    X(0x54, v128_load8_lane, load_lane, 16, 0)   \
    X(0x55, v128_load16_lane, load_lane, 8, 1)   \
    X(0x56, v128_load32_lane, load_lane, 4, 2)   \
    X(0x57, v128_load64_lane, load_lane, 2, 3)   \
    X(0x58, v128_store8_lane, store_lane, 16, 0) \
    X(0x59, v128_store16_lane, store_lane, 8, 1) \
    X(0x5a, v128_store32_lane, store_lane, 4, 2) \
    X(0x5b, v128_store64_lane, store_lane, 2, 3) \
    X(0x5c, v128_load32_zero, load, 0, 2)        \
    X(0x5d, v128_load64_zero, load, 0, 3)

namespace millrace::wasm {

/// What an instruction takes and gives (v: v128, s: the scalar type, a: an i32 address).
enum class SimdShape : std::uint8_t {
    none,        ///< no instruction has this opcode
    constant,    ///< -> v, 16 bytes follow
    shuffle,     ///< v v -> v, 16 lane indices follow
    unary,       ///< v -> v
    binary,      ///< v v -> v
    ternary,     ///< v v v -> v
    shift,       ///< v i32 -> v
    test,        ///< v -> i32
    splat,       ///< s -> v
    extract,     ///< v -> s, a lane index follows
    replace,     ///< v s -> v, a lane index follows
    load,        ///< a -> v
    store,       ///< a v ->
    load_lane,   ///< a v -> v, a lane index follows the offset
    store_lane,  ///< a v ->, a lane index follows the offset
};

struct SimdSignature {
    SimdShape shape = SimdShape::none;
    ValueType scalar = ValueType::i32;
    std::uint8_t lanes = 0;
    std::uint8_t align_log2 = 0;
};

namespace op_fd {
constexpr std::uint32_t v128_const = 0x0c;
constexpr std::uint32_t i8x16_shuffle = 0x0d;
constexpr std::uint32_t relaxed_first = 0x100;  ///< relaxed SIMD, which is not in the profile
constexpr std::uint32_t relaxed_last = 0x12f;
}  // namespace op_fd

constexpr std::array<SimdSignature, 256> simd_signatures = [] {
    using enum ValueType;
    std::array<SimdSignature, 256> table{};
    table[op_fd::v128_const] = {.shape = SimdShape::constant};
    table[op_fd::i8x16_shuffle] = {.shape = SimdShape::shuffle, .lanes = 32};
#define X(code, name, kind, type, count) \
    table[code] = {.shape = SimdShape::kind, .scalar = type, .lanes = count};
    MILLRACE_WASM_SIMD_PLAIN(X)
#undef X
#define X(code, name, kind, count, align) \
    table[code] = {.shape = SimdShape::kind, .lanes = count, .align_log2 = align};
    MILLRACE_WASM_SIMD_MEMORY(X)
#undef X
    return table;
}();

/// Whether profile det-1 has the opcode after 0xfd.
constexpr bool is_simd(std::uint32_t code) noexcept {
    return code < simd_signatures.size() && simd_signatures[code].shape != SimdShape::none;
}

static_assert([] {
    int count = 0;
    for (const SimdSignature& signature : simd_signatures)
        count += signature.shape != SimdShape::none ? 1 : 0;
    return count == 236;
}());

}  // namespace millrace::wasm
