// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/replay.hpp"

#include <gtest/gtest.h>

#include "judge/recorder.hpp"
#include "wasm/naive_twin.hpp"
#include "wasm/sample_world.hpp"

namespace millrace::judge {
namespace {

using wasm::FuncType;
using wasm::ModuleWriter;
using wasm::ValueType;

/// Sums squares into memory, calling a function for each; 1,000 rounds.
Bytes counting_module() {
    const FuncType unary{{ValueType::i32}, {ValueType::i32}};
    return ModuleWriter{}
        .memory(1, 3)
        .function("square", unary, {0x20, 0, 0x20, 0, 0x6c, 0x0b})
        .function("_start", {{}, {}}, {0x03, 0x40,                             // loop
                                       0x20, 0,    0x41, 2,    0x74,           // local 0 << 2
                                       0x20, 0,    0x10, 0,                    // square(local 0)
                                       0x36, 2,    0,                          // i32.store
                                       0x20, 0,    0x41, 1,    0x6a, 0x22, 0,  // ++local 0
                                       0x41, 0xe8, 0x07, 0x48, 0x0d, 0,        // < 1000: br_if 0
                                       0x0b, 0x0b},
                  1)
        .bytes();
}

struct Recorded {
    explicit Recorded(const Bytes& module) : world{module} {
        world.store.set_fuel_limit(1'000'000'000);
        world.start();
        recorder = Recorder::create(world.store, *world.instance);
        recorder->start(*world.instance->find_export("_start"));
    }
    wasm::World world;
    std::unique_ptr<Recorder> recorder;
};

TEST(Replay, a_segment_from_its_witness_ends_where_the_run_does) {
    Recorded run{counting_module()};
    std::uint64_t segments = 0;
    while (run.recorder->is_running()) {
        const Segment segment = run.recorder->record(777);
        const Bytes bytes = encode(segment.witness);
        ASSERT_LE(bytes.size(), witness_bytes_max);
        const auto witness = decode_witness(bytes);
        ASSERT_TRUE(witness.has_value());
        EXPECT_EQ(*witness, segment.witness);
        const auto end = replay(*witness, segment.start);
        ASSERT_TRUE(end.has_value()) << to_text(end.error());
        ASSERT_EQ(end->root, segment.end);
        ASSERT_EQ(segment.end, run.recorder->root_from_scratch());
        ++segments;
    }
    EXPECT_GT(segments, 10U);
    EXPECT_EQ(run.recorder->registers().status, Status::returned);
}

TEST(Replay, the_watched_run_and_the_fast_one_come_to_the_same_states) {
    Recorded fast{counting_module()};
    Recorded slow{counting_module()};
    while (fast.recorder->is_running()) {
        const std::uint64_t before = fast.recorder->fuel_used();
        fast.recorder->run_to(before + 500);
        const std::uint64_t fuel = fast.recorder->fuel_used();
        EXPECT_GT(fuel, before);
        const bool ended = !fast.recorder->is_running();
        while (slow.recorder->is_running() &&
               (ended || slow.recorder->fuel_used() < fuel ||
                slow.recorder->registers().instr != fast.recorder->registers().instr))
            slow.recorder->run_steps(1);
        ASSERT_EQ(slow.recorder->registers(), fast.recorder->registers());
        ASSERT_EQ(slow.recorder->root(), fast.recorder->root());
    }
}

}  // namespace
}  // namespace millrace::judge
