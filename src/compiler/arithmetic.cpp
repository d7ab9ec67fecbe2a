// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/arithmetic.hpp"

#include <llvm/IR/Intrinsics.h>

#include "base/assert.hpp"

namespace millrace::compiler {
namespace {

using wasm::TrapKind;

llvm::Value* call(Builder& at, llvm::Intrinsic::ID intrinsic, llvm::ArrayRef<llvm::Type*> types,
                  llvm::ArrayRef<llvm::Value*> args) {
    return at.CreateIntrinsic(intrinsic, types, args);
}
llvm::Value* call(Builder& at, llvm::Intrinsic::ID intrinsic, llvm::ArrayRef<llvm::Value*> args) {
    return call(at, intrinsic, {args[0]->getType()}, args);
}
llvm::Value* constant(llvm::Value* like, std::uint64_t value) {
    return llvm::ConstantInt::get(like->getType(), value);
}
/// Shifts count modulo the width.
llvm::Value* count(Builder& at, llvm::Value* value) {
    return at.CreateAnd(value, constant(value, value->getType()->getIntegerBitWidth() - 1));
}
void check_divisor(Builder& at, llvm::Value* right, TrapSink& traps) {
    traps.trap_if(at.CreateIsNull(right), TrapKind::integer_divide_by_zero);
}
void check_quotient(Builder& at, llvm::Value* left, llvm::Value* right, TrapSink& traps) {
    const unsigned width = left->getType()->getIntegerBitWidth();
    llvm::Value* least =
        llvm::ConstantInt::get(left->getType(), llvm::APInt::getSignedMinValue(width));
    llvm::Value* minus_one = llvm::Constant::getAllOnesValue(right->getType());
    traps.trap_if(at.CreateAnd(at.CreateICmpEQ(left, least), at.CreateICmpEQ(right, minus_one)),
                  TrapKind::integer_overflow);
}
/// x rem -1 is 0 for every x; the machine's instruction would fault on the least one.
llvm::Value* signed_remainder(Builder& at, llvm::Value* left, llvm::Value* right) {
    llvm::Value* is_minus_one =
        at.CreateICmpEQ(right, llvm::Constant::getAllOnesValue(right->getType()));
    return at.CreateSRem(left, at.CreateSelect(is_minus_one, constant(right, 1), right));
}

/// Both bounds are themselves out of range unless `with_low`.
llvm::Value* truncate(Builder& at, llvm::Value* value, double low, bool with_low, double high,
                      bool is_signed, unsigned width, TrapSink& traps) {
    llvm::Type* const type = value->getType();
    llvm::Value* lowest = llvm::ConstantFP::get(type, low);
    traps.trap_if(at.CreateFCmpUNO(value, value), TrapKind::invalid_conversion_to_integer);
    llvm::Value* below =
        with_low ? at.CreateFCmpOLT(value, lowest) : at.CreateFCmpOLE(value, lowest);
    llvm::Value* above = at.CreateFCmpOGE(value, llvm::ConstantFP::get(type, high));
    traps.trap_if(at.CreateOr(below, above), TrapKind::integer_overflow);
    llvm::Type* const wanted = at.getIntNTy(width);
    return is_signed ? at.CreateFPToSI(value, wanted) : at.CreateFPToUI(value, wanted);
}
llvm::Value* saturate(Builder& at, llvm::Value* value, bool is_signed, unsigned width) {
    return call(at, is_signed ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat,
                {at.getIntNTy(width), value->getType()}, {value});
}
llvm::Value* extend_low(Builder& at, llvm::Value* value, unsigned bits) {
    return at.CreateSExt(at.CreateTrunc(value, at.getIntNTy(bits)), value->getType());
}

}  // namespace

llvm::Value* binary(Builder& at, Base base, llvm::Value* left, llvm::Value* right,
                    TrapSink& traps) {
    switch (base) {
        case Base::i32_add:
        case Base::i64_add:
            return at.CreateAdd(left, right);
        case Base::i32_sub:
        case Base::i64_sub:
            return at.CreateSub(left, right);
        case Base::i32_mul:
        case Base::i64_mul:
            return at.CreateMul(left, right);
        case Base::i32_div_s:
        case Base::i64_div_s:
            check_divisor(at, right, traps);
            check_quotient(at, left, right, traps);
            return at.CreateSDiv(left, right);
        case Base::i32_div_u:
        case Base::i64_div_u:
            check_divisor(at, right, traps);
            return at.CreateUDiv(left, right);
        case Base::i32_rem_s:
        case Base::i64_rem_s:
            check_divisor(at, right, traps);
            return signed_remainder(at, left, right);
        case Base::i32_rem_u:
        case Base::i64_rem_u:
            check_divisor(at, right, traps);
            return at.CreateURem(left, right);
        case Base::i32_and:
        case Base::i64_and:
            return at.CreateAnd(left, right);
        case Base::i32_or:
        case Base::i64_or:
            return at.CreateOr(left, right);
        case Base::i32_xor:
        case Base::i64_xor:
            return at.CreateXor(left, right);
        case Base::i32_shl:
        case Base::i64_shl:
            return at.CreateShl(left, count(at, right));
        case Base::i32_shr_s:
        case Base::i64_shr_s:
            return at.CreateAShr(left, count(at, right));
        case Base::i32_shr_u:
        case Base::i64_shr_u:
            return at.CreateLShr(left, count(at, right));
        case Base::i32_rotl:
        case Base::i64_rotl:
            return call(at, llvm::Intrinsic::fshl, {left, left, right});
        case Base::i32_rotr:
        case Base::i64_rotr:
            return call(at, llvm::Intrinsic::fshr, {left, left, right});
        case Base::f32_add:
        case Base::f64_add:
            return at.CreateFAdd(left, right);
        case Base::f32_sub:
        case Base::f64_sub:
            return at.CreateFSub(left, right);
        case Base::f32_mul:
        case Base::f64_mul:
            return at.CreateFMul(left, right);
        case Base::f32_div:
        case Base::f64_div:
            return at.CreateFDiv(left, right);
        case Base::f32_min:
        case Base::f64_min:
            return extreme(at, true, left, right);
        case Base::f32_max:
        case Base::f64_max:
            return extreme(at, false, left, right);
        case Base::f32_copysign:
        case Base::f64_copysign:
            return call(at, llvm::Intrinsic::copysign, {left, right});
        default:
            break;
    }
    MILLRACE_ASSERT(false);
    return nullptr;
}

llvm::Value* extreme(Builder& at, bool is_least, llvm::Value* left, llvm::Value* right) {
    // In V8's way: both orders of the processor's instruction, which gives its second operand for
    // zeros and NaNs, then their bits together. Not llvm.minimum: LLVM 19 crashes where it
    // simplifies one of another intrinsic, such as copysign, of the same operands.
    const auto order = is_least ? llvm::CmpInst::FCMP_OLT : llvm::CmpInst::FCMP_OGT;
    llvm::Value* one = at.CreateSelect(at.CreateFCmp(order, left, right), left, right);
    llvm::Value* other = at.CreateSelect(at.CreateFCmp(order, right, left), right, left);
    llvm::Type* const real = left->getType();
    llvm::Type* const bits = real->getWithNewType(at.getIntNTy(real->getScalarSizeInBits()));
    one = at.CreateBitCast(one, bits);
    other = at.CreateBitCast(other, bits);
    llvm::Value* both = at.CreateBitCast(at.CreateOr(one, other), real);
    // For the greatest, what differs goes away again: the sign of a zero. For the least nothing
    // does; the subtraction says that the result is arithmetic (exact_nan.hpp).
    llvm::Value* excess = is_least ? llvm::ConstantFP::getZero(real)
                                   : at.CreateBitCast(at.CreateXor(one, other), real);
    return at.CreateFSub(both, excess);
}

llvm::Value* compare(Builder& at, Base base, llvm::Value* left, llvm::Value* right) {
    switch (base) {
        case Base::i32_eq:
        case Base::i64_eq:
            return at.CreateICmpEQ(left, right);
        case Base::i32_ne:
        case Base::i64_ne:
            return at.CreateICmpNE(left, right);
        case Base::i32_lt_s:
        case Base::i64_lt_s:
            return at.CreateICmpSLT(left, right);
        case Base::i32_lt_u:
        case Base::i64_lt_u:
            return at.CreateICmpULT(left, right);
        case Base::i32_gt_s:
        case Base::i64_gt_s:
            return at.CreateICmpSGT(left, right);
        case Base::i32_gt_u:
        case Base::i64_gt_u:
            return at.CreateICmpUGT(left, right);
        case Base::i32_le_s:
        case Base::i64_le_s:
            return at.CreateICmpSLE(left, right);
        case Base::i32_le_u:
        case Base::i64_le_u:
            return at.CreateICmpULE(left, right);
        case Base::i32_ge_s:
        case Base::i64_ge_s:
            return at.CreateICmpSGE(left, right);
        case Base::i32_ge_u:
        case Base::i64_ge_u:
            return at.CreateICmpUGE(left, right);
        case Base::f32_eq:
        case Base::f64_eq:
            return at.CreateFCmpOEQ(left, right);
        case Base::f32_ne:
        case Base::f64_ne:
            return at.CreateFCmpUNE(left, right);
        case Base::f32_lt:
        case Base::f64_lt:
            return at.CreateFCmpOLT(left, right);
        case Base::f32_gt:
        case Base::f64_gt:
            return at.CreateFCmpOGT(left, right);
        case Base::f32_le:
        case Base::f64_le:
            return at.CreateFCmpOLE(left, right);
        case Base::f32_ge:
        case Base::f64_ge:
            return at.CreateFCmpOGE(left, right);
        default:
            break;
    }
    MILLRACE_ASSERT(false);
    return nullptr;
}

llvm::Value* unary(Builder& at, Base base, llvm::Value* value, TrapSink& traps) {
    llvm::Type* const i32 = at.getInt32Ty();
    llvm::Type* const i64 = at.getInt64Ty();
    llvm::Type* const f32 = at.getFloatTy();
    llvm::Type* const f64 = at.getDoubleTy();
    constexpr double two_31 = 2147483648.0;
    constexpr double two_32 = 4294967296.0;
    constexpr double two_63 = 9223372036854775808.0;
    constexpr double two_64 = 18446744073709551616.0;
    switch (base) {
        case Base::i32_clz:
        case Base::i64_clz:
            return call(at, llvm::Intrinsic::ctlz, {value->getType()}, {value, at.getFalse()});
        case Base::i32_ctz:
        case Base::i64_ctz:
            return call(at, llvm::Intrinsic::cttz, {value->getType()}, {value, at.getFalse()});
        case Base::i32_popcnt:
        case Base::i64_popcnt:
            return call(at, llvm::Intrinsic::ctpop, {value});
        case Base::f32_abs:
        case Base::f64_abs:
            return call(at, llvm::Intrinsic::fabs, {value});
        case Base::f32_neg:
        case Base::f64_neg:
            return at.CreateFNeg(value);
        case Base::f32_ceil:
        case Base::f64_ceil:
            return call(at, llvm::Intrinsic::ceil, {value});
        case Base::f32_floor:
        case Base::f64_floor:
            return call(at, llvm::Intrinsic::floor, {value});
        case Base::f32_trunc:
        case Base::f64_trunc:
            return call(at, llvm::Intrinsic::trunc, {value});
        case Base::f32_nearest:
        case Base::f64_nearest:
            return call(at, llvm::Intrinsic::roundeven, {value});
        case Base::f32_sqrt:
        case Base::f64_sqrt:
            return call(at, llvm::Intrinsic::sqrt, {value});
        case Base::i32_wrap_i64:
            return at.CreateTrunc(value, i32);
        case Base::i32_trunc_f32_s:
            return truncate(at, value, -two_31, true, two_31, true, 32, traps);
        case Base::i32_trunc_f64_s:
            return truncate(at, value, -two_31 - 1, false, two_31, true, 32, traps);
        case Base::i32_trunc_f32_u:
        case Base::i32_trunc_f64_u:
            return truncate(at, value, -1, false, two_32, false, 32, traps);
        case Base::i64_trunc_f32_s:
        case Base::i64_trunc_f64_s:
            return truncate(at, value, -two_63, true, two_63, true, 64, traps);
        case Base::i64_trunc_f32_u:
        case Base::i64_trunc_f64_u:
            return truncate(at, value, -1, false, two_64, false, 64, traps);
        case Base::i64_extend_i32_s:
            return at.CreateSExt(value, i64);
        case Base::i64_extend_i32_u:
            return at.CreateZExt(value, i64);
        case Base::f32_convert_i32_s:
        case Base::f32_convert_i64_s:
            return at.CreateSIToFP(value, f32);
        case Base::f32_convert_i32_u:
        case Base::f32_convert_i64_u:
            return at.CreateUIToFP(value, f32);
        case Base::f64_convert_i32_s:
        case Base::f64_convert_i64_s:
            return at.CreateSIToFP(value, f64);
        case Base::f64_convert_i32_u:
        case Base::f64_convert_i64_u:
            return at.CreateUIToFP(value, f64);
        case Base::f32_demote_f64:
            return at.CreateFPTrunc(value, f32);
        case Base::f64_promote_f32:
            return at.CreateFPExt(value, f64);
        case Base::i32_extend8_s:
        case Base::i64_extend8_s:
            return extend_low(at, value, 8);
        case Base::i32_extend16_s:
        case Base::i64_extend16_s:
            return extend_low(at, value, 16);
        case Base::i64_extend32_s:
            return extend_low(at, value, 32);
        case Base::i32_trunc_sat_f32_s:
        case Base::i32_trunc_sat_f64_s:
            return saturate(at, value, true, 32);
        case Base::i32_trunc_sat_f32_u:
        case Base::i32_trunc_sat_f64_u:
            return saturate(at, value, false, 32);
        case Base::i64_trunc_sat_f32_s:
        case Base::i64_trunc_sat_f64_s:
            return saturate(at, value, true, 64);
        case Base::i64_trunc_sat_f32_u:
        case Base::i64_trunc_sat_f64_u:
            return saturate(at, value, false, 64);
        default:
            break;
    }
    MILLRACE_ASSERT(false);
    return nullptr;
}

}  // namespace millrace::compiler
