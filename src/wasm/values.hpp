// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Types and values of WebAssembly as the engine hands them to a host. A value is its bit pattern
/// and its type; NaN bits survive unchanged.
namespace millrace::wasm {

/// The binary format's own codes.
enum class ValueType : std::uint8_t {
    i32 = 0x7f,
    i64 = 0x7e,
    f32 = 0x7d,
    f64 = 0x7c,
    v128 = 0x7b,
    funcref = 0x70,
    externref = 0x6f,
};

constexpr bool is_reference(ValueType type) noexcept {
    return type == ValueType::funcref || type == ValueType::externref;
}
std::string_view to_text(ValueType type) noexcept;

/// Slots of 64 bits that a value takes in a frame.
constexpr std::uint32_t slots_of(ValueType type) noexcept {
    return type == ValueType::v128 ? 2 : 1;
}
constexpr std::uint32_t slots_of(std::span<const ValueType> types) noexcept {
    std::uint32_t slots = 0;
    for (const ValueType type : types)
        slots += slots_of(type);
    return slots;
}

struct FuncType {
    std::vector<ValueType> params;
    std::vector<ValueType> results;
    bool operator==(const FuncType&) const = default;
};
/// "(i32, i64) -> (i32)"
std::string to_text(const FuncType& type);

/// Sizes of a table (entries) or a memory (pages of 64 KiB).
struct Limits {
    std::uint32_t min = 0;
    std::optional<std::uint32_t> max;
    bool operator==(const Limits&) const = default;
};

struct TableType {
    ValueType element = ValueType::funcref;
    Limits limits;
    bool operator==(const TableType&) const = default;
};

struct GlobalType {
    ValueType value = ValueType::i32;
    bool is_mutable = false;
    bool operator==(const GlobalType&) const = default;
};

constexpr std::uint64_t page_size = 65'536;

/// One value. A 32-bit value lies in the low half and the high half is 0. A reference is 0 for
/// null; a funcref is 1 + the function's index in its Store, an externref is 1 + the host's number.
struct Value {
    ValueType type = ValueType::i32;
    std::uint64_t bits = 0;
    std::uint64_t high = 0;  ///< the upper half of a v128, else 0

    static constexpr Value i32(std::uint32_t value) noexcept { return {ValueType::i32, value}; }
    static constexpr Value i64(std::uint64_t value) noexcept { return {ValueType::i64, value}; }
    static constexpr Value f32(float value) noexcept {
        return {ValueType::f32, std::bit_cast<std::uint32_t>(value)};
    }
    static constexpr Value f64(double value) noexcept {
        return {ValueType::f64, std::bit_cast<std::uint64_t>(value)};
    }
    static constexpr Value v128(std::uint64_t low, std::uint64_t high) noexcept {
        return {ValueType::v128, low, high};
    }
    static constexpr Value null(ValueType type) noexcept { return {type, 0}; }
    static constexpr Value externref(std::uint64_t number) noexcept {
        return {ValueType::externref, number + 1};
    }

    [[nodiscard]] constexpr std::uint32_t as_i32() const noexcept {
        return static_cast<std::uint32_t>(bits);
    }
    [[nodiscard]] constexpr std::uint64_t as_i64() const noexcept { return bits; }
    [[nodiscard]] constexpr float as_f32() const noexcept {
        return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    }
    [[nodiscard]] constexpr double as_f64() const noexcept { return std::bit_cast<double>(bits); }

    constexpr bool operator==(const Value&) const = default;
};

}  // namespace millrace::wasm
