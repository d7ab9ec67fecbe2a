// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/modexp.hpp"

#include <gmp.h>

#include <algorithm>
#include <limits>

namespace millrace::evm {
namespace {

constexpr std::size_t header_size = 96;
constexpr std::uint64_t modulus_size_max = std::uint64_t{1} << 24;
constexpr std::uint64_t osaka_size_max = 1024;

/// What the input holds of the `size` bytes from `offset`; the rest read as 0.
ByteView part(ByteView input, const U256& offset, const U256& size) noexcept {
    if (offset >= U256{input.size()}) return {};
    const ByteView rest = input.subspan(offset.words[0]);
    if (size >= U256{rest.size()}) return rest;
    return rest.first(size.words[0]);
}

U256 word_at(ByteView input, const U256& offset, std::size_t size = 32) noexcept {
    const ByteView bytes = part(input, offset, U256{size});
    return shift_left(*u256_from_big_endian(bytes), 8 * (size - bytes.size()));
}

struct Sizes {
    U256 base;
    U256 exponent;
    U256 modulus;
};

/// EIP-198: the exponent's bits less one, of which those beyond the first 32 bytes are counted
/// without being looked at. Null when it does not fit.
std::optional<U256> iterations(const Sizes& sizes, ByteView input, std::uint64_t bits_per_byte) {
    const bool is_short = sizes.exponent <= U256{32};
    U256 head;
    // Offsets beyond 2^64 are beyond every input.
    if (const auto offset = checked_add(sizes.base, U256{header_size})) {
        head = word_at(input, *offset, is_short ? sizes.exponent.words[0] : 32);
    }
    const U256 bits{head.is_zero() ? 0 : bit_length(head) - 1};
    if (is_short) return bits;
    const auto tail = checked_mul(wrapping_sub(sizes.exponent, U256{32}), U256{bits_per_byte});
    return tail ? checked_add(*tail, bits) : std::nullopt;
}

/// The EIPs' multiplication complexity; `size` below 2^64.
U256 complexity(Revision revision, const U256& size) noexcept {
    if (revision >= Revision::berlin) {
        const U256 words = shift_right(wrapping_add(size, U256{7}), 3);
        const U256 square = wrapping_mul(words, words);
        if (revision < Revision::osaka) return square;
        return size <= U256{32} ? U256{16} : shift_left(square, 1);
    }
    const U256 square = wrapping_mul(size, size);
    if (size <= U256{64}) return square;
    if (size <= U256{1024}) {
        return wrapping_sub(wrapping_add(shift_right(square, 2), wrapping_mul(size, U256{96})),
                            U256{3072});
    }
    return wrapping_sub(wrapping_add(shift_right(square, 4), wrapping_mul(size, U256{480})),
                        U256{199'680});
}

/// Null: more than any frame can have.
std::optional<std::int64_t> price(Revision revision, const Sizes& sizes, ByteView input) {
    const U256 size = std::max(sizes.base, sizes.modulus);
    if (!size.fits_u64()) return std::nullopt;
    const bool is_osaka = revision >= Revision::osaka;
    const U256 factor = complexity(revision, size);
    U256 cost;
    if (!factor.is_zero()) {
        const auto count = iterations(sizes, input, is_osaka ? 16 : 8);
        if (!count) return std::nullopt;
        const auto product = checked_mul(factor, std::max(*count, U256{1}));
        if (!product) return std::nullopt;
        cost = *product;
    }
    std::uint64_t lowest = 0;
    if (is_osaka) {
        lowest = 500;
    } else if (revision >= Revision::berlin) {
        cost = div_or_zero(cost, U256{3});
        lowest = 200;
    } else {
        cost = div_or_zero(cost, U256{20});
    }
    cost = std::max(cost, U256{lowest});
    if (cost > U256{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
    return static_cast<std::int64_t>(cost.words[0]);
}

class Number {
  public:
    Number() { mpz_init(value_); }
    Number(const Number&) = delete;
    Number& operator=(const Number&) = delete;
    ~Number() { mpz_clear(value_); }
    mpz_ptr get() noexcept { return value_; }
    void read(ByteView bytes) { mpz_import(value_, bytes.size(), 1, 1, 0, 0, bytes.data()); }

  private:
    mpz_t value_;
};

/// The sizes are paid for.
Bytes power(const Sizes& sizes, ByteView input) {
    const std::size_t modulus_size = sizes.modulus.words[0];
    const U256 exponent_offset = wrapping_add(sizes.base, U256{header_size});
    const auto modulus_offset = checked_add(exponent_offset, sizes.exponent);
    Bytes output(modulus_size, 0);
    const ByteView modulus_bytes =
        modulus_offset ? part(input, *modulus_offset, sizes.modulus) : ByteView{};
    Number modulus;
    modulus.read(modulus_bytes);
    mpz_mul_2exp(modulus.get(), modulus.get(), 8 * (modulus_size - modulus_bytes.size()));
    if (mpz_cmp_ui(modulus.get(), 1) <= 0) return output;

    // Something of the modulus is in the input, so all of what stands before it is.
    Number base;
    base.read(part(input, U256{header_size}, sizes.base));
    Number exponent;
    exponent.read(part(input, exponent_offset, sizes.exponent));
    mpz_powm(base.get(), base.get(), exponent.get(), modulus.get());
    const std::size_t size = (mpz_sizeinbase(base.get(), 2) + 7) / 8;
    mpz_export(output.data() + (modulus_size - size), nullptr, 1, 1, 0, 0, base.get());
    return output;
}

}  // namespace

PrecompileResult run_modexp(Revision revision, ByteView input, std::int64_t gas) {
    const Sizes sizes{.base = word_at(input, U256{}),
                      .exponent = word_at(input, U256{32}),
                      .modulus = word_at(input, U256{64})};
    using enum PrecompileResult::Status;
    if (revision >= Revision::osaka &&
        std::max({sizes.base, sizes.exponent, sizes.modulus}) > U256{osaka_size_max}) {
        return {.status = failed, .gas_left = 0, .output = {}};
    }
    const auto cost = price(revision, sizes, input);
    if (!cost || *cost > gas || sizes.modulus > U256{modulus_size_max}) {
        return {.status = out_of_gas, .gas_left = 0, .output = {}};
    }
    PrecompileResult result{.status = success, .gas_left = gas - *cost, .output = {}};
    if (!sizes.modulus.is_zero()) result.output = power(sizes, input);
    return result;
}

}  // namespace millrace::evm
