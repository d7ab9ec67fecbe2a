// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/vector.hpp"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <numeric>
#include <string_view>

#include "base/assert.hpp"
#include "compiler/arithmetic.hpp"
#include "compiler/exact_nan.hpp"
#include "wasm/simd_ops.hpp"

namespace millrace::compiler {
namespace {

using llvm::Value;
using Mask = llvm::SmallVector<int, 32>;

enum class Simd : std::uint32_t {
#define X(code, name, ...) name = code,
    MILLRACE_WASM_SIMD_PLAIN(X) MILLRACE_WASM_SIMD_MEMORY(X)
#undef X
};

constexpr std::array<std::string_view, 256> names = [] {
    std::array<std::string_view, 256> table{};
#define X(code, name, ...) table[code] = #name;
    MILLRACE_WASM_SIMD_PLAIN(X)
#undef X
    return table;
}();

/// Lanes of a shape as a name begins: "i16x8_...".
struct Shape {
    bool is_float = false;
    unsigned bits = 64;
    [[nodiscard]] unsigned lanes() const noexcept { return 128 / bits; }
};
constexpr Shape shape_of(std::string_view name) noexcept {
    Shape shape{.is_float = name.starts_with("f")};
    if (name.starts_with("v128")) return shape;
    shape.bits = 0;
    for (std::size_t at = 1; at < name.size() && name[at] != 'x'; ++at)
        shape.bits = 10 * shape.bits + static_cast<unsigned>(name[at] - '0');
    return shape;
}

class Vectors {
  public:
    Vectors(Builder& at, std::uint32_t code)
        : at_{at}, code_{static_cast<Simd>(code)}, name_{names[code]}, shape_{shape_of(name_)} {}

    Value* run(const VectorOperands& given) {
        const auto shape = wasm::simd_signatures[static_cast<std::uint32_t>(code_)].shape;
        switch (shape) {
            case wasm::SimdShape::splat:
                return splat(given.first);
            case wasm::SimdShape::extract:
                return extract(given.first, given.lane);
            case wasm::SimdShape::replace:
                return at_.CreateInsertElement(lanes(given.first), narrowed(given.second),
                                               std::uint64_t{given.lane});
            case wasm::SimdShape::shift:
                return shift(lanes(given.first), given.second);
            case wasm::SimdShape::test:
                return test(given.first);
            case wasm::SimdShape::unary:
                return unary(given.first);
            case wasm::SimdShape::binary:
                return binary(given.first, given.second);
            default:
                break;
        }
        // bitselect
        Value* left = at_.CreateAnd(given.first, given.third);
        return at_.CreateOr(left, at_.CreateAnd(given.second, at_.CreateNot(given.third)));
    }

  private:
    llvm::Type* lane_type(bool is_float, unsigned bits) const {
        if (!is_float) return at_.getIntNTy(bits);
        return bits == 32 ? at_.getFloatTy() : at_.getDoubleTy();
    }
    llvm::Type* type(Shape shape) const {
        return llvm::FixedVectorType::get(lane_type(shape.is_float, shape.bits), shape.lanes());
    }
    llvm::Type* integers(unsigned bits) const { return type({.is_float = false, .bits = bits}); }
    Value* lanes(Value* vector) { return at_.CreateBitCast(vector, type(shape_)); }
    Value* as_integers(Value* vector) { return at_.CreateBitCast(vector, integers(shape_.bits)); }
    Value* call(llvm::Intrinsic::ID intrinsic, llvm::ArrayRef<Value*> args) {
        return at_.CreateIntrinsic(intrinsic, {args[0]->getType()}, args);
    }
    static llvm::Constant* splatted(llvm::Type* type, std::uint64_t bits) {
        return llvm::ConstantInt::get(type, bits);
    }
    Value* narrowed(Value* scalar) {
        return shape_.is_float || shape_.bits >= 32
                   ? scalar
                   : at_.CreateTrunc(scalar, at_.getIntNTy(shape_.bits));
    }
    Value* splat(Value* scalar) { return at_.CreateVectorSplat(shape_.lanes(), narrowed(scalar)); }
    Value* extract(Value* vector, unsigned lane) {
        Value* scalar = at_.CreateExtractElement(lanes(vector), std::uint64_t{lane});
        if (shape_.bits >= 32) return scalar;
        return name_.ends_with("_s") ? at_.CreateSExt(scalar, at_.getInt32Ty())
                                     : at_.CreateZExt(scalar, at_.getInt32Ty());
    }
    Value* shift(Value* vector, Value* by) {
        Value* count = at_.CreateAnd(by, at_.getInt32(shape_.bits - 1));
        count = at_.CreateZExtOrTrunc(count, at_.getIntNTy(shape_.bits));
        Value* counts = at_.CreateVectorSplat(shape_.lanes(), count);
        if (name_.ends_with("_shl")) return at_.CreateShl(vector, counts);
        return name_.ends_with("_s") ? at_.CreateAShr(vector, counts)
                                     : at_.CreateLShr(vector, counts);
    }
    Value* test(Value* vector) {
        llvm::Type* const i32 = at_.getInt32Ty();
        if (code_ == Simd::v128_any_true) {
            Value* all = at_.CreateBitCast(vector, at_.getInt128Ty());
            return at_.CreateZExt(at_.CreateIsNotNull(all), i32);
        }
        Value* value = lanes(vector);
        llvm::Constant* zero = llvm::Constant::getNullValue(value->getType());
        const bool is_mask = name_.ends_with("_bitmask");
        Value* bits = is_mask ? at_.CreateICmpSLT(value, zero) : at_.CreateICmpNE(value, zero);
        bits = at_.CreateBitCast(bits, at_.getIntNTy(shape_.lanes()));
        if (is_mask) return at_.CreateZExt(bits, i32);
        Value* all = at_.CreateICmpEQ(bits, llvm::Constant::getAllOnesValue(bits->getType()));
        return at_.CreateZExt(all, i32);
    }

    /// Lanes first, first + step, ... of one vector.
    Value* pick(Value* vector, unsigned first, unsigned step, unsigned count) {
        Mask mask;
        for (unsigned lane = 0; lane < count; ++lane)
            mask.push_back(static_cast<int>(first + step * lane));
        return at_.CreateShuffleVector(vector, mask);
    }
    Value* widened(Value* vector, bool is_signed) {
        auto* from = llvm::cast<llvm::FixedVectorType>(vector->getType());
        llvm::Type* const to = llvm::FixedVectorType::get(
            at_.getIntNTy(2 * from->getScalarSizeInBits()), from->getNumElements());
        return is_signed ? at_.CreateSExt(vector, to) : at_.CreateZExt(vector, to);
    }
    /// Half of the lanes of half this shape's width, widened to it.
    Value* half(Value* vector) {
        const Shape narrow{.is_float = false, .bits = shape_.bits / 2};
        const unsigned count = shape_.lanes();
        const bool is_high = name_.find("_high_") != std::string_view::npos;
        Value* picked =
            pick(at_.CreateBitCast(vector, type(narrow)), is_high ? count : 0, 1, count);
        return widened(picked, name_.ends_with("_s"));
    }
    /// Sums of neighbours.
    Value* paired(Value* wide) {
        const unsigned count = shape_.lanes();
        return at_.CreateAdd(pick(wide, 0, 2, count), pick(wide, 1, 2, count));
    }
    Value* narrow(Value* left, Value* right) {
        const unsigned wide_bits = 2 * shape_.bits;
        Mask mask(shape_.lanes());
        std::iota(mask.begin(), mask.end(), 0);
        Value* both = at_.CreateShuffleVector(at_.CreateBitCast(left, integers(wide_bits)),
                                              at_.CreateBitCast(right, integers(wide_bits)), mask);
        return clamped(both, name_.ends_with("_s"));
    }
    /// To this shape's lanes, saturating.
    Value* clamped(Value* wide, bool is_signed) {
        const unsigned bits = wide->getType()->getScalarSizeInBits();
        const auto limit = [&](const llvm::APInt& value) {
            return llvm::ConstantInt::get(wide->getType(), value);
        };
        const llvm::APInt low = is_signed ? llvm::APInt::getSignedMinValue(shape_.bits).sext(bits)
                                          : llvm::APInt::getZero(bits);
        const llvm::APInt high = is_signed ? llvm::APInt::getSignedMaxValue(shape_.bits).sext(bits)
                                           : llvm::APInt::getMaxValue(shape_.bits).zext(bits);
        wide = call(llvm::Intrinsic::smax, {wide, limit(low)});
        wide = call(llvm::Intrinsic::smin, {wide, limit(high)});
        return at_.CreateTrunc(wide, integers(shape_.bits));
    }
    /// The low lanes given, zeros above.
    Value* with_zeros(Value* low) {
        return at_.CreateShuffleVector(low, llvm::Constant::getNullValue(low->getType()),
                                       Mask{0, 1, 2, 3});
    }
    Value* canonical(Value* value) { return exact_vector(at_, value); }
    Value* rounded(llvm::Intrinsic::ID intrinsic, Value* x) {
        return canonical(call(intrinsic, {lanes(x)}));
    }
    Value* truncated(Value* x, bool is_signed, unsigned count) {
        llvm::Type* const to = llvm::FixedVectorType::get(at_.getInt32Ty(), count);
        return at_.CreateIntrinsic(
            is_signed ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat,
            {to, x->getType()}, {x});
    }

    Value* unary(Value* x) {
        const Shape floats{.is_float = true, .bits = 32};
        const Shape doubles{.is_float = true, .bits = 64};
        if (name_.find("_extend_") != std::string_view::npos) return half(x);
        if (name_.find("_extadd_") != std::string_view::npos)
            return paired(
                widened(at_.CreateBitCast(x, integers(shape_.bits / 2)), name_.ends_with("_s")));
        switch (code_) {
            case Simd::v128_not:
                return at_.CreateNot(x);
            case Simd::i8x16_abs:
            case Simd::i16x8_abs:
            case Simd::i32x4_abs:
            case Simd::i64x2_abs:
                return at_.CreateIntrinsic(llvm::Intrinsic::abs, {type(shape_)},
                                           {lanes(x), at_.getFalse()});
            case Simd::i8x16_neg:
            case Simd::i16x8_neg:
            case Simd::i32x4_neg:
            case Simd::i64x2_neg:
                return at_.CreateNeg(lanes(x));
            case Simd::i8x16_popcnt:
                return call(llvm::Intrinsic::ctpop, {lanes(x)});
            case Simd::f32x4_abs:
            case Simd::f64x2_abs: {
                Value* value = as_integers(x);
                return at_.CreateAnd(
                    value, llvm::ConstantInt::get(value->getType(),
                                                  llvm::APInt::getSignedMaxValue(shape_.bits)));
            }
            case Simd::f32x4_neg:
            case Simd::f64x2_neg: {
                Value* value = as_integers(x);
                return at_.CreateXor(
                    value, llvm::ConstantInt::get(value->getType(),
                                                  llvm::APInt::getSignedMinValue(shape_.bits)));
            }
            case Simd::f32x4_ceil:
            case Simd::f64x2_ceil:
                return rounded(llvm::Intrinsic::ceil, x);
            case Simd::f32x4_floor:
            case Simd::f64x2_floor:
                return rounded(llvm::Intrinsic::floor, x);
            case Simd::f32x4_trunc:
            case Simd::f64x2_trunc:
                return rounded(llvm::Intrinsic::trunc, x);
            case Simd::f32x4_nearest:
            case Simd::f64x2_nearest:
                return rounded(llvm::Intrinsic::roundeven, x);
            case Simd::f32x4_sqrt:
            case Simd::f64x2_sqrt:
                return rounded(llvm::Intrinsic::sqrt, x);
            case Simd::i32x4_trunc_sat_f32x4_s:
            case Simd::i32x4_trunc_sat_f32x4_u:
                return truncated(at_.CreateBitCast(x, type(floats)), name_.ends_with("_s"), 4);
            case Simd::i32x4_trunc_sat_f64x2_s_zero:
                return with_zeros(truncated(at_.CreateBitCast(x, type(doubles)), true, 2));
            case Simd::i32x4_trunc_sat_f64x2_u_zero:
                return with_zeros(truncated(at_.CreateBitCast(x, type(doubles)), false, 2));
            case Simd::f32x4_convert_i32x4_s:
                return at_.CreateSIToFP(at_.CreateBitCast(x, integers(32)), type(floats));
            case Simd::f32x4_convert_i32x4_u:
                return at_.CreateUIToFP(at_.CreateBitCast(x, integers(32)), type(floats));
            case Simd::f64x2_convert_low_i32x4_s:
                return at_.CreateSIToFP(pick(at_.CreateBitCast(x, integers(32)), 0, 1, 2),
                                        type(doubles));
            case Simd::f64x2_convert_low_i32x4_u:
                return at_.CreateUIToFP(pick(at_.CreateBitCast(x, integers(32)), 0, 1, 2),
                                        type(doubles));
            case Simd::f32x4_demote_f64x2_zero:
                return with_zeros(
                    canonical(at_.CreateFPTrunc(at_.CreateBitCast(x, type(doubles)),
                                                llvm::FixedVectorType::get(at_.getFloatTy(), 2))));
            case Simd::f64x2_promote_low_f32x4:
                return canonical(at_.CreateFPExt(pick(at_.CreateBitCast(x, type(floats)), 0, 1, 2),
                                                 type(doubles)));
            default:
                break;
        }
        MILLRACE_ASSERT(false);
        return nullptr;
    }

    Value* ones_where(Value* holds) { return at_.CreateSExt(holds, integers(shape_.bits)); }
    /// Null when the name is no comparison's.
    Value* comparison(Value* x, Value* y) {
        using Predicate = llvm::CmpInst::Predicate;
        struct Known {
            std::string_view suffix;
            Predicate integer;
            Predicate real;
        };
        static constexpr Known known[] = {
            {"_eq", Predicate::ICMP_EQ, Predicate::FCMP_OEQ},
            {"_ne", Predicate::ICMP_NE, Predicate::FCMP_UNE},
            {"_lt", Predicate::BAD_ICMP_PREDICATE, Predicate::FCMP_OLT},
            {"_gt", Predicate::BAD_ICMP_PREDICATE, Predicate::FCMP_OGT},
            {"_le", Predicate::BAD_ICMP_PREDICATE, Predicate::FCMP_OLE},
            {"_ge", Predicate::BAD_ICMP_PREDICATE, Predicate::FCMP_OGE},
            {"_lt_s", Predicate::ICMP_SLT, Predicate::BAD_FCMP_PREDICATE},
            {"_lt_u", Predicate::ICMP_ULT, Predicate::BAD_FCMP_PREDICATE},
            {"_gt_s", Predicate::ICMP_SGT, Predicate::BAD_FCMP_PREDICATE},
            {"_gt_u", Predicate::ICMP_UGT, Predicate::BAD_FCMP_PREDICATE},
            {"_le_s", Predicate::ICMP_SLE, Predicate::BAD_FCMP_PREDICATE},
            {"_le_u", Predicate::ICMP_ULE, Predicate::BAD_FCMP_PREDICATE},
            {"_ge_s", Predicate::ICMP_SGE, Predicate::BAD_FCMP_PREDICATE},
            {"_ge_u", Predicate::ICMP_UGE, Predicate::BAD_FCMP_PREDICATE},
        };
        const std::string_view suffix = name_.substr(name_.find('_'));
        for (const Known& each : known) {
            if (each.suffix != suffix) continue;
            return ones_where(shape_.is_float ? at_.CreateFCmp(each.real, lanes(x), lanes(y))
                                              : at_.CreateICmp(each.integer, lanes(x), lanes(y)));
        }
        return nullptr;
    }

    Value* binary(Value* x, Value* y) {
        switch (code_) {
            case Simd::v128_and:
                return at_.CreateAnd(x, y);
            case Simd::v128_andnot:
                return at_.CreateAnd(x, at_.CreateNot(y));
            case Simd::v128_or:
                return at_.CreateOr(x, y);
            case Simd::v128_xor:
                return at_.CreateXor(x, y);
            default:
                break;
        }
        if (Value* holds = comparison(x, y)) return holds;
        if (name_.find("_narrow_") != std::string_view::npos) return narrow(x, y);
        if (name_.find("_extmul_") != std::string_view::npos)
            return at_.CreateMul(half(x), half(y));
        if (code_ == Simd::i32x4_dot_i16x8_s) {
            return paired(at_.CreateMul(widened(at_.CreateBitCast(x, integers(16)), true),
                                        widened(at_.CreateBitCast(y, integers(16)), true)));
        }
        return shape_.is_float ? float_binary(lanes(x), lanes(y))
                               : integer_binary(lanes(x), lanes(y));
    }
    Value* float_binary(Value* x, Value* y) {
        const std::string_view what = name_.substr(name_.find('_') + 1);
        // pmin and pmax choose an operand with its bits.
        if (what == "pmin") return at_.CreateSelect(at_.CreateFCmpOLT(y, x), y, x);
        if (what == "pmax") return at_.CreateSelect(at_.CreateFCmpOLT(x, y), y, x);
        if (what == "add") return canonical(at_.CreateFAdd(x, y));
        if (what == "sub") return canonical(at_.CreateFSub(x, y));
        if (what == "mul") return canonical(at_.CreateFMul(x, y));
        if (what == "div") return canonical(at_.CreateFDiv(x, y));
        if (what == "min") return canonical(extreme(at_, true, x, y));
        MILLRACE_ASSERT(what == "max");
        return canonical(extreme(at_, false, x, y));
    }
    Value* integer_binary(Value* x, Value* y) {
        const std::string_view what = name_.substr(name_.find('_') + 1);
        if (what == "add") return at_.CreateAdd(x, y);
        if (what == "sub") return at_.CreateSub(x, y);
        if (what == "mul") return at_.CreateMul(x, y);
        if (what == "add_sat_s") return call(llvm::Intrinsic::sadd_sat, {x, y});
        if (what == "add_sat_u") return call(llvm::Intrinsic::uadd_sat, {x, y});
        if (what == "sub_sat_s") return call(llvm::Intrinsic::ssub_sat, {x, y});
        if (what == "sub_sat_u") return call(llvm::Intrinsic::usub_sat, {x, y});
        if (what == "min_s") return call(llvm::Intrinsic::smin, {x, y});
        if (what == "min_u") return call(llvm::Intrinsic::umin, {x, y});
        if (what == "max_s") return call(llvm::Intrinsic::smax, {x, y});
        if (what == "max_u") return call(llvm::Intrinsic::umax, {x, y});
        if (what == "avgr_u") {
            Value* sum = at_.CreateAdd(widened(x, false), widened(y, false));
            sum = at_.CreateAdd(sum, splatted(sum->getType(), 1));
            return at_.CreateTrunc(at_.CreateLShr(sum, splatted(sum->getType(), 1)), type(shape_));
        }
        if (code_ == Simd::i16x8_q15mulr_sat_s) {
            Value* product = at_.CreateMul(widened(x, true), widened(y, true));
            product = at_.CreateAdd(product, splatted(product->getType(), 0x4000));
            return clamped(at_.CreateAShr(product, splatted(product->getType(), 15)), true);
        }
        MILLRACE_ASSERT(code_ == Simd::i8x16_swizzle);
        // The machine's shuffle gives zero where an index has its highest bit.
        Value* index = call(llvm::Intrinsic::uadd_sat, {y, splatted(y->getType(), 0x70)});
        return at_.CreateIntrinsic(llvm::Intrinsic::x86_ssse3_pshuf_b_128, {}, {x, index});
    }

    Builder& at_;
    Simd code_;
    std::string_view name_;
    Shape shape_;
};

llvm::LoadInst* read(Builder& at, llvm::Type* type, Value* place) {
    return at.CreateAlignedLoad(type, place, llvm::Align{1}, true);
}
llvm::Type* vector_of(Builder& at, unsigned bits, unsigned lanes) {
    return llvm::FixedVectorType::get(at.getIntNTy(bits), lanes);
}
/// Width of the one lane that an access of memory is about.
unsigned lane_bits(Simd code) {
    switch (code) {
        case Simd::v128_load8_splat:
        case Simd::v128_load8_lane:
        case Simd::v128_store8_lane:
            return 8;
        case Simd::v128_load16_splat:
        case Simd::v128_load16_lane:
        case Simd::v128_store16_lane:
            return 16;
        case Simd::v128_load32_splat:
        case Simd::v128_load32_lane:
        case Simd::v128_store32_lane:
        case Simd::v128_load32_zero:
            return 32;
        default:
            return 64;
    }
}
Value* load_extended(Builder& at, Value* place, unsigned bits, bool is_signed) {
    const unsigned lanes = 64 / bits;
    Value* narrow = at.CreateBitCast(read(at, at.getInt64Ty(), place), vector_of(at, bits, lanes));
    llvm::Type* const wide = vector_of(at, 2 * bits, lanes);
    return is_signed ? at.CreateSExt(narrow, wide) : at.CreateZExt(narrow, wide);
}

}  // namespace

Value* vector_plain(Builder& at, std::uint32_t code, const VectorOperands& operands) {
    return Vectors{at, code}.run(operands);
}

Value* vector_shuffle(Builder& at, Value* left, Value* right,
                      const std::array<std::uint8_t, 16>& lanes) {
    llvm::Type* const bytes = vector_of(at, 8, 16);
    const Mask mask(lanes.begin(), lanes.end());
    return at.CreateShuffleVector(at.CreateBitCast(left, bytes), at.CreateBitCast(right, bytes),
                                  mask);
}

Value* vector_load(Builder& at, std::uint32_t code, Value* place, Value* old, unsigned lane) {
    const auto which = static_cast<Simd>(code);
    switch (which) {
        case Simd::v128_load:
            return read(at, vector_of(at, 64, 2), place);
        case Simd::v128_load8x8_s:
            return load_extended(at, place, 8, true);
        case Simd::v128_load8x8_u:
            return load_extended(at, place, 8, false);
        case Simd::v128_load16x4_s:
            return load_extended(at, place, 16, true);
        case Simd::v128_load16x4_u:
            return load_extended(at, place, 16, false);
        case Simd::v128_load32x2_s:
            return load_extended(at, place, 32, true);
        case Simd::v128_load32x2_u:
            return load_extended(at, place, 32, false);
        default:
            break;
    }
    const unsigned bits = lane_bits(which);
    llvm::Type* const type = vector_of(at, bits, 128 / bits);
    Value* scalar = read(at, at.getIntNTy(bits), place);
    if (old != nullptr)
        return at.CreateInsertElement(at.CreateBitCast(old, type), scalar, std::uint64_t{lane});
    if (which == Simd::v128_load32_zero || which == Simd::v128_load64_zero)
        return at.CreateInsertElement(llvm::Constant::getNullValue(type), scalar, std::uint64_t{0});
    return at.CreateVectorSplat(128 / bits, scalar);
}

void vector_store(Builder& at, std::uint32_t code, Value* place, Value* value, unsigned lane) {
    const auto which = static_cast<Simd>(code);
    if (which != Simd::v128_store) {
        const unsigned bits = lane_bits(which);
        value = at.CreateBitCast(value, vector_of(at, bits, 128 / bits));
        value = at.CreateExtractElement(value, std::uint64_t{lane});
    }
    at.CreateAlignedStore(value, place, llvm::Align{1}, true);
}

}  // namespace millrace::compiler
