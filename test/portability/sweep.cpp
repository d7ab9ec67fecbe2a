// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "sweep.hpp"

#include <bit>
#include <cstdio>
#include <limits>
#include <optional>
#include <vector>

#include "base/prng.hpp"
#include "crypto/hash.hpp"
#include "wasm/instance.hpp"
#include "wasm/sample_modules.hpp"

namespace millrace::portability {
namespace {

using namespace wasm;

constexpr int tuples_per_instruction = 32;

constexpr std::uint64_t narrow[] = {
    0, 1, 2, 31, 32, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff,
    0xdeadbeef,
    // of f32: zeros, the smallest, halves, bounds of integers, infinities, NaNs
    0x80000000, 0x00000001, 0x007fffff, 0x3f000000, 0x3fc00000, 0x40200000, 0xbf000000, 0x4effffff,
    0x4f000000, 0xcf000000, 0xcf000001, 0x4f800000, 0x5f000000, 0x7f7fffff, 0x7f800000, 0xff800000,
    0x7fc00000, 0x7fa00001, 0xffc00123, 0xff800001};
constexpr std::uint64_t wide[] = {
    0, 1, 63, 64, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
    // of f64, as above
    0x0000000000000001, 0x000fffffffffffff, 0x3fe0000000000000, 0x3ff8000000000000,
    0x4004000000000000, 0xbfe0000000000000, 0x41dfffffffc00000, 0x41e0000000000000,
    0xc1e0000000200000, 0x43e0000000000000, 0xc3e0000000000000, 0x43dfffffffffffff,
    0x7fefffffffffffff, 0x47efffffe0000000, 0x36a0000000000000, 0x7ff0000000000000,
    0xfff0000000000000, 0x7ff8000000000000, 0x7ff4000000000001, 0xfff8000000000123,
    0xfff0000000000001};

std::uint64_t half_of_vector(Prng& prng) {
    switch (prng.below(3)) {
        case 0:
            return wide[prng.below(std::size(wide))];
        case 1: {
            // One after the other: compilers differ in the order of an operator's operands.
            const std::uint64_t low = narrow[prng.below(std::size(narrow))];
            return low | narrow[prng.below(std::size(narrow))] << 32;
        }
        default:
            return prng.next();
    }
}

Value operand(ValueType type, Prng& prng) {
    switch (type) {
        case ValueType::i32:
        case ValueType::f32:
            return {type, narrow[prng.below(std::size(narrow))]};
        case ValueType::i64:
        case ValueType::f64:
            return {type, wide[prng.below(std::size(wide))]};
        case ValueType::v128: {
            const std::uint64_t low = half_of_vector(prng);
            return {type, low, half_of_vector(prng)};
        }
        case ValueType::funcref:
        case ValueType::externref:
            break;
    }
    return {};
}

struct Found {
    std::shared_ptr<const Module> module;
    FuncType type;
};

Bytes body(std::size_t operands, const Bytes& instruction) {
    Bytes code;
    for (std::size_t index = 0; index < operands; ++index)
        ModuleWriter::append(code, {0x20, static_cast<std::uint8_t>(index)});
    code.insert(code.end(), instruction.begin(), instruction.end());
    code.push_back(0x0b);
    return code;
}

/// The first operands and result with which a function of this one instruction is valid.
std::optional<Found> find(const Bytes& opcode,
                          const std::vector<std::vector<ValueType>>& operands) {
    using enum ValueType;
    for (const bool has_immediate : {false, true}) {
        Bytes instruction = opcode;
        if (has_immediate) instruction.push_back(1);
        for (const auto& params : operands) {
            for (const ValueType result : {i32, i64, f32, f64, v128}) {
                const FuncType type{params, {result}};
                const Bytes bytes =
                    ModuleWriter{}.function("f", type, body(params.size(), instruction)).bytes();
                if (auto module = Module::load(bytes)) return Found{*module, type};
            }
        }
    }
    return std::nullopt;
}

std::string digest_of(const Found& found, std::uint64_t seed) {
    Prng prng{seed};
    std::string seen;
    Store store;
    store.set_fuel_limit(1'000'000);
    Linker linker{store};
    const auto instance = linker.instantiate(found.module);
    if (!instance) return "does not link: " + instance.error().message;
    for (int round = 0; round < tuples_per_instruction; ++round) {
        std::vector<Value> arguments;
        for (const ValueType type : found.type.params)
            arguments.push_back(operand(type, prng));
        const std::string outcome = to_text(instance.value()->invoke("f", arguments));
        seen += outcome + " " + std::to_string(store.fuel_used()) + "\n";
    }
    return to_hex(crypto::keccak256(as_bytes(seen)).view()).substr(0, 24);
}

std::string hex_text(const Bytes& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        char digits[8];
        std::snprintf(digits, sizeof digits, "%02x ", byte);
        text += digits;
    }
    return text;
}

bool tell(const Bytes& opcode, const std::vector<std::vector<ValueType>>& operands,
          const Report& report) {
    const auto found = find(opcode, operands);
    if (!found) return false;
    std::uint64_t seed = 1;
    for (const std::uint8_t byte : opcode)
        seed = seed * 257 + byte;
    report(hex_text(opcode) + to_text(found->type), digest_of(*found, seed));
    return true;
}

}  // namespace

std::uint32_t sweep_instructions(const Report& report) {
    using enum ValueType;
    std::vector<std::vector<ValueType>> scalar;
    std::vector<std::vector<ValueType>> vector{{v128}, {v128, v128}, {v128, v128, v128}};
    for (const ValueType type : {i32, i64, f32, f64}) {
        scalar.push_back({type});
        vector.push_back({type});
        vector.push_back({v128, type});
    }
    for (const ValueType type : {i32, i64, f32, f64})
        scalar.push_back({type, type});
    std::uint32_t count = 0;
    for (std::uint32_t code = 0x45; code <= 0xc4; ++code)
        count += tell({static_cast<std::uint8_t>(code)}, scalar, report) ? 1u : 0u;
    for (std::uint32_t code = 0; code <= 7; ++code)
        count += tell({0xfc, static_cast<std::uint8_t>(code)}, scalar, report) ? 1u : 0u;
    for (std::uint32_t code = 0x0d; code <= 0xff; ++code) {
        Bytes opcode{0xfd, static_cast<std::uint8_t>(code & 0x7f)};
        if (code >= 0x80) {
            opcode[1] |= 0x80;
            opcode.push_back(1);
        }
        count += tell(opcode, vector, report) ? 1u : 0u;
    }
    return count;
}

}  // namespace millrace::portability
