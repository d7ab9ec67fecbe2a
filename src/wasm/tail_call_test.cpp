// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include "wasm/sample_world.hpp"

namespace millrace::wasm {
namespace {

using enum ValueType;

TEST(TailCalls, a_million_of_them_take_one_frame_and_pay_for_each_round) {
    // f(n, sum): n == 0 ? sum : f(n - 1, sum + n)
    World world{
        one({{i32, i32}, {i32}}, {0x20, 0, 0x45, 0x04, 0x40, 0x20, 1, 0x0f, 0x0b, 0x20, 0,
                                  0x41, 1, 0x6b, 0x20, 1,    0x20, 0, 0x6a, 0x12, 0,    0x0b})};
    EXPECT_EQ(world.run("f", {Value::i32(1'000'000), Value::i32(0)}), "returned (i32:1784293664)");
    EXPECT_EQ(world.store.fuel_used(), 10'000'005U);
}

TEST(TailCalls, carried_arguments_cost_as_a_branch_does) {
    Bytes call;
    for (std::uint8_t index = 0; index < 16; ++index)
        ModuleWriter::append(call, {0x41, index});
    ModuleWriter::append(call, {0x12, 1, 0x0b});
    World world{ModuleWriter{}
                    .function("f", {{}, {i32}}, call)
                    .function("g", {std::vector<ValueType>(16, i32), {i32}}, {0x20, 15, 0x0b})
                    .bytes()};
    EXPECT_EQ(world.run("f"), "returned (i32:15)");
    EXPECT_EQ(world.store.fuel_used(), 16U + 2U + 1U);
}

TEST(TailCalls, a_host_function_answers_the_caller) {
    // g = f(5) + 1; f(n) = host(n) in the place of its return
    World world{ModuleWriter{}
                    .import("env", "h", {{i32}, {i32}})
                    .function("f", {{i32}, {i32}}, {0x20, 0, 0x12, 0, 0x0b})
                    .function("g", {{}, {i32}}, {0x41, 5, 0x10, 1, 0x41, 1, 0x6a, 0x0b})
                    .bytes()};
    world.linker.define_function(
        "env", "h",
        {.type = {{i32}, {i32}},
         .call = [](HostContext&, std::span<const Value> args, std::span<Value> results) {
             results[0] = Value::i32(args[0].as_i32() * 3);
             return HostOutcome::done();
         }});
    EXPECT_EQ(world.run("g"), "returned (i32:16)");
    EXPECT_EQ(world.store.fuel_used(), 4U + 2U + 100U);
}

TEST(TailCalls, indirect_ones_check_as_calls_do) {
    const Bytes module = ModuleWriter{}
                             .function("f", {{i32}, {i32}}, {0x41, 9, 0x20, 0, 0x13, 0, 0, 0x0b})
                             .function("g", {{i32}, {i32}}, {0x20, 0, 0x0b})
                             .function("", {{}, {i32}}, {0x41, 0, 0x0b})
                             .table(4, {1, 1, 2})
                             .bytes();
    World world{module};
    EXPECT_EQ(world.run("f", {Value::i32(1)}), "returned (i32:9)");
    EXPECT_EQ(world.run("f", {Value::i32(2)}), "trap: indirect call type mismatch");
    EXPECT_EQ(world.run("f", {Value::i32(3)}), "trap: uninitialized element");
    EXPECT_EQ(world.run("f", {Value::i32(4)}), "trap: undefined element");
}

TEST(TailCalls, the_callee_must_give_what_the_caller_promised) {
    const auto refused = Module::load(ModuleWriter{}
                                          .function("f", {{}, {i32}}, {0x12, 1, 0x0b})
                                          .function("g", {{}, {i64}}, {0x42, 0, 0x0b})
                                          .bytes());
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().kind, ModuleErrorKind::invalid);
}

}  // namespace
}  // namespace millrace::wasm
