// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include "wasm/sample_world.hpp"

namespace millrace::wasm {
namespace {

using enum ValueType;

// Sums n, n-1, ..., 1: the second example of docs/formats/fuel.md.
const Bytes sum_code{0x02, 0x40, 0x20, 0,    0x45, 0x0d, 0,    0x03, 0x40, 0x20,
                     1,    0x20, 0,    0x6a, 0x21, 1,    0x20, 0,    0x41, 1,
                     0x6b, 0x22, 0,    0x0d, 0,    0x0b, 0x0b, 0x20, 1,    0x0b};

TEST(Fuel, counts_each_instruction_once) {
    World world{one({{i32}, {i32}}, {0x20, 0, 0x41, 1, 0x6a, 0x0b})};
    EXPECT_EQ(world.run("f", {Value::i32(6)}), "returned (i32:7)");
    EXPECT_EQ(world.store.fuel_used(), 3U);
}

TEST(Fuel, a_loop_pays_per_round) {
    for (const std::uint32_t rounds : {0U, 1U, 10U, 1'000U}) {
        World world{one({{i32}, {i32}}, sum_code, 1)};
        EXPECT_EQ(world.run("f", {Value::i32(rounds)}),
                  "returned (i32:" + std::to_string(rounds * (rounds + 1) / 2) + ")");
        EXPECT_EQ(world.store.fuel_used(), 4U + 9U * rounds);
    }
}

TEST(Fuel, out_of_fuel_iff_the_whole_run_needs_more_and_reports_the_limit) {
    for (std::uint64_t limit = 0; limit < 100; ++limit) {
        World world{one({{i32}, {i32}}, sum_code, 1)};
        world.store.set_fuel_limit(limit);
        EXPECT_EQ(world.run("f", {Value::i32(10)}),
                  limit < 94 ? "out of fuel" : "returned (i32:55)");
        EXPECT_EQ(world.store.fuel_used(), std::min<std::uint64_t>(limit, 94));
    }
}

TEST(Fuel, an_if_pays_for_the_arm_it_takes) {
    const Bytes code{0x20, 0, 0x04, 0x7f, 0x41, 7, 0x05, 0x41, 1, 0x41, 2, 0x6a, 0x0b, 0x0b};
    World taken{one({{i32}, {i32}}, code)};
    EXPECT_EQ(taken.run("f", {Value::i32(1)}), "returned (i32:7)");
    EXPECT_EQ(taken.store.fuel_used(), 3U);
    World other{one({{i32}, {i32}}, code)};
    EXPECT_EQ(other.run("f", {Value::i32(0)}), "returned (i32:3)");
    EXPECT_EQ(other.store.fuel_used(), 5U);
}

TEST(Fuel, a_trap_pays_its_whole_block) {
    // const, const, div_u traps; drop, const, drop are in the same block.
    World world{one({}, {0x41, 1, 0x41, 0, 0x6e, 0x1a, 0x01, 0x41, 5, 0x1a, 0x0b})};
    EXPECT_EQ(world.run("f"), "trap: integer divide by zero");
    EXPECT_EQ(world.store.fuel_used(), 6U);
}

TEST(Fuel, bulk_operations_pay_by_size_and_only_when_they_happen) {
    World fill{one({}, {0x41, 0, 0x41, 7, 0x41, 0xe4, 0, 0xfc, 0x0b, 0, 0x0b})};
    EXPECT_EQ(fill.run("f"), "returned ()");
    EXPECT_EQ(fill.store.fuel_used(), 4U + 7U);
    World grow{one({{i32}, {i32}}, {0x20, 0, 0x40, 0, 0x0b})};
    EXPECT_EQ(grow.run("f", {Value::i32(2)}), "returned (i32:1)");
    EXPECT_EQ(grow.store.fuel_used(), 2U + 2U * 4096U);
    EXPECT_EQ(grow.run("f", {Value::i32(1)}), "returned (i32:4294967295)");
    EXPECT_EQ(grow.store.fuel_used(), 4U + 2U * 4096U);
    World beyond{one({}, {0x41, 1, 0x41, 7, 0x41, 0x80, 0x80, 4, 0xfc, 0x0b, 0, 0x0b})};
    EXPECT_EQ(beyond.run("f"), "trap: out of bounds memory access");
    EXPECT_EQ(beyond.store.fuel_used(), 4U);
}

TEST(Fuel, many_locals_cost_their_clearing) {
    World world{one({}, {0x0b}, 40)};
    EXPECT_EQ(world.run("f"), "returned ()");
    EXPECT_EQ(world.store.fuel_used(), 2U);
}

TEST(Fuel, a_block_longer_than_a_branch_can_carry_costs_the_same) {
    Bytes code{0x20, 0, 0x04, 0x40};  // if
    for (int index = 0; index < 70'000; ++index)
        ModuleWriter::append(code, {0x41, 0, 0x1a});
    ModuleWriter::append(code, {0x0b, 0x0b});
    World world{one({{i32}, {}}, code)};
    EXPECT_EQ(world.run("f", {Value::i32(1)}), "returned ()");
    EXPECT_EQ(world.store.fuel_used(), 2U + 140'000U);
    EXPECT_EQ(world.run("f", {Value::i32(0)}), "returned ()");
    EXPECT_EQ(world.store.fuel_used(), 4U + 140'000U);
}

TEST(Host, is_charged_before_it_acts) {
    int calls = 0;
    const Bytes bytes = ModuleWriter{}
                            .import("env", "g", {{i32}, {i64}})
                            .memory(1, 1)
                            .function("f", {{}, {i64}}, {0x41, 5, 0x10, 0, 0x0b})
                            .bytes();
    const auto define = [&](World& world) {
        world.linker.define_function(
            "env", "g",
            {.type = {{i32}, {i64}},
             .call = [&](HostContext& host, std::span<const Value> args, std::span<Value> results) {
                 if (!host.charge(10)) return HostOutcome::out_of_fuel();
                 ++calls;
                 EXPECT_TRUE(host.memory().write_u32(65'532, args[0].as_i32()));
                 EXPECT_FALSE(host.memory().write_u32(65'533, 1));
                 results[0] = Value::i64(host.fuel_used());
                 return HostOutcome::done();
             }});
    };
    World world{bytes};
    EXPECT_EQ(world.linker.missing(*world.module),
              std::vector<std::string>{"env.g: func (i32) -> (i64)"});
    define(world);
    EXPECT_EQ(world.run("f"), "returned (i64:112)");
    EXPECT_EQ(world.store.fuel_used(), 112U);
    for (const std::uint64_t limit : {50U, 102U, 111U}) {
        World poor{bytes};
        define(poor);
        poor.store.set_fuel_limit(limit);
        EXPECT_EQ(poor.run("f"), "out of fuel");
        EXPECT_EQ(poor.store.fuel_used(), limit);
    }
    EXPECT_EQ(calls, 1);
}

TEST(Host, may_end_the_run_but_not_enter_it_again) {
    World world{ModuleWriter{}.import("env", "g", {}).function("f", {}, {0x10, 0, 0x0b}).bytes()};
    bool enters = false;
    world.linker.define_function(
        "env", "g",
        {.type = {}, .call = [&](HostContext& host, std::span<const Value>, std::span<Value>) {
             if (!enters) return HostOutcome::exit(3);
             const RunOutcome inner = host.caller()->invoke("f", {});
             return HostOutcome::trap(TrapKind::host_error, to_text(inner));
         }});
    EXPECT_EQ(world.run("f"), "exit 3");
    enters = true;
    EXPECT_NE(world.run("f").find("cannot call back"), std::string::npos);
}

TEST(Nan, arithmetic_gives_the_positive_canonical_one_and_moves_keep_bits) {
    const std::uint64_t odd = 0xfff4'0000'0000'0123;
    const auto apply = [&](std::initializer_list<std::uint8_t> ops) {
        Bytes code{0x20, 0};
        code.insert(code.end(), ops);
        code.push_back(0x0b);
        World world{one({{f64}, {f64}}, code)};
        const RunOutcome outcome = world.start().invoke("f", std::vector<Value>{{f64, odd}});
        return std::get<Returned>(outcome).values.at(0).bits;
    };
    const std::uint64_t canonical = 0x7ff8'0000'0000'0000;
    for (const std::uint8_t unary :
         std::initializer_list<std::uint8_t>{0x9b, 0x9c, 0x9d, 0x9e, 0x9f})
        EXPECT_EQ(apply({unary}), canonical) << int{unary};
    for (const std::uint8_t binary :
         std::initializer_list<std::uint8_t>{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5})
        EXPECT_EQ(apply({0x20, 0, binary}), canonical) << int{binary};
    EXPECT_EQ(apply({}), odd);
    EXPECT_EQ(apply({0x99}), odd & ~(1ULL << 63U));  // abs
    EXPECT_EQ(apply({0x9a}), odd ^ (1ULL << 63U));   // neg
    EXPECT_EQ(apply({0xbd, 0xbf}), odd);             // reinterpret twice
    EXPECT_EQ(apply({0xb6, 0xbb}), canonical);       // demote, promote
    EXPECT_EQ(apply({0x20, 0, 0xa6}), odd);          // copysign
}

TEST(Calls, endless_recursion_is_a_trap_at_a_fixed_depth) {
    const Bytes bytes = ModuleWriter{}
                            .function("f", {{i32}, {i32}},
                                      {0x20, 0, 0x45, 0x04, 0x7f, 0x41, 1, 0x05, 0x20, 0, 0x41, 1,
                                       0x6b, 0x10, 0, 0x0b, 0x0b})
                            .bytes();
    World world{bytes};
    EXPECT_EQ(world.run("f", {Value::i32(9'999)}), "returned (i32:1)");
    EXPECT_EQ(world.run("f", {Value::i32(10'000)}), "trap: call stack exhausted");
    World slots{bytes, {.stack_slots_max = 5'000}};
    const std::string outcome = slots.run("f", {Value::i32(9'999)});
    EXPECT_EQ(outcome, "trap: call stack exhausted");
}

TEST(Calls, indirect_ones_check_index_null_and_type) {
    World world{ModuleWriter{}
                    .table(3, {0, 1})
                    .function("", {{}, {i32}}, {0x41, 9, 0x0b})
                    .function("", {{}, {i64}}, {0x42, 9, 0x0b})
                    .function("f", {{i32}, {i32}}, {0x20, 0, 0x11, 0, 0, 0x0b})
                    .bytes()};
    EXPECT_EQ(world.run("f", {Value::i32(0)}), "returned (i32:9)");
    EXPECT_EQ(world.run("f", {Value::i32(1)}), "trap: indirect call type mismatch");
    EXPECT_EQ(world.run("f", {Value::i32(2)}), "trap: uninitialized element");
    EXPECT_EQ(world.run("f", {Value::i32(3)}), "trap: undefined element");
}

TEST(Memory, every_access_is_checked_to_the_last_byte) {
    World world{one({{i32}, {i64}}, {0x20, 0, 0x29, 3, 8, 0x0b})};
    EXPECT_EQ(world.run("f", {Value::i32(65'520)}), "returned (i64:0)");
    EXPECT_EQ(world.run("f", {Value::i32(65'521)}), "trap: out of bounds memory access");
    EXPECT_EQ(world.run("f", {Value::i32(0xffffffff)}), "trap: out of bounds memory access");
}

TEST(Memory, growth_keeps_bytes_and_stops_at_the_smaller_limit) {
    const auto memory = Memory::create({.min = 1, .max = 10}, 5);
    ASSERT_NE(memory, nullptr);
    EXPECT_TRUE(memory->write_u64(65'528, 77));
    EXPECT_EQ(memory->grow(5), Memory::Grown::beyond_limit);
    EXPECT_EQ(memory->grow(4), Memory::Grown::yes);
    EXPECT_EQ(memory->read_u64(65'528), 77U);
    EXPECT_EQ(memory->read_u64(5 * page_size - 8), 0U);
    EXPECT_FALSE(memory->read_u64(5 * page_size - 7).has_value());
    EXPECT_FALSE(memory->read(~0ULL, 2).has_value());
    EXPECT_EQ(memory->grow(0xffffffff), Memory::Grown::beyond_limit);
}

TEST(Translation, a_local_on_the_stack_keeps_the_value_it_had) {
    // local.get 0; local.get 0, const 1, add, local.set 0; local.get 0; sub  ->  -1
    World world{
        one({{i32}, {i32}}, {0x20, 0, 0x20, 0, 0x41, 1, 0x6a, 0x21, 0, 0x20, 0, 0x6b, 0x0b})};
    EXPECT_EQ(world.run("f", {Value::i32(5)}), "returned (i32:4294967295)");
}

TEST(Linker, says_what_does_not_fit) {
    World world{ModuleWriter{}.import("env", "g", {{i32}, {}}).function("f", {}, {0x0b}).bytes()};
    const auto absent = world.linker.instantiate(world.module);
    ASSERT_FALSE(absent.has_value());
    EXPECT_EQ(absent.error().message, "unknown import env.g: func (i32) -> ()");
    world.linker.define_function("env", "g", {.type = {}, .call = {}});
    const auto wrong = world.linker.instantiate(world.module);
    ASSERT_FALSE(wrong.has_value());
    EXPECT_EQ(wrong.error().kind, LinkErrorKind::incompatible_import);
    World large{one({}, {0x0b}), {.memory_pages_max = 0}};
    const auto limited = large.linker.instantiate(large.module);
    ASSERT_FALSE(limited.has_value());
    EXPECT_EQ(limited.error().kind, LinkErrorKind::over_limit);
}

}  // namespace
}  // namespace millrace::wasm
