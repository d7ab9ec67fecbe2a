// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "base/u256.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "base/u256_gmp_twin.hpp"

namespace millrace {
namespace {

const U256 largest = wrapping_sub(U256{}, U256{1});

/// Words that are often 0 or all ones: where carries and the division's correction step happen.
U256 edgy(Prng& random) {
    U256 number;
    for (std::uint64_t& word : number.words) {
        const std::uint64_t kind = random.below(4);
        word = kind == 0 ? 0 : kind == 1 ? ~std::uint64_t{0} : random.next() >> random.below(64);
    }
    return number;
}

TEST(U256, agrees_with_gmp_on_a_hundred_thousand_seeded_pairs) {
    Prng random{1};
    for (int round = 0; round < 100'000; ++round) {
        const U256 left = edgy(random);
        const U256 right = edgy(random);
        twin::check_against_gmp(left, right, edgy(random));
    }
}

// Quotient words that are estimated too large, and those that do not fit: rare with random words.
TEST(U256, division_is_right_where_the_estimate_is_not) {
    Prng random{2};
    const auto word = [&random] {
        constexpr std::uint64_t top = std::uint64_t{1} << 63;
        const std::uint64_t words[] = {
            0, 1, 2, top - 1, top, top + 1, ~std::uint64_t{0} - 1, ~std::uint64_t{0}};
        return words[random.below(8)];
    };
    const auto number = [&word] { return detail::make(word(), word(), word(), word()); };
    for (int round = 0; round < 200'000; ++round) {
        twin::check_division_against_gmp(number(), number(), number());
        // A product of a quotient and a divisor, less one: every step borrows.
        const U256 divisor = shift_right(number(), random.below(192));
        const U256 multiple = wrapping_mul(divisor, shift_right(number(), random.below(256)));
        twin::check_division_against_gmp(wrapping_sub(multiple, U256{1}), divisor, divisor);
    }
}

TEST(U256, short_operations_are_evaluated_by_the_compiler) {
    constexpr U256 ones = wrapping_sub(U256{}, U256{1});
    static_assert(wrapping_add(ones, U256{1}).is_zero());
    static_assert(wrapping_mul(ones, ones) == U256{1});
    static_assert(U256{1} < ones);
    static_assert(signed_less(ones, U256{}));
    static_assert(from_word(to_word(shift_left(U256{1}, 200))) == shift_left(U256{1}, 200));
    static_assert(sign_extend(U256{}, U256{0xff}) == ones);
    static_assert(leading_zeros(U256{}) == 256);
}

TEST(U256, the_one_signed_quotient_out_of_range_wraps) {
    const U256 lowest = shift_left(U256{1}, 255);
    EXPECT_EQ(signed_div_or_zero(lowest, largest), lowest);
    EXPECT_EQ(signed_mod_or_zero(lowest, largest), U256{});
    EXPECT_EQ(wrapping_pow(U256{}, U256{}), U256{1});
}

TEST(U256, sums_differences_and_products_out_of_range_are_null) {
    EXPECT_FALSE(checked_add(largest, U256{1}));
    EXPECT_FALSE(checked_sub(U256{}, U256{1}));
    EXPECT_FALSE(checked_mul(largest, U256{2}));
    EXPECT_EQ(checked_mul(largest, U256{1}), largest);
    EXPECT_EQ(wrapping_add(largest, U256{1}), U256{});
    EXPECT_FALSE(checked_div(largest, U256{}));
}

TEST(U256, decimal_text_is_digits_only_and_bounded) {
    EXPECT_EQ(to_decimal(U256{}), "0");
    EXPECT_EQ(to_decimal(largest),
              "115792089237316195423570985008687907853269984665640564039457584007913129639935");
    EXPECT_EQ(u256_from_decimal("007"), U256{7});
    EXPECT_FALSE(u256_from_decimal(
        "115792089237316195423570985008687907853269984665640564039457584007913129639936"));
    for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1e3", "0x1"}) {
        EXPECT_FALSE(u256_from_decimal(bad)) << bad;
    }
}

TEST(U256, rpc_quantities_have_no_leading_zeros_when_written) {
    EXPECT_EQ(to_rpc_quantity(U256{}), "0x0");
    EXPECT_EQ(to_rpc_quantity(U256{1024}), "0x400");
    EXPECT_EQ(u256_from_rpc_quantity("0xFf"), U256{255});
    for (const char* bad : {"", "0x", "400", "0xg", "x1"}) {
        EXPECT_FALSE(u256_from_rpc_quantity(bad)) << bad;
    }
    EXPECT_EQ(u256_from_rpc_quantity("0x" + std::string(64, 'f')), largest);
    EXPECT_FALSE(u256_from_rpc_quantity("0x" + std::string(65, '0')));
}

TEST(U256, big_endian_takes_at_most_a_word) {
    EXPECT_EQ(u256_from_big_endian(Bytes{}), U256{});
    EXPECT_EQ(u256_from_big_endian(Bytes{1, 0}), U256{256});
    EXPECT_FALSE(u256_from_big_endian(Bytes(33, 0)));
}

TEST(Amount, is_read_in_coins_gwei_or_wei) {
    EXPECT_EQ(format_amount(*parse_amount("1.25")), "1.25");
    EXPECT_EQ(parse_amount("1.25")->wei, U256{1'250'000'000'000'000'000});
    EXPECT_EQ(parse_amount("7 wei")->wei, U256{7});
    EXPECT_EQ(parse_amount("7 gwei")->wei, U256{7'000'000'000});
    EXPECT_EQ(format_amount(Amount{U256{1}}), "0.000000000000000001");
    EXPECT_EQ(format_amount(Amount{}), "0");
    for (const char* bad :
         {"", ".5", "1.", "-1", "1.0000000000000000001", "1.5 wei", "1 eth", "1,5", " wei"}) {
        EXPECT_FALSE(parse_amount(bad)) << bad;
    }
}

}  // namespace
}  // namespace millrace
