// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

/// The operations of the intermediate form, as lists for macros. Within a list the order is that
/// of WebAssembly's opcodes, so that the translator finds an operation by counting.

/// X(name, operand type, result type, checks, expression of x and y). Each has the forms _rr (two
/// slots) and _rk (slot and constant).
#define MILLRACE_WASM_BINARY(X)                                                   \
    X(i32_add, U32, U32, NO_CHECK, x + y)                                         \
    X(i32_sub, U32, U32, NO_CHECK, x - y)                                         \
    X(i32_mul, U32, U32, NO_CHECK, x* y)                                          \
    X(i32_div_s, U32, U32, CHECK_DIVIDE_SIGNED(I32), U32(I32(x) / I32(y)))        \
    X(i32_div_u, U32, U32, CHECK_DIVIDE, x / y)                                   \
    X(i32_rem_s, U32, U32, CHECK_DIVIDE, I32(y) == -1 ? 0 : U32(I32(x) % I32(y))) \
    X(i32_rem_u, U32, U32, CHECK_DIVIDE, x % y)                                   \
    X(i32_and, U32, U32, NO_CHECK, x& y)                                          \
    X(i32_or, U32, U32, NO_CHECK, x | y)                                          \
    X(i32_xor, U32, U32, NO_CHECK, x ^ y)                                         \
    X(i32_shl, U32, U32, NO_CHECK, x << (y & 31U))                                \
    X(i32_shr_s, U32, U32, NO_CHECK, U32(I32(x) >> (y & 31U)))                    \
    X(i32_shr_u, U32, U32, NO_CHECK, x >> (y & 31U))                              \
    X(i32_rotl, U32, U32, NO_CHECK, std::rotl(x, int(y & 31U)))                   \
    X(i32_rotr, U32, U32, NO_CHECK, std::rotr(x, int(y & 31U)))                   \
    X(i64_add, U64, U64, NO_CHECK, x + y)                                         \
    X(i64_sub, U64, U64, NO_CHECK, x - y)                                         \
    X(i64_mul, U64, U64, NO_CHECK, x* y)                                          \
    X(i64_div_s, U64, U64, CHECK_DIVIDE_SIGNED(I64), U64(I64(x) / I64(y)))        \
    X(i64_div_u, U64, U64, CHECK_DIVIDE, x / y)                                   \
    X(i64_rem_s, U64, U64, CHECK_DIVIDE, I64(y) == -1 ? 0 : U64(I64(x) % I64(y))) \
    X(i64_rem_u, U64, U64, CHECK_DIVIDE, x % y)                                   \
    X(i64_and, U64, U64, NO_CHECK, x& y)                                          \
    X(i64_or, U64, U64, NO_CHECK, x | y)                                          \
    X(i64_xor, U64, U64, NO_CHECK, x ^ y)                                         \
    X(i64_shl, U64, U64, NO_CHECK, x << (y & 63U))                                \
    X(i64_shr_s, U64, U64, NO_CHECK, U64(I64(x) >> (y & 63U)))                    \
    X(i64_shr_u, U64, U64, NO_CHECK, x >> (y & 63U))                              \
    X(i64_rotl, U64, U64, NO_CHECK, std::rotl(x, int(y & 63U)))                   \
    X(i64_rotr, U64, U64, NO_CHECK, std::rotr(x, int(y & 63U)))                   \
    X(f32_add, F32, F32, NO_CHECK, canonical(x + y))                              \
    X(f32_sub, F32, F32, NO_CHECK, canonical(x - y))                              \
    X(f32_mul, F32, F32, NO_CHECK, canonical(x* y))                               \
    X(f32_div, F32, F32, NO_CHECK, canonical(x / y))                              \
    X(f32_min, F32, F32, NO_CHECK, float_min(x, y))                               \
    X(f32_max, F32, F32, NO_CHECK, float_max(x, y))                               \
    X(f32_copysign, U32, U32, NO_CHECK, (x & 0x7fffffffU) | (y & 0x80000000U))    \
    X(f64_add, F64, F64, NO_CHECK, canonical(x + y))                              \
    X(f64_sub, F64, F64, NO_CHECK, canonical(x - y))                              \
    X(f64_mul, F64, F64, NO_CHECK, canonical(x* y))                               \
    X(f64_div, F64, F64, NO_CHECK, canonical(x / y))                              \
    X(f64_min, F64, F64, NO_CHECK, float_min(x, y))                               \
    X(f64_max, F64, F64, NO_CHECK, float_max(x, y))                               \
    X(f64_copysign, U64, U64, NO_CHECK, (x & 0x7fffffffffffffffULL) | (y & 0x8000000000000000ULL))

/// X(name, operand type, result type, expression of x and y): the form _kr (constant, then slot)
/// of operations that do not commute and often meet a constant on the left.
#define MILLRACE_WASM_REVERSED(X)          \
    X(i32_sub, U32, U32, x - y)            \
    X(i32_shl, U32, U32, x << (y & 31U))   \
    X(i64_sub, U64, U64, x - y)            \
    X(i64_shl, U64, U64, x << (y & 63U))   \
    X(f32_sub, F32, F32, canonical(x - y)) \
    X(f32_div, F32, F32, canonical(x / y)) \
    X(f64_sub, F64, F64, canonical(x - y)) \
    X(f64_div, F64, F64, canonical(x / y))

/// X(name, operand type, expression): forms _rr and _rk, and the branches br_ and br_not_ of both.
#define MILLRACE_WASM_COMPARE(X)       \
    X(i32_eq, U32, x == y)             \
    X(i32_ne, U32, x != y)             \
    X(i32_lt_s, U32, I32(x) < I32(y))  \
    X(i32_lt_u, U32, x < y)            \
    X(i32_gt_s, U32, I32(x) > I32(y))  \
    X(i32_gt_u, U32, x > y)            \
    X(i32_le_s, U32, I32(x) <= I32(y)) \
    X(i32_le_u, U32, x <= y)           \
    X(i32_ge_s, U32, I32(x) >= I32(y)) \
    X(i32_ge_u, U32, x >= y)           \
    X(i64_eq, U64, x == y)             \
    X(i64_ne, U64, x != y)             \
    X(i64_lt_s, U64, I64(x) < I64(y))  \
    X(i64_lt_u, U64, x < y)            \
    X(i64_gt_s, U64, I64(x) > I64(y))  \
    X(i64_gt_u, U64, x > y)            \
    X(i64_le_s, U64, I64(x) <= I64(y)) \
    X(i64_le_u, U64, x <= y)           \
    X(i64_ge_s, U64, I64(x) >= I64(y)) \
    X(i64_ge_u, U64, x >= y)           \
    X(f32_eq, F32, x == y)             \
    X(f32_ne, F32, x != y)             \
    X(f32_lt, F32, x < y)              \
    X(f32_gt, F32, x > y)              \
    X(f32_le, F32, x <= y)             \
    X(f32_ge, F32, x >= y)             \
    X(f64_eq, F64, x == y)             \
    X(f64_ne, F64, x != y)             \
    X(f64_lt, F64, x < y)              \
    X(f64_gt, F64, x > y)              \
    X(f64_le, F64, x <= y)             \
    X(f64_ge, F64, x >= y)

/// X(name, operand type, result type, checks, expression of x)
#define MILLRACE_WASM_UNARY(X)                                                                     \
    X(i32_clz, U32, U32, NO_CHECK, U32(std::countl_zero(x)))                                       \
    X(i32_ctz, U32, U32, NO_CHECK, U32(std::countr_zero(x)))                                       \
    X(i32_popcnt, U32, U32, NO_CHECK, U32(std::popcount(x)))                                       \
    X(i64_clz, U64, U64, NO_CHECK, U64(std::countl_zero(x)))                                       \
    X(i64_ctz, U64, U64, NO_CHECK, U64(std::countr_zero(x)))                                       \
    X(i64_popcnt, U64, U64, NO_CHECK, U64(std::popcount(x)))                                       \
    X(f32_abs, U32, U32, NO_CHECK, x & 0x7fffffffU)                                                \
    X(f32_neg, U32, U32, NO_CHECK, x ^ 0x80000000U)                                                \
    X(f32_ceil, F32, F32, NO_CHECK, canonical(__builtin_ceilf(x)))                                 \
    X(f32_floor, F32, F32, NO_CHECK, canonical(__builtin_floorf(x)))                               \
    X(f32_trunc, F32, F32, NO_CHECK, canonical(__builtin_truncf(x)))                               \
    X(f32_nearest, F32, F32, NO_CHECK, canonical(__builtin_nearbyintf(x)))                         \
    X(f32_sqrt, F32, F32, NO_CHECK, canonical(__builtin_sqrtf(x)))                                 \
    X(f64_abs, U64, U64, NO_CHECK, x & 0x7fffffffffffffffULL)                                      \
    X(f64_neg, U64, U64, NO_CHECK, x ^ 0x8000000000000000ULL)                                      \
    X(f64_ceil, F64, F64, NO_CHECK, canonical(__builtin_ceil(x)))                                  \
    X(f64_floor, F64, F64, NO_CHECK, canonical(__builtin_floor(x)))                                \
    X(f64_trunc, F64, F64, NO_CHECK, canonical(__builtin_trunc(x)))                                \
    X(f64_nearest, F64, F64, NO_CHECK, canonical(__builtin_nearbyint(x)))                          \
    X(f64_sqrt, F64, F64, NO_CHECK, canonical(__builtin_sqrt(x)))                                  \
    X(i32_wrap_i64, U64, U32, NO_CHECK, U32(x))                                                    \
    X(i32_trunc_f32_s, F32, U32, CHECK_TRUNC(-2147483648.0F, 2147483648.0F, >=), U32(I32(x)))      \
    X(i32_trunc_f32_u, F32, U32, CHECK_TRUNC(-1.0F, 4294967296.0F, >), U32(I64(x)))                \
    X(i32_trunc_f64_s, F64, U32, CHECK_TRUNC(-2147483649.0, 2147483648.0, >), U32(I32(x)))         \
    X(i32_trunc_f64_u, F64, U32, CHECK_TRUNC(-1.0, 4294967296.0, >), U32(I64(x)))                  \
    X(i64_extend_i32_s, U32, U64, NO_CHECK, U64(I64(I32(x))))                                      \
    X(i64_extend_i32_u, U32, U64, NO_CHECK, U64(x))                                                \
    X(i64_trunc_f32_s, F32, U64, CHECK_TRUNC(-9223372036854775808.0F, 9223372036854775808.0F, >=), \
      U64(I64(x)))                                                                                 \
    X(i64_trunc_f32_u, F32, U64, CHECK_TRUNC(-1.0F, 18446744073709551616.0F, >), to_u64(x))        \
    X(i64_trunc_f64_s, F64, U64, CHECK_TRUNC(-9223372036854775808.0, 9223372036854775808.0, >=),   \
      U64(I64(x)))                                                                                 \
    X(i64_trunc_f64_u, F64, U64, CHECK_TRUNC(-1.0, 18446744073709551616.0, >), to_u64(x))          \
    X(f32_convert_i32_s, U32, F32, NO_CHECK, F32(I32(x)))                                          \
    X(f32_convert_i32_u, U32, F32, NO_CHECK, F32(x))                                               \
    X(f32_convert_i64_s, U64, F32, NO_CHECK, F32(I64(x)))                                          \
    X(f32_convert_i64_u, U64, F32, NO_CHECK, F32(x))                                               \
    X(f32_demote_f64, F64, F32, NO_CHECK, canonical(F32(x)))                                       \
    X(f64_convert_i32_s, U32, F64, NO_CHECK, F64(I32(x)))                                          \
    X(f64_convert_i32_u, U32, F64, NO_CHECK, F64(x))                                               \
    X(f64_convert_i64_s, U64, F64, NO_CHECK, F64(I64(x)))                                          \
    X(f64_convert_i64_u, U64, F64, NO_CHECK, F64(x))                                               \
    X(f64_promote_f32, F32, F64, NO_CHECK, canonical(F64(x)))                                      \
    X(i32_extend8_s, U32, U32, NO_CHECK, U32(I32(std::int8_t(x))))                                 \
    X(i32_extend16_s, U32, U32, NO_CHECK, U32(I32(std::int16_t(x))))                               \
    X(i64_extend8_s, U64, U64, NO_CHECK, U64(I64(std::int8_t(x))))                                 \
    X(i64_extend16_s, U64, U64, NO_CHECK, U64(I64(std::int16_t(x))))                               \
    X(i64_extend32_s, U64, U64, NO_CHECK, U64(I64(I32(x))))                                        \
    X(i32_trunc_sat_f32_s, F32, U32, NO_CHECK, U32(trunc_saturated<I32>(x)))                       \
    X(i32_trunc_sat_f32_u, F32, U32, NO_CHECK, trunc_saturated<U32>(x))                            \
    X(i32_trunc_sat_f64_s, F64, U32, NO_CHECK, U32(trunc_saturated<I32>(x)))                       \
    X(i32_trunc_sat_f64_u, F64, U32, NO_CHECK, trunc_saturated<U32>(x))                            \
    X(i64_trunc_sat_f32_s, F32, U64, NO_CHECK, U64(trunc_saturated<I64>(x)))                       \
    X(i64_trunc_sat_f32_u, F32, U64, NO_CHECK, trunc_saturated<U64>(x))                            \
    X(i64_trunc_sat_f64_s, F64, U64, NO_CHECK, U64(trunc_saturated<I64>(x)))                       \
    X(i64_trunc_sat_f64_u, F64, U64, NO_CHECK, trunc_saturated<U64>(x))

/// X(name, type in memory, type it is widened to). Forms: _r address slot; _x two slots added;
/// _i slot plus constant, added modulo 2^32; _a constant address.
#define MILLRACE_WASM_LOAD(X)                     \
    X(i32_load, std::uint32_t, std::uint32_t)     \
    X(i64_load, std::uint64_t, std::uint64_t)     \
    X(f32_load, std::uint32_t, std::uint32_t)     \
    X(f64_load, std::uint64_t, std::uint64_t)     \
    X(i32_load8_s, std::int8_t, std::int32_t)     \
    X(i32_load8_u, std::uint8_t, std::uint32_t)   \
    X(i32_load16_s, std::int16_t, std::int32_t)   \
    X(i32_load16_u, std::uint16_t, std::uint32_t) \
    X(i64_load8_s, std::int8_t, std::int64_t)     \
    X(i64_load8_u, std::uint8_t, std::uint64_t)   \
    X(i64_load16_s, std::int16_t, std::int64_t)   \
    X(i64_load16_u, std::uint16_t, std::uint64_t) \
    X(i64_load32_s, std::int32_t, std::int64_t)   \
    X(i64_load32_u, std::uint32_t, std::uint64_t)

/// X(name, type in memory). Forms as for loads, and _k: address slot, constant value.
#define MILLRACE_WASM_STORE(X)    \
    X(i32_store, std::uint32_t)   \
    X(i64_store, std::uint64_t)   \
    X(f32_store, std::uint32_t)   \
    X(f64_store, std::uint64_t)   \
    X(i32_store8, std::uint8_t)   \
    X(i32_store16, std::uint16_t) \
    X(i64_store8, std::uint8_t)   \
    X(i64_store16, std::uint16_t) \
    X(i64_store32, std::uint32_t)

/// X(name): everything else; fields in src/wasm/ir.hpp.
#define MILLRACE_WASM_OTHER(X) \
    X(unreachable)             \
    X(charge)                  \
    X(jump)                    \
    X(br_nonzero)              \
    X(br_zero)                 \
    X(br_table)                \
    X(return_none)             \
    X(return_one)              \
    X(return_many)             \
    X(leave)                   \
    X(call)                    \
    X(call_indirect)           \
    X(move)                    \
    X(move_range)              \
    X(constant)                \
    X(select)                  \
    X(global_get)              \
    X(global_set)              \
    X(table_get)               \
    X(table_set)               \
    X(table_init)              \
    X(table_copy)              \
    X(table_grow)              \
    X(table_size)              \
    X(table_fill)              \
    X(elem_drop)               \
    X(memory_size)             \
    X(memory_grow)             \
    X(memory_init)             \
    X(memory_copy)             \
    X(memory_fill)             \
    X(data_drop)               \
    X(ref_func)                \
    X(return_call)             \
    X(return_call_indirect)    \
    X(simd)                    \
    X(simd_memory)             \
    X(simd_shuffle)            \
    X(vector_select)           \
    X(vector_global_get)       \
    X(vector_global_set)
