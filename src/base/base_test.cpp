// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.hpp"
#include "base/prng.hpp"
#include "base/quantity.hpp"
#include "base/result.hpp"

namespace millrace {
namespace {

Result<int, std::string> half(int number) {
    if (number % 2 != 0) return Err{std::string{"odd"}};
    return number / 2;
}

Result<int, std::string> quarter(int number) {
    MILLRACE_TRY(const int once, half(number));
    MILLRACE_TRY(const int twice, half(once));
    return twice;
}

TEST(Result, try_returns_the_first_error) {
    EXPECT_EQ(*quarter(8), 2);
    EXPECT_EQ(quarter(6).error(), "odd");
    EXPECT_FALSE(quarter(7).has_value());
}

TEST(ResultDeathTest, reading_the_absent_side_stops_the_process) {
    const auto odd = half(3);
    EXPECT_DEATH(static_cast<void>(odd.value()), "assertion failed");
}

TEST(Hex, round_trip_and_refusals) {
    const Bytes bytes{0x00, 0xff, 0x1a};
    EXPECT_EQ(to_hex0x(bytes), "0x00ff1a");
    EXPECT_EQ(from_hex("0x00FF1a"), bytes);
    EXPECT_EQ(from_hex(""), Bytes{});
    EXPECT_EQ(from_hex("abc"), std::nullopt);
    EXPECT_EQ(from_hex("zz"), std::nullopt);
    EXPECT_EQ(fixed_from_hex<Address>("0x00"), std::nullopt);
}

TEST(Quantity, arithmetic_does_not_wrap) {
    EXPECT_EQ(checked_add(Fuel{2}, Fuel{3}), Fuel{5});
    EXPECT_EQ(checked_add(Fuel{~0ull}, Fuel{1}), std::nullopt);
    EXPECT_EQ(checked_sub(Fuel{1}, Fuel{2}), std::nullopt);
}

TEST(Prng, is_the_same_everywhere_and_bounded) {
    Prng left{7};
    Prng right{7};
    for (int count = 0; count < 1000; ++count) {
        const auto drawn = left.below(10);
        EXPECT_LT(drawn, 10u);
        EXPECT_EQ(drawn, right.below(10));
    }
}

}  // namespace
}  // namespace millrace
