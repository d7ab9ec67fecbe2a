// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include "wasm/sample_world.hpp"

namespace millrace::wasm {
namespace {

using enum ValueType;

const Value ones_and_twos = Value::v128(0x1111111111111111ULL, 0x2222222222222222ULL);
const Value threes = Value::v128(0x3333333333333333ULL, 0x4444444444444444ULL);
constexpr const char* ones_and_twos_text = "returned (v128:0x22222222222222221111111111111111)";
constexpr const char* threes_text = "returned (v128:0x44444444444444443333333333333333)";

std::string run(FuncType type, Bytes code, std::vector<Value> args) {
    World world{one(std::move(type), std::move(code))};
    return world.run("f", std::move(args));
}

TEST(Simd, a_nan_lane_is_the_positive_canonical_one_and_its_neighbour_is_untouched) {
    // f64x2.add of a negative signalling NaN and 1.5
    const Value odd = Value::v128(0xfff4000000000001ULL, 0x3ff8000000000000ULL);
    EXPECT_EQ(run({{v128, v128}, {v128}}, {0x20, 0, 0x20, 1, 0xfd, 0xf0, 0x01, 0x0b}, {odd, odd}),
              "returned (v128:0x40080000000000007ff8000000000000)");
    // f32x4.sqrt of -1, a negative quiet NaN, 4, -0
    const Value roots = Value::v128(0xffc00123bf800000ULL, 0x8000000040800000ULL);
    EXPECT_EQ(run({{v128}, {v128}}, {0x20, 0, 0xfd, 0xe3, 0x01, 0x0b}, {roots}),
              "returned (v128:0x80000000400000007fc000007fc00000)");
}

TEST(Simd, abs_neg_pmin_and_pmax_keep_the_bits_of_a_nan) {
    const Value odd = Value::v128(0xfff4000000000001ULL, 0x7ff0000000000002ULL);
    EXPECT_EQ(run({{v128}, {v128}}, {0x20, 0, 0xfd, 0xed, 0x01, 0x0b}, {odd}),
              "returned (v128:0xfff00000000000027ff4000000000001)");
    EXPECT_EQ(run({{v128}, {v128}}, {0x20, 0, 0xfd, 0xec, 0x01, 0x0b}, {odd}),
              "returned (v128:0x7ff00000000000027ff4000000000001)");
    // A comparison with a NaN is false, so both pick the first operand.
    const Value one_each = Value::v128(0x3ff0000000000000ULL, 0x3ff0000000000000ULL);
    for (const std::uint8_t opcode : Bytes{0xf6, 0xf7}) {
        EXPECT_EQ(run({{v128, v128}, {v128}}, {0x20, 0, 0x20, 1, 0xfd, opcode, 0x01, 0x0b},
                      {odd, one_each}),
                  "returned (v128:0x7ff0000000000002fff4000000000001)");
    }
}

TEST(Simd, each_instruction_costs_one_and_a_carried_vector_counts_as_two_values) {
    World world{one({{v128}, {v128}}, {0x20, 0, 0x20, 0, 0xfd, 0x50, 0x0b})};
    EXPECT_EQ(world.run("f", {threes}), threes_text);
    EXPECT_EQ(world.store.fuel_used(), 3U);
    // Eight results are sixteen slots: the return costs 1 + 1.
    Bytes code;
    for (int index = 0; index < 8; ++index)
        ModuleWriter::append(code, {0x20, 0});
    ModuleWriter::append(code, {0x0f, 0x0b});
    World many{one({{v128}, std::vector<ValueType>(8, v128)}, code)};
    many.run("f", {threes});
    EXPECT_EQ(many.store.fuel_used(), 8U + 2U);
}

TEST(Simd, a_local_on_the_stack_keeps_the_vector_it_had) {
    // get 0, then set 0 from 1: the first get still means the old value
    EXPECT_EQ(
        run({{v128, v128}, {v128}}, {0x20, 0, 0x20, 1, 0x21, 0, 0x0b}, {ones_and_twos, threes}),
        ones_and_twos_text);
    // tee: both the local and the operand hold the new value
    EXPECT_EQ(run({{v128, v128}, {v128}}, {0x20, 1, 0x22, 0, 0x1a, 0x20, 0, 0x0b},
                  {ones_and_twos, threes}),
              threes_text);
}

TEST(Simd, select_takes_one_of_two_vectors) {
    const Bytes code{0x20, 0, 0x20, 1, 0x20, 2, 0x1b, 0x0b};
    EXPECT_EQ(run({{v128, v128, i32}, {v128}}, code, {ones_and_twos, threes, Value::i32(1)}),
              ones_and_twos_text);
    EXPECT_EQ(run({{v128, v128, i32}, {v128}}, code, {ones_and_twos, threes, Value::i32(0)}),
              threes_text);
}

TEST(Simd, blocks_branches_and_calls_carry_vectors_between_scalars) {
    // f(c, v, i) = g(i, v, c) with the block's result v kept by br_if or replaced by ~v
    World world{
        ModuleWriter{}
            .function("f", {{i32, v128, i32}, {v128, i32}},
                      {0x20, 2,                    // i
                       0x02, 0x7b,                 // block (result v128)
                       0x20, 1, 0x20, 0, 0x0d, 0,  //   v, br_if c
                       0xfd, 0x4d, 0x0b,           //   v128.not
                       0x20, 0, 0x10, 1, 0x0b})    // c, call g
            .function("g", {{i32, v128, i32}, {v128, i32}}, {0x20, 1, 0x20, 0, 0x20, 2, 0x6b, 0x0b})
            .bytes()};
    const std::vector<Value> taken{Value::i32(1), ones_and_twos, Value::i32(10)};
    EXPECT_EQ(world.run("f", taken), "returned (v128:0x22222222222222221111111111111111, i32:9)");
    const std::vector<Value> fallen{Value::i32(0), ones_and_twos, Value::i32(10)};
    EXPECT_EQ(world.run("f", fallen), "returned (v128:0xddddddddddddddddeeeeeeeeeeeeeeee, i32:10)");
}

TEST(Simd, a_host_is_given_vectors_and_gives_them) {
    World world{ModuleWriter{}
                    .import("env", "swap", {{i32, v128}, {v128, i32}})
                    .function("f", {{v128}, {v128, i32}}, {0x41, 7, 0x20, 0, 0x10, 0, 0x0b})
                    .bytes()};
    world.linker.define_function(
        "env", "swap",
        {.type = {{i32, v128}, {v128, i32}},
         .call = [](HostContext&, std::span<const Value> args, std::span<Value> results) {
             results[0] = Value::v128(args[1].high, args[1].bits);
             results[1] = args[0];
             return HostOutcome::done();
         }});
    EXPECT_EQ(world.run("f", {ones_and_twos}),
              "returned (v128:0x11111111111111112222222222222222, i32:7)");
}

TEST(Simd, accesses_are_checked_to_the_last_byte) {
    const Bytes load{0x20, 0, 0xfd, 0x00, 0, 0, 0xfd, 0x53, 0x0b};
    EXPECT_EQ(run({{i32}, {i32}}, load, {Value::i32(65'520)}), "returned (i32:0)");
    EXPECT_EQ(run({{i32}, {i32}}, load, {Value::i32(65'521)}), "trap: out of bounds memory access");
    EXPECT_EQ(run({{i32}, {i32}}, load, {Value::i32(0xffffffff)}),
              "trap: out of bounds memory access");
    // v128.store16_lane of lane 5
    const Bytes store{0x20, 0, 0x20, 1, 0xfd, 0x59, 0, 0, 5, 0x20, 0, 0x2f, 0, 0, 0x0b};
    EXPECT_EQ(run({{i32, v128}, {i32}}, store, {Value::i32(65'534), ones_and_twos}),
              "returned (i32:8738)");
    EXPECT_EQ(run({{i32, v128}, {i32}}, store, {Value::i32(65'535), ones_and_twos}),
              "trap: out of bounds memory access");
}

TEST(Simd, vectors_count_twice_in_the_bound_of_a_frame) {
    const auto refused = [](std::uint32_t locals) {
        Bytes module{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 8, 1, 6, 1};
        const Bytes number{static_cast<std::uint8_t>(locals | 0x80U),
                           static_cast<std::uint8_t>((locals >> 7U) | 0x80U),
                           static_cast<std::uint8_t>(locals >> 14U)};
        ModuleWriter::append(module, number);
        ModuleWriter::append(module, {0x7b, 0x0b});
        return !Module::load(module).has_value();
    };
    EXPECT_FALSE(refused(32'767));
    EXPECT_TRUE(refused(32'768));
}

TEST(Simd, lanes_beyond_the_vector_are_invalid_and_unknown_opcodes_malformed) {
    const auto kind = [](Bytes code) {
        const auto loaded = Module::load(one({{v128}, {v128}}, std::move(code)));
        EXPECT_FALSE(loaded.has_value());
        return loaded ? ModuleErrorKind::over_limit : loaded.error().kind;
    };
    // f32x4.replace_lane 4
    EXPECT_EQ(kind({0x20, 0, 0x43, 0, 0, 0, 0, 0xfd, 0x20, 4, 0x0b}), ModuleErrorKind::invalid);
    // i32x4.add where the right operand is an i32
    EXPECT_EQ(kind({0x20, 0, 0x41, 0, 0xfd, 0xae, 0x01, 0x0b}), ModuleErrorKind::invalid);
    EXPECT_EQ(kind({0x20, 0, 0x20, 0, 0xfd, 0x9a, 0x01, 0x0b}), ModuleErrorKind::malformed);
}

}  // namespace
}  // namespace millrace::wasm
