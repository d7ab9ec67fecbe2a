// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/bytes.hpp"
#include "base/u256.hpp"

namespace millrace::evm {

/// Little-endian words of a number too long for an integer type.
template <std::size_t N>
using Limbs = std::array<std::uint64_t, N>;

// Asked for by name because g++ at -O2 otherwise makes a function of each row of a product, which
// doubles the time of a pairing.
#define MILLRACE_FLAT __attribute__((always_inline))

namespace field {

/// body(0), body(1) … body(N - 1), each index a constant: g++ leaves short loops rolled at -O2.
template <std::size_t N, typename Body>
MILLRACE_FLAT constexpr void unrolled(Body&& body) noexcept {
    [&]<std::size_t... index>(std::index_sequence<index...>) MILLRACE_FLAT {
        (body(std::integral_constant<std::size_t, index>{}), ...);
    }
    (std::make_index_sequence<N>{});
}

/// target = left - right; returns the borrow.
template <std::size_t N>
MILLRACE_FLAT constexpr unsigned char subtract(Limbs<N>& target, const Limbs<N>& left,
                                               const Limbs<N>& right) noexcept {
    unsigned char borrow = 0;
    unrolled<N>([&](auto index) MILLRACE_FLAT {
        target[index] = detail::sub_column(borrow, left[index], right[index]);
    });
    return borrow;
}

template <std::size_t N>
MILLRACE_FLAT constexpr unsigned char add(Limbs<N>& target, const Limbs<N>& left,
                                          const Limbs<N>& right) noexcept {
    unsigned char carry = 0;
    unrolled<N>([&](auto index) MILLRACE_FLAT {
        target[index] = detail::add_column(carry, left[index], right[index]);
    });
    return carry;
}

/// `value` if it is below the modulus, else less the modulus; without a branch, which would be
/// mispredicted every second time. value < 2 modulus.
template <std::size_t N>
MILLRACE_FLAT constexpr Limbs<N> reduced(const Limbs<N>& value, const Limbs<N>& modulus) noexcept {
    Limbs<N> less{};
    const std::uint64_t keep = 0 - std::uint64_t{subtract(less, value, modulus)};
    unrolled<N>([&](auto index)
                    MILLRACE_FLAT { less[index] = (value[index] & keep) | (less[index] & ~keep); });
    return less;
}

/// value / divisor, rounded down.
template <std::size_t N>
constexpr Limbs<N> divided(const Limbs<N>& value, std::uint64_t divisor) noexcept {
    Limbs<N> quotient{};
    detail::Wide rest = 0;
    for (std::size_t index = N; index-- > 0;) {
        rest = (rest << 64) | value[index];
        quotient[index] = detail::low_word(rest / divisor);
        rest %= divisor;
    }
    return quotient;
}

/// value - small, for a value that is not smaller.
template <std::size_t N>
constexpr Limbs<N> less_word(Limbs<N> value, std::uint64_t small) noexcept {
    unsigned char borrow = 0;
    for (std::size_t index = 0; index < N; ++index)
        value[index] = detail::sub_column(borrow, value[index], index == 0 ? small : 0);
    return value;
}

template <std::size_t N>
constexpr bool bit(const Limbs<N>& value, std::size_t index) noexcept {
    return ((value[index / 64] >> (index % 64)) & 1) != 0;
}

}  // namespace field

/// The integers mod an odd prime, kept in Montgomery's form (value * 2^(64 N) mod p), always
/// reduced. Config names the prime: `static constexpr Limbs<N> modulus`, whose top two bits must be
/// 0 so that no sum or product leaves its words. Not constant in time: the EVM has no secrets.
template <typename Config>
class PrimeField {
  public:
    static constexpr const auto& modulus = Config::modulus;
    static constexpr std::size_t limb_count = Config::modulus.size();
    using Words = Limbs<limb_count>;
    static_assert((modulus[limb_count - 1] >> 62) == 0);
    static_assert((modulus[0] & 1) == 1);

    constexpr PrimeField() = default;

    static constexpr PrimeField zero() noexcept { return {}; }
    static constexpr PrimeField one() noexcept { return PrimeField{one_form}; }
    static constexpr PrimeField of(std::uint64_t small) noexcept {
        Words words{};
        words[0] = small;
        return from_words(words);
    }
    /// The words must be below the modulus.
    static constexpr PrimeField from_words(const Words& words) noexcept {
        return PrimeField{words} * PrimeField{square_form};
    }
    /// Big-endian, exactly as many bytes as the limbs have; null when not below the modulus.
    static std::optional<PrimeField> from_bytes(ByteView bytes) noexcept {
        if (bytes.size() != 8 * limb_count) return std::nullopt;
        Words words{};
        for (std::size_t index = 0; index < limb_count; ++index) {
            std::uint64_t word = 0;
            std::memcpy(&word, bytes.data() + 8 * (limb_count - 1 - index), 8);
            words[index] = __builtin_bswap64(word);
        }
        Words ignored{};
        if (field::subtract(ignored, words, modulus) == 0) return std::nullopt;
        return from_words(words);
    }
    void write_bytes(std::uint8_t* target) const noexcept {
        const Words words = to_words();
        for (std::size_t index = 0; index < limb_count; ++index) {
            const std::uint64_t word = __builtin_bswap64(words[limb_count - 1 - index]);
            std::memcpy(target + 8 * index, &word, 8);
        }
    }
    [[nodiscard]] constexpr Words to_words() const noexcept {
        Words unit{};
        unit[0] = 1;
        return multiply(form_, unit);
    }

    constexpr bool operator==(const PrimeField&) const = default;
    [[nodiscard]] constexpr bool is_zero() const noexcept { return *this == PrimeField{}; }

    constexpr PrimeField operator+(const PrimeField& right) const noexcept {
        Words sum{};
        field::add(sum, form_, right.form_);
        return PrimeField{field::reduced(sum, modulus)};
    }
    constexpr PrimeField operator-(const PrimeField& right) const noexcept {
        Words difference{};
        const std::uint64_t mask =
            0 - std::uint64_t{field::subtract(difference, form_, right.form_)};
        Words back{};
        field::unrolled<limb_count>([&](auto index)
                                        MILLRACE_FLAT { back[index] = modulus[index] & mask; });
        field::add(difference, difference, back);
        return PrimeField{difference};
    }
    constexpr PrimeField operator-() const noexcept { return PrimeField{} - *this; }
    constexpr PrimeField operator*(const PrimeField& right) const noexcept {
        return PrimeField{multiply(form_, right.form_)};
    }
    [[nodiscard]] constexpr PrimeField squared() const noexcept { return *this * *this; }
    [[nodiscard]] constexpr PrimeField doubled() const noexcept { return *this + *this; }
    [[nodiscard]] constexpr PrimeField tripled() const noexcept { return doubled() + *this; }
    [[nodiscard]] constexpr PrimeField halved() const noexcept {
        // An odd form becomes even by adding the modulus, which has room for it.
        const std::uint64_t mask = 0 - (form_[0] & 1);
        Words even{};
        unsigned char carry = 0;
        field::unrolled<limb_count>([&](auto index) MILLRACE_FLAT {
            even[index] = detail::add_column(carry, form_[index], modulus[index] & mask);
        });
        Words half{};
        for (std::size_t index = 0; index < limb_count; ++index) {
            const std::uint64_t above = index + 1 < limb_count ? even[index + 1] : 0;
            half[index] = (even[index] >> 1) | (above << 63);
        }
        return PrimeField{half};
    }
    template <std::size_t N>
    [[nodiscard]] constexpr PrimeField power(const Limbs<N>& exponent) const noexcept {
        PrimeField result = one();
        for (std::size_t index = 64 * N; index-- > 0;) {
            result = result.squared();
            if (field::bit(exponent, index)) result = result * *this;
        }
        return result;
    }
    /// By Fermat; the inverse of 0 is 0.
    [[nodiscard]] constexpr PrimeField inverse() const noexcept {
        return power(field::less_word(modulus, 2));
    }

  private:
    constexpr explicit PrimeField(const Words& form) noexcept : form_{form} {}

    /// -1 / modulus mod 2^64, by Newton's iteration.
    static constexpr std::uint64_t negated_inverse = [] {
        std::uint64_t inverse = 1;
        for (int step = 0; step < 6; ++step)
            inverse *= 2 - modulus[0] * inverse;
        return 0 - inverse;
    }();
    /// 2^exponent mod modulus.
    static constexpr Words power_of_two(std::size_t exponent) noexcept {
        Words result{};
        result[0] = 1;
        for (std::size_t step = 0; step < exponent; ++step) {
            Words sum{};
            field::add(sum, result, result);
            result = field::reduced(sum, modulus);
        }
        return result;
    }
    static constexpr Words one_form = power_of_two(64 * limb_count);
    static constexpr Words square_form = power_of_two(128 * limb_count);

    /// Montgomery's product left * right / 2^(64 N), the reduction woven into the rows; the two
    /// free bits of the modulus save the extra word (as in gnark: "no-carry" CIOS).
    static constexpr Words multiply(const Words& left, const Words& right) noexcept {
        using detail::high_word;
        using detail::low_word;
        using detail::Wide;
        Words sum{};
        field::unrolled<limb_count>([&](auto row) MILLRACE_FLAT {
            const std::uint64_t factor = right[row];
            Wide product = Wide{left[0]} * factor + sum[0];
            const std::uint64_t quotient = low_word(product) * negated_inverse;
            Wide reduction = Wide{quotient} * modulus[0] + low_word(product);
            field::unrolled<limb_count - 1>([&](auto column) MILLRACE_FLAT {
                constexpr std::size_t next = decltype(column)::value + 1;
                product = Wide{left[next]} * factor + sum[next] + high_word(product);
                reduction =
                    Wide{quotient} * modulus[next] + low_word(product) + high_word(reduction);
                sum[next - 1] = low_word(reduction);
            });
            sum[limb_count - 1] = high_word(product) + high_word(reduction);
        });
        return field::reduced(sum, modulus);
    }

    Words form_{};
};

#undef MILLRACE_FLAT

}  // namespace millrace::evm
