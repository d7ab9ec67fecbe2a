// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "wasm/values.hpp"

/// For tests: SIMD as its names say it. An instruction is run from the text of its name alone
/// ("i16x8_add_sat_u": eight lanes of 16 bits, added, held to what is unsigned), lane by lane, in
/// numbers wide enough that nothing wraps by itself. Shares nothing with the engine.
namespace millrace::wasm::twin {

using Lanes = std::array<std::uint8_t, 16>;

inline Lanes lanes_of(const Value& value) {
    Lanes lanes{};
    std::memcpy(lanes.data(), &value.bits, 8);
    std::memcpy(lanes.data() + 8, &value.high, 8);
    return lanes;
}
inline Value value_of(const Lanes& lanes) {
    Value value = Value::v128(0, 0);
    std::memcpy(&value.bits, lanes.data(), 8);
    std::memcpy(&value.high, lanes.data() + 8, 8);
    return value;
}

class NaiveLanes {
  public:
    /// Operands in order; what an instruction lacks is ignored. `scalar` is a shift's count or what
    /// is put into a lane, `lane` the lane named by the instruction.
    NaiveLanes(std::string_view name, const Lanes& a, const Lanes& b, const Lanes& c,
               std::uint64_t scalar, unsigned lane)
        : a_{a}, b_{b}, c_{c}, scalar_{scalar}, lane_{lane} {
        const std::size_t end = name.find('_');
        const std::string_view shape = name.substr(0, end);
        what_ = name.substr(end + 1);
        is_float_ = shape[0] == 'f';
        for (const unsigned width : {8U, 16U, 32U, 64U}) {
            if (shape.substr(1).starts_with(std::to_string(width) + "x")) width_ = width;
        }
        if (shape == "v128") width_ = 8;
        count_ = 128 / width_;
    }

    Lanes vector() {
        for (unsigned index = 0; index < count_; ++index)
            put(index, is_float_ ? float_lane(index) : whole_lane(index));
        return result_;
    }
    /// Of instructions that give a number.
    std::uint64_t number() {
        std::uint64_t bits = 0;
        bool all = true;
        bool any = false;
        for (unsigned index = 0; index < count_; ++index) {
            const std::uint64_t value = get(a_, width_, index);
            all = all && value != 0;
            any = any || value != 0;
            bits |= (value >> (width_ - 1)) << index;
        }
        if (what_ == "all_true") return all ? 1 : 0;
        if (what_ == "any_true") return any ? 1 : 0;
        if (what_ == "bitmask") return bits;
        const std::uint64_t value = get(a_, width_, lane_);
        if (what_ == "extract_lane_s")
            return static_cast<std::uint32_t>(static_cast<std::int64_t>(wide(value, width_, true)));
        return value;
    }

  private:
    __extension__ using Wide = __int128;

    static std::uint64_t get(const Lanes& lanes, unsigned width, unsigned index) {
        std::uint64_t value = 0;
        std::memcpy(&value, lanes.data() + std::size_t{index} * width / 8, width / 8);
        return value;
    }
    void put(unsigned index, std::uint64_t value) {
        std::memcpy(result_.data() + std::size_t{index} * width_ / 8, &value, width_ / 8);
    }
    static Wide wide(std::uint64_t value, unsigned width, bool is_signed) {
        const Wide plain = value;
        return is_signed && (value >> (width - 1)) != 0 ? plain - (Wide{1} << width) : plain;
    }
    static std::uint64_t held(Wide value, unsigned width, bool is_signed) {
        const Wide most = (Wide{1} << (is_signed ? width - 1 : width)) - 1;
        const Wide least = is_signed ? -most - 1 : 0;
        if (value > most) value = most;
        if (value < least) value = least;
        return static_cast<std::uint64_t>(value);
    }
    [[nodiscard]] bool is(std::string_view text) const { return what_.starts_with(text); }
    [[nodiscard]] std::uint64_t all_or_nothing(bool holds) const {
        return holds ? ~std::uint64_t{0} : 0;
    }
    template <typename Number>
    [[nodiscard]] bool compares(Number x, Number y) const {
        if (is("eq")) return x == y;
        if (is("ne")) return x != y;
        if (is("lt")) return x < y;
        if (is("gt")) return x > y;
        if (is("le")) return x <= y;
        return x >= y;
    }
    [[nodiscard]] bool is_comparison() const {
        return what_.substr(0, 4) != "neg" && what_ != "nearest" &&
               (what_ == "eq" || what_ == "ne" || is("lt") || is("gt") || is("le") || is("ge"));
    }

    std::uint64_t whole_lane(unsigned index) {
        const bool is_signed = what_.ends_with("_s") || what_.ends_with("_s_zero");
        const std::uint64_t plain = get(a_, width_, index);
        const Wide x = wide(plain, width_, is_signed);
        const Wide y = wide(get(b_, width_, index), width_, is_signed);
        const unsigned half = width_ / 2;
        // Lanes of half the width, of either side, widened.
        const auto narrow = [&](const Lanes& from, unsigned at) {
            return wide(get(from, half, at), half, is_signed);
        };
        const unsigned side = what_.find("_high") == what_.npos ? 0 : count_;
        const auto low = [](Wide value) { return static_cast<std::uint64_t>(value); };
        if (what_ == "not") return ~plain;
        if (what_ == "and") return plain & get(b_, width_, index);
        if (what_ == "andnot") return plain & ~get(b_, width_, index);
        if (what_ == "or") return plain | get(b_, width_, index);
        if (what_ == "xor") return plain ^ get(b_, width_, index);
        if (what_ == "bitselect") {
            const std::uint64_t mask = get(c_, width_, index);
            return (plain & mask) | (get(b_, width_, index) & ~mask);
        }
        if (what_ == "splat") return scalar_;
        if (what_ == "replace_lane") return index == lane_ ? scalar_ : plain;
        if (what_ == "swizzle") {
            const std::uint8_t at = b_[index];
            return at < 16 ? a_[at] : 0;
        }
        if (is("extend")) return low(narrow(a_, side + index));
        if (is("extmul")) return low(narrow(a_, side + index) * narrow(b_, side + index));
        if (is("extadd")) return low(narrow(a_, 2 * index) + narrow(a_, 2 * index + 1));
        if (is("dot"))
            return low(narrow(a_, 2 * index) * narrow(b_, 2 * index) +
                       narrow(a_, 2 * index + 1) * narrow(b_, 2 * index + 1));
        if (is("narrow")) {
            const Lanes& from = index < count_ / 2 ? a_ : b_;
            const std::uint64_t value = get(from, 2 * width_, index % (count_ / 2));
            return held(wide(value, 2 * width_, true), width_, is_signed);
        }
        if (is("trunc_sat")) return from_float(index, is_signed);
        if (is("q15mulr")) return held((x * y + 0x4000) >> 15, width_, true);
        if (is_comparison()) return all_or_nothing(compares(x, y));
        if (is("add_sat")) return held(x + y, width_, is_signed);
        if (is("sub_sat")) return held(x - y, width_, is_signed);
        if (what_ == "add") return low(x + y);
        if (what_ == "sub") return low(x - y);
        if (what_ == "mul") return low(x) * low(y);
        if (is("min")) return low(x < y ? x : y);
        if (is("max")) return low(x > y ? x : y);
        if (is("avgr")) return low((x + y + 1) / 2);
        if (is("shl")) return plain << (scalar_ % width_);
        if (is("shr")) return low(x >> (scalar_ % width_));
        if (what_ == "abs") return low(wide(plain, width_, true) < 0 ? -x : x);
        if (what_ == "neg") return low(-x);
        MILLRACE_ASSERT(what_ == "popcnt");
        return static_cast<std::uint64_t>(std::popcount(plain));
    }

    /// The float in a lane of `width` bits as a double, which holds each exactly.
    static double real(const Lanes& lanes, unsigned width, unsigned index) {
        const std::uint64_t bits = get(lanes, width, index);
        if (width == 64) return std::bit_cast<double>(bits);
        return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    }
    std::uint64_t from_float(unsigned index, bool is_signed) {
        const bool is_double = what_.find("f64x2") != what_.npos;
        if (is_double && index >= 2) return 0;
        const double value = real(a_, is_double ? 64 : 32, index);
        if (std::isnan(value)) return 0;
        if (value >= 5e9) return held(Wide{5'000'000'000}, 32, is_signed);
        if (value <= -5e9) return held(-Wide{5'000'000'000}, 32, is_signed);
        return held(static_cast<std::int64_t>(value), 32, is_signed);
    }
    /// A result's bits in this width; rounding a double's arithmetic to a float is exact for each
    /// single operation (Figueroa 1995: 53 >= 2 * 24 + 2).
    [[nodiscard]] std::uint64_t bits_of(double value) const {
        if (std::isnan(value)) return width_ == 64 ? 0x7ff8000000000000 : 0x7fc00000;
        if (width_ == 64) return std::bit_cast<std::uint64_t>(value);
        return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    }
    std::uint64_t float_lane(unsigned index) {
        const std::uint64_t plain = get(a_, width_, index);
        const std::uint64_t other = get(b_, width_, index);
        const std::uint64_t sign = std::uint64_t{1} << (width_ - 1);
        if (what_ == "splat") return scalar_;
        if (what_ == "replace_lane") return index == lane_ ? scalar_ : plain;
        if (what_ == "abs") return plain & ~sign;
        if (what_ == "neg") return plain ^ sign;
        if (is("demote")) return index < 2 ? bits_of(real(a_, 64, index)) : 0;
        if (is("promote")) return bits_of(real(a_, 32, index));
        if (is("convert")) {
            const bool is_signed = what_.ends_with("_s");
            const auto whole = static_cast<std::int64_t>(wide(get(a_, 32, index), 32, is_signed));
            return bits_of(static_cast<double>(whole));
        }
        const double x = real(a_, width_, index);
        const double y = real(b_, width_, index);
        if (is_comparison()) return all_or_nothing(compares(x, y));
        if (what_ == "pmin") return y < x ? other : plain;
        if (what_ == "pmax") return x < y ? other : plain;
        if (what_ == "sqrt") return bits_of(std::sqrt(x));
        if (what_ == "ceil") return bits_of(std::ceil(x));
        if (what_ == "floor") return bits_of(std::floor(x));
        if (what_ == "trunc") return bits_of(std::trunc(x));
        if (what_ == "nearest") return bits_of(std::nearbyint(x));
        if (what_ == "add") return bits_of(x + y);
        if (what_ == "sub") return bits_of(x - y);
        if (what_ == "mul") return bits_of(x * y);
        if (what_ == "div") return bits_of(x / y);
        MILLRACE_ASSERT(what_ == "min" || what_ == "max");
        if (std::isnan(x) || std::isnan(y)) return bits_of(x + y);
        if (x == y) return what_ == "min" ? plain | other : plain & other;  // zeros' signs
        return (what_ == "min") == (x < y) ? plain : other;
    }

    const Lanes& a_;
    const Lanes& b_;
    const Lanes& c_;
    std::uint64_t scalar_;
    unsigned lane_;
    std::string_view what_;
    bool is_float_ = false;
    unsigned width_ = 8;
    unsigned count_ = 16;
    Lanes result_{};
};

}  // namespace millrace::wasm::twin
