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

/// Asserts that every operation on the two operands gives what GMP gives.
inline void check_against_gmp(const U256& left, const U256& right) {
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
    MILLRACE_ASSERT((left == right) == (order == 0));

    const auto division = checked_div(left, right);
    MILLRACE_ASSERT(division.has_value() == !right.is_zero());
    if (division) {
        Gmp remainder;
        mpz_tdiv_qr(result.get(), remainder.get(), a.get(), b.get());
        MILLRACE_ASSERT(division->quotient == result.low());
        MILLRACE_ASSERT(division->remainder == remainder.low());
    }

    const std::string decimal = to_decimal(left);
    MILLRACE_ASSERT(decimal == a.decimal());
    MILLRACE_ASSERT(u256_from_decimal(decimal) == left);
    MILLRACE_ASSERT(u256_from_rpc_quantity(to_rpc_quantity(left)) == left);
    MILLRACE_ASSERT(from_word(to_word(left)) == left);
    MILLRACE_ASSERT(parse_amount(format_amount(Amount{left})) == Amount{left});
}

}  // namespace millrace::twin
