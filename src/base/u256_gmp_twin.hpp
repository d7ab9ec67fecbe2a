// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// The naive twin of base/u256: the same operations by GMP. Only the unit test and the fuzz target
// include it.

#include <gmp.h>

#include "base/assert.hpp"
#include "base/u256.hpp"

namespace millrace::twin {

class Gmp {
  public:
    Gmp() { mpz_init(value_); }
    explicit Gmp(const U256& number) : Gmp() {
        mpz_import(value_, 4, -1, 8, 0, 0, number.words.data());
    }
    Gmp(const Gmp&) = delete;
    Gmp& operator=(const Gmp&) = delete;
    ~Gmp() { mpz_clear(value_); }

    mpz_ptr get() noexcept { return value_; }
    /// The number mod 2^256.
    [[nodiscard]] U256 low() const {
        mpz_t cut;
        mpz_init(cut);
        mpz_fdiv_r_2exp(cut, value_, 256);
        U256 number;
        mpz_export(number.words.data(), nullptr, -1, 8, 0, 0, cut);
        mpz_clear(cut);
        return number;
    }
    [[nodiscard]] bool fits() const {
        return mpz_sgn(value_) >= 0 && mpz_sizeinbase(value_, 2) <= 256;
    }
    [[nodiscard]] std::string decimal() const {
        std::string text(mpz_sizeinbase(value_, 10) + 2, '\0');
        mpz_get_str(text.data(), 10, value_);
        text.resize(text.find('\0'));
        return text;
    }

  private:
    mpz_t value_;
};

/// What SDIV, SMOD, SLT, SAR and SIGNEXTEND mean: the number as two's complement.
inline void make_signed(Gmp& number) {
    if (mpz_tstbit(number.get(), 255) == 0) return;
    Gmp range;
    mpz_setbit(range.get(), 256);
    mpz_sub(number.get(), number.get(), range.get());
}

/// The instructions on words that are division, or end in one.
inline void check_division_against_gmp(const U256& left, const U256& right, const U256& third) {
    Gmp a{left};
    Gmp b{right};
    Gmp m{third};
    Gmp result;
    Gmp rest;
    const auto division = checked_div(left, right);
    MILLRACE_ASSERT(division.has_value() == !right.is_zero());
    if (division) {
        mpz_tdiv_qr(result.get(), rest.get(), a.get(), b.get());
        MILLRACE_ASSERT(division->quotient == result.low());
        MILLRACE_ASSERT(division->remainder == rest.low());
    }
    MILLRACE_ASSERT(div_or_zero(left, right) == result.low());
    MILLRACE_ASSERT(mod_or_zero(left, right) == rest.low());
    if (!third.is_zero()) {
        mpz_add(result.get(), a.get(), b.get());
        mpz_mod(result.get(), result.get(), m.get());
        MILLRACE_ASSERT(add_mod(left, right, third) == result.low());
        mpz_mul(result.get(), a.get(), b.get());
        mpz_mod(result.get(), result.get(), m.get());
        MILLRACE_ASSERT(mul_mod(left, right, third) == result.low());
        RepeatedModulus repeated;
        for (int use = 0; use < 4; ++use)
            MILLRACE_ASSERT(repeated.mul_mod(left, right, third) == result.low());
    } else {
        MILLRACE_ASSERT(add_mod(left, right, third).is_zero());
        MILLRACE_ASSERT(mul_mod(left, right, third).is_zero());
    }
    make_signed(a);
    make_signed(b);
    mpz_set_ui(result.get(), 0);
    mpz_set_ui(rest.get(), 0);
    if (!right.is_zero()) mpz_tdiv_qr(result.get(), rest.get(), a.get(), b.get());
    MILLRACE_ASSERT(signed_div_or_zero(left, right) == result.low());
    MILLRACE_ASSERT(signed_mod_or_zero(left, right) == rest.low());
    MILLRACE_ASSERT(signed_less(left, right) == (mpz_cmp(a.get(), b.get()) < 0));
}

/// Bits, bytes and shifts. The amount is `left`'s lowest ten bits, so that it is often in range.
inline void check_bits_against_gmp(const U256& left, const U256& right) {
    Gmp a{left};
    Gmp b{right};
    Gmp result;
    mpz_and(result.get(), a.get(), b.get());
    MILLRACE_ASSERT((left & right) == result.low());
    mpz_ior(result.get(), a.get(), b.get());
    MILLRACE_ASSERT((left | right) == result.low());
    mpz_xor(result.get(), a.get(), b.get());
    MILLRACE_ASSERT((left ^ right) == result.low());
    mpz_com(result.get(), a.get());
    MILLRACE_ASSERT(~left == result.low());
    mpz_neg(result.get(), a.get());
    MILLRACE_ASSERT(wrapping_negate(left) == result.low());

    const std::size_t digits = left.is_zero() ? 0 : mpz_sizeinbase(a.get(), 2);
    MILLRACE_ASSERT(bit_length(left) == digits);
    MILLRACE_ASSERT(leading_zeros(left) == 256 - digits);
    MILLRACE_ASSERT(byte_length(left) == (digits + 7) / 8);

    const std::uint64_t amount = left.words[0] % 1024;
    mpz_mul_2exp(result.get(), b.get(), amount);
    MILLRACE_ASSERT(shift_left(right, amount) == result.low());
    mpz_fdiv_q_2exp(result.get(), b.get(), amount);
    MILLRACE_ASSERT(shift_right(right, amount) == result.low());
    Gmp range;
    mpz_setbit(range.get(), 256);
    mpz_powm(result.get(), b.get(), a.get(), range.get());
    MILLRACE_ASSERT(wrapping_pow(right, left) == result.low());

    const std::uint64_t index = left.words[0] % 40;
    mpz_fdiv_q_2exp(result.get(), b.get(), index < 32 ? 8 * (31 - index) : 256);
    mpz_fdiv_r_2exp(result.get(), result.get(), 8);
    MILLRACE_ASSERT(byte_at(U256{index}, right) == result.low());

    make_signed(b);
    mpz_fdiv_q_2exp(result.get(), b.get(), amount);
    MILLRACE_ASSERT(shift_right_signed(right, amount) == result.low());
    MILLRACE_ASSERT(shift_right_signed(right, U256{amount}) == result.low());
    if (index < 32) {
        mpz_fdiv_r_2exp(result.get(), b.get(), 8 * (index + 1));
        if (mpz_tstbit(result.get(), 8 * index + 7) != 0) {
            mpz_set_ui(range.get(), 0);
            mpz_setbit(range.get(), 8 * (index + 1));
            mpz_sub(result.get(), result.get(), range.get());
        }
        MILLRACE_ASSERT(sign_extend(U256{index}, right) == result.low());
    } else {
        MILLRACE_ASSERT(sign_extend(U256{index}, right) == right);
    }
    if (!left.fits_u64()) {
        MILLRACE_ASSERT(shift_left(right, left).is_zero());
        MILLRACE_ASSERT(shift_right(right, left).is_zero());
        MILLRACE_ASSERT(byte_at(left, right).is_zero());
        MILLRACE_ASSERT(sign_extend(left, right) == right);
    }
}

/// Asserts that every operation on the operands gives what GMP gives.
inline void check_against_gmp(const U256& left, const U256& right, const U256& third) {
    check_division_against_gmp(left, right, third);
    check_bits_against_gmp(left, right);
    Gmp a{left};
    Gmp b{right};
    Gmp result;
    const auto agree = [&result](const std::optional<U256>& checked, const U256& wrapped) {
        MILLRACE_ASSERT(checked.has_value() == result.fits());
        MILLRACE_ASSERT(wrapped == result.low());
        MILLRACE_ASSERT(!checked || *checked == wrapped);
    };
    mpz_add(result.get(), a.get(), b.get());
    agree(checked_add(left, right), wrapping_add(left, right));
    mpz_sub(result.get(), a.get(), b.get());
    agree(checked_sub(left, right), wrapping_sub(left, right));
    mpz_mul(result.get(), a.get(), b.get());
    agree(checked_mul(left, right), wrapping_mul(left, right));

    const int order = mpz_cmp(a.get(), b.get());
    MILLRACE_ASSERT((left < right) == (order < 0));
    MILLRACE_ASSERT((left > right) == (order > 0));
    MILLRACE_ASSERT((left <= right) == (order <= 0));
    MILLRACE_ASSERT((left >= right) == (order >= 0));
    MILLRACE_ASSERT((left == right) == (order == 0));
    MILLRACE_ASSERT(((left <=> right) < 0) == (order < 0));

    const std::string decimal = to_decimal(left);
    MILLRACE_ASSERT(decimal == a.decimal());
    MILLRACE_ASSERT(u256_from_decimal(decimal) == left);
    MILLRACE_ASSERT(u256_from_rpc_quantity(to_rpc_quantity(left)) == left);
    MILLRACE_ASSERT(from_word(to_word(left)) == left);
    MILLRACE_ASSERT(u256_from_big_endian(to_word(left).view()) == left);
    std::array<std::uint8_t, 33> memory{};
    store_word(left, memory.data() + 1);
    MILLRACE_ASSERT(load_word(memory.data() + 1) == left);
    MILLRACE_ASSERT(parse_amount(format_amount(Amount{left})) == Amount{left});
}

}  // namespace millrace::twin
