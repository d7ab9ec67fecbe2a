// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <millrace/engine.hpp>

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "wasi/run.hpp"
#include "wasi/samples.hpp"
#include "wasm/module.hpp"
#include "wasm/sample_modules.hpp"

namespace millrace::engine {
namespace {

using wasm::ModuleWriter;
using wasm::ValueType;

Bytes sample(std::string_view hex) {
    return *from_hex(hex);
}

Module loaded(const Bytes& bytes) {
    auto module = Module::load(bytes);
    EXPECT_TRUE(module) << module.error().text();
    return *module;
}

std::optional<MachineCode> compiled(const Module& module) {
    auto code = MachineCode::compile(module, {.program = MILLRACE_COMPILER});
    if (!code) {
        ADD_FAILURE() << code.error().text();
        return std::nullopt;
    }
    return *code;
}

/// Calls host.ask with its argument and adds 1; the memory's first byte is 7.
Bytes asking() {
    return ModuleWriter{}
        .import("host", "ask", {{ValueType::i32}, {ValueType::i32}})
        .memory(1, 2)
        .function("next", {{ValueType::i32}, {ValueType::i32}},
                  {0x20, 0, 0x10, 0, 0x41, 1, 0x6a, 0x0b})
        .function("hang", {{}, {}}, {0x03, 0x40, 0x0c, 0, 0x0b, 0x0b})
        .bytes();
}

using Ask = std::function<HostEnd(Caller&, std::span<const Value>, std::span<Value>)>;

InstanceOptions options_with(Ask ask, const MachineCode* code = nullptr) {
    return {.imports = {{.module = "host",
                         .name = "ask",
                         .parameters = {Type::i32},
                         .results = {Type::i32},
                         .call = std::move(ask)}},
            .limits = {.fuel = 100'000},
            .code = code};
}

HostEnd doubled(Caller&, std::span<const Value> arguments, std::span<Value> results) {
    results[0] = Value::i32(2 * arguments[0].as_i32());
    return HostEnd::done();
}

TEST(Engine, a_refused_module_says_what_and_where) {
    const auto refused = Module::load(Bytes{0, 'a', 's', 'm', 2, 0, 0, 0});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("at byte"), std::string::npos) << refused.error().text();
}

TEST(Engine, a_module_lists_what_it_wants_and_offers) {
    const Module module = loaded(asking());
    EXPECT_EQ(module.imports(), std::vector<std::string>{"host.ask: func (i32) -> (i32)"});
    EXPECT_EQ(module.exports().front(), "next: func (i32) -> (i32)");
    EXPECT_EQ(module.bytes(), asking());
}

TEST(Engine, a_task_has_the_result_that_the_network_knows_in_either_tier) {
    const Bytes bytes = sample(wasi::samples::randomness_and_time);
    const Module module = loaded(bytes);
    const Task task{.arguments = {"one", "two"},
                    .environment = {{"LANG", "C"}, {"A", "b"}},
                    .files = {{"b.txt", {1, 2}}, {"a/x", {3}}}};
    const auto code = compiled(module);
    ASSERT_TRUE(code);
    const auto slow = run(module, task);
    const auto fast = run(module, task, &*code);
    ASSERT_TRUE(slow) << slow.error().text();
    ASSERT_TRUE(fast) << fast.error().text();

    types::TaskSpec spec;
    spec.module.plain = crypto::blob_id(bytes);
    spec.arguments = task.arguments;
    spec.environment = {{"A", "b"}, {"LANG", "C"}};
    std::vector<wasi::SharedBytes> contents;
    for (const auto& [path, content] : std::vector<File>{{"a/x", {3}}, {"b.txt", {1, 2}}}) {
        spec.files.push_back({path, {.plain = crypto::blob_id(content), .sealed_root = {}}});
        contents.push_back(std::make_shared<const Bytes>(content));
    }
    const auto known = wasi::run_task(*wasm::Module::load(bytes), wasi::task_input(spec, contents));
    ASSERT_TRUE(known);
    EXPECT_EQ(to_hex(slow->result_id), to_hex(known->summary.result_id().view()));
    EXPECT_EQ(fast->result_id, slow->result_id);
    EXPECT_EQ(fast->fuel, slow->fuel);
    EXPECT_EQ(fast->standard_output, slow->standard_output);
    EXPECT_EQ(slow->standard_output.size(), 64u);
    EXPECT_EQ(slow->end, TaskEnd::exited);
    EXPECT_EQ(slow->code, 7u);
}

TEST(Engine, the_seed_decides_a_tasks_randomness) {
    const Module module = loaded(sample(wasi::samples::randomness_and_time));
    Task task;
    const auto first = run(module, task);
    task.seed.emplace().fill(9);
    const auto second = run(module, task);
    EXPECT_NE(first->standard_output, second->standard_output);
}

TEST(Engine, a_task_that_hangs_ends_at_its_limit_of_fuel) {
    const auto result =
        run(loaded(sample(wasi::samples::endless_loop)), {.limits = {.fuel = 12'345}});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->end, TaskEnd::out_of_fuel);
    EXPECT_EQ(result->fuel, 12'345u);
}

TEST(Engine, what_is_no_task_is_an_error_and_not_a_result) {
    const auto no_program = run(loaded(asking()), {});
    ASSERT_FALSE(no_program);
    EXPECT_NE(no_program.error().text().find("host.ask"), std::string::npos);
    const Module program = loaded(sample(wasi::samples::endless_loop));
    EXPECT_FALSE(run(program, {.files = {{"../up", {}}}}));
    EXPECT_FALSE(run(program, {.limits = {.fuel = std::uint64_t{1} << 50}}));
}

TEST(Engine, machine_code_runs_its_own_module_only) {
    const Module module = loaded(asking());
    const auto code = compiled(module);
    ASSERT_TRUE(code);
    const auto result = run(loaded(sample(wasi::samples::endless_loop)), {}, &*code);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().what.find("another module"), std::string::npos);
    Bytes damaged = code->bytes();
    damaged[damaged.size() / 2] ^= 1;
    EXPECT_FALSE(MachineCode::load(damaged));
    EXPECT_TRUE(MachineCode::load(code->bytes()));
}

TEST(Engine, calls_go_both_ways_with_equal_fuel_in_either_tier) {
    const Module module = loaded(asking());
    const auto code = compiled(module);
    ASSERT_TRUE(code);
    std::uint64_t fuel[2] = {};
    for (const bool fast : {false, true}) {
        auto instance = Instance::create(module, options_with(doubled, fast ? &*code : nullptr));
        ASSERT_TRUE(instance) << instance.error().text();
        const auto answer = instance->call("next", {Value::i32(20)});
        ASSERT_TRUE(answer) << answer.error().text();
        EXPECT_EQ(answer->text, "returned (i32:41)");
        EXPECT_EQ(answer->values, std::vector<Value>{Value::i32(41)});
        fuel[fast] = instance->fuel_used();
    }
    EXPECT_EQ(fuel[0], fuel[1]);
    EXPECT_GT(fuel[0], 100u);
}

TEST(Engine, a_missing_import_is_named) {
    const auto instance = Instance::create(loaded(asking()), {});
    ASSERT_FALSE(instance);
    EXPECT_NE(instance.error().text().find("host.ask"), std::string::npos);
}

TEST(Engine, a_call_that_does_not_fit_is_an_error) {
    auto instance = Instance::create(loaded(asking()), options_with(doubled));
    ASSERT_TRUE(instance);
    EXPECT_FALSE(instance->call("nothing", {}));
    EXPECT_FALSE(instance->call("next", {}));
    EXPECT_FALSE(instance->call("next", {Value::f64(1)}));
    EXPECT_TRUE(instance->call("next", {Value::i32(1)}));
}

TEST(Engine, a_host_function_ends_a_run_as_it_says) {
    const auto ended = [](const HostEnd& end) {
        auto instance = Instance::create(
            loaded(asking()),
            options_with([end](Caller&, std::span<const Value>, std::span<Value>) { return end; }));
        return *instance->call("next", {Value::i32(0)});
    };
    EXPECT_EQ(ended(HostEnd::trap("no")).kind, CallResult::Kind::trapped);
    EXPECT_EQ(ended(HostEnd::exit(3)).kind, CallResult::Kind::exited);
    EXPECT_EQ(ended(HostEnd::exit(3)).code, 3u);
    EXPECT_EQ(ended(HostEnd::out_of_fuel()).kind, CallResult::Kind::out_of_fuel);
}

TEST(Engine, a_result_of_the_wrong_type_traps) {
    const auto lies = [](Caller&, std::span<const Value>, std::span<Value> results) {
        results[0] = Value::f64(1);
        return HostEnd::done();
    };
    auto instance = Instance::create(loaded(asking()), options_with(lies));
    EXPECT_EQ(instance->call("next", {Value::i32(0)})->kind, CallResult::Kind::trapped);
}

TEST(Engine, a_host_function_reaches_the_callers_memory_and_no_more) {
    const auto ask = [](Caller& caller, std::span<const Value> arguments,
                        std::span<Value> results) {
        const std::uint64_t address = arguments[0].as_i32();
        const bool written = caller.write(address, Bytes{5, 6});
        const auto read = caller.read(address, 2);
        EXPECT_EQ(written, read.has_value());
        results[0] = Value::i32(read ? (*read)[1] : 1000);
        return HostEnd::done();
    };
    auto instance = Instance::create(loaded(asking()), options_with(ask));
    EXPECT_EQ(instance->call("next", {Value::i32(65'534)})->values.at(0), Value::i32(7));
    EXPECT_EQ(instance->call("next", {Value::i32(65'535)})->values.at(0), Value::i32(1001));
    EXPECT_EQ(instance->call("next", {Value::i32(0xffffffff)})->values.at(0), Value::i32(1001));
    EXPECT_EQ((*instance->read(65'534, 2))[0], 5);
    EXPECT_EQ(instance->memory_size(), 65'536u);
    EXPECT_FALSE(instance->read(65'535, 2));
    EXPECT_FALSE(instance->write(65'536, Bytes{1}));
}

TEST(Engine, fuel_can_be_granted_call_by_call) {
    auto instance = Instance::create(loaded(asking()), options_with(doubled));
    EXPECT_EQ(instance->call("hang", {})->kind, CallResult::Kind::out_of_fuel);
    EXPECT_EQ(instance->fuel_used(), 100'000u);
    EXPECT_EQ(instance->call("next", {Value::i32(1)})->kind, CallResult::Kind::out_of_fuel);
    instance->set_fuel_limit(instance->fuel_used() + 1'000);
    EXPECT_EQ(instance->call("next", {Value::i32(1)})->kind, CallResult::Kind::returned);
}

}  // namespace
}  // namespace millrace::engine
