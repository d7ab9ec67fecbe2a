// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The recorder beside naive ways to the same states: every step watched against none, roots from
// scratch against kept ones, a snapshot's future against the run's own.

#include <gtest/gtest.h>

#include "judge/recorder.hpp"
#include "judge/replay.hpp"
#include "wasm/naive_twin.hpp"
#include "wasm/sample_world.hpp"

namespace millrace::judge {
namespace {

using wasm::FuncType;
using wasm::ModuleWriter;
using wasm::ValueType;

struct Started {
    explicit Started(const Bytes& module, std::uint64_t fuel = 1'000'000) : world{module} {
        world.store.set_fuel_limit(fuel);
        world.start();
        recorder = Recorder::create(world.store, *world.instance);
        recorder->start(*world.instance->find_export("f"));
    }
    wasm::World world;
    std::unique_ptr<Recorder> recorder;
};

/// Judges the whole run in segments of `steps`; how many there were.
std::size_t judge_all(const Bytes& module, std::uint64_t fuel, std::uint64_t steps) {
    Started fast{module, fuel};
    fast.recorder->run_to(fuel);
    Started slow{module, fuel};
    std::size_t segments = 0;
    while (slow.recorder->is_running()) {
        const Segment segment = slow.recorder->record(steps);
        const auto witness = decode_witness(encode(segment.witness));
        EXPECT_TRUE(witness.has_value());
        const auto end = replay(*witness, segment.start);
        EXPECT_TRUE(end.has_value()) << to_text(end.error());
        if (!end) return segments;
        EXPECT_EQ(end->root, segment.end);
        EXPECT_EQ(segment.end, slow.recorder->root_from_scratch());
        ++segments;
    }
    EXPECT_EQ(slow.recorder->registers(), fast.recorder->registers());
    EXPECT_EQ(slow.recorder->root(), fast.recorder->root());
    return segments;
}

/// A generated program behind a function without parameters.
Bytes wrapped(const wasm::twin::Program& program) {
    const FuncType type{{ValueType::i32, ValueType::i32}, {ValueType::i32}};
    const FuncType pair{{ValueType::i32, ValueType::i32}, {ValueType::i32, ValueType::i32}};
    constexpr std::uint32_t locals = wasm::twin::Program::locals - 2;
    return ModuleWriter{}
        .memory(1, 1)
        .function("p", type, program.code[0], locals)
        .function("g", type, program.code[1], locals)
        .function("", pair, {0x20, 0, 0x20, 1, 0x0b})
        .function("f", {{}, {}}, {0x41, 5, 0x41, 0x7f, 0x10, 0, 0x1a, 0x0b})
        .bytes();
}

TEST(RecorderTwin, generated_programs_are_judged_to_their_end) {
    std::size_t segments = 0;
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
        SCOPED_TRACE(seed);
        wasm::twin::Generator generator{{}, seed};
        segments += judge_all(wrapped(generator.program()), 3'000, 97);
    }
    EXPECT_GT(segments, 500U);
}

// (func $f (local v128) loop: local = local + splat(i); store at 16; i++ < 300)
Bytes vector_module() {
    return ModuleWriter{}
        .memory(1, 1)
        .whole_function("f", {{}, {}}, {2,    1,    0x7b, 1,    0x7f,  // local v128, local i32
                                        0x03, 0x40,                    //
                                        0x20, 0,    0x20, 1,    0xfd, 0x11,  // local 0, i32x4.splat
                                        0xfd, 0xae, 0x01, 0x21, 0,           // i32x4.add
                                        0x41, 16,   0x20, 0,    0xfd, 0x0b, 4, 0,  // v128.store
                                        0x20, 1,    0x41, 1,    0x6a, 0x22, 1,     //
                                        0x41, 0xac, 0x02, 0x48, 0x0d, 0,           //
                                        0x0b, 0x0b})
        .bytes();
}

// even(n) and odd(n) call each other in tail position, 1,000 deep.
Bytes tail_module() {
    const FuncType unary{{ValueType::i32}, {ValueType::i32}};
    const auto half = [](std::uint8_t other, std::uint8_t answer) {
        return Bytes{0x20, 0,    0x45, 0x04, 0x7f, 0x41,  answer, 0x05, 0x20,
                     0,    0x41, 1,    0x6b, 0x12, other, 0x0b,   0x0b};
    };
    return ModuleWriter{}
        .function("even", unary, half(1, 1))
        .function("odd", unary, half(0, 0))
        .function("f", {{}, {}}, {0x41, 0xe8, 0x07, 0x10, 0, 0x1a, 0x0b})
        .bytes();
}

// memory.fill of 100,000 bytes, memory.copy of them one byte on, and back.
Bytes bulk_module() {
    return ModuleWriter{}
        .memory(4, 4)
        .function("f", {{}, {}}, {0x41, 3, 0x41, 7, 0x41, 0xa0, 0x8d, 0x06, 0xfc, 11, 0,     //
                                  0x41, 4, 0x41, 3, 0x41, 0xa0, 0x8d, 0x06, 0xfc, 10, 0, 0,  //
                                  0x41, 2, 0x41, 3, 0x41, 0xa0, 0x8d, 0x06, 0xfc, 10, 0, 0,  //
                                  0x41, 0, 0x41, 0, 0x41, 0xff, 0xff, 0x3f, 0xfc, 11, 0,  // traps
                                  0x0b})
        .bytes();
}

// 50,000 locals, cleared at each of ten entries.
Bytes locals_module() {
    return ModuleWriter{}
        .function("many", {{}, {}}, {0x41, 9, 0x21, 0, 0x0b}, 49'990)
        .function("f", {{}, {}},
                  {0x03, 0x40, 0x10, 0, 0x20, 0, 0x41, 1, 0x6a, 0x22, 0, 0x41, 10, 0x48, 0x0d, 0,
                   0x0b, 0x0b},
                  1)
        .bytes();
}

TEST(RecorderTwin, vectors_tail_calls_bulk_operations_and_many_locals_are_judged) {
    EXPECT_GT(judge_all(vector_module(), 1'000'000, 100), 10U);
    EXPECT_GT(judge_all(tail_module(), 1'000'000, 100), 10U);
    EXPECT_GT(judge_all(bulk_module(), 1'000'000, 1), 20U);
    EXPECT_GT(judge_all(locals_module(), 1'000'000, 20), 10U);
}

TEST(RecorderTwin, a_snapshot_at_any_step_has_the_same_future) {
    for (const Bytes& module : {vector_module(), tail_module(), bulk_module(), locals_module()}) {
        Started first{module};
        std::uint64_t steps = 0;
        Started end{module};
        while (end.recorder->is_running()) {
            end.recorder->run_steps(1);
            ++steps;
        }
        const Hash32 last = end.recorder->root();
        for (std::uint64_t at = 0; at < steps; at += steps / 7 + 1) {
            Started one{module};
            one.recorder->run_steps(at);
            const Hash32 there = one.recorder->root();
            Started other{module};
            ASSERT_TRUE(other.recorder->restore(one.recorder->snapshot()));
            EXPECT_EQ(other.recorder->root(), there);
            EXPECT_EQ(other.recorder->root_from_scratch(), there);
            other.recorder->run_to(1'000'000);
            EXPECT_EQ(other.recorder->root(), last);
        }
    }
}

}  // namespace
}  // namespace millrace::judge
